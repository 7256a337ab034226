/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/selection.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct selection *selection_new(const struct rule *rule, unsigned int selected, uint64_t now_ns)
{
	struct selection *selection = aligned_alloc(CACHE_LINE, sizeof(*selection));

	if (!selection)
		return NULL;
	memset(selection, 0, sizeof(*selection));
	selection->references = 1;
	selection->count = rule->nr_sides;
	selection_configure(selection, rule);
	if (selected >= selection->count)
		selected = 0;
	/* So that the others wait for `hold` at first, too. */
	atomic_init(&selection->sides[selected].last_ns, now_ns);
	for (unsigned int i = 0; i < selection->count; i++)
		atomic_init(&selection->sides[i].good_ns, now_ns);
	atomic_init(&selection->word, SELECTION_SETTLED | selected);
	return selection;
}

void selection_configure(struct selection *selection, const struct rule *rule)
{
	uint32_t return_ms = rule_return_ms(rule);

	atomic_store(&selection->hold_ns, (uint64_t)rule_hold_ms(rule) * NS_PER_MS);
	atomic_store(&selection->return_ns,
		     return_ms == RETURN_NEVER ? UINT64_MAX : (uint64_t)return_ms * NS_PER_MS);
	atomic_store(&selection->below_pps, rule->below_pps);
}

struct selection *selection_hold(struct selection *selection)
{
	if (selection)
		selection->references++;
	return selection;
}

void selection_put(struct selection *selection)
{
	if (selection && !--selection->references)
		free(selection);
}

/* Times of different threads: the later one may have been read first. */
static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

static bool is_silent(const struct selection *selection, const struct selection_side *side,
		      uint64_t now_ns)
{
	return since(now_ns, atomic_load_explicit(&side->last_ns, memory_order_relaxed)) >=
	       atomic_load_explicit(&selection->hold_ns, memory_order_relaxed);
}

static bool is_slow(const struct selection_side *side)
{
	return atomic_load_explicit(&side->slow, memory_order_relaxed);
}

/* Count the datagram in a window of `hold`, and judge the window that has ended. */
static void measure(struct selection_side *side, uint32_t below_pps, uint64_t hold_ns,
		    uint64_t now_ns)
{
	uint64_t begin_ns = atomic_load_explicit(&side->window_ns, memory_order_relaxed);
	uint32_t count;

	if (since(now_ns, begin_ns) < hold_ns) {
		atomic_fetch_add_explicit(&side->window_count, 1, memory_order_relaxed);
		return;
	}
	/* One of several threads of the side ends the window. */
	if (!atomic_compare_exchange_strong(&side->window_ns, &begin_ns, now_ns))
		return;
	count = atomic_exchange_explicit(&side->window_count, 1, memory_order_relaxed);
	atomic_store_explicit(&side->slow,
			      begin_ns && (double)count * NS_PER_SECOND <
						  (double)below_pps * (double)(now_ns - begin_ns),
			      memory_order_relaxed);
}

/* Note that a datagram of the side has arrived. */
static void arrive(struct selection *selection, struct selection_side *side, uint64_t now_ns)
{
	uint64_t hold_ns = atomic_load_explicit(&selection->hold_ns, memory_order_relaxed);
	uint32_t below_pps = atomic_load_explicit(&selection->below_pps, memory_order_relaxed);
	uint64_t last_ns = atomic_load_explicit(&side->last_ns, memory_order_relaxed);

	if (below_pps)
		measure(side, below_pps, hold_ns, now_ns);
	if (since(now_ns, last_ns) >= hold_ns || (below_pps && is_slow(side)))
		atomic_store_explicit(&side->good_ns, now_ns, memory_order_relaxed);
	/* The latest time of all threads of the side. */
	while (last_ns < now_ns &&
	       !atomic_compare_exchange_strong(&side->last_ns, &last_ns, now_ns))
		;
}

