/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/merge_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Remembered numbers at first; more when a rate needs them. */
#define FEWEST_NUMBERS 256

/* Memory is returned if this part of it would do, so that a rate that varies does not resize it
 * again and again. */
#define MUCH_LARGER 8

/* Times of first copies are in ticks of 1024 ns. */
#define TICK_BITS 10

/* A measured lag changes the smoothed one by this part. */
#define LAG_WEIGHT 16

static void set(counter_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_release);
}

static struct merge_number *number_at(const struct merge_window *window, uint64_t position)
{
	return &window->numbers[position & window->mask];
}

static uint64_t end_of(const struct merge_item *item)
{
	return item->position + item->datagram.count;
}

void merge_window_decide(struct merge_window *window, struct merge_item *item,
			 enum merge_verdict verdict)
{
	struct merge_side *side = &window->counters.sides[item->side];
	counter_t *const counters[] = {
		[MERGE_SEND] = &side->used,
		[MERGE_DUPLICATE] = &side->duplicate,
		[MERGE_LATE] = &side->late,
		[MERGE_FOREIGN] = &side->foreign,
	};

	counter_add(counters[verdict], 1);
	item->verdict = verdict;
	item->following = NULL;
	*window->decided_end = item;
	window->decided_end = &item->following;
}

/* ---- held datagrams ---- */

static void hold(struct merge_window *window, struct merge_item *item)
{
	item->held = true;
	item->newer = NULL;
	item->older = window->newest;
	if (window->newest)
		window->newest->newer = item;
	else
		window->oldest = item;
	window->newest = item;
	set(&window->counters.held, counter_read(&window->counters.held) + 1);
}

static void let_go(struct merge_window *window, struct merge_item *item)
{
	if (!item->held)
		return;
	item->held = false;
	if (item->older)
		item->older->newer = item->newer;
	else
		window->oldest = item->newer;
	if (item->newer)
		item->newer->older = item->older;
	else
		window->newest = item->older;
	if (window->waiting == item)
		window->waiting = NULL;
	set(&window->counters.held, counter_read(&window->counters.held) - 1);
}

static void drop_held(struct merge_window *window, struct merge_item *item)
{
	let_go(window, item);
	merge_window_decide(window, item, MERGE_DUPLICATE);
}

/* The numbers of this datagram from `next` on leave. */
static void emit(struct merge_window *window, struct merge_item *item)
{
	uint64_t end = end_of(item);

	let_go(window, item);
	item->cut = (uint32_t)(window->next - item->position);
	item->kept = item->datagram.count - item->cut;
	for (; window->next != end; window->next++) {
		struct merge_number *number = number_at(window, window->next);
		struct merge_item *holder = number->holder;

		number->holder = NULL;
		number->sent = true;
		if (holder && holder != item && --holder->holds == 0)
			drop_held(window, holder);
	}
	merge_window_decide(window, item, MERGE_SEND);
}

static void emit_heartbeat(struct merge_window *window, struct merge_item *item)
{
	let_go(window, item);
	window->heartbeat.position = item->position;
	window->heartbeat.at_ns = item->arrived_ns;
	window->heartbeat.side = item->side;
	window->heartbeat.known = true;
	merge_window_decide(window, item, MERGE_SEND);
}

/* Everything leaves up to the next gap. */
static void run(struct merge_window *window)
{
	for (;;) {
		struct merge_item *waiting = window->waiting;
		struct merge_item *holder;

		if (waiting && waiting->position == window->next)
			emit_heartbeat(window, waiting);
		else if (waiting && !merge_is_ahead(waiting->position, window->next))
			drop_held(window, waiting);
		if (window->next == window->end)
			return;
		holder = number_at(window, window->next)->holder;
		if (!holder)
			return;
		emit(window, holder);
	}
}

void merge_window_give_up(struct merge_window *window, uint64_t position)
{
	if (!window->options.ordered)
		return;
	run(window);
	while (merge_is_ahead(position, window->next)) {
		window->next++;
		run(window);
	}
}

void merge_window_give_up_first(struct merge_window *window)
{
	uint64_t position = window->next;

	if (!window->oldest)
		return;
	while (position != window->end && !number_at(window, position)->holder)
		position++;
	counter_add(&window->counters.forced, 1);
	merge_window_give_up(window, position);
}

/* ---- what is remembered ---- */

void merge_window_close(struct merge_window *window, uint64_t position, bool sides)
{
	unsigned int all = sides ? (1U << window->options.nr_sides) - 1 : 0;

	for (; merge_is_ahead(position, window->closed); window->closed++) {
		const struct merge_number *number = number_at(window, window->closed);

		if (!number->sent) {
			counter_add(&window->counters.missing, 1);
			continue;
		}
		for (unsigned int rest = all & ~number->sides; rest; rest &= rest - 1)
			counter_add(&window->counters.sides[__builtin_ctz(rest)].missing, 1);
	}
}

