// SPDX-License-Identifier: BSD-2-Clause
/*
 * Merging against a slow and simple reference: random schedules of two or three sides with losses
 * of up to 30 % each, delays and jitter up to the limit and beyond, duplicates, sides that stop, a
 * pause of all of them, other boundaries of packets on each side, times that datagrams share,
 * numbers that are damaged, senders that restart, and stretches of any length that the caller has
 * dropped, as it says, so that numbers of 16 bits wrap unseen. What leaves must be the same,
 * datagram by datagram and number by number, and the counters must add up.
 *
 * XMCAST_SCHEDULES: their number; XMCAST_SEED: the first one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/merge.h"

#define MS	    (NS_PER_SECOND / 1000)
#define MOST_EVENTS 2048
#define MOST_LEFT   8192
#define NOWHERE	    UINT32_MAX

/* ---- schedules ---- */

struct event {
	uint64_t at_ns;
	unsigned int id;
	unsigned int side;
	unsigned int sender;
	uint64_t first; /* without wraps; different senders' numbers are far apart */
	uint32_t count;
	uint32_t dropped; /* datagrams of the side before it, by the caller */
	bool damaged;	  /* its number is far ahead */
};

struct schedule {
	uint64_t seed;
	struct merge_options options;
	bool says_sender; /* or a restart shows in the numbers only */
	bool in_time;	  /* no side lags by more than the skew */
	unsigned int senders;
	unsigned int stretch; /* numbers that are dropped on all sides before this one; 0: none */
	uint64_t stretch_end;
	unsigned int grain_ns; /* times are multiples of it, as those of a batch are the same */
	unsigned int count;
	struct event events[MOST_EVENTS];
};

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % below);
}

