// SPDX-License-Identifier: BSD-2-Clause
/* The sampler: the events that a series of snapshots causes, and that nothing but a change causes
 * one. */
#include "watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "telemetry/device_meters.h"
#include "telemetry/event_quota.h"
#include "telemetry/sampler.h"

#define RULES	     250
#define OUTPUTS	     2
#define SILENT_AFTER 3

static struct rule_output outputs[OUTPUTS] = {
	{.port = 6000, .ttl = 1, .iface = "eth1"},
	{.port = 6001, .ttl = 64},
};

/* Rules with two outputs each, all counters, and the events of them. */
struct bench {
	uint64_t now;
	struct rule rules[RULES];
	struct sampler *sampler;
	struct books *books; /* of the statistics */
	struct stats *stats;
	char events[16384]; /* a line each */
	unsigned int count;
};

static void note(void *context, const struct log_record *record)
{
	struct bench *bench = context;
	char line[LOG_TEXT_SIZE];

	strncat(bench->events, line, log_record_text(record, "", line));
	bench->count++;
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->now = 1000 * NS_PER_SECOND;
	bench->sampler = sampler_new();
	assert_non_null(bench->sampler);
	bench->books = books_new(RULES, RULES * OUTPUTS, 1, 2);
	assert_non_null(bench->books);
	assert_true(addr_parse("239.2.2.2", &outputs[0].to));
	assert_true(addr_parse("10.0.0.100", &outputs[1].to));
	for (unsigned int i = 0; i < RULES; i++) {
		struct rule_counts *counts = &bench->books->rules[i];

		snprintf(bench->rules[i].name, sizeof(bench->rules[i].name), "r%u", i);
		bench->rules[i].nr_outputs = OUTPUTS;
		bench->rules[i].outputs = outputs;
		counts->id = i + 1;
		counts->since_ns = bench->now;
		counts->rule = &bench->rules[i];
		counts->state = "active";
		counts->path = "user";
		counts->first_output = OUTPUTS * i;
		for (unsigned int j = 0; j < OUTPUTS; j++)
			bench->books->outputs[OUTPUTS * i + j].rule = &outputs[j];
	}
	bench->books->interfaces[0].name = "eth0";
	bench->books->interfaces[0].nr_workers = 2;
	bench->books->interfaces[0].nr_redirects = 2;
	bench->books->interfaces[0].redirects = calloc(2, sizeof(struct redirect_counts));
	assert_non_null(bench->books->interfaces[0].redirects);
	bench->books->interfaces[0].redirects[0].device = "eth1";
	bench->books->interfaces[0].redirects[1].device = "eth2";
	bench->stats = stats_new(bench->books);
	assert_non_null(bench->stats);
	log_watch(note, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	log_watch(NULL, NULL);
	sampler_free(bench->sampler);
	sampler_free(NULL);
	stats_free(bench->stats);
	free(bench);
	return 0;
}

/* A sample one second later has caused the events `expected`, and no others. */
static void pass(struct bench *bench, const char *expected)
{
	bench->events[0] = '\0';
	bench->count = 0;
	bench->now += NS_PER_SECOND;
	bench->books->taken_ns = bench->now;
	assert_int_equal(sampler_take(bench->sampler, bench->books, SILENT_AFTER), 0);
	if (expected)
		assert_string_equal(bench->events, expected);
}

static void receive(struct bench *bench, unsigned int rule, unsigned int packets)
{
	struct rule_counts *counts = &bench->books->rules[rule];
	struct output_counts *sent = &bench->books->outputs[counts->first_output];

	counts->received += packets;
	counts->received_bytes += 100ULL * packets;
	for (unsigned int i = 0; i < OUTPUTS; i++) {
		sent[i].sent += packets;
		sent[i].sent_bytes += 100ULL * packets;
	}
}

static const struct stats_rates *read_rule(struct bench *bench, unsigned int rule)
{
	bench->books->taken_ns = bench->now;
	sampler_fill(bench->sampler, bench->stats, SILENT_AFTER);
	return &bench->stats->rules[rule];
}

static const struct stats_rates *read_output(struct bench *bench, unsigned int rule,
					     unsigned int output)
{
	read_rule(bench, rule);
	return &bench->stats->outputs[OUTPUTS * rule + output];
}

static void test_flow(void **state)
{
	struct bench *bench = *state;

	pass(bench, "");
	assert_int_equal(read_rule(bench, 7)->flow, FLOW_NEVER);
	receive(bench, 7, 10);
	assert_int_equal(read_rule(bench, 7)->flow, FLOW_FLOWING); /* immediately */
	pass(bench, "flowing rule=r7\n");
	receive(bench, 7, 10);
	pass(bench, "");
	for (unsigned int i = 1; i < SILENT_AFTER; i++)
		pass(bench, "");
	assert_int_equal(read_rule(bench, 7)->flow, FLOW_FLOWING);
	pass(bench, "silent rule=r7\n");
	assert_int_equal(read_rule(bench, 7)->flow, FLOW_SILENT);
	pass(bench, "");
	receive(bench, 7, 1);
	pass(bench, "flowing rule=r7\n");
	assert_int_equal(read_rule(bench, 6)->flow, FLOW_NEVER);
}

/* A timer that fires a little early does not delay the event by a second. */
static void test_silence_with_jitter(void **state)
{
	struct bench *bench = *state;

	receive(bench, 7, 10);
	pass(bench, "flowing rule=r7\n");
	for (unsigned int i = 1; i < SILENT_AFTER; i++)
		pass(bench, "");
	bench->now -= 1000000;
	pass(bench, "silent rule=r7\n");
}

static void test_rates(void **state)
{
	struct bench *bench = *state;
	const struct stats_rates *rates;

	for (unsigned int i = 0; i < 12; i++) {
		receive(bench, 3, i == 5 ? 3000 : 1000);
		bench->books->outputs[OUTPUTS * 3 + 1].sent -= 400;
		bench->books->outputs[OUTPUTS * 3 + 1].sent_bytes -= 40000;
		pass(bench, NULL);
	}
	rates = read_rule(bench, 3);
	assert_int_equal(rates->second.pps, 1000);
	assert_int_equal(rates->second.bps, 800000);
	assert_int_equal(rates->window.pps, 1200);
	assert_int_equal(rates->peak.pps, 3000);
	assert_int_equal(rates->last_packet_seconds, 0);
	assert_int_equal(read_output(bench, 3, 0)->second.pps, 1000);
	assert_int_equal(read_output(bench, 3, 1)->second.pps, 600);
	assert_int_equal(read_output(bench, 3, 1)->window.pps, 800);
	assert_int_equal(read_output(bench, 3, 1)->peak.pps, 2600);
	sampler_reset_peaks(bench->sampler);
	rates = read_rule(bench, 3);
	assert_int_equal(rates->peak.pps, 1000);
	assert_int_equal(read_output(bench, 3, 1)->peak.pps, 600);
	bench->now += 90 * NS_PER_SECOND;
	assert_int_equal(read_rule(bench, 3)->last_packet_seconds, 90);
	assert_true(read_rule(bench, 4)->last_packet_seconds == STATS_NEVER);
	assert_true(read_output(bench, 4, 0)->last_packet_seconds == STATS_NEVER);
}

static void test_dropping(void **state)
{
	struct bench *bench = *state;
	struct output_counts *output = &bench->books->outputs[0];

	output->errors[send_error_slot(EAGAIN)] = 5;
	output->errors[SEND_ERROR_OTHER] = 2;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=EAGAIN:5,other:2\n");
	output->errors[send_error_slot(EAGAIN)] += 5;
	pass(bench, ""); /* it continues */
	pass(bench, "");
	pass(bench, "");
	output->errors[send_error_slot(ENOBUFS)] += 1; /* just before it would have ended */
	pass(bench, "");
	pass(bench, "");
	pass(bench, "");
	pass(bench, "dropping-ended rule=r0 output=239.2.2.2:6000@eth1\n");
	pass(bench, "");
	output->errors[send_error_slot(EAGAIN)] += 7; /* only new losses are reported */
	output[1].errors[send_error_slot(EPERM)] = 1;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=EAGAIN:7\n"
		    "dropping rule=r0 output=10.0.0.100:6001 errors=EPERM:1\n");
}