/* May this side, which is not selected, take over from the selected one? */
static bool may_take_over(const struct selection *selection, unsigned int mine,
			  unsigned int selected, uint64_t now_ns, enum selection_cause *cause)
{
	const struct selection_side *side = &selection->sides[mine];
	const struct selection_side *other = &selection->sides[selected];
	uint64_t return_ns = atomic_load_explicit(&selection->return_ns, memory_order_relaxed);
	uint64_t good_ns =
		since(now_ns, atomic_load_explicit(&side->good_ns, memory_order_relaxed));
	uint64_t hold_ns = atomic_load_explicit(&selection->hold_ns, memory_order_relaxed);
	bool silent = is_silent(selection, other, now_ns);

	*cause = SELECTION_RETURNED;
	/* At a moment at which nothing of the other one is on its way, so that nothing of this one
	 * has to be dropped; but not for ever. */
	if (mine < selected && good_ns >= return_ns && return_ns != UINT64_MAX &&
	    (!atomic_load_explicit(&other->unsent, memory_order_relaxed) ||
	     good_ns - return_ns >= hold_ns))
		return true;
	*cause = silent ? SELECTION_SILENT : SELECTION_SLOW;
	/* One that is slow, too, is better than none only. */
	if (!silent && (!is_slow(other) || is_slow(side)))
		return false;
	for (unsigned int i = 0; i < mine; i++) {
		if (i != selected && selection_flows(selection, i, now_ns))
			return false;
	}
	return true;
}

static bool take_over(struct selection *selection, unsigned int mine, uint64_t word,
		      uint64_t now_ns)
{
	unsigned int selected = word & 0xff;
	enum selection_cause cause;
	uint64_t next;

	if (!may_take_over(selection, mine, selected, now_ns, &cause))
		return false;
	next = (word / SELECTION_GENERATION + 1) * SELECTION_GENERATION | (uint64_t)cause << 16 |
	       selected << 8 | mine;
	return atomic_compare_exchange_strong(&selection->word, &word, next);
}

/* Is nothing of other sides on its way? */
static bool settle(struct selection *selection, unsigned int mine, uint64_t word)
{
	for (unsigned int i = 0; i < selection->count; i++) {
		if (i != mine && atomic_load(&selection->sides[i].unsent))
			return false;
	}
	return atomic_compare_exchange_strong(&selection->word, &word, word | SELECTION_SETTLED) ||
	       ((word & 0xff) == mine && (word & SELECTION_SETTLED));
}

enum withheld selection_admit(struct selection *selection, unsigned int mine, unsigned int outputs,
			      uint64_t now_ns)
{
	struct selection_side *side = &selection->sides[mine];
	uint64_t word = atomic_load(&selection->word);

	arrive(selection, side, now_ns);
	if ((word & 0xff) != mine && !take_over(selection, mine, word, now_ns))
		return WITHHELD_INACTIVE_SIDE;
	atomic_fetch_add(&side->unsent, outputs);
	word = atomic_load(&selection->word);
	if ((word & 0xff) == mine && ((word & SELECTION_SETTLED) || settle(selection, mine, word)))
		return WITHHELD_NOTHING;
	selection_done(side, outputs);
	return (word & 0xff) == mine ? WITHHELD_SIDE_CHANGE : WITHHELD_INACTIVE_SIDE;
}

void selection_read(const struct selection *selection, struct selection_change *change)
{
	uint64_t word = atomic_load(&selection->word);

	change->to = word & 0xff;
	change->from = word >> 8 & 0xff;
	change->cause = (enum selection_cause)(word >> 16 & 0xff);
	change->changes = (uint32_t)(word / SELECTION_GENERATION);
}

bool selection_flows(const struct selection *selection, unsigned int side, uint64_t now_ns)
{
	return !is_silent(selection, &selection->sides[side], now_ns) &&
	       !is_slow(&selection->sides[side]);
}