static bool draw_percent(uint32_t percent)
{
	return draw(100) < percent;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a;
	const struct event *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

/* What a side does to the stream. */
struct way {
	uint32_t loss;
	uint64_t delay_ns;
	uint64_t jitter_ns;
	uint32_t duplicates;
	uint64_t stops_ns;
	uint32_t longest; /* messages of a packet */
};

static void draw_way(struct way *way, struct schedule *schedule, uint64_t length_ns)
{
	uint64_t skew_ns = schedule->options.skew_ns;
	uint64_t limit_ns = draw_percent(20) ? skew_ns * 3 / 2 : skew_ns - MS;

	/* Not ordered, what is late depends on when numbers are closed: not the reference's. */
	if (!schedule->options.ordered)
		limit_ns = skew_ns * 6 / 10;
	way->loss = draw(31);
	way->delay_ns = limit_ns * draw(101) / 100;
	way->jitter_ns = draw_percent(50) ? 0 : (limit_ns - way->delay_ns) * draw(101) / 100;
	way->duplicates = draw_percent(50) ? 0 : draw(10);
	way->stops_ns = draw_percent(20) ? length_ns * draw(100) / 100 : UINT64_MAX;
	way->longest = 1;
	if (limit_ns > skew_ns)
		schedule->in_time = false;
}

static void add_event(struct schedule *schedule, const struct way *way, struct event event,
		      uint64_t sent_ns)
{
	if (schedule->count == MOST_EVENTS)
		return;
	event.at_ns = sent_ns + way->delay_ns;
	if (way->jitter_ns >= 1000)
		event.at_ns += draw((uint32_t)(way->jitter_ns / 1000)) * 1000ULL;
	event.at_ns += schedule->grain_ns - event.at_ns % schedule->grain_ns;
	event.id = schedule->count;
	schedule->events[schedule->count++] = event;
}

/* The messages of one sender by one side, in packets of the side's own. */
static void send_side(struct schedule *schedule, const struct way *way, struct event event,
		      const uint64_t *sent_ns, uint32_t messages)
{
	uint64_t first = event.first;

	for (uint32_t i = 0; i < messages; i += event.count) {
		uint64_t at_ns;

		event.first = first + i;
		event.count = 1 + draw(way->longest);
		if (event.count > messages - i)
			event.count = messages - i;
		at_ns = sent_ns[i + event.count - 1];
		if (at_ns >= way->stops_ns || draw_percent(way->loss))
			continue;
		add_event(schedule, way, event, at_ns);
		if (draw_percent(way->duplicates))
			add_event(schedule, way, event, at_ns);
	}
}

static void draw_options(struct schedule *schedule)
{
	static const unsigned int bits[] = {16, 32, 64};
	struct merge_options *options = &schedule->options;

	options->nr_sides = 2 + (draw(4) == 0);
	options->bits = bits[draw(3)];
	options->ordered = draw_percent(70);
	options->skew_ns = (10 + draw(491)) * MS;
	options->most_held = draw_percent(15) ? MERGE_CONFIRMED + draw(4) : 100000;
	schedule->says_sender = options->bits == 16 || draw_percent(50);
	schedule->senders = draw_percent(70) ? 1 : 2 + draw(2);
	schedule->grain_ns = draw_percent(40) ? MS / 2 : 1;
}

/* Datagrams whose number is damaged, behind the first one. They are too few to be a jump. */
static void damage(struct schedule *schedule)
{
	unsigned int undamaged = schedule->count;

	if (schedule->senders > 1 || schedule->stretch || !undamaged || draw_percent(50))
		return;
	for (unsigned int i = 1 + draw(MERGE_CONFIRMED - 1); i && schedule->count < MOST_EVENTS;
	     i--) {
		struct event event = schedule->events[draw(undamaged)];

		event.first += MERGE_JUMP + 100 + draw(14000);
		event.side = 0;
		event.damaged = true;
		event.id = schedule->count;
		schedule->events[schedule->count++] = event;
	}
	qsort(schedule->events, schedule->count, sizeof(struct event), by_time);
}

/* Of one sender. What wraps unseen must be further than any side lags: then all of them pause. */
static void draw_stretch(struct schedule *schedule, uint32_t longest)
{
	schedule->stretch = 0;
	if (schedule->senders == 1 && longest == 1 && draw_percent(20))
		schedule->stretch = 1 + draw(schedule->options.bits == 16 ? MERGE_AHEAD : 200000);
}

/* The first datagram of each side behind the stretch says how long it was. A side without any
 * before it has stopped: where it stands is not known. */
static void note_stretch(struct schedule *schedule)
{
	unsigned int known = 0, noted = 0, count = 0;

	for (unsigned int i = 0; i < schedule->count; i++) {
		struct event event = schedule->events[i];
		unsigned int bit = 1U << event.side;

		if (schedule->stretch && event.first >= schedule->stretch_end) {
			if (!(known & bit))
				continue;
			event.dropped = noted & bit ? 0 : schedule->stretch;
			noted |= bit;
		} else {
			known |= bit;
		}
		schedule->events[count++] = event;
	}
	schedule->count = count;
}

static void make_schedule(struct schedule *schedule, uint64_t seed)
{
	struct way ways[MERGE_MOST_SIDES];
	uint64_t sent_ns[64];
	uint64_t now_ns = NS_PER_SECOND;
	uint64_t step_ns, length_ns;
	uint32_t longest;

	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	schedule->seed = seed;
	schedule->count = 0;
	draw_options(schedule);
	step_ns = schedule->options.skew_ns / (schedule->options.ordered ? 1 + draw(20) : 21);
	step_ns += draw(1000);
	length_ns = NS_PER_SECOND + 60 * step_ns;
	longest = schedule->options.bits == 64 && draw_percent(60) ? 1 + draw(6) : 1;
	/* A message waits for the last one of its packet. */
	schedule->in_time = longest == 1;
	draw_stretch(schedule, longest);
	for (unsigned int side = 0; side < schedule->options.nr_sides; side++) {
		draw_way(&ways[side], schedule, length_ns);
		ways[side].longest = longest;
	}
	for (unsigned int sender = 0; sender < schedule->senders; sender++) {
		uint32_t messages = 2 + draw(30);
		/* Near a wrap of 16 and of 32 bits. */
		uint64_t first = sender * 0x30000000ULL + (1ULL << 32) - draw(30);
		uint32_t before = schedule->stretch ? 1 + draw(messages - 1) : messages;

		for (uint32_t i = 0; i < messages; i++) {
			/* All sides pause. */
			now_ns += schedule->options.ordered && draw_percent(2)
					  ? schedule->options.skew_ns * draw(12)
					  : step_ns;
			if (i == before && schedule->stretch > 49000)
				now_ns += 2 * schedule->options.skew_ns;
			sent_ns[i] = now_ns;
		}
		schedule->stretch_end = first + before + schedule->stretch;
		for (unsigned int side = 0; side < schedule->options.nr_sides; side++) {
			struct event event = {.side = side, .sender = sender, .first = first};

			send_side(schedule, &ways[side], event, sent_ns, before);
			event.first = schedule->stretch_end;
			send_side(schedule, &ways[side], event, sent_ns + before,
				  messages - before);
		}
	}
	qsort(schedule->events, schedule->count, sizeof(struct event), by_time);
	damage(schedule);
	note_stretch(schedule);
	/* The merge's items are in this order. */
	for (unsigned int i = 0; i < schedule->count; i++)
		schedule->events[i].id = i;
}

/* ---- what leaves ---- */

/* One number that leaves: of which datagram, and which. */
struct left {
	unsigned int id;
	uint64_t number;
};

struct output {
	unsigned int count;
	struct left left[MOST_LEFT];
	unsigned int dropped[MOST_EVENTS]; /* times */
};

static void leave(struct output *output, const struct event *event, uint64_t from, uint64_t to)
{
	for (uint64_t number = from; number < to; number++) {
		assert_true(output->count < MOST_LEFT);
		output->left[output->count++] = (struct left){event->id, number};
	}
}

/* ---- the reference ---- */

/* Lists in the order of arrival; everything is found by looking at all of it. */
struct list {
	unsigned int count;
	struct event events[MOST_EVENTS];
};

struct reference {
	const struct schedule *schedule;
	struct output *output;
	bool runs;
	unsigned int sender;
	uint64_t late_until_ns[8]; /* by sender: replaced, and late until then */
	uint64_t next;		   /* ordered: all numbers before it are decided */
	struct list waiting;
	struct list candidates;
	bool contradicted;
	bool overtaken;
	unsigned int counted_from; /* candidates before this do not count */
	/* What the merge remembers. */
	uint64_t end;
	uint64_t mark;
	uint64_t mark_ns;
	uint64_t closed;
};

static void list_remove(struct list *list, unsigned int i)
{
	memmove(&list->events[i], &list->events[i + 1], (--list->count - i) * sizeof(struct event));
}

static bool has_left(const struct reference *reference, uint64_t number)
{
	for (unsigned int i = 0; i < reference->output->count; i++) {
		if (reference->output->left[i].number == number)
			return true;
	}
	return false;
}

/* The first datagram that waits and has this number, or NOWHERE. */
static unsigned int find_waiting(const struct reference *reference, uint64_t number)
{
	for (unsigned int i = 0; i < reference->waiting.count; i++) {
		const struct event *event = &reference->waiting.events[i];

		if (event->first <= number && number < event->first + event->count)
			return i;
	}
	return NOWHERE;
}

static void drop(struct reference *reference, const struct event *event)
{
	reference->output->dropped[event->id]++;
}

/* Datagrams of which all numbers that they were the first to bring have left. */
static void drop_useless(struct reference *reference)
{
	for (unsigned int i = 0; i < reference->waiting.count; i++) {
		const struct event event = reference->waiting.events[i];
		bool useful = false;

		for (uint64_t n = event.first; n < event.first + event.count; n++)
			useful |= n >= reference->next && find_waiting(reference, n) == i;
		if (useful)
			continue;
		drop(reference, &event);
		list_remove(&reference->waiting, i--);
	}
}

/* What waits leaves, up to the next gap. */
static void reference_run(struct reference *reference)
{
	unsigned int i;

	while ((i = find_waiting(reference, reference->next)) != NOWHERE) {
		struct event event = reference->waiting.events[i];

		list_remove(&reference->waiting, i);
		leave(reference->output, &event, reference->next, event.first + event.count);
		reference->next = event.first + event.count;
		drop_useless(reference);
	}
}

/* The first number that waits. */
static uint64_t first_waiting(const struct reference *reference)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < reference->waiting.count; i++) {
		if (reference->waiting.events[i].first < first)
			first = reference->waiting.events[i].first;
	}
	return first < reference->next ? reference->next : first;
}