/* Datagrams over the limit are reported with the errors. */
static void test_rate_limited(void **state)
{
	struct bench *bench = *state;
	struct output_counts *output = &bench->books->outputs[0];

	output->rate_limited = 5;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=rate_limited:5\n");
	output->rate_limited += 5;
	for (unsigned int i = 0; i < METER_QUIET; i++)
		pass(bench, "");
	pass(bench, "dropping-ended rule=r0 output=239.2.2.2:6000@eth1\n");
	output->rate_limited += 7;
	output->errors[send_error_slot(EAGAIN)] = 2;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=EAGAIN:2,rate_limited:7\n");
}

/* Copies that the kernel did not make are losses of the output as well. */
static void test_withheld(void **state)
{
	struct bench *bench = *state;
	struct output_counts *output = &bench->books->outputs[0];

	output->withheld[WITHHELD_UNREACHABLE] = 5;
	output->withheld[WITHHELD_NO_CARRIER] = 2;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 "
		    "errors=no_carrier:2,unreachable:5\n");
}

/* What others report is an event of its own, which ends later. */
static void test_icmp(void **state)
{
	struct bench *bench = *state;
	struct output_counts *output = &bench->books->outputs[0];

	output->icmp[ICMP_SAYS_REFUSED] = 3;
	pass(bench, "icmp-errors rule=r0 output=239.2.2.2:6000@eth1 errors=refused:3\n");
	output->icmp[ICMP_SAYS_REFUSED] = 4;
	pass(bench, "");
	output->withheld[WITHHELD_UNREACHABLE] = 1;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=unreachable:1\n");
	for (unsigned int i = 2; i < SAMPLER_ICMP_QUIET; i++)
		pass(bench, i == 1 + METER_QUIET
				    ? "dropping-ended rule=r0 output=239.2.2.2:6000@eth1\n"
				    : "");
	pass(bench, "icmp-errors-ended rule=r0 output=239.2.2.2:6000@eth1\n");
	/* Counted from 0 again. */
	output->icmp[ICMP_SAYS_REFUSED] = 1;
	pass(bench, "icmp-errors rule=r0 output=239.2.2.2:6000@eth1 errors=refused:1\n");
}

