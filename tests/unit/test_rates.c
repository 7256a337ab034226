// SPDX-License-Identifier: BSD-2-Clause
/* Rates: what a stream's counters, looked at once a second or not quite so, say of its rate, its
 * peak, and whether it flows. */
#include "watchdog.h"

#include "base/clock.h"
#include "telemetry/rates.h"

#define START (1000 * NS_PER_SECOND)
#define MS    1000000ULL

/* The counters of a stream. */
struct source {
	struct rates rates;
	uint64_t now;
	uint64_t packets;
	uint64_t bytes;
};

static struct source start(void)
{
	struct source source = {.now = START};

	rates_start(&source.rates, source.now);
	return source;
}

/* Receive packets of 100 bytes in this time, and take a sample. */
static void pass(struct source *source, uint64_t ns, uint64_t packets)
{
	source->now += ns;
	source->packets += packets;
	source->bytes += 100 * packets;
	rates_sample(&source->rates, source->now, source->packets, source->bytes);
}

static void expect_second(const struct source *source, uint64_t pps)
{
	struct rate rate = rates_second(&source->rates);

	assert_int_equal(rate.pps, pps);
	assert_int_equal(rate.bps, 800 * pps);
}

static void expect_window(const struct source *source, uint64_t pps)
{
	struct rate rate = rates_window(&source->rates);

	assert_int_equal(rate.pps, pps);
	assert_int_equal(rate.bps, 800 * pps);
}

static void expect_peak(const struct source *source, uint64_t pps)
{
	assert_int_equal(source->rates.peak_pps, pps);
	assert_int_equal(source->rates.peak_bps, 800 * pps);
}

static enum flow flow_after(const struct source *source, uint64_t ns)
{
	return rates_flow(&source->rates, source->now + ns, source->packets, 3 * NS_PER_SECOND);
}

static void test_nothing_yet(void **state)
{
	struct source source = start();
	uint64_t ago;

	expect_second(&source, 0);
	expect_window(&source, 0);
	expect_peak(&source, 0);
	assert_int_equal(flow_after(&source, 100 * NS_PER_SECOND), FLOW_NEVER);
	assert_false(rates_last_packet(&source.rates, source.now, 0, &ago));
	for (unsigned int i = 0; i < 20; i++)
		pass(&source, NS_PER_SECOND, 0);
	expect_second(&source, 0);
	expect_window(&source, 0);
	assert_int_equal(rates_interval_us(&source.rates), 0);
	assert_int_equal(flow_after(&source, 0), FLOW_NEVER);
}

static void test_even(void **state)
{
	struct source source = start();

	for (unsigned int i = 0; i < 30; i++) {
		pass(&source, NS_PER_SECOND, 1000);
		expect_second(&source, 1000);
		expect_window(&source, 1000); /* from the first sample on */
		assert_int_equal(rates_interval_us(&source.rates), 1000);
		expect_peak(&source, 1000);
	}
}

/* The window is ten seconds: a burst is in it for ten samples. */
static void test_window_slides(void **state)
{
	struct source source = start();

	/* Before the first packet the window has not begun. */
	for (unsigned int i = 0; i < 10; i++)
		pass(&source, NS_PER_SECOND, 0);
	pass(&source, NS_PER_SECOND, 5040);
	expect_second(&source, 5040);
	for (unsigned int i = 1; i < 10; i++) {
		expect_window(&source, 5040 / i);
		pass(&source, NS_PER_SECOND, 0);
		expect_second(&source, 0);
	}
	expect_window(&source, 504);
	pass(&source, NS_PER_SECOND, 0);
	expect_window(&source, 0);
	expect_peak(&source, 5040);
}

/* Packets over time, not the mean of rates: 500 in one second and 4,000 in four. */
static void test_samples_of_different_length(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 500);
	pass(&source, 4 * NS_PER_SECOND, 4000);
	expect_second(&source, 1000);
	expect_window(&source, 900);
	pass(&source, 4 * NS_PER_SECOND, 0);
	expect_window(&source, 500);
	/* Longer samples fill the window sooner: a third long one replaces the first two. */
	pass(&source, 4 * NS_PER_SECOND, 0);
	expect_window(&source, 0);
}

/* With the jitter of a timer the window still has all of its samples. */
static void test_jitter(void **state)
{
	struct source source = start();

	for (unsigned int i = 0; i < 40; i++)
		pass(&source, NS_PER_SECOND + (i % 2 ? 3 : 1) * MS, i % 10 ? 0 : 10020);
	expect_window(&source, 1000);
}

/* Two calls at once or shortly after each other: the second is ignored, and nothing is lost. */
static void test_twice(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 1000);
	pass(&source, 0, 0);
	pass(&source, 0, 50);
	pass(&source, MS, 50);
	expect_second(&source, 1000);
	expect_window(&source, 1000);
	expect_peak(&source, 1000);
	pass(&source, 999 * MS, 400);
	expect_second(&source, 500);
	expect_window(&source, 750);
	expect_peak(&source, 1000);
}

