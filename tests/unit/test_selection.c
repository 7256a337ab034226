/* SPDX-License-Identifier: BSD-2-Clause */
/* Which side of a rule with `select first` is relayed: by example, and as properties of random
 * schedules. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dataplane/selection.h"

#define MS    NS_PER_MS
#define START (1000 * NS_PER_SECOND)

static struct selection *make(unsigned int sides, unsigned int hold_ms, uint32_t return_ms,
			      unsigned int below_pps)
{
	struct rule rule = {.nr_sides = (uint8_t)sides,
			    .select = SELECT_FIRST,
			    .hold_ms = hold_ms,
			    .return_ms = return_ms,
			    .below_pps = below_pps};
	struct selection *selection = selection_new(&rule, 0, START);

	assert_non_null(selection);
	return selection;
}

/* A datagram with one output, which is sent at once. */
static bool arrive(struct selection *selection, unsigned int side, uint64_t ms)
{
	bool admitted = !selection_admit(selection, side, 1, START + ms * MS);

	if (admitted)
		selection_done(&selection->sides[side], 1);
	return admitted;
}

static void expect_change(const struct selection *selection, unsigned int from, unsigned int to,
			  enum selection_cause cause, uint32_t changes)
{
	struct selection_change change;

	selection_read(selection, &change);
	assert_int_equal(change.from, from);
	assert_int_equal(change.to, to);
	assert_int_equal(change.cause, cause);
	assert_int_equal(change.changes, changes);
}

static void test_hold(void **state)
{
	struct selection *selection = make(2, 100, 1000, 0);

	/* Not before `hold`, also at the beginning. */
	assert_false(arrive(selection, 1, 0));
	assert_false(arrive(selection, 1, 99));
	assert_true(arrive(selection, 1, 100));
	expect_change(selection, 0, 1, SELECTION_SILENT, 1);
	assert_true(arrive(selection, 1, 150));
	/* The first one is back, but not for long enough. */
	assert_false(arrive(selection, 0, 160));
	selection_put(selection);
}

static void test_return(void **state)
{
	struct selection *selection = make(2, 100, 1000, 0);

	for (unsigned int ms = 0; ms <= 200; ms += 50)
		arrive(selection, 1, ms);
	assert_int_equal(selection_side(selection), 1);
	for (unsigned int ms = 250; ms < 1250; ms += 50) {
		assert_false(arrive(selection, 0, ms));
		assert_true(arrive(selection, 1, ms));
	}
	assert_true(arrive(selection, 0, 1250));
	expect_change(selection, 1, 0, SELECTION_RETURNED, 2);
	assert_false(arrive(selection, 1, 1251));
	selection_put(selection);
}

/* A gap of `hold` begins the time of good behaviour again. */
static void test_flap(void **state)
{
	struct selection *selection = make(2, 100, 1000, 0);

	for (unsigned int ms = 0; ms < 5000; ms += 50) {
		arrive(selection, 1, ms);
		if (ms >= 500 && ms % 800 < 600)
			assert_false(arrive(selection, 0, ms));
	}
	expect_change(selection, 0, 1, SELECTION_SILENT, 1);
	selection_put(selection);
}

static void test_never(void **state)
{
	struct selection *selection = make(2, 100, RETURN_NEVER, 0);

	for (unsigned int ms = 100; ms < 100000; ms += 50) {
		assert_true(arrive(selection, 1, ms));
		if (ms > 100)
			assert_false(arrive(selection, 0, ms));
	}
	/* But for a silent one at once. */
	assert_true(arrive(selection, 0, 100050));
	expect_change(selection, 1, 0, SELECTION_SILENT, 2);
	selection_put(selection);
}

/* A further side takes over only if no better one flows. */
static void test_order(void **state)
{
	struct selection *selection = make(3, 100, 1000, 0);

	arrive(selection, 0, 0);
	arrive(selection, 1, 90);
	assert_false(arrive(selection, 2, 120));
	assert_true(arrive(selection, 1, 130));
	assert_int_equal(selection_side(selection), 1);
	/* Both are silent. */
	assert_true(arrive(selection, 2, 231));
	/* The second one is better than the third, and returns like the first. */
	assert_false(arrive(selection, 1, 240));
	selection_put(selection);
}