static void test_not_copied(void **state)
{
	struct bench *bench = *state;
	struct output_counts *output = &bench->books->outputs[0];

	output->not_copied = 5;
	output->errors[send_error_slot(EMSGSIZE)] = 1;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=EMSGSIZE:1,not_copied:5\n");
	for (unsigned int i = 1; i < METER_QUIET; i++)
		pass(bench, "");
	pass(bench, "dropping-ended rule=r0 output=239.2.2.2:6000@eth1\n");
}

/* More than 32 bits of errors, of which the meter keeps the lower half. */
static void test_many_errors(void **state)
{
	struct bench *bench = *state;
	struct output_counts *output = &bench->books->outputs[0];

	output->errors[0] = UINT32_MAX - 1ULL;
	pass(bench, NULL);
	for (unsigned int i = 0; i < METER_QUIET; i++)
		pass(bench, NULL);
	output->errors[0] += 10;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=EAGAIN:10\n");
}

/* The counters of the same rule were reset: everything they count is new, and nothing is negative.
 */
static void test_replaced(void **state)
{
	struct bench *bench = *state;
	struct rule_counts *rule = &bench->books->rules[0];
	struct output_counts *sent = bench->books->outputs;

	receive(bench, 0, 1000);
	sent[0].errors[send_error_slot(EAGAIN)] = 50;
	pass(bench, NULL);
	for (unsigned int i = 0; i < METER_QUIET; i++)
		pass(bench, NULL);
	rule->received = rule->received_bytes = 0;
	for (unsigned int i = 0; i < OUTPUTS; i++)
		sent[i].sent = sent[i].sent_bytes = 0;
	sent[0].errors[send_error_slot(EAGAIN)] = 3;
	pass(bench, "dropping rule=r0 output=239.2.2.2:6000@eth1 errors=EAGAIN:3\n");
	assert_int_equal(read_rule(bench, 0)->flow, FLOW_NEVER);
	assert_int_equal(read_rule(bench, 0)->peak.pps, 0);
	receive(bench, 0, 5);
	pass(bench, "flowing rule=r0\n");
}