static void reference_give_up(struct reference *reference, uint64_t number)
{
	reference_run(reference);
	while (reference->next < number) {
		uint64_t first = first_waiting(reference);

		reference->next = first < number ? first : number;
		reference_run(reference);
	}
}

/* True: something of it is new. */
static bool reference_accept(struct reference *reference, const struct event *event)
{
	uint64_t from = event->first;
	uint64_t to = event->first + event->count;
	bool brings = false;

	if (!reference->schedule->options.ordered) {
		while (from < to && (from < reference->next || has_left(reference, from)))
			from++;
		while (from < to && has_left(reference, to - 1))
			to--;
		if (from < to)
			leave(reference->output, event, from, to);
		else
			drop(reference, event);
		return from < to;
	}
	for (; from < to; from++)
		brings |= from >= reference->next && find_waiting(reference, from) == NOWHERE;
	/* One that can leave at once is preferred to those that wait. */
	if (to > reference->next && event->first <= reference->next) {
		leave(reference->output, event, reference->next, to);
		reference->next = to;
		drop_useless(reference);
		reference_run(reference);
		return true;
	}
	if (!brings) {
		drop(reference, event);
		return false;
	}
	reference->waiting.events[reference->waiting.count++] = *event;
	while (reference->waiting.count > reference->schedule->options.most_held)
		reference_give_up(reference, first_waiting(reference));
	return true;
}