/* Both stop: whichever comes first is relayed, and once the first one has flowed, that one. */
static void test_all_silent(void **state)
{
	struct selection *selection = make(2, 100, 1000, 0);

	arrive(selection, 0, 0);
	arrive(selection, 1, 0);
	assert_true(arrive(selection, 1, 5000));
	assert_true(arrive(selection, 0, 20000));
	expect_change(selection, 1, 0, SELECTION_SILENT, 2);
	selection_put(selection);
}

/* With `below`, a side that is slow over `hold` counts as silent. */
static void test_below(void **state)
{
	struct selection *selection = make(2, 100, 1000, 100);
	unsigned int ms;

	/* 200 datagrams per second: 20 in `hold`. */
	for (ms = 0; ms < 1000; ms += 5) {
		assert_true(arrive(selection, 0, ms));
		assert_false(arrive(selection, 1, ms));
	}
	/* 50 per second. */
	for (; ms < 1300 && !selection_side(selection); ms += 5) {
		if (ms % 20 == 0)
			arrive(selection, 0, ms);
		arrive(selection, 1, ms);
	}
	assert_int_equal(selection_side(selection), 1);
	expect_change(selection, 0, 1, SELECTION_SLOW, 1);
	assert_true(ms >= 1100 && ms <= 1220);
	/* If both are slow, nothing changes. */
	for (; ms < 3000; ms += 20) {
		arrive(selection, 0, ms);
		assert_true(arrive(selection, 1, ms));
	}
	selection_put(selection);
}

/* What is on its way when another side takes over keeps that one back. */
static void test_unsent(void **state)
{
	struct selection *selection = make(2, 100, 1000, 0);

	assert_int_equal(selection_admit(selection, 0, 3, START), WITHHELD_NOTHING);
	/* The thread of the first side is stopped. */
	assert_int_equal(selection_admit(selection, 1, 1, START + 200 * MS), WITHHELD_SIDE_CHANGE);
	assert_int_equal(selection_side(selection), 1);
	assert_false(arrive(selection, 1, 201));
	selection_done(&selection->sides[0], 2);
	assert_false(arrive(selection, 1, 202));
	/* It has a queue of older datagrams, none of which leaves now. */
	assert_int_equal(selection_admit(selection, 0, 1, START + 203 * MS),
			 WITHHELD_INACTIVE_SIDE);
	selection_done(&selection->sides[0], 1);
	assert_false(arrive(selection, 0, 204));
	assert_true(arrive(selection, 1, 205));
	selection_put(selection);
}

/* ---- properties ---- */

static uint32_t random_state;