static void test_states(void **state)
{
	struct bench *bench = *state;
	struct rule_counts *rule = &bench->books->rules[1];

	rule->state = "pending";
	rule->reason = "interface eth0 is down: set it up";
	pass(bench, "pending rule=r1 reason=\"interface eth0 is down: set it up\"\n");
	pass(bench, "");
	rule->state = "active";
	rule->reason = NULL;
	pass(bench, "active rule=r1\n");
	rule->state = "disabled"; /* no event, because an administrator did it */
	pass(bench, "");
	rule->state = "active";
	pass(bench, "");
}

static void test_paths(void **state)
{
	struct bench *bench = *state;
	struct rule_counts *rules = bench->books->rules;

	rules[1].path = "kernel";
	rules[2].path_reason = "eth1 cannot transmit";
	rules[3].path = "kernel";
	rules[3].state = "pending";
	rules[3].reason = "eth2 is missing";
	pass(bench, "path-changed rule=r2 path=\"user\" reason=\"eth1 cannot transmit\"\n"
		    "pending rule=r3 reason=\"eth2 is missing\"\n");
	pass(bench, "");
	rules[1].path_reason = "waiting for 10.0.0.1"; /* of one output; the path is the same */
	rules[2].path_reason = "eth1 is down";
	pass(bench, "");
	rules[1].path = "user";
	rules[2].path = "kernel";
	rules[2].path_reason = NULL;
	rules[3].state = "active";
	rules[3].reason = NULL;
	pass(bench, "path-changed rule=r1 path=\"user\" reason=\"waiting for 10.0.0.1\"\n"
		    "path-changed rule=r2 path=\"kernel\"\n"
		    "active rule=r3\n");
	rules[1].path_reason = NULL;
	pass(bench, "");
	rules[2].path = "user";
	rules[3].state = "pending"; /* its path is of no interest meanwhile */
	rules[3].reason = rules[3].path_reason = "eth2 is missing";
	rules[3].path = "user";
	pass(bench, "path-changed rule=r2 path=\"user\"\n"
		    "pending rule=r3 reason=\"eth2 is missing\"\n");
	rules[3].state = "active";
	rules[3].reason = rules[3].path_reason = NULL;
	rules[3].path = "kernel";
	pass(bench, "active rule=r3\n");
}

