/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A selection as its threads see it, step by step: each access to shared memory is a step, behind
 * which another thread may go on. All orders of the steps with up to MOST_SWITCHES unforced changes
 * of the thread are run, for two threads of different sides, and for three, two of which have the
 * same side. What the memory of a CPU may reorder is left to test_selection.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/counter.h"
#include "rules/rule.h"

static void step(void);

/* All threads are coroutines of one, so plain accesses do. */
static inline uint32_t step_add(_Atomic uint32_t *value, uint32_t more)
{
	uint32_t before;

	step();
	before = *value;
	*value = before + more;
	return before;
}

static inline uint32_t step_exchange(_Atomic uint32_t *value, uint32_t next)
{
	uint32_t before;

	step();
	before = *value;
	*value = next;
	return before;
}

static inline bool step_swap(_Atomic uint64_t *value, uint64_t *expected, uint64_t next)
{
	step();
	if (*value == *expected) {
		*value = next;
		return true;
	}
	*expected = *value;
	return false;
}

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#define atomic_load(object)					(step(), *(object))
#define atomic_load_explicit(object, order)			(step(), *(object))
#define atomic_store_explicit(object, value, order)		(step(), (void)(*(object) = (value)))
#define atomic_fetch_add(object, more)				step_add(object, more)
#define atomic_fetch_add_explicit(object, more, order)		step_add(object, more)
#define atomic_fetch_sub_explicit(object, less, order)		step_add(object, -(less))
#define atomic_exchange_explicit(object, next, order)		step_exchange(object, next)
#define atomic_compare_exchange_strong(object, expected, value) step_swap(object, expected, value)

#include "dataplane/selection.c"

#define THREADS_MOST  3
#define POINTS_MOST   512
#define STACK_SIZE    (64 * 1024)
#define MOST_SWITCHES 4

/* A step behind which several threads could have gone on. */
struct point {
	unsigned char chosen, choices;
};

static struct {
	struct selection *selection;
	unsigned int count, datagrams, most_switches;
	unsigned int sides[THREADS_MOST];
	bool alive[THREADS_MOST];
	ucontext_t contexts[THREADS_MOST], main;
	char stacks[THREADS_MOST][STACK_SIZE];
	bool running;
	unsigned int current, switches;
	struct point points[POINTS_MOST];
	unsigned int nr_points, at;
	uint64_t now_ns;
	uint64_t last_ns[RULE_SIDES_MAX];
	unsigned int sending[RULE_SIDES_MAX];
	/* What has happened: in this order of steps, and in all of them. */
	bool both;
	unsigned int sent[RULE_SIDES_MAX], changed, withheld[WITHHELD_REASONS];
} self;

/* ---- orders of steps ---- */

/* Which thread goes on: the current one, or any other one. */
static unsigned int choose(void)
{
	unsigned int list[THREADS_MOST], count = 0;
	struct point *point;

	if (self.alive[self.current])
		list[count++] = self.current;
	for (unsigned int i = 0; i < self.count; i++) {
		if (i != self.current && self.alive[i] &&
		    (!self.alive[self.current] || self.switches < self.most_switches))
			list[count++] = i;
	}
	if (count < 2)
		return count ? list[0] : THREADS_MOST;
	if (self.at == POINTS_MOST)
		abort();
	point = &self.points[self.at];
	if (self.at++ == self.nr_points) {
		self.nr_points++;
		*point = (struct point){.choices = (unsigned char)count};
	}
	self.switches += point->chosen && self.alive[self.current];
	return list[point->chosen];
}

static void step(void)
{
	unsigned int before = self.current;

	if (!self.running)
		return;
	self.current = choose();
	if (self.current != before)
		swapcontext(&self.contexts[before], &self.contexts[self.current]);
}

/* Go on to the next order. False: there is none. */
static bool advance(void)
{
	while (self.nr_points) {
		struct point *last = &self.points[self.nr_points - 1];

		if (++last->chosen < last->choices)
			return true;
		self.nr_points--;
	}
	return false;
}

/* ---- threads ---- */

#define HOLD_MS 3

