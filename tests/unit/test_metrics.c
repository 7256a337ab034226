// SPDX-License-Identifier: BSD-2-Clause
/* Metrics: the exact text for canned answers of the daemon, in both formats; what is missing or of
 * another type is left out; pages make the same text as the whole. */
#include "watchdog.h"

#include "telemetry/metrics.h"
#include "telemetry/metrics_table.h"

#define HEADER(name, type, help) "# TYPE " name " " type "\n# HELP " name " " help "\n"
#define UNIT(name, unit)	 "# UNIT " name " " unit "\n"

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json)
		fail_msg("%s: %s", text, error.text);
	return json;
}

/* The text for this `stats.show`, to be free()d. */
static char *text_of(enum metrics_format format, const char *stats_text, const char *version_text)
{
	struct metrics *metrics = metrics_new(format);
	json_t *version = parse(version_text);
	json_t *stats = parse(stats_text);
	size_t length = 0;
	char *text;

	assert_non_null(metrics);
	metrics_add_version(metrics, version);
	metrics_add_machine(metrics, stats);
	metrics_add_rules(metrics, stats);
	text = metrics_text(metrics, &length);
	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	metrics_free(metrics);
	json_decref(version);
	json_decref(stats);
	return text;
}

static void expect_text(enum metrics_format format, const char *stats, const char *expected)
{
	char *text = text_of(format, stats, "{}");

	assert_string_equal(text, expected);
	free(text);
}

static void expect(const char *stats, const char *expected)
{
	expect_text(METRICS_OPENMETRICS, stats, expected);
}

static const char rule[] =
	"{\"rules\":[{\"name\":\"cam1\",\"in\":\"239.1.1.1:5000@eth0.100\",\"source\":\"10.9.9.9\","
	"\"state\":\"active\",\"flow\":\"silent\",\"received_packets\":12345678901234,"
	"\"peak_bps\":12,\"last_packet_seconds\":null,\"outputs\":[{\"to\":\"10.0.0.1:6000\","
	"\"sent_bytes\":7,\"send_errors\":5,\"errors\":{\"EAGAIN\":3,\"other\":2}}]}]}";

#define RULE "{rule=\"cam1\",interface=\"eth0.100\"} "

static void test_rule(void **state)
{
	expect(rule,
	       HEADER("xmcast_rules", "gauge",
		      "Rules by state.") "xmcast_rules{state=\"active\"} "
					 "1\nxmcast_rules{state=\"pending\"} 0\n"
					 "xmcast_rules{state=\"disabled\"} "
					 "0\nxmcast_rules{state=\"other\"} 0\n" HEADER(
						 "xmcast_rule",
						 "info", "Input of a rule.") "xmcast_rule_info{"
									     "rule="
									     "\"cam1\",interface="
									     "\"eth0."
									     "100\","
									     "input=\"239.1.1.1:"
									     "5000@eth0."
									     "100\",source=\"10.9."
									     "9.9\"} "
									     "1\n" HEADER(
										     "xmcast_rule_"
										     "active",
										     "gauge",
										     "Whether a "
										     "rule "
										     "relays what "
										     "arrives: 1 "
										     "if "
										     "its state is "
										     "active.") "xm"
												"ca"
												"s"
												"t_"
												"ru"
												"le"
												"_"
												"ac"
												"ti"
												"v"
												"e" RULE
												"1"
												"\n" HEADER(
													"xmcast_rule_flowing",
													"gauge",
													"Whether packets of a rule arrive: 0 if never, or not for "
													"events.silent_after.") "xmcast_rule_flowing" RULE
																"0\n" HEADER(
																	"xmcast_rule_received_packets", "counter", "Packets received for a rule.") UNIT("xmcast_rule_received_packets", "packets") "xmcast_rule_received_packets_total" RULE "12345678901234\n" HEADER("xmcast_rule_received_peak_bytes_per_second", "gauge", "Highest rate of a rule's UDP payload in any second since peaks were reset.") "xmcast_rule_received_peak_bytes_per_second" RULE
																																																									    "1.5\n" HEADER(
																																																										    "xmcast_output_sent_bytes", "counter", "UDP payload sent to an output.")
																																																										    UNIT("xmcast_output_sent_bytes", "bytes") "xmcast_output_sent_bytes_total{rule=\"cam1\",output=\"10.0.0.1:6000\"} 7\n" HEADER("xmcast_output_failed_packets",
																																																																										  "counter",
																																																																										  "Datagrams of an output that the kernel refused, whatever the reason.") UNIT("xmcast_output_failed_packets",
																																																																																			       "packets") "xmcast_output_failed_packets_total{rule=\"cam1\",output=\"10.0.0.1:6000\"} 5\n" HEADER("xmcast_output_send_errors",
																																																																																																  "counter",
																																																																																																  "Datagrams of an output that the kernel refused, by reason; EAGAIN is a full "
																																																																																																  "socket buffer.") "xmcast_output_send_errors_total{rule=\"cam1\",output=\"10.0.0.1:6000\","
																																																																																																		    "errno=\"EAGAIN\"} 3\n"
																																																																																																		    "xmcast_output_send_errors_total{rule=\"cam1\",output=\"10.0.0.1:6000\","
																																																																																																		    "errno=\"other\"} 2\n"
																																																																																																		    "# EOF\n");
}