/* Devices that drop what is redirected to them. */
static void test_devices(void **state)
{
	struct bench *bench = *state;
	struct interface_counts *iface = &bench->books->interfaces[0];
	struct redirect_counts *redirects = iface->redirects;

	redirects[0].sent = 100;
	redirects[1].dropped[XMC_DEVICE_RING_FULL] = 5;
	redirects[1].dropped[XMC_DEVICE_ENXIO] = 2;
	pass(bench, "device-dropping interface=eth0 device=eth2 drops=ring_full:5,ENXIO:2\n");
	redirects[1].dropped[XMC_DEVICE_RING_FULL] = 6;
	pass(bench, "");
	pass(bench, "");
	redirects[0].dropped[XMC_DEVICE_OTHER] = 1;
	pass(bench, "device-dropping interface=eth0 device=eth1 drops=other:1\n");
	pass(bench, "device-dropping-ended interface=eth0 device=eth2\n");
	redirects[1].dropped[XMC_DEVICE_RING_FULL] = 4; /* counted from 0 again */
	redirects[1].dropped[XMC_DEVICE_ENXIO] = 0;
	pass(bench, "device-dropping interface=eth0 device=eth2 drops=ring_full:4\n");
	/* The first is gone, and the second has its place. */
	redirects[0] = redirects[1];
	iface->nr_redirects = 1;
	pass(bench, "device-dropping-ended interface=eth0 device=eth1\n");
	iface->nr_redirects = 0;
	pass(bench, "device-dropping-ended interface=eth0 device=eth2\n");
}

static void test_exhausted(void **state)
{
	struct bench *bench = *state;
	struct worker_counts *workers = bench->books->workers;

	pass(bench, "");
	workers[0].state.kernel.fill_ring_empty = 10;
	workers[1].state.kernel.fill_ring_empty = 20;
	pass(bench, "buffer-exhausted interface=eth0 packets=30\n");
	workers[1].state.kernel.fill_ring_empty = 21;
	pass(bench, "");
	pass(bench, "");
	pass(bench, "");
	pass(bench, "buffer-exhausted-ended interface=eth0\n");
	workers[0].state.kernel.fill_ring_empty = 0; /* opened again */
	workers[1].state.kernel.fill_ring_empty = 4;
	pass(bench, "buffer-exhausted interface=eth0 packets=4\n");
}

/* Rules and interfaces that are gone, or are others under the same name: what was going on has
 * ended. Nothing is reported of the rest. */
static void test_gone(void **state)
{
	struct bench *bench = *state;
	struct books *books = bench->books;

	for (unsigned int i = 0; i < 4; i++)
		books->outputs[OUTPUTS * i + 1].errors[send_error_slot(EAGAIN)] = 3;
	books->workers[0].state.kernel.fill_ring_empty = 10;
	receive(bench, 5, 7);
	pass(bench, NULL);
	/* The first three rules are gone, the fourth was replaced, all others have moved. */
	books->all_rules = books->nr_rules -= 3;
	memmove(books->rules, books->rules + 3, books->nr_rules * sizeof(*books->rules));
	books->rules[0].id = RULES + 1;
	books->outputs[OUTPUTS * 3 + 1].errors[send_error_slot(EAGAIN)] = 0;
	books->interfaces[0].name = "eth1";
	books->workers[0].state.kernel.fill_ring_empty = 0;
	/* In between they have no rates, but what they count is shown. */
	assert_int_equal(read_rule(bench, 2)->second.pps, 7);
	assert_int_equal(read_rule(bench, 0)->flow, FLOW_NEVER);
	pass(bench, "dropping-ended rule=r0 output=10.0.0.100:6001\n"
		    "dropping-ended rule=r1 output=10.0.0.100:6001\n"
		    "dropping-ended rule=r2 output=10.0.0.100:6001\n"
		    "dropping-ended rule=r3 output=10.0.0.100:6001\n"
		    "buffer-exhausted-ended interface=eth0\n");
	books->outputs[OUTPUTS * 4 + 1].errors[send_error_slot(EAGAIN)] = 3;
	pass(bench, "dropping rule=r4 output=10.0.0.100:6001 errors=EAGAIN:3\n");
	assert_int_equal(read_rule(bench, 2)->window.pps, 2);
}