/* Remember this many numbers, a power of two. Those that are remembered fit. */
static void resize(struct merge_window *window, uint64_t size)
{
	uint64_t mask = size - 1;

	for (uint64_t i = window->closed; i != window->end; i++) {
		if ((i & mask) != (i & window->mask))
			window->numbers[i & mask] = *number_at(window, i);
	}
	window->mask = mask;
	set(&window->counters.memory, size * sizeof(*window->numbers));
}

/* Remember twice as many numbers. False: they are as many as may be. */
static bool grow(struct merge_window *window)
{
	uint64_t size = 2 * (window->mask + 1);

	if (size > MERGE_MOST_NUMBERS)
		return false;
	resize(window, size);
	return true;
}

/* Return the memory behind these numbers, in whole pages, whose size differs by machine. */
static void return_memory(struct merge_window *window, uint64_t size, uint64_t before)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t used = size * sizeof(*window->numbers);
	size_t end = before * sizeof(*window->numbers);

	if (used < page)
		used = page;
	if (used < end)
		madvise((char *)window->numbers + used, end - used, MADV_DONTNEED);
}

void merge_window_shrink(struct merge_window *window)
{
	uint64_t before = window->mask + 1;
	uint64_t size = before;

	while (size > FEWEST_NUMBERS && window->end - window->closed <= size / MUCH_LARGER)
		size /= 2;
	if (size == before)
		return;
	resize(window, size);
	return_memory(window, size, before);
}

static bool fits(const struct merge_window *window, uint64_t end)
{
	return end - window->closed <= window->mask + 1;
}

/* The numbers up to a position are not remembered: those behind the window are missing, and it
 * begins there. */
static void move_on(struct merge_window *window, uint64_t position)
{
	uint64_t known = merge_is_ahead(position, window->end) ? window->end : position;

	if (window->options.ordered && merge_is_ahead(known, window->next)) {
		counter_add(&window->counters.forced, 1);
		merge_window_give_up(window, known);
	}
	merge_window_close(window, known, true);
	if (known == position)
		return;
	counter_add(&window->counters.missing, position - known);
	window->closed = window->next = window->end = position;
}

/* Remember the numbers up to `end`; if they are too many, those at the other end are given up. */
static void extend(struct merge_window *window, uint64_t end)
{
	if (!merge_is_ahead(end, window->end))
		return;
	while (!fits(window, end) && grow(window))
		;
	if (!fits(window, end))
		move_on(window, end - window->mask - 1);
	for (; window->end != end; window->end++)
		*number_at(window, window->end) = (struct merge_number){0};
}

/* ---- arrivals ---- */

/* How far the side is behind the first copy of a number. */
static void measure_lag(struct merge_window *window, const struct merge_number *number,
			unsigned int side, uint64_t now_ns)
{
	uint32_t ticks = (uint32_t)(now_ns >> TICK_BITS) - number->tick;
	struct merge_side *behind = &window->counters.sides[side];
	struct merge_side *first = &window->counters.sides[number->first_side];
	uint64_t lag_ns = (uint64_t)ticks << TICK_BITS;
	uint64_t before_ns = counter_read(&behind->lag_ns);

	set(&behind->lag_ns, before_ns + lag_ns / LAG_WEIGHT - before_ns / LAG_WEIGHT);
	before_ns = counter_read(&first->lag_ns);
	set(&first->lag_ns, before_ns - before_ns / LAG_WEIGHT);
	if (lag_ns > counter_read(&behind->most_lag_ns))
		set(&behind->most_lag_ns, lag_ns);
}

/* Note that the numbers have arrived by the side. */
static void note_arrival(struct merge_window *window, const struct merge_item *item)
{
	uint8_t bit = (uint8_t)(1U << item->side);
	uint64_t position = item->position;
	bool measured = false;

	if (merge_is_ahead(window->closed, position))
		position = window->closed;
	for (; merge_is_ahead(end_of(item), position); position++) {
		struct merge_number *number = number_at(window, position);

		if (!number->sides) {
			number->tick = (uint32_t)(item->arrived_ns >> TICK_BITS);
			number->first_side = (uint8_t)item->side;
		} else if (!(number->sides & bit) && !measured) {
			measure_lag(window, number, item->side, item->arrived_ns);
			measured = true;
		}
		number->sides |= bit;
	}
}

