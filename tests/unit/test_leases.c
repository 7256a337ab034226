/* SPDX-License-Identifier: BSD-2-Clause */
/* Leases: shards of rules, slots, epochs, all or nothing, from one process to the next; and cuts.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "relay/leases.h"
#include "steering/guard.h"

/* ---- there is no guard ---- */

int guard_open(struct guard **out, const char **step)
{
	*step = "program";
	return -EPERM;
}

int guard_attach(struct guard *guard, const char **step)
{
	return -EPERM;
}

void guard_close(struct guard *guard)
{
}

struct xmc_lease *guard_leases(const struct guard *guard)
{
	return NULL;
}

int guard_sockets(const struct guard *guard)
{
	return -1;
}

/* ---- */

#define HOUR (3600 * NS_PER_SECOND)

static struct rule rules[3];
static struct config config = {.rules = rules};
static struct leases *leases;
static char reason[REASON_SIZE];

static void set_rule(unsigned int i, const char *name, const char *lease, unsigned int shards)
{
	memset(&rules[i], 0, sizeof(rules[i]));
	strcpy(rules[i].name, name);
	strcpy(rules[i].lease, lease);
	rules[i].lease_shards = (uint16_t)shards;
}

static int set_up(void **state)
{
	set_rule(0, "a", "tv", 4);
	set_rule(1, "b", "tv", 4);
	set_rule(2, "c", "radio", 1);
	config.nr_rules = 3;
	assert_int_equal(leases_open(&leases), 0);
	assert_int_equal(leases_add(leases, &config), 0);
	leases_trim(leases, &config);
	return 0;
}

static int tear_down(void **state)
{
	leases_close(leases);
	return 0;
}

/* Where else it is held changes nothing here. */
static void test_elsewhere(void **state)
{
	uint64_t now = clock_ns();
	const struct lease_change set = {"radio", -1, .until_ns = now + HOUR, .epoch = 7};
	const struct lease_change keep = {"radio", -1, .epoch = LEASE_SAME_EPOCH,
					  .elsewhere_ns = now + HOUR, .keep = true};
	const struct lease_change end = {"radio", -1, .epoch = LEASE_SAME_EPOCH};
	const struct lease_change tell[] = {end, keep};

	assert_int_equal(leases_change(leases, &set, 1, reason), 0);
	assert_int_equal(leases_change(leases, &keep, 1, reason), 0);
	assert_false(leases_mute(leases, &rules[2], now));
	assert_int_equal(leases_epoch(leases, &rules[2]), 7);
	/* The last of several about one shard counts. */
	assert_int_equal(leases_change(leases, tell, 2, reason), 0);
	now = clock_ns();
	assert_true(leases_mute(leases, &rules[2], now));
	leases_look(leases, now, 1);
	leases_look(leases, now + 10 * NS_PER_SECOND, 1);
	/* The other lease is held by nobody. */
	assert_int_equal(leases_unheld(leases), 4);
	leases_look(leases, now + HOUR + 10 * NS_PER_SECOND, 1);
	assert_int_equal(leases_unheld(leases), 5);
}

/* A shard is cold as long as another host holds it, and never while this one does. */
static void test_cold(void **state)
{
	uint64_t now = clock_ns();
	struct lease_change cold = {
		"radio",      -1,	   .epoch = LEASE_SAME_EPOCH, .elsewhere_ns = now + HOUR,
		.keep = true, .cold = true};
	const struct lease_change set = {"radio", -1, .until_ns = now + HOUR, .epoch = 7};

	assert_false(leases_cold(leases, &rules[2], now));
	assert_int_equal(leases_change(leases, &cold, 1, reason), 0);
	assert_true(leases_cold_changed(leases));
	assert_false(leases_cold_changed(leases));
	assert_true(leases_cold(leases, &rules[2], now));
	assert_false(leases_cold(leases, &rules[0], now));
	assert_false(leases_cold(leases, &rules[2], now + HOUR));
	assert_int_equal(leases_change(leases, &set, 1, reason), 0);
	assert_true(leases_cold_changed(leases));
	assert_false(leases_cold(leases, &rules[2], clock_ns()));
	assert_int_equal(leases_change(leases, &cold, 1, reason), 0);
	assert_false(leases_cold(leases, &rules[2], clock_ns()));
}

/* Fixed for ever: all hosts of all versions must agree. */
static void test_shards(void **state)
{
	static const struct {
		const char *name;
		unsigned int of_16, of_1024;
	} known[] = {
		{"", 8, 516},
		{"a", 14, 912},
		{"cam1", 6, 427},
		{"239.1.1.1:5000@eth0", 2, 148},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		set_rule(0, known[i].name, "tv", 16);
		assert_int_equal(rule_shard(&rules[0]), known[i].of_16);
		rules[0].lease_shards = 1024;
		assert_int_equal(rule_shard(&rules[0]), known[i].of_1024);
		rules[0].lease_shards = 1;
		assert_int_equal(rule_shard(&rules[0]), 0);
	}
}

static void count(void *context, const struct lease_state *state)
{
	unsigned int *counts = context;

	counts[0]++;
	counts[1] += state->held;
	counts[2] += state->rules;
}