/* New rules are seen from their first packet on. */
static void test_new_rules(void **state)
{
	struct bench *bench = *state;

	bench->books->all_rules = bench->books->nr_rules = 1;
	pass(bench, "");
	bench->books->all_rules = bench->books->nr_rules = RULES;
	receive(bench, 7, 10);
	assert_int_equal(read_rule(bench, 7)->flow, FLOW_FLOWING);
	assert_int_equal(read_rule(bench, 7)->last_packet_seconds, 0);
	assert_int_equal(read_rule(bench, 7)->second.pps, 0);
	assert_int_equal(read_rule(bench, 8)->flow, FLOW_NEVER);
	bench->books->rules[7].since_ns = bench->now;
	pass(bench, "flowing rule=r7\n");
	assert_int_equal(read_rule(bench, 7)->second.pps, 10);
}

/* Take a sample of the rules [first, end). */
static void take_part(struct bench *bench, unsigned int first, unsigned int end)
{
	struct books part = *bench->books;

	part.first_rule = first;
	part.nr_rules = end - first;
	part.rules += first;
	assert_int_equal(sampler_take(bench->sampler, &part, SILENT_AFTER), 0);
}

/* A sweep in parts has the same result as one in one piece. */
static void test_parts(void **state)
{
	struct bench *bench = *state;

	pass(bench, "");
	for (unsigned int i = 0; i < RULES; i++)
		receive(bench, i, 1);
	bench->now += NS_PER_SECOND;
	bench->books->taken_ns = bench->now;
	take_part(bench, 0, 60);
	assert_int_equal(bench->count, 60);
	take_part(bench, 60, 200);
	assert_int_equal(bench->count, EVENT_QUOTA);
	bench->books->workers[0].state.kernel.fill_ring_empty = 10;
	take_part(bench, 200, RULES);
	assert_int_equal(bench->count, EVENT_QUOTA + 1);
	assert_non_null(strstr(bench->events, "flowing rule=r99\nevents-suppressed count=151\n"));
	for (unsigned int i = 0; i < RULES; i++)
		assert_int_equal(read_rule(bench, i)->second.pps, 1);
}

/* Rules may be removed between two parts: others move into a part that has been, and are not gone
 * for that. */
static void test_change_between_parts(void **state)
{
	struct bench *bench = *state;
	struct books *books = bench->books;

	for (unsigned int i = 0; i < RULES; i++)
		books->outputs[OUTPUTS * i].errors[send_error_slot(EAGAIN)] = i == 0 || i == 100;
	receive(bench, 100, 7);
	pass(bench, NULL);
	bench->events[0] = '\0';
	take_part(bench, 0, 100);
	books->all_rules = books->nr_rules -= 1;
	books->generation++;
	memmove(books->rules, books->rules + 1, books->nr_rules * sizeof(*books->rules));
	take_part(bench, 100, RULES - 1);
	assert_string_equal(bench->events, "");
	assert_int_equal(read_rule(bench, 99)->second.pps, 7);
	pass(bench, "dropping-ended rule=r0 output=239.2.2.2:6000@eth1\n");
}

/* All rules at once: 100 events, one with the number of the others, and none later. */
static void test_bounded(void **state)
{
	struct bench *bench = *state;

	for (unsigned int i = 0; i < RULES; i++)
		receive(bench, i, 1);
	pass(bench, NULL);
	assert_int_equal(bench->count, EVENT_QUOTA + 1);
	assert_non_null(strstr(bench->events, "flowing rule=r99\nevents-suppressed count=150\n"));
	for (unsigned int i = 0; i < RULES; i++)
		receive(bench, i, 1);
	pass(bench, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flow),	 TEST(test_silence_with_jitter),
		TEST(test_rates),	 TEST(test_dropping),
		TEST(test_rate_limited), TEST(test_many_errors),
		TEST(test_replaced),	 TEST(test_states),
		TEST(test_exhausted),	 TEST(test_bounded),
		TEST(test_gone),	 TEST(test_new_rules),
		TEST(test_parts),	 TEST(test_change_between_parts),
		TEST(test_not_copied),	 TEST(test_paths),
		TEST(test_withheld),	 TEST(test_icmp),
		TEST(test_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