static const char machine[] =
	"{\"uptime_seconds\":42,\"totals\":{\"steered_packets\":9},"
	"\"config\":{\"last_reload_successful\":false,\"last_reload_seconds\":1790000000},"
	"\"interfaces\":[{\"name\":\"eth0\",\"mode\":\"skb\",\"zero_copy\":true,\"queues\":["
	"{\"queue\":0,\"rx_dropped\":4,\"rx_ring_full\":5,\"fill_ring_empty\":3}],"
	"\"verdicts\":{\"steered\":9}}],"
	"\"workers\":[{\"interface\":\"eth0\",\"queue\":0,\"drops\":{\"invalid\":1},"
	"\"kernel_frames\":60,\"queued_frames\":3,\"in_flight_frames\":1}]}";

#define QUEUE "{interface=\"eth0\",queue=\"0\""

static void test_machine_openmetrics(void **state)
{
	expect(machine,
	       HEADER("xmcast_uptime_seconds", "gauge", "Time since the daemon started.")
		       UNIT("xmcast_uptime_seconds", "seconds") "xmcast_uptime_seconds 42\n" HEADER(
			       "xmcast_config_last_reload_successful", "gauge",
			       "Whether the last load or reload of the configuration was taken "
			       "over.") "xmcast_config_last_reload_successful 0\n" HEADER("xmcast_"
											  "config_"
											  "last_"
											  "reload_"
											  "success_"
											  "timestam"
											  "p_"
											  "seconds",
											  "gauge",
											  "Unix "
											  "time of "
											  "the "
											  "last "
											  "load or "
											  "reload "
											  "that "
											  "was "
											  "taken "
											  "over.")
			       UNIT("xmcast_config_last_reload_success_timestamp_seconds", "second"
											   "s") "xm"
												"ca"
												"st"
												"_c"
												"on"
												"fi"
												"g_"
												"la"
												"st"
												"_r"
												"el"
												"oa"
												"d_"
												"su"
												"cc"
												"es"
												"s_"
												"ti"
												"me"
												"st"
												"am"
												"p_"
												"se"
												"co"
												"nd"
												"s "
												"17"
												"90"
												"00"
												"00"
												"00"
												"\n" HEADER(
													"xmcast_steered_"
													"packets",
													"counter",
													"Packets that a rule "
													"names, taken from "
													"the kernel's path.")
													UNIT(
														"xmcast_steered_packets", "packets") "xmcast_steered_packets_total 9\n" HEADER("xmcast_interface",
																							       "info", "How packets are taken from an interface.") "xmcast_interface_info{interface=\"eth0\",mode=\"skb\"} 1\n" HEADER("xmcast_interface_zero_copy", "gauge", "Whether the driver writes packets into frames without a copy.") "xmcast_interface_zero_copy{interface=\"eth0\"} 1\n" HEADER("xmcast_interface_packets",
																																																											   "counter",
																																																											   "Packets that an interface received: steered, or passed to the kernel, and "
																																																											   "why.") UNIT("xmcast_interface_packets", "packets") "xmcast_interface_packets_total{interface=\"eth0\",verdict=\"steered\"} 9\n" HEADER("xmcast_xsk_drops", "counter", "Packets that the kernel dropped at a queue's AF_XDP socket, each once.") "xmcast_xsk_drops_total" QUEUE
																																																																																									    ",reason=\"rx_dropped\"} 4\n"
																																																																																									    "xmcast_xsk_drops_total" QUEUE ",reason=\"rx_ring_full\"} 5\n" HEADER("xmcast_xsk_fill_ring_empty",
																																																																																																		  "counter",
																																																																																																		  "Packets for which no frame was free; in copy mode they are among "
																																																																																																		  "rx_dropped, too.") "xmcast_xsk_fill_ring_empty_total" QUEUE "} 3\n" HEADER("xmcast_worker_drops",
																																																																																																											      "counter",
																																																																																																											      "Packets that a worker received and handed to no output.") "xmcast_worker_drops_total" QUEUE
																																																																																																																			 ",reason=\"invalid\"} 1\n" HEADER(
																																																																																																																				 "xmcast_worker_held_frames",
																																																																																																																				 "gauge",
																																																																																																																				 "Frames of a worker by who holds them: free in the kernel's rings, queued, "
																																																																																																																				 "being sent.") "xmcast_worker_held_frames" QUEUE
																																																																																																																						",holder=\"kernel\"} 60\n"
																																																																																																																						"xmcast_worker_held_frames" QUEUE
																																																																																																																						",holder=\"queue\"} 3\n"
																																																																																																																						"xmcast_worker_held_frames" QUEUE
																																																																																																																						",holder=\"sends\"} 1\n"
																																																																																																																						"# EOF\n");
}

