// SPDX-License-Identifier: BSD-2-Clause
/* What a node believes of the others' time of day, and of its own (`clock_error`). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/protocol.h"
#include "cluster/rendezvous.h"
#include "cluster/view.h"

#define MS   1000000ULL
#define TIME (1000000 * MS) /* when everything begins */

static const struct lease_name radio = {"radio", 1};

static struct node_record record_of(uint64_t instance)
{
	return (struct node_record){.instance = instance,
				    .host = 7,
				    .serial = 1,
				    .weight = 1,
				    .nr_leases = 1,
				    .leases = {lease_hash(radio.name, radio.shards)}};
}

/* After a step of our time of day the count of the others' renewals restarts, and no moment is
 * believed, in either direction. */
static void our_clock_steps(void **state)
{
	const int64_t step = 1000 * (int64_t)MS, real = 50000 * (int64_t)MS;
	static struct view view = {.clock_error = 1 * MS, .deadline = 600 * MS, .guard = 100 * MS};
	struct node_record other = record_of(2);
	struct shard_record passed = {.node = "a", .term = 2, .left = 200 * MS};
	struct view_shard *shard;

	assert_int_equal(view_set_leases(&view, &radio, 1), 1);
	view_set_real(&view, TIME, real);
	for (unsigned int i = 0; i < VIEW_DELAYS; i++) {
		other.real = TIME + i * 100 * MS + (uint64_t)real;
		view_see_node(&view, TIME + i * 100 * MS, "b", 3, 3 + i, &other);
	}
	view_set_real(&view, TIME + 2000 * MS, real + (int64_t)MS / 2);
	assert_true(view_agrees(&view, &view.nodes[0]));
	passed.until_real = TIME + 2200 * MS + (uint64_t)real;
	shard = view_see_shard(&view, TIME + 2000 * MS, "radio", 0, 30, &passed);
	assert_non_null(shard);
	assert_int_not_equal(shard->exact, 0);
	for (int direction = -1; direction <= 1; direction += 2) {
		uint64_t now = TIME + (direction < 0 ? 3000 : 20000) * MS;

		view_set_real(&view, now, view.real + direction * step);
		assert_false(view_agrees(&view, &view.nodes[0]));
		passed.until_real = now + 200 * MS + (uint64_t)view.real;
		shard = view_see_shard(&view, now, "radio", 0, 40 + direction, &passed);
		assert_non_null(shard);
		assert_int_equal(shard->exact, 0);
	}
	view_free(&view);
}

/* Its members' times of day, as `clock_error` says; that of b is `wrong` ahead. */
static void set_times(struct view *view, uint64_t error, int64_t wrong)
{
	const uint64_t real = 50000 * MS;
	struct node_record other = record_of(2);

	*view = (struct view){.clock_error = error, .deadline = 600 * MS, .guard = 100 * MS};
	assert_int_equal(view_set_leases(view, &radio, 1), 1);
	view_set_real(view, TIME, (int64_t)real);
	for (unsigned int i = 0; i < VIEW_DELAYS; i++) {
		other.real = TIME + i * 100 * MS + real + (uint64_t)wrong;
		view_see_node(view, TIME + i * 100 * MS, "b", 3, 3 + i, &other);
	}
}

/* When a shard begins that ends elsewhere in 200 ms, by this time of day; 0: not by it. */
static uint64_t begin_by_time(uint64_t error, int64_t end)
{
	static struct view view;
	const struct view_shard *shard;
	struct shard_record passed = {.node = "a", .term = 2, .left = 200 * MS};
	uint64_t exact;

	set_times(&view, error, 0);
	passed.until_real = end ? TIME + (uint64_t)(view.real + end) : 0;
	shard = view_see_shard(&view, TIME, "radio", 0, 30, &passed);
	assert_non_null(shard);
	exact = shard->exact;
	view_free(&view);
	return exact;
}

