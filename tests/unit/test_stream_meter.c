// SPDX-License-Identifier: BSD-2-Clause
/* Where a stream is broken: what is missing on arrival, unless the interface has lost as much in
 * the same seconds; what outputs lose; and when it is whole again. */
#include "watchdog.h"

#include "log_capture.h"

#include "telemetry/stream_meter.h"

/* A rule at an interface with one worker, as the books have them. */
struct bed {
	struct rule rule;
	struct rule_counts counts;
	struct interface_counts interface;
	struct worker_counts worker;
	struct books books;
	struct event_quota quota;
	struct stream_meter *meter;
};

static struct bed *start(void)
{
	static struct bed bed;

	memset(&bed, 0, sizeof(bed));
	strcpy(bed.rule.name, "cam1");
	bed.rule.watch = WATCH_RTP | WATCH_TS;
	bed.counts.rule = &bed.rule;
	bed.counts.interface = bed.interface.name = "eth0";
	bed.interface.nr_workers = 1;
	bed.books.uptime_seconds = 100;
	bed.books.nr_interfaces = bed.books.nr_workers = 1;
	bed.books.interfaces = &bed.interface;
	bed.books.workers = &bed.worker;
	bed.meter = stream_meter_new(&bed.counts);
	assert_non_null(bed.meter);
	stream_meter_sample(bed.meter, &bed.books, &bed.counts, 0, &bed.quota);
	return &bed;
}

/* A second with these numbers of RTP packets missing, packets dropped by the interface, and
 * datagrams lost by outputs. */
static void sample(struct bed *bed, uint64_t missing, uint64_t dropped, uint64_t lost)
{
	bed->counts.health.figures[HEALTH_RTP_LOST] += missing;
	bed->worker.state.kernel.rx_dropped += dropped;
	stream_meter_sample(bed->meter, &bed->books, &bed->counts, lost, &bed->quota);
}

static void expect(const struct bed *bed, bool arrival, uint64_t arrivals, bool here,
		   uint64_t heres)
{
	struct stream_state states[STREAM_WHERES];

	for (unsigned int i = 0; i < STREAM_WHERES; i++)
		states[i] = stream_meter_state(bed->meter, (enum stream_where)i);
	assert_int_equal(states[STREAM_ON_ARRIVAL].broken, arrival);
	assert_int_equal(states[STREAM_ON_ARRIVAL].breaks, arrivals);
	assert_int_equal(states[STREAM_HERE].broken, here);
	assert_int_equal(states[STREAM_HERE].breaks, heres);
	/* Each has begun with an event and ended with one. */
	assert_int_equal(bed->quota.emitted, 2 * (arrivals + heres) - arrival - here);
}

static void end(struct bed *bed)
{
	stream_meter_end(bed->meter, &bed->quota);
	stream_meter_free(bed->meter);
}

static void pass(struct bed *bed, unsigned int seconds)
{
	while (seconds--)
		sample(bed, 0, 0, 0);
}

static void test_arrival(void **state)
{
	struct bed *bed = start();

	expect(bed, false, 0, false, 0);
	sample(bed, 5, 0, 0);
	expect(bed, true, 1, false, 0);
	/* More of it, again and again, is the same break. */
	pass(bed, STREAM_QUIET - 1);
	sample(bed, 1, 0, 0);
	pass(bed, STREAM_QUIET - 1);
	expect(bed, true, 1, false, 0);
	pass(bed, 1);
	expect(bed, false, 1, false, 0);
	/* PCR, null packets and the like break nothing. */
	bed->counts.health.figures[HEALTH_RTP_REORDERED] += 9;
	bed->counts.health.figures[HEALTH_TS_FIRST + TS_NULL] += 9;
	bed->counts.health.figures[HEALTH_TS_FIRST + TS_PCR_GAP] += 9;
	pass(bed, 1);
	expect(bed, false, 1, false, 0);
	bed->counts.health.figures[HEALTH_TS_FIRST + TS_CONTINUITY]++;
	pass(bed, 1);
	expect(bed, true, 2, false, 0);
	end(bed);
}