/* The older format: a counter is called by its whole name, an info is a gauge, and no end. */
static void test_plain(void **state)
{
	char *text = text_of(METRICS_PLAIN, "{\"totals\":{\"sent_bytes\":1}}",
			     "{\"daemon\":\"v1.2\",\"protocol\":1}");

	assert_string_equal(
		text,
		HEADER("xmcast_build_info", "gauge",
		       "Version of the daemon.") "xmcast_build_info{version=\"v1.2\"} "
						 "1\n" HEADER("xmcast_sent_bytes_total", "counter",
							      "UDP payload of the datagrams "
							      "sent.") "xmcast_sent_bytes_"
								       "total 1\n");
	free(text);
}

/* Cumulative counts at fixed bounds; what lies across a bound counts above it. */
static void test_latency(void **state)
{
	char *text = text_of(METRICS_OPENMETRICS,
			     "{\"rules\":[{\"name\":\"a\",\"latency\":{\"sum_ns\":2500000000,"
			     "\"buckets\":[[1024,1],[4096,2],[5120,4],[8192,8],[1073741824,16],"
			     "[1073741825,32],[null,64]]}}]}",
			     "{}");
	static const struct {
		const char *le;
		unsigned int count;
	} expected[] = {
		{"4.096e-06", 3},    {"8.192e-06", 15},	  {"1.6384e-05", 15},  {"0.000131072", 15},
		{"0.067108864", 15}, {"0.268435456", 15}, {"1.073741824", 31}, {"+Inf", 127},
	};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line),
			 "xmcast_rule_latency_seconds_bucket{rule=\"a\",le=\"%s\"} %u\n",
			 expected[i].le, expected[i].count);
		if (!strstr(text, line))
			fail_msg("no %s in %s", line, text);
	}
	assert_non_null(strstr(text, "\nxmcast_rule_latency_seconds_sum{rule=\"a\"} 2.5\n"
				     "xmcast_rule_latency_seconds_count{rule=\"a\"} 127\n"));
	free(text);
}

static void test_escapes(void **state)
{
	char *text = text_of(METRICS_OPENMETRICS, "{}", "{\"daemon\":\"a\\\"b\\\\c\\nd\\u00e9\"}");

	assert_string_equal(text,
			    HEADER("xmcast_build", "info",
				   "Version of the daemon.") "xmcast_build_info{version="
							     "\"a\\\"b\\\\c\\nd\303\251\"} 1\n"
							     "# EOF\n");
	free(text);
}