/* Is nothing known of it any more, or was it given up? Asked of one that was not new. */
static bool is_late(const struct reference *reference, const struct event *event)
{
	uint64_t last = event->first + event->count - 1;

	return last < reference->next || !reference->schedule->options.ordered
		       ? last < reference->closed || !has_left(reference, last)
		       : false;
}

static void reference_remember(struct reference *reference, uint64_t now_ns)
{
	if (!reference->runs || now_ns - reference->mark_ns < reference->schedule->options.skew_ns)
		return;
	reference->closed = reference->mark;
	reference->mark = reference->end;
	reference->mark_ns = now_ns;
}

static void reference_begin(struct reference *reference, const struct event *event)
{
	reference->runs = true;
	reference->sender = event->sender;
	reference->next = reference->end = reference->mark = reference->closed = event->first;
	reference->mark_ns = event->at_ns;
}

static void drop_all(struct reference *reference, struct list *list)
{
	for (unsigned int i = 0; i < list->count; i++)
		drop(reference, &list->events[i]);
	list->count = 0;
}

static void everything_leaves(struct reference *reference)
{
	while (reference->waiting.count)
		reference_give_up(reference, first_waiting(reference));
}

static void reference_switch(struct reference *reference, uint64_t now_ns)
{
	static struct list candidates;
	struct event lowest = reference->candidates.events[0];

	candidates = reference->candidates;
	reference->candidates.count = 0;
	everything_leaves(reference);
	for (unsigned int i = 0; i < candidates.count; i++) {
		if (candidates.events[i].first < lowest.first)
			lowest = candidates.events[i];
	}
	reference->late_until_ns[reference->sender] =
		now_ns + 2 * reference->schedule->options.skew_ns;
	lowest.at_ns = now_ns;
	reference_begin(reference, &lowest);
	for (unsigned int i = 0; i < candidates.count; i++) {
		const struct event *event = &candidates.events[i];

		if (event->first + event->count > reference->end)
			reference->end = event->first + event->count;
		reference_accept(reference, event);
	}
}