static void test_reception(void **state)
{
	struct bed *bed = start();

	/* It is missed a little later than it was dropped. */
	sample(bed, 0, 50, 0);
	pass(bed, STREAM_RECENT - 2);
	sample(bed, 50, 0, 0);
	expect(bed, false, 0, true, 1);
	/* What the interface had dropped before explains nothing now. */
	pass(bed, STREAM_RECENT);
	sample(bed, 3, 0, 0);
	expect(bed, true, 1, true, 1);
	/* Other streams of the interface have lost packets, and this one more than these. */
	pass(bed, STREAM_QUIET);
	expect(bed, false, 1, false, 1);
	sample(bed, 100, 99, 0);
	expect(bed, true, 2, false, 1);
	pass(bed, STREAM_QUIET);
	/* The interface was opened again, and counts from 0. */
	bed->worker.state.kernel.rx_dropped = 0;
	sample(bed, 4, 4, 0);
	expect(bed, false, 2, true, 2);
	end(bed);
}

static void test_outputs(void **state)
{
	struct bed *bed = start();

	sample(bed, 0, 0, 1);
	expect(bed, false, 0, true, 1);
	sample(bed, 7, 0, 1);
	expect(bed, true, 1, true, 1);
	pass(bed, STREAM_QUIET);
	expect(bed, false, 1, false, 1);
	end(bed);
}

/* What the interface of any input has lost explains what is missing. */
static void test_sides(void **state)
{
	struct bed *bed = start();
	struct side_counts sides[2] = {{.interface = "eth1"}, {.interface = "eth0"}};

	bed->rule.nr_sides = 2;
	bed->counts.sides = sides;
	bed->counts.interface = "eth1";
	sample(bed, 5, 5, 0);
	expect(bed, false, 0, true, 1);
	pass(bed, STREAM_QUIET);
	sides[1].interface = NULL;
	sample(bed, 5, 5, 0);
	expect(bed, true, 1, false, 1);
	end(bed);
}

/* Counters that another process has counted are no news, what follows is; a new path that counts
 * from 0 neither. */
static void test_counters(void **state)
{
	struct bed *bed = start();
	struct health_counts carried = {.figures = {[HEALTH_RTP_LOST] = 1000}};

	end(bed);
	bed->quota = (struct event_quota){};
	bed->counts.health = carried;
	bed->counts.carried_health = &carried;
	bed->meter = stream_meter_new(&bed->counts);
	assert_non_null(bed->meter);
	sample(bed, 0, 0, 0);
	expect(bed, false, 0, false, 0);
	sample(bed, 1, 0, 0);
	expect(bed, true, 1, false, 0);
	pass(bed, STREAM_QUIET);
	bed->counts.health = carried;
	sample(bed, 0, 0, 0);
	expect(bed, false, 1, false, 0);
	sample(bed, 1, 0, 0);
	expect(bed, true, 2, false, 0);
	pass(bed, STREAM_QUIET);
	bed->counts.health = (struct health_counts){};
	bed->counts.carried_health = NULL;
	sample(bed, 0, 0, 0);
	expect(bed, false, 2, false, 0);
	end(bed);
}

/* The side that misses something is named, also when the path of another one was created again
 * behind a process that had counted. */
static void test_side_of_new_path(void **state)
{
	struct bed *bed = start();
	struct health_counts carried = {.figures = {[HEALTH_RTP_LOST] = 1000}};
	struct side_counts sides[2] = {{.interface = "eth1"}, {.interface = "eth0"}};
	struct rule_side labels[2] = {{.label = "A"}, {.label = "B"}};
	char text[1024];

	end(bed);
	bed->quota = (struct event_quota){};
	bed->rule.nr_sides = 2;
	bed->rule.sides = labels;
	bed->counts.sides = sides;
	for (unsigned int i = 0; i < 2; i++) {
		sides[i].health = carried;
		sides[i].carried_health = &carried;
	}
	sides[0].health.figures[HEALTH_RTP_LOST] += 7;
	bed->meter = stream_meter_new(&bed->counts);
	assert_non_null(bed->meter);
	capture();
	sample(bed, 7, 0, 0);
	release(text, sizeof(text));
	assert_non_null(strstr(text, "sides=A"));
	assert_null(strstr(text, "sides=A+B"));
	pass(bed, STREAM_QUIET);
	sides[0].health = carried;
	sides[1].health.figures[HEALTH_RTP_LOST]++;
	capture();
	sample(bed, 1, 0, 0);
	release(text, sizeof(text));
	assert_non_null(strstr(text, "sides=B"));
	end(bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arrival),	 cmocka_unit_test(test_reception),
		cmocka_unit_test(test_outputs),	 cmocka_unit_test(test_sides),
		cmocka_unit_test(test_counters), cmocka_unit_test(test_side_of_new_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