/* A moment is believed only if the time that the message would have taken is possible. */
static void moments_by_the_time_of_day(void **state)
{
	const int64_t end = 200 * (int64_t)MS, hour = 3600000 * (int64_t)MS;

	/* It has taken no time; as long as a message may take; too long. */
	assert_int_equal(begin_by_time(1 * MS, end), TIME + 201 * MS);
	assert_int_equal(begin_by_time(1 * MS, end - 100 * (int64_t)MS), TIME + 101 * MS);
	assert_int_equal(begin_by_time(1 * MS, end - 101 * (int64_t)MS), 0);
	/* The sender's time is ahead: by what `clock_error` allows, by more, by an hour; an hour
	 * behind. */
	assert_int_equal(begin_by_time(1 * MS, end + (int64_t)MS), TIME + 202 * MS);
	assert_int_equal(begin_by_time(1 * MS, end + (int64_t)MS + 1), 0);
	assert_int_equal(begin_by_time(1 * MS, end + hour), 0);
	assert_int_equal(begin_by_time(1 * MS, end - hour), 0);
	/* Before the epoch; not said; unknown here. */
	assert_int_equal(begin_by_time(1 * MS, -(int64_t)(TIME + 50001 * MS)), 0);
	assert_int_equal(begin_by_time(1 * MS, 0), 0);
	assert_int_equal(begin_by_time(0, end), 0);
	/* The wait without it is shorter: the share of the guard is 33 ms. */
	assert_int_equal(begin_by_time(33 * MS, end), TIME + 233 * MS);
	assert_int_equal(begin_by_time(34 * MS, end), 0);
}

static void agrees_up_to_the_clock_error(void **state)
{
	static struct view view;
	static const struct {
		uint64_t error;
		int64_t wrong;
		bool agrees;
	} times[] = {{1 * MS, 0, true},
		     {1 * MS, (int64_t)MS, true},
		     {1 * MS, (int64_t)MS + 1, false},
		     /* Behind looks like a message that was slow. */
		     {1 * MS, -50 * (int64_t)MS, true},
		     {0, 0, false}};

	for (unsigned int i = 0; i < sizeof(times) / sizeof(*times); i++) {
		set_times(&view, times[i].error, times[i].wrong);
		assert_int_equal(view_agrees(&view, &view.nodes[0]), times[i].agrees);
		view_free(&view);
	}
}

/* Of several nodes whose time of day is wrong each is named, ours never. */
static void each_wrong_clock_is_named(void **state)
{
	static const struct protocol_settings settings = {.node = "a",
							  .instance = 1,
							  .deadline = 600 * MS,
							  .guard = 100 * MS,
							  .clock_error = 1 * MS};
	static const struct {
		const char *name;
		uint64_t ahead;
	} nodes[] = {{"a", 5 * MS}, {"b", 5 * MS}, {"c", 0}, {"d", 2 * MS}};
	const uint64_t real = 50000 * MS;
	struct protocol *protocol = protocol_new(&settings);

	assert_non_null(protocol);
	protocol_set_real(protocol, TIME, (int64_t)real);
	for (unsigned int i = 0; i < 4 * VIEW_DELAYS; i++) {
		struct node_record record = record_of(1 + i % 4);
		uint64_t now = TIME + i * 10 * MS;

		for (unsigned int j = 0; j < CLUSTER_NODES && i < 4; j++)
			assert_null(protocol_wrong_clock(protocol, j));
		record.real = now + real + nodes[i % 4].ahead;
		protocol_see_node(protocol, now, nodes[i % 4].name, 3 + i % 4, 10 + i, &record);
	}
	assert_null(protocol_wrong_clock(protocol, 0));
	assert_string_equal(protocol_wrong_clock(protocol, 1), "b");
	assert_null(protocol_wrong_clock(protocol, 2));
	assert_string_equal(protocol_wrong_clock(protocol, 3), "d");
	assert_null(protocol_wrong_clock(protocol, CLUSTER_NODES - 1));
	protocol_free(protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_clock_steps),
		cmocka_unit_test(moments_by_the_time_of_day),
		cmocka_unit_test(agrees_up_to_the_clock_error),
		cmocka_unit_test(each_wrong_clock_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