static unsigned int pick(unsigned int below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

struct model {
	struct selection *selection;
	unsigned int count, hold_ms, return_ms;
	uint64_t last[RULE_SIDES_MAX], good[RULE_SIDES_MAX];
	bool flowed[RULE_SIDES_MAX];
	unsigned int unsent[RULE_SIDES_MAX];
	unsigned int selected; /* the side of the last datagram that was admitted */
};

static bool model_flows(const struct model *model, unsigned int side, uint64_t ms)
{
	return model->flowed[side] && ms - model->last[side] < model->hold_ms;
}

/* One datagram, and what must hold about it. */
static void step(struct model *model, unsigned int side, uint64_t ms)
{
	bool before = selection_side(model->selection) == side;
	unsigned int selected = selection_side(model->selection);
	bool silent = !model_flows(model, selected, ms), better = false, admitted;

	for (unsigned int i = 0; i < side; i++)
		better |= i != selected && model_flows(model, i, ms);
	if (!model->flowed[side] || ms - model->last[side] >= model->hold_ms)
		model->good[side] = ms;
	admitted = !selection_admit(model->selection, side, 1, START + ms * MS);
	model->last[side] = ms;
	model->flowed[side] = true;
	/* The selected side changes only for a reason. */
	if (!before && selection_side(model->selection) != selected)
		assert_true((silent && !better) ||
			    (side < selected && ms - model->good[side] >= model->return_ms));
	/* And whenever there is a reason that is not about what is on its way. */
	if (!before && silent && !better)
		assert_int_equal(selection_side(model->selection), side);
	assert_true(!admitted || selection_side(model->selection) == side);
	if (!admitted)
		return;
	/* Nothing of another side is on its way. */
	for (unsigned int i = 0; i < model->count; i++)
		assert_true(i == side || !model->unsent[i]);
	model->unsent[side]++;
}

static void send_some(struct model *model)
{
	unsigned int side = pick(model->count);
	unsigned int sent = model->unsent[side] ? 1 + pick(model->unsent[side]) : 0;

	model->unsent[side] -= sent;
	selection_done(&model->selection->sides[side], sent);
}

static void test_random(void **state)
{
	for (unsigned int run = 0; run < 2000; run++) {
		struct model model = {.count = 2 + run % 3};
		uint64_t ms = 0;

		random_state = run;
		model.hold_ms = 1 + pick(50);
		model.return_ms = 1 + pick(500);
		model.selection = make(model.count, model.hold_ms, model.return_ms, 0);
		model.flowed[0] = true;
		for (unsigned int i = 0; i < 500; i++) {
			ms += pick(4) ? pick(3) : pick(model.hold_ms * 2);
			step(&model, pick(model.count), ms);
			if (pick(3))
				send_some(&model);
		}
		selection_put(model.selection);
	}
}

/* ---- threads ---- */

#define CHANGES 100 /* after which the threads end */

struct race {
	struct selection *selection;
	_Atomic uint64_t now_ns;
	_Atomic int sending[2];
	_Atomic unsigned int both; /* times that both sides were sending */
	_Atomic unsigned int sent[2];
};

struct racer {
	struct race *race;
	unsigned int side;
	uint32_t seed;
};

/* A time that passes with every step of a thread, however fast the threads are and whatever the
 * clocks of their CPUs show. */
static uint64_t tick(struct race *race)
{
	return atomic_fetch_add(&race->now_ns, NS_PER_US) + NS_PER_US;
}

/* Does the thread pause here? For up to 4 ms, four times the time that the other side waits, and
 * never for the same time, so that both threads do not pause in step. */
static bool pauses(struct racer *racer)
{
	uint64_t until_ns;

	racer->seed = racer->seed * 1664525 + 1013904223;
	if (racer->seed >> 22)
		return false;
	until_ns = atomic_load(&racer->race->now_ns) + racer->seed;
	while (tick(racer->race) < until_ns)
		sched_yield();
	return true;
}

static bool is_over(const struct race *race)
{
	struct selection_change change;

	selection_read(race->selection, &change);
	return change.changes >= CHANGES;
}

/* Datagrams of one side, with pauses in all places. */
static void *race(void *context)
{
	struct racer *racer = context;
	struct race *race = racer->race;
	struct selection_side *side = &race->selection->sides[racer->side];

	while (!pauses(racer) || !is_over(race)) {
		if (selection_admit(race->selection, racer->side, 1, tick(race)))
			continue;
		atomic_fetch_add(&race->sending[racer->side], 1);
		if (atomic_load(&race->sending[!racer->side]))
			atomic_fetch_add(&race->both, 1);
		atomic_fetch_add(&race->sent[racer->side], 1);
		pauses(racer);
		atomic_fetch_sub(&race->sending[racer->side], 1);
		selection_done(side, 1);
	}
	return NULL;
}

/* Two threads whose sides take over from each other all the time never send at once. */
static void test_threads(void **state)
{
	struct race both = {.selection = make(2, 1, 1, 0), .now_ns = START};
	struct racer racers[2] = {{&both, 0, 1}, {&both, 1, 2}};
	struct selection_change change;
	pthread_t threads[2];

	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	selection_read(both.selection, &change);
	print_message("%u changes; sent %u and %u\n", change.changes, both.sent[0], both.sent[1]);
	assert_true(change.changes >= CHANGES);
	assert_true(both.sent[0] > CHANGES && both.sent[1] > CHANGES);
	assert_int_equal(both.both, 0);
	selection_put(both.selection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),   cmocka_unit_test(test_return),
		cmocka_unit_test(test_flap),   cmocka_unit_test(test_never),
		cmocka_unit_test(test_order),  cmocka_unit_test(test_all_silent),
		cmocka_unit_test(test_below),  cmocka_unit_test(test_unsent),
		cmocka_unit_test(test_random), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