static void test_slots(void **state)
{
	struct rule none = {.name = "d"};
	unsigned int counts[3] = {};

	assert_int_equal(leases_find(leases, &none), 0);
	assert_int_equal(leases_find(NULL, &rules[0]), 0);
	assert_int_not_equal(leases_find(leases, &rules[0]), 0);
	assert_int_not_equal(leases_find(leases, &rules[0]), leases_find(leases, &rules[2]));
	leases_list(leases, clock_ns(), count, counts);
	assert_int_equal(counts[0], 5);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 3);
	/* More than there are: what is there stays. */
	for (unsigned int i = 0; i < 3; i++)
		set_rule(i, "x", (const char *[]){"l1", "l2", "l3"}[i], 4000);
	assert_int_equal(leases_add(leases, &config), -ENOSPC);
	leases_close(leases);
	set_up(state);
}

static int change(const char *name, int shard, uint64_t until_ns, uint64_t epoch)
{
	const struct lease_change changes[] = {
		{.name = "radio", .shard = 0, .until_ns = clock_ns() + HOUR, .epoch = 1},
		{.name = name, .shard = shard, .until_ns = until_ns, .epoch = epoch}};

	return leases_change(leases, changes, 2, reason);
}

/* Whatever the epoch. */
static int end(const char *name, int shard)
{
	const struct lease_change ended = {.name = name, .shard = shard, .epoch = LEASE_SAME_EPOCH};

	return leases_change(leases, &ended, 1, reason);
}

static void test_changes(void **state)
{
	uint64_t now_ns = clock_ns();
	const struct xmc_lease *slot = leases_slot(leases, leases_find(leases, &rules[2]));

	assert_int_equal(change("none", 0, now_ns + HOUR, 1), -ENOENT);
	assert_int_equal(change("tv", 4, now_ns + HOUR, 1), -ENOENT);
	assert_int_equal(slot->until_ns, 0);
	assert_int_equal(change("tv", -1, now_ns + HOUR, 5), 0);
	assert_true(slot->until_ns > now_ns);
	assert_false(leases_mute(leases, &rules[0], now_ns));
	assert_true(leases_mute(leases, &rules[0], now_ns + HOUR));
	assert_int_equal(change("tv", 2, now_ns + 2 * HOUR, 4), -ESTALE);
	assert_non_null(strstr(reason, "epoch 4 is lower than the last one, 5"));
	/* The same epoch ends it; what has arrived until now may still leave. */
	assert_int_equal(change("tv", -1, 0, 5), 0);
	slot = leases_slot(leases, leases_find(leases, &rules[0]));
	assert_true(slot->until_ns >= now_ns && slot->until_ns <= clock_ns());
	assert_int_equal(change("tv", -1, now_ns + HOUR, LEASE_SAME_EPOCH), 0);
	assert_int_equal(leases_epoch(leases, &rules[0]), 5);
	assert_int_equal(end("tv", -1), 0);
	assert_true(leases_mute(leases, &rules[0], clock_ns()));
}

/* Every reader of the slots has what the first one has. */
static void test_readers(void **state)
{
	struct xmc_lease *maps[2];
	uint16_t slot = leases_find(leases, &rules[2]);

	for (int i = 0; i < 2; i++) {
		maps[i] = calloc(XMC_LEASE_SLOTS, sizeof(*maps[i]));
		assert_int_equal(leases_add_reader(leases, maps[i]), 0);
	}
	assert_int_equal(leases_add_reader(leases, NULL), 0);
	change("tv", -1, clock_ns() + HOUR, 1);
	leases_remove_reader(leases, maps[0]);
	assert_int_equal(maps[0][slot].until_ns, maps[1][slot].until_ns);
	end("radio", 0);
	assert_true(maps[0][slot].until_ns > maps[1][slot].until_ns);
	leases_remove_reader(leases, maps[1]);
	free(maps[0]);
	free(maps[1]);
}

static void test_next_process(void **state)
{
	uint64_t until_ns = clock_ns() + HOUR;
	json_t *list;

	change("tv", -1, until_ns, 7);
	list = leases_describe(leases);
	assert_int_equal(json_array_size(list), 5);
	json_array_append_new(list,
			      json_pack("{s:s, s:i, s:i}", "name", "tv", "shards", 4, "shard", 4));
	json_array_append_new(list, json_pack("{s:i}", "name", 7));
	leases_close(leases);
	set_up(state);
	leases_adopt(leases, list, false);
	assert_true(leases_mute(leases, &rules[0], clock_ns()));
	assert_int_equal(leases_epoch(leases, &rules[0]), 7);
	leases_adopt(leases, list, true);
	assert_int_equal(leases_slot(leases, leases_find(leases, &rules[0]))->until_ns, until_ns);
	leases_adopt(leases, NULL, true);
	json_decref(list);
}

static enum cut_side side_of(unsigned int rule)
{
	uint64_t latest_ns;

	return leases_move(leases, &rules[rule], clock_ns(), &latest_ns);
}