static void reference_propose(struct reference *reference, const struct event *event)
{
	struct list *candidates = &reference->candidates;
	unsigned int numbers = 0;
	unsigned int sides = 0;

	if (candidates->count && (candidates->events[0].sender != event->sender ||
				  candidates->count >= reference->schedule->options.most_held))
		drop_all(reference, candidates);
	if (!candidates->count) {
		reference->contradicted = reference->overtaken = false;
		reference->counted_from = 0;
	}
	candidates->events[candidates->count++] = *event;
	for (unsigned int i = reference->counted_from; i < candidates->count; i++) {
		sides |= 1U << candidates->events[i].side;
		numbers += !i || candidates->events[i].first != candidates->events[i - 1].first;
	}
	if ((sides & (sides - 1)) || (numbers >= MERGE_CONFIRMED && !reference->overtaken))
		reference_switch(reference, event->at_ns);
}

static void reference_contradict(struct reference *reference, unsigned int side)
{
	struct list *candidates = &reference->candidates;

	for (unsigned int i = reference->counted_from; i < candidates->count; i++) {
		if (candidates->events[i].side == side) {
			reference->contradicted = true;
			reference->counted_from = candidates->count;
			return;
		}
	}
}

static void reference_settle(struct reference *reference, uint64_t now_ns)
{
	if (reference->contradicted || reference->overtaken)
		drop_all(reference, &reference->candidates);
	else
		reference_switch(reference, now_ns);
}

static void reference_time(struct reference *reference, uint64_t now_ns)
{
	uint64_t skew_ns = reference->schedule->options.skew_ns;
	const struct list *waiting = &reference->waiting;

	while (waiting->count && waiting->events[0].at_ns + skew_ns <= now_ns)
		reference_give_up(reference, waiting->events[0].first);
	if (reference->candidates.count &&
	    reference->candidates.events[0].at_ns + skew_ns <= now_ns)
		reference_settle(reference, now_ns);
}

/* The moments at which something is due before the next event. */
static void reference_wait(struct reference *reference, uint64_t until_ns)
{
	uint64_t skew_ns = reference->schedule->options.skew_ns;

	for (;;) {
		uint64_t due_ns = UINT64_MAX;

		if (reference->waiting.count)
			due_ns = reference->waiting.events[0].at_ns;
		if (reference->candidates.count && reference->candidates.events[0].at_ns < due_ns)
			due_ns = reference->candidates.events[0].at_ns;
		if (due_ns == UINT64_MAX || due_ns + skew_ns > until_ns)
			return;
		reference_time(reference, due_ns + skew_ns);
		reference_remember(reference, due_ns + skew_ns);
	}
}

/* A datagram of the stream that runs. */
static void reference_go_on(struct reference *reference, const struct event *event)
{
	bool is_new;

	if (event->first + event->count > reference->end)
		reference->end = event->first + event->count;
	is_new = reference_accept(reference, event);
	reference->overtaken |= is_new;
	if (is_new || !is_late(reference, event))
		reference_contradict(reference, event->side);
}

static void run_reference(const struct schedule *schedule, struct output *output)
{
	static struct reference reference;

	memset(output, 0, sizeof(*output));
	reference.schedule = schedule;
	reference.output = output;
	reference.runs = false;
	memset(reference.late_until_ns, 0, sizeof(reference.late_until_ns));
	reference.waiting.count = reference.candidates.count = 0;
	for (unsigned int i = 0; i < schedule->count; i++) {
		const struct event *event = &schedule->events[i];

		reference_wait(&reference, event->at_ns);
		if (!reference.runs)
			reference_begin(&reference, event);
		reference_remember(&reference, event->at_ns);
		if (event->damaged || (event->sender != reference.sender &&
				       event->at_ns < reference.late_until_ns[event->sender])) {
			drop(&reference, event);
		} else if (event->sender != reference.sender) {
			reference_propose(&reference, event);
		} else {
			reference_go_on(&reference, event);
		}
	}
	reference_wait(&reference, UINT64_MAX);
	everything_leaves(&reference);
}