/* Why nothing of it leaves: all of its numbers have been decided. */
static enum merge_verdict why_not(const struct merge_window *window, const struct merge_item *item)
{
	uint64_t last = end_of(item) - 1;

	return !merge_is_ahead(window->closed, last) && number_at(window, last)->sent
		       ? MERGE_DUPLICATE
		       : MERGE_LATE;
}

/* The other sides' copies of a heartbeat that has left are duplicates. */
static bool heartbeat_has_left(const struct merge_window *window, const struct merge_item *item)
{
	return window->heartbeat.known && window->heartbeat.position == item->position &&
	       window->heartbeat.side != item->side &&
	       item->arrived_ns - window->heartbeat.at_ns <= window->options.skew_ns;
}

static void limit_held(struct merge_window *window)
{
	while (counter_read(&window->counters.held) > window->options.most_held)
		merge_window_give_up_first(window);
}

/* A heartbeat leaves behind all numbers that it says were sent. */
static void accept_heartbeat(struct merge_window *window, struct merge_item *item)
{
	bool ordered = window->options.ordered;

	extend(window, item->position);
	if (merge_is_ahead(ordered ? window->next : window->closed, item->position)) {
		merge_window_decide(window, item, MERGE_LATE);
	} else if (heartbeat_has_left(window, item)) {
		merge_window_decide(window, item, MERGE_DUPLICATE);
	} else if (!ordered || item->position == window->next) {
		emit_heartbeat(window, item);
	} else if (window->waiting && !merge_is_ahead(item->position, window->waiting->position)) {
		merge_window_decide(window, item, MERGE_DUPLICATE);
	} else {
		if (window->waiting)
			merge_window_give_up(window, window->waiting->position);
		hold(window, item);
		window->waiting = item;
		run(window);
		limit_held(window);
	}
}

/* Send it, or hold it behind a gap. */
static bool accept_ordered(struct merge_window *window, struct merge_item *item)
{
	if (!merge_is_ahead(end_of(item), window->next)) {
		merge_window_decide(window, item, why_not(window, item));
		return false;
	}
	if (!merge_is_ahead(item->position, window->next)) {
		emit(window, item);
		run(window);
		return true;
	}
	item->holds = 0;
	for (uint64_t position = item->position; position != end_of(item); position++) {
		struct merge_number *number = number_at(window, position);

		if (!number->holder) {
			number->holder = item;
			item->holds++;
		}
	}
	if (!item->holds) {
		merge_window_decide(window, item, MERGE_DUPLICATE);
		return false;
	}
	hold(window, item);
	limit_held(window);
	return true;
}

/* Send it if one of its numbers has not left. */
static bool accept_unordered(struct merge_window *window, struct merge_item *item)
{
	uint64_t begin = item->position;
	uint64_t end = end_of(item);

	if (merge_is_ahead(window->closed, begin))
		begin = merge_is_ahead(window->closed, end) ? end : window->closed;
	while (begin != end && number_at(window, begin)->sent)
		begin++;
	while (begin != end && number_at(window, end - 1)->sent)
		end--;
	if (begin == end) {
		merge_window_decide(window, item, why_not(window, item));
		return false;
	}
	item->cut = (uint32_t)(begin - item->position);
	item->kept = (uint32_t)(end - begin);
	for (; begin != end; begin++)
		number_at(window, begin)->sent = true;
	merge_window_decide(window, item, MERGE_SEND);
	return true;
}

bool merge_window_accept(struct merge_window *window, struct merge_item *item)
{
	if (!item->datagram.count) {
		accept_heartbeat(window, item);
		return false;
	}
	extend(window, end_of(item));
	note_arrival(window, item);
	return window->options.ordered ? accept_ordered(window, item)
				       : accept_unordered(window, item);
}

/* ---- life ---- */

void merge_window_begin(struct merge_window *window)
{
	window->closed = window->next = window->end = MERGE_FIRST_POSITION;
	window->heartbeat.known = false;
}

int merge_window_init(struct merge_window *window, const struct merge_options *options)
{
	memset(window, 0, sizeof(*window));
	window->options = *options;
	/* Untouched pages cost nothing. */
	window->numbers =
		mmap(NULL, MERGE_MOST_NUMBERS * sizeof(*window->numbers), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (window->numbers == MAP_FAILED)
		return -ENOMEM;
	window->mask = FEWEST_NUMBERS - 1;
	window->decided_end = &window->decided;
	set(&window->counters.memory, FEWEST_NUMBERS * sizeof(*window->numbers));
	merge_window_begin(window);
	return 0;
}

void merge_window_destroy(struct merge_window *window)
{
	munmap(window->numbers, MERGE_MOST_NUMBERS * sizeof(*window->numbers));
}