/* A move lasts until its latest moment, the end of the shard, or another epoch; renewals and the
 * next process keep it, also after the process was killed. */
static void test_moves(void **state)
{
	uint64_t now_ns = clock_ns();
	struct lease_change move = {.name = "radio",
				    .from_ns = now_ns + HOUR,
				    .until_ns = now_ns + 2 * HOUR,
				    .epoch = 3,
				    .side = CUT_FROM,
				    .nr_cuts = 1};
	struct lease_change renewal = move, *const both[] = {&move, &renewal};
	const struct xmc_lease *slot;
	json_t *list;

	renewal.nr_cuts = 0;
	assert_int_equal(leases_change(leases, &move, 1, reason), 0);
	assert_int_equal(side_of(2), CUT_FROM);
	assert_int_equal(side_of(0), CUT_NONE);
	/* Both hosts hold it at once: the numbers decide. */
	assert_false(leases_mute(leases, &rules[2], clock_ns()));
	assert_int_equal(leases_change(leases, &renewal, 1, reason), 0);
	assert_int_equal(side_of(2), CUT_FROM);
	assert_false(leases_mute(leases, &rules[2], clock_ns()));
	list = leases_describe(leases);
	leases_close(leases);
	set_up(state);
	leases_adopt(leases, list, false);
	json_decref(list);
	assert_int_equal(side_of(2), CUT_FROM);
	assert_true(leases_mute(leases, &rules[2], clock_ns()));
	assert_int_equal(leases_change(leases, &renewal, 1, reason), 0);
	assert_int_equal(side_of(2), CUT_FROM);
	slot = leases_slot(leases, leases_find(leases, &rules[2]));
	assert_int_equal(slot->from_ns, 0);
	/* Repeated when it is over. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(leases_had_move(leases, both[i], now_ns + HOUR), i == 0);
	assert_false(leases_had_move(leases, &move, now_ns));
	for (int i = 0; i < 2; i++) {
		struct lease_change ends = {.name = "radio",
					    .until_ns = i ? now_ns + HOUR : 0,
					    .epoch = i ? 4 : LEASE_SAME_EPOCH};

		assert_int_equal(leases_change(leases, &move, 1, reason), 0);
		assert_true(leases_ends_move(leases, &rules[2], &ends, now_ns));
		assert_int_equal(leases_change(leases, &ends, 1, reason), 0);
		assert_int_equal(side_of(2), CUT_NONE);
	}
}

/* What begins while it is not held has to wait for what is under way. */
static void test_prepare(void **state)
{
	struct lease_change later = {.name = "radio",
				     .from_ns = clock_ns() + HOUR,
				     .until_ns = clock_ns() + 2 * HOUR,
				     .epoch = LEASE_SAME_EPOCH};
	struct lease_change begins = later;

	begins.from_ns = 0;
	assert_true(leases_prepare(leases, &begins, 1));
	assert_int_equal(leases_change(leases, &begins, 1, reason), 0);
	assert_false(leases_prepare(leases, &begins, 1));
	assert_false(leases_mute(leases, &rules[2], clock_ns()));
	assert_true(leases_prepare(leases, &later, 1));
	assert_true(leases_mute(leases, &rules[2], clock_ns()));
}

/* For each number, exactly one of two hosts sends it, wherever the numbers wrap. */
static void test_cuts(void **state)
{
	static const uint32_t at[] = {0, 1, 0x7fff, 0x8000, 0xffff};
	struct cut old = {}, new = {};
	uint32_t number;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		cut_set(&old, CUT_UNTIL, at[i], 0);
		cut_set(&new, CUT_FROM, at[i], 100);
		for (uint32_t n = 0; n < 0x10000; n++) {
			bool before = (uint16_t)(n - at[i]) >= 0x8000;

			assert_int_equal(cut_withholds(&old, true, n, 16, 50), !before);
			assert_int_equal(cut_withholds(&new, true, n, 16, 50), before);
			assert_false(cut_withholds(&new, true, n, 16, 100));
		}
		assert_true(cut_withholds(&old, false, 0, 16, 50));
		assert_false(cut_withholds(&new, false, 0, 16, 50));
	}
	cut_set(&new, CUT_ALL, 0, 100);
	assert_true(cut_withholds(&new, true, 5, 16, 99));
	assert_false(cut_withholds(&new, true, 5, 16, 100));
	cut_set(&new, CUT_FROM, 0, 100);
	assert_true(cut_withholds(&new, true, 0xffffffff, 32, 50));
	assert_false(cut_withholds(&new, true, 0x7fffffff, 32, 50));
	assert_true(sequence_read((const uint8_t *)"\x80\x60\x12\x34", 4, 2, 16, &number));
	assert_int_equal(number, 0x1234);
	assert_false(sequence_read((const uint8_t *)"\x80\x60\x12\x34", 4, 3, 16, &number));
	assert_false(sequence_read((const uint8_t *)"\x80\x60\x12\x34", 4, 1, 32, &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shards),
		cmocka_unit_test_setup_teardown(test_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_readers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_next_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_prepare, set_up, tear_down),
		cmocka_unit_test(test_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