/* ---- the merge ---- */

static void take_all(struct merge *merge, const struct schedule *schedule,
		     const struct merge_item *items, struct output *output)
{
	struct merge_item *item;

	while ((item = merge_take(merge))) {
		const struct event *event = &schedule->events[item - items];

		assert_int_equal(item->side, event->side);
		if (item->verdict == MERGE_SEND)
			leave(output, event, event->first + item->cut,
			      event->first + item->cut + item->kept);
		else
			output->dropped[event->id]++;
	}
}

static void wait_until(struct merge *merge, const struct schedule *schedule,
		       const struct merge_item *items, struct output *output, uint64_t until_ns)
{
	while (merge_deadline(merge) <= until_ns && merge_deadline(merge) != UINT64_MAX) {
		uint64_t before_ns = merge_deadline(merge);

		merge_advance(merge, before_ns);
		take_all(merge, schedule, items, output);
		assert_true(merge_deadline(merge) > before_ns);
	}
}

static uint64_t on_wire(const struct schedule *schedule, uint64_t number)
{
	return schedule->options.bits == 64 ? number
					    : number & ((1ULL << schedule->options.bits) - 1);
}

static uint64_t run_merge(struct merge *merge, const struct schedule *schedule,
			  struct output *output)
{
	static struct merge_item items[MOST_EVENTS];
	uint64_t now_ns = 0;

	memset(output, 0, sizeof(*output));
	for (unsigned int i = 0; i < schedule->count; i++) {
		const struct event *event = &schedule->events[i];
		const struct merge_datagram datagram = {
			.sender = {schedule->says_sender ? event->sender + 1 : 0, 0},
			.first = on_wire(schedule, event->first),
			.count = event->count,
		};

		now_ns = event->at_ns;
		wait_until(merge, schedule, items, output, now_ns);
		if (event->dropped)
			merge_skip(merge, event->side,
				   (struct merge_skipped){event->dropped,
							  merge_kind(datagram.sender)});
		merge_offer(merge, &items[i], event->side, &datagram, now_ns);
		take_all(merge, schedule, items, output);
	}
	wait_until(merge, schedule, items, output, UINT64_MAX - 1);
	merge_flush(merge);
	take_all(merge, schedule, items, output);
	return now_ns;
}

/* ---- comparison ---- */

static void print_schedule(const struct schedule *schedule, const struct output *expected,
			   const struct output *found)
{
	unsigned int most = expected->count > found->count ? expected->count : found->count;

	fprintf(stderr, "seed %llu: %u bits, %s, skew %llu ms, most held %u, %s\n",
		(unsigned long long)schedule->seed, schedule->options.bits,
		schedule->options.ordered ? "ordered" : "unordered",
		(unsigned long long)(schedule->options.skew_ns / MS), schedule->options.most_held,
		schedule->says_sender ? "with senders" : "numbers only");
	for (unsigned int i = 0; i < schedule->count; i++) {
		const struct event *event = &schedule->events[i];

		fprintf(stderr,
			"%6llu ms: %u by side %u of sender %u: %llu + %u behind %u; dropped %u, "
			"%u\n",
			(unsigned long long)(event->at_ns / MS), event->id, event->side,
			event->sender, (unsigned long long)event->first, event->count,
			event->dropped, expected->dropped[event->id], found->dropped[event->id]);
	}
	for (unsigned int i = 0; i < most; i++)
		fprintf(stderr, "expected %u of %u, found %u of %u\n",
			i < expected->count ? (unsigned int)expected->left[i].number : 0,
			i < expected->count ? expected->left[i].id : NOWHERE,
			i < found->count ? (unsigned int)found->left[i].number : 0,
			i < found->count ? found->left[i].id : NOWHERE);
}