/* A clock that goes back, which it should not, does no harm. */
static void test_back_in_time(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 1000);
	source.now -= 500 * MS;
	pass(&source, 0, 10);
	expect_second(&source, 1000);
	assert_int_equal(flow_after(&source, 0), FLOW_FLOWING);
	pass(&source, 1500 * MS, 990);
	expect_second(&source, 1000);
}

/* After a gap of minutes the window starts again. */
static void test_gap(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 1000);
	pass(&source, 3600 * NS_PER_SECOND, 5000000000);
	expect_second(&source, 0);
	expect_window(&source, 0);
	expect_peak(&source, 1000);
	assert_int_equal(flow_after(&source, 0), FLOW_FLOWING);
	pass(&source, NS_PER_SECOND, 10);
	expect_second(&source, 10);
	expect_window(&source, 10);
}

/* Another stream, whose counters start at 0, in the place of the old one, of which nothing is left.
 */
static void test_replaced(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 9000);
	source.packets = source.bytes = 0;
	pass(&source, NS_PER_SECOND, 0);
	expect_second(&source, 0);
	expect_window(&source, 0);
	expect_peak(&source, 0);
	assert_int_equal(flow_after(&source, 0), FLOW_NEVER);
	pass(&source, NS_PER_SECOND, 9000);
	source.packets = source.bytes = 0;
	pass(&source, NS_PER_SECOND, 5); /* it already has packets */
	expect_second(&source, 0);
	assert_int_equal(flow_after(&source, 0), FLOW_FLOWING);
	pass(&source, NS_PER_SECOND, 7);
	expect_second(&source, 7);
	expect_window(&source, 7);
}

/* 100 Gbit/s and 60 million packets/s: nothing overflows. */
static void test_large(void **state)
{
	struct source source = start();
	struct rate rate;

	for (unsigned int i = 0; i < 100; i++) {
		source.now += NS_PER_SECOND;
		source.packets += 60000000;
		source.bytes += 12500000000;
		rates_sample(&source.rates, source.now, source.packets, source.bytes);
	}
	rate = rates_window(&source.rates);
	assert_int_equal(rate.pps, 60000000);
	assert_int_equal(rate.bps, 100000000000);
	assert_int_equal(source.rates.peak_bps, 100000000000);
}

static void test_peak(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 10);
	pass(&source, NS_PER_SECOND, 30);
	pass(&source, NS_PER_SECOND, 20);
	expect_peak(&source, 30);
	rates_reset_peak(&source.rates);
	expect_peak(&source, 20);
	pass(&source, NS_PER_SECOND, 25);
	expect_peak(&source, 25);
	pass(&source, NS_PER_SECOND, 0);
	rates_reset_peak(&source.rates);
	expect_peak(&source, 0);
}

static void test_flow(void **state)
{
	struct source source = start();

	pass(&source, NS_PER_SECOND, 0);
	assert_int_equal(flow_after(&source, 0), FLOW_NEVER);
	pass(&source, NS_PER_SECOND, 1);
	assert_int_equal(flow_after(&source, 0), FLOW_FLOWING);
	pass(&source, NS_PER_SECOND, 0);
	pass(&source, NS_PER_SECOND, 0);
	assert_int_equal(flow_after(&source, 0), FLOW_FLOWING);
	assert_int_equal(flow_after(&source, NS_PER_SECOND), FLOW_SILENT);
	pass(&source, NS_PER_SECOND, 0);
	assert_int_equal(flow_after(&source, 0), FLOW_SILENT);
	pass(&source, NS_PER_SECOND, 1);
	assert_int_equal(flow_after(&source, 0), FLOW_FLOWING);
	assert_string_equal(flow_name(FLOW_NEVER), "never");
	assert_string_equal(flow_name(FLOW_FLOWING), "flowing");
	assert_string_equal(flow_name(FLOW_SILENT), "silent");
}

/* Packets after the last sample count immediately. */
static void test_last_packet(void **state)
{
	struct source source = start();
	uint64_t ago;

	assert_true(rates_last_packet(&source.rates, source.now, 1, &ago));
	assert_int_equal(ago, 0);
	pass(&source, NS_PER_SECOND, 1);
	assert_true(rates_last_packet(&source.rates, source.now + 5 * NS_PER_SECOND, source.packets,
				      &ago));
	assert_int_equal(ago, 5 * NS_PER_SECOND);
	assert_true(rates_last_packet(&source.rates, source.now + 5 * NS_PER_SECOND,
				      source.packets + 1, &ago));
	assert_int_equal(ago, 0);
	/* A packet that an ignored call has seen has the time of the following sample. */
	pass(&source, MS, 1);
	pass(&source, NS_PER_SECOND, 0);
	assert_true(rates_last_packet(&source.rates, source.now, source.packets, &ago));
	assert_int_equal(ago, 0);
}

/* The header promises this size. */
static void test_size(void **state)
{
	assert_int_equal(sizeof(struct rates), 216);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_yet),
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_window_slides),
		cmocka_unit_test(test_samples_of_different_length),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_back_in_time),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_peak),
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_last_packet),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