static void test_wrong_types(void **state)
{
	expect("{\"uptime_seconds\":\"42\",\"totals\":[1],\"interfaces\":{\"name\":1},"
	       "\"workers\":[{\"interface\":\"eth0\"},3,null],\"config\":true,\"rules\":\"x\"}",
	       "# EOF\n");
	expect("{\"uptime_seconds\":-1,\"totals\":{\"sent_bytes\":1.5,\"send_errors\":null}}",
	       "# EOF\n");
	expect("[]", "# EOF\n");
	expect("{\"rules\":[7,{\"in\":\"no name\"},{\"name\":null}]}",
	       HEADER("xmcast_rules", "gauge",
		      "Rules by state.") "xmcast_rules{state=\"active\"} "
					 "0\nxmcast_rules{state=\"pending\"} 0\n"
					 "xmcast_rules{state=\"disabled\"} "
					 "0\nxmcast_rules{state=\"other\"} 0\n# EOF\n");
	expect_text(METRICS_PLAIN, "{}", "");
}

/* Rule by rule, as from pages of one, is the same as all at once. */
static void test_pages(void **state)
{
	static const char *const rules[] = {
		"{\"name\":\"a\",\"in\":\"239.1.1.1:1@e\",\"state\":\"active\",\"outputs\":[]}",
		"{\"name\":\"b\",\"state\":\"pending\",\"outputs\":[{\"to\":\"x\","
		"\"sent_bytes\":1}]}",
	};
	struct metrics *metrics = metrics_new(METRICS_OPENMETRICS);
	size_t length[2] = {0};
	char page[512];
	char *parts;
	char *whole;
	json_t *json;

	assert_non_null(metrics);
	for (size_t i = 0; i < 2; i++) {
		snprintf(page, sizeof(page), "{\"uptime_seconds\":1,\"rules\":[%s]}", rules[i]);
		json = parse(page);
		if (i == 0)
			metrics_add_machine(metrics, json);
		metrics_add_rules(metrics, json);
		json_decref(json);
	}
	parts = metrics_text(metrics, &length[0]);
	metrics_free(metrics);
	snprintf(page, sizeof(page), "{\"uptime_seconds\":1,\"rules\":[%s,%s]}", rules[0],
		 rules[1]);
	json = parse(page);
	whole = metrics_render(json, NULL, &length[1]);
	json_decref(json);
	assert_string_equal(parts, whole);
	assert_int_equal(length[0], length[1]);
	assert_non_null(strstr(whole, "xmcast_rules{state=\"pending\"} 1\n"));
	free(parts);
	free(whole);
}

/* What the naming rules of Prometheus and OpenMetrics ask for, of every metric. */
static void test_names(void **state)
{
	for (unsigned int i = 0; i < metric_count; i++) {
		const struct metric *metric = &metric_table[i];
		const char *end = metric->name ? strrchr(metric->name, '_') : NULL;

		if (!metric->name) {
			assert_true(i > 0 && metric->type == metric_table[i - 1].type);
			continue;
		}
		assert_int_equal(strncmp(metric->name, "xmcast_", 7), 0);
		assert_int_equal(strspn(metric->name, "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(metric->name));
		assert_string_not_equal(end, "_total");
		assert_string_not_equal(end, "_info");
		if (metric->unit)
			assert_string_equal(end + 1, metric->unit);
		assert_non_null(metric->help);
		assert_null(strpbrk(metric->help, "\\\"\n"));
		for (unsigned int j = 0; j < i; j++)
			assert_true(!metric_table[j].name ||
				    strcmp(metric_table[j].name, metric->name) != 0);
	}
}

/* docs/metrics.md has every metric, by the name under which it is asked for. */
static void test_document(void **state)
{
	FILE *stream = fopen("docs/metrics.md", "r");
	static char text[65536];
	size_t length;

	assert_non_null(stream);
	length = fread(text, 1, sizeof(text) - 1, stream);
	fclose(stream);
	assert_in_range(length, 1, sizeof(text) - 2);
	for (unsigned int i = 0; i < metric_count; i++) {
		const struct metric *metric = &metric_table[i];
		char name[128];

		if (!metric->name)
			continue;
		snprintf(name, sizeof(name), "| `%s%s`", metric->name,
			 metric->type == TYPE_COUNTER ? "_total"
			 : metric->type == TYPE_INFO  ? "_info"
						      : "");
		if (!strstr(text, name))
			fail_msg("docs/metrics.md does not have %s", name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule),	 cmocka_unit_test(test_machine_openmetrics),
		cmocka_unit_test(test_plain),	 cmocka_unit_test(test_latency),
		cmocka_unit_test(test_escapes),	 cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_pages),	 cmocka_unit_test(test_names),
		cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