static void compare(const struct schedule *schedule, const struct output *expected,
		    const struct output *found)
{
	bool same = expected->count == found->count &&
		    !memcmp(expected->left, found->left, found->count * sizeof(struct left)) &&
		    !memcmp(expected->dropped, found->dropped,
			    schedule->count * sizeof(found->dropped[0]));

	if (same)
		return;
	print_schedule(schedule, expected, found);
	fail_msg("seed %llu: another output than the reference's",
		 (unsigned long long)schedule->seed);
}

/* Has the number arrived by the side? */
static bool arrived(const struct schedule *schedule, unsigned int side, uint64_t number)
{
	for (unsigned int i = 0; i < schedule->count; i++) {
		const struct event *event = &schedule->events[i];

		if (event->side == side && event->first <= number &&
		    number < event->first + event->count)
			return true;
	}
	return false;
}

/* Not ordered, numbers between others that leave may leave again. */
static bool is_first(const struct output *output, unsigned int i)
{
	for (unsigned int j = 0; j < i; j++) {
		if (output->left[j].number == output->left[i].number)
			return false;
	}
	return true;
}

/* Every datagram is counted once, and what is missing is what has not left. */
static void check_counters(const struct schedule *schedule, struct merge *merge,
			   const struct output *output, uint64_t now_ns)
{
	const struct merge_counters *counters = merge_counters(merge);
	uint64_t skew_ns = schedule->options.skew_ns;
	uint64_t lowest = UINT64_MAX, highest = 0;
	uint64_t received = 0, different = 0;

	for (unsigned int side = 0; side < schedule->options.nr_sides; side++) {
		const struct merge_side *counted = &counters->sides[side];

		received += counter_read(&counted->received);
		assert_int_equal(counter_read(&counted->received),
				 counter_read(&counted->used) + counter_read(&counted->duplicate) +
					 counter_read(&counted->late) +
					 counter_read(&counted->foreign));
	}
	assert_int_equal(received, schedule->count);
	assert_int_equal(counter_read(&counters->held), 0);
	if (schedule->senders > 1 || !output->count)
		return;
	/* Marks move when the time does. */
	merge_advance(merge, now_ns + 4 * skew_ns);
	merge_advance(merge, now_ns + 8 * skew_ns);
	for (unsigned int i = 0; i < output->count; i++) {
		if (output->left[i].number < lowest)
			lowest = output->left[i].number;
		if (output->left[i].number > highest)
			highest = output->left[i].number;
		different += is_first(output, i);
	}
	if (schedule->options.ordered)
		assert_int_equal(different, output->count);
	assert_int_equal(counter_read(&counters->missing), highest - lowest + 1 - different);
	for (unsigned int side = 0; side < schedule->options.nr_sides && schedule->in_time;
	     side++) {
		uint64_t missing = 0;

		for (unsigned int i = 0; i < output->count; i++)
			missing += is_first(output, i) &&
				   !arrived(schedule, side, output->left[i].number);
		assert_int_equal(counter_read(&counters->sides[side].missing), missing);
	}
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_schedules(void **state)
{
	static struct schedule schedule;
	static struct output expected, found;
	uint64_t count = from_environment("XMCAST_SCHEDULES", 20000);
	uint64_t seed = from_environment("XMCAST_SEED", 1);
	uint64_t left = 0, dropped = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct merge *merge;
		uint64_t now_ns;

		make_schedule(&schedule, seed + i);
		assert_int_equal(merge_new(&merge, &schedule.options), 0);
		run_reference(&schedule, &expected);
		now_ns = run_merge(merge, &schedule, &found);
		compare(&schedule, &expected, &found);
		check_counters(&schedule, merge, &found, now_ns);
		merge_free(merge);
		left += found.count;
		dropped += schedule.count;
	}
	print_message("%llu schedules, %llu datagrams, %llu numbers left\n",
		      (unsigned long long)count, (unsigned long long)dropped,
		      (unsigned long long)left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
