/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slot of a lease is read while it is written: every order in which the stores of one or two
 * writes and the loads of a reader can happen. The reader may take the shard for held only if it
 * was at some moment between the reader's first load and its last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned long long load(const void *address);
static void store(void *address, unsigned long long value);

#define XMC_LEASE_LOAD(address)		load(address)
#define XMC_LEASE_STORE(address, value) store(address, value)

#include <xmcast/lease.h>

#define NOW	  1000
#define WRITES	  2
#define STORES	  (WRITES * 5)
#define LOADS	  (4 * XMC_LEASE_TRIES)
#define NR_STATES 6

/* Held, with two deadlines; ended; not yet begun, with a deadline that others have as well. */
static const struct state {
	uint64_t from_ns, until_ns;
} states[NR_STATES] = {
	{0, 0}, {500, 2000}, {500, 3000}, {500, 900}, {1500, 2000}, {0, 900},
};

static struct xmc_lease lease;

/* The stores of the writes, as they were done once. */
static struct {
	size_t offset;
	uint64_t value;
} stores[STORES];
static unsigned int nr_stores, done;
static bool recording;

/* What the writes lead to, and after how many stores; the first one is what there was before. */
static struct {
	struct state state;
	unsigned int end;
} written[WRITES + 1];
static unsigned int nr_written;

/* Before which load of the reader how many stores have been done. */
static unsigned int before[LOADS + 1], nr_loads;
static bool was_held;

static bool is_held(const struct state *state)
{
	return state->from_ns <= NOW && NOW < state->until_ns;
}

/* During a write, what was there before it and what it leads to are both true. */
static void note_held(void)
{
	for (unsigned int i = 0; i < nr_written; i++) {
		bool begun = !i || done > written[i - 1].end;
		bool over = i + 1 < nr_written && done >= written[i + 1].end;

		was_held |=
			((begun && !over) || done == written[i].end) && is_held(&written[i].state);
	}
}

static void store(void *address, unsigned long long value)
{
	assert_true(recording && nr_stores < STORES);
	/* What the programs note (bpf/lease.h) rests on that. */
	if (lease.serial % 2 == 0 && address != &lease.serial)
		assert_true(address == &lease.until_ns && value >= lease.until_ns);
	stores[nr_stores].offset = (size_t)((char *)address - (char *)&lease);
	stores[nr_stores++].value = value;
	memcpy(address, &value, sizeof(uint64_t));
}

static void catch_up(unsigned int to)
{
	while (done < to && done < nr_stores) {
		memcpy((char *)&lease + stores[done].offset, &stores[done].value, sizeof(uint64_t));
		done++;
		note_held();
	}
}

static unsigned long long load(const void *address)
{
	uint64_t value;

	assert_true(nr_loads < LOADS);
	catch_up(before[nr_loads++]);
	memcpy(&value, address, sizeof(value));
	return value;
}

/* From this load on, all ways to place the stores that are left. Returns the number of orders. */
static unsigned long try_all(const struct xmc_lease *begin, unsigned int at, bool renewed)
{
	unsigned long count = 0;
	bool held;

	if (at < LOADS) {
		for (unsigned int i = at ? before[at - 1] : 0; i <= nr_stores; i++) {
			before[at] = i;
			/* Behind the last store nothing is left to place. */
			for (unsigned int j = at; i == nr_stores && j < LOADS; j++)
				before[j] = i;
			count += try_all(begin, i == nr_stores ? LOADS : at + 1, renewed);
			if (at >= nr_loads)
				break; /* the reader has not come so far */
		}
		return count;
	}
	lease = *begin;
	done = nr_loads = 0;
	was_held = false;
	note_held();
	held = xmc_lease_holds(&lease, NOW, 0);
	if (held && !was_held)
		fail_msg("held by half of two states");
	/* A holder that goes on is never taken for none. */
	if (renewed && !held)
		fail_msg("muted by a renewal");
	return 1;
}

static void note_written(const struct state *state)
{
	written[nr_written].state = *state;
	written[nr_written++].end = nr_stores;
}

static void write_state(const struct state *state)
{
	xmc_lease_write(&lease, state->from_ns, state->until_ns);
	note_written(state);
}

static void check(const struct state *from, const struct state *over, const struct state *to)
{
	struct xmc_lease begin = {
		.from_ns = from->from_ns, .until_ns = from->until_ns, .serial = 6};
	bool renewed = is_held(from) && is_held(to) && from->from_ns == to->from_ns && !over;

	recording = true;
	lease = begin;
	nr_stores = nr_written = 0;
	note_written(from);
	if (over)
		write_state(over);
	write_state(to);
	recording = false;
	assert_int_equal(lease.from_ns, to->from_ns);
	assert_int_equal(lease.until_ns, to->until_ns);
	assert_int_equal(lease.serial % 2, 0);
	assert_true(try_all(&begin, 0, renewed) > 0);
}

static void test_one_write(void **state)
{
	for (unsigned int i = 0; i < NR_STATES; i++) {
		for (unsigned int j = 0; j < NR_STATES; j++)
			check(&states[i], NULL, &states[j]);
	}
}

static void test_two_writes(void **state)
{
	for (unsigned int i = 0; i < NR_STATES; i++) {
		for (unsigned int j = 0; j < NR_STATES; j++) {
			for (unsigned int k = 0; k < NR_STATES; k++)
				check(&states[i], &states[j], &states[k]);
		}
	}
}

/* A process has died in the middle: the next write puts it right. */
static void test_left_behind(void **state)
{
	lease = (struct xmc_lease){.from_ns = 500, .until_ns = 2000, .serial = 7};
	recording = true;
	nr_stores = 0;
	xmc_lease_write(&lease, 500, 2000);
	recording = false;
	assert_int_equal(lease.serial, 8);
	assert_int_equal(lease.until_ns, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_write),
		cmocka_unit_test(test_two_writes),
		cmocka_unit_test(test_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