/* The time goes on by 1 ms with each datagram of any side. */
static void send_one(unsigned int mine)
{
	enum withheld withheld;

	step();
	self.now_ns += NS_PER_MS;
	self.last_ns[mine] = self.now_ns;
	withheld = selection_admit(self.selection, mine, 1, self.now_ns);
	self.withheld[withheld]++;
	if (withheld)
		return;
	self.sending[mine]++;
	self.sent[mine]++;
	for (unsigned int i = 0; i < self.selection->count; i++)
		self.both |= i != mine && self.sending[i];
	step();
	self.sending[mine]--;
	selection_done(&self.selection->sides[mine], 1);
}

static void thread(void)
{
	for (unsigned int i = 0; i < self.datagrams; i++)
		send_one(self.sides[self.current]);
	self.alive[self.current] = false;
	self.current = choose();
	if (self.current == THREADS_MOST)
		setcontext(&self.main);
	setcontext(&self.contexts[self.current]);
}

static void make_thread(unsigned int i)
{
	getcontext(&self.contexts[i]);
	self.contexts[i].uc_stack.ss_sp = self.stacks[i];
	self.contexts[i].uc_stack.ss_size = STACK_SIZE;
	makecontext(&self.contexts[i], thread, 0);
	self.alive[i] = true;
}

/* Run all threads in one order of their steps. */
static void run_threads(void)
{
	self.at = self.switches = 0;
	for (unsigned int i = 0; i < self.count; i++)
		make_thread(i);
	self.current = 0;
	self.running = true;
	swapcontext(&self.main, &self.contexts[0]);
	self.running = false;
}

/* Once all sides have been silent for `hold`, the next datagram of any of them is sent at once. */
static void expect_any_takes_over(void)
{
	for (unsigned int i = 0; i < self.selection->count; i++) {
		uint64_t then_ns = self.now_ns + (i + 1) * HOLD_MS * NS_PER_MS;

		assert_int_equal(self.selection->sides[i].unsent, 0);
		assert_int_equal(selection_admit(self.selection, i, 1, then_ns), WITHHELD_NOTHING);
		assert_int_equal(selection_side(self.selection), i);
		selection_done(&self.selection->sides[i], 1);
	}
}

static void run_all(const struct rule *rule)
{
	unsigned int orders = 0;

	self.nr_points = 0;
	do {
		struct selection_change change;

		self.now_ns = 1000 * NS_PER_SECOND;
		self.selection = selection_new(rule, 0, self.now_ns);
		assert_non_null(self.selection);
		run_threads();
		assert_false(self.both);
		for (unsigned int i = 0; i < rule->nr_sides; i++)
			assert_int_equal(self.selection->sides[i].last_ns, self.last_ns[i]);
		selection_read(self.selection, &change);
		self.changed += change.changes;
		expect_any_takes_over();
		selection_put(self.selection);
		orders++;
	} while (advance());
	print_message("%u orders of steps; %u changes, sent %u and %u, inactive %u, withheld at a "
		      "change %u\n",
		      orders, self.changed, self.sent[0], self.sent[1],
		      self.withheld[WITHHELD_INACTIVE_SIDE], self.withheld[WITHHELD_SIDE_CHANGE]);
	/* All that can happen has happened. */
	assert_true(self.changed && self.sent[0] && self.sent[1]);
	assert_true(self.withheld[WITHHELD_INACTIVE_SIDE] && self.withheld[WITHHELD_SIDE_CHANGE]);
}

static int set_up(void **state)
{
	memset(&self, 0, sizeof(self));
	return 0;
}

static void test_two_threads(void **state)
{
	struct rule rule = {
		.nr_sides = 2, .select = SELECT_FIRST, .hold_ms = HOLD_MS, .return_ms = HOLD_MS};

	self.count = 2;
	self.datagrams = 3;
	self.sides[1] = 1;
	self.most_switches = MOST_SWITCHES;
	run_all(&rule);
}

/* Two RX queues of the first side. */
static void test_three_threads(void **state)
{
	struct rule rule = {
		.nr_sides = 2, .select = SELECT_FIRST, .hold_ms = HOLD_MS, .return_ms = HOLD_MS};

	self.count = 3;
	self.datagrams = 3;
	self.sides[2] = 1;
	self.most_switches = MOST_SWITCHES - 1;
	run_all(&rule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_two_threads, set_up),
		cmocka_unit_test_setup(test_three_threads, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
