// SPDX-License-Identifier: BSD-2-Clause
/* Metrics: the exact text for canned answers of the daemon, in both formats; what is missing or of
 * another type is left out; pages make the same text as the whole. */
#include "watchdog.h"

#include "telemetry/event.h"
#include "telemetry/metrics.h"
#include "telemetry/metrics_table.h"

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json)
		fail_msg("%s: %s", text, error.text);
	return json;
}

/* The text for this answer to `stats.show`; the caller frees it. */
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
	metrics_add_process(metrics, stats);
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

/* The contents of a file; the caller frees it. */
static char *read_file(const char *path)
{
	FILE *stream = fopen(path, "r");
	char *text = calloc(1, 65536);

	if (!stream)
		fail_msg("%s cannot be read", path);
	assert_non_null(text);
	assert_in_range(fread(text, 1, 65535, stream), 1, 65534);
	fclose(stream);
	return text;
}

static void expect_golden(enum metrics_format format, const char *path)
{
	char *stats = read_file("tests/unit/golden/metrics.json");
	char *expected = read_file(path);
	char *text = text_of(format, stats, stats);

	assert_string_equal(text, expected);
	free(expected);
	free(stats);
	free(text);
}

static void test_openmetrics(void **state)
{
	expect_golden(METRICS_OPENMETRICS, "tests/unit/golden/metrics.openmetrics");
}

/* The older format: a counter has its whole name, an info is a gauge; no units, no end mark. */
static void test_plain(void **state)
{
	expect_golden(METRICS_PLAIN, "tests/unit/golden/metrics.plain");
}

/* Cumulative counts at fixed bounds; a bucket across a bound counts above it. */
static void test_latency(void **state)
{
	char *text = text_of(METRICS_OPENMETRICS,
			     "{\"rules\":[{\"name\":\"a\",\"latency\":{\"sum_ns\":2500000000,"
			     "\"buckets\":[[1000,1],[1024,2],[2000,4],[5120,8],[1000000000,16],"
			     "[1073741824,32],[null,64]]}}]}",
			     "{}");
	static const struct {
		const char *le;
		unsigned int count;
	} expected[] = {
		{"1e-06", 1},	{"2e-06", 7}, {"5e-06", 7}, {"1e-05", 15}, {"2e-05", 15},
		{"0.0005", 15}, {"0.1", 15},  {"0.5", 15},  {"1", 31},	   {"+Inf", 127},
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

	/* In C's spelling: a\"b\\c\nd and an accented e, in UTF-8. */
	assert_non_null(strstr(text, "{version=\"a\\\"b\\\\c\\nd\303\251\"} 1\n"));
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
	expect_text(METRICS_PLAIN, "{}", "");
}

/* An object without a name has no metrics, and is not counted as a rule. */
static void test_nameless_rules(void **state)
{
	char *text =
		text_of(METRICS_PLAIN, "{\"rules\":[7,{\"in\":\"x@y\"},{\"name\":null}]}", "{}");

	assert_non_null(strstr(text, "xmcast_rules{state=\"active\"} 0\n"));
	assert_null(strstr(text, "other"));
	assert_null(strstr(text, "xmcast_rule_"));
	free(text);
}

/* Pages of one rule each give the same text as one page, also if a rule occurs twice. */
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
	for (size_t i = 0; i < 4; i++) {
		snprintf(page, sizeof(page), "{\"uptime_seconds\":1,\"rules\":[%s]}", rules[i % 2]);
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
	whole = metrics_render(METRICS_OPENMETRICS, json, NULL, &length[1]);
	json_decref(json);
	assert_string_equal(parts, whole);
	assert_int_equal(length[0], length[1]);
	assert_non_null(strstr(whole, "xmcast_rules{state=\"pending\"} 1\n"));
	free(parts);
	free(whole);
}

/* Every metric follows the naming rules of Prometheus and OpenMetrics. */
static void test_names(void **state)
{
	for (unsigned int i = 0; i < metric_count; i++) {
		const struct metric *metric = &metric_table[i];
		const char *end = metric->name ? strrchr(metric->name, '_') : NULL;

		if (!metric->name) {
			assert_true(i > 0 && metric->type == metric_table[i - 1].type);
			continue;
		}
		assert_true(strncmp(metric->name, "xmcast_", 7) == 0 ||
			    (metric->level == LEVEL_PROCESS &&
			     strncmp(metric->name, "process_", 8) == 0));
		assert_int_equal(strspn(metric->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
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
	char *text = read_file("docs/metrics.md");

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
	free(text);
}

/* Event counts: known names from the start, all others as one. */
static void test_event_counts(void **state)
{
	struct event_counts counts = {0};
	struct log_record event = {.event = "silent"};
	json_t *json;

	event_count(&counts, &event);
	event_count(&counts, &event);
	event.event = "new-in-some-version";
	event_count(&counts, &event);
	json = event_counts_json(&counts);
	assert_int_equal(json_object_size(json), EVENT_NAME_COUNT + 1);
	assert_int_equal(json_integer_value(json_object_get(json, "silent")), 2);
	assert_true(json_is_integer(json_object_get(json, "flowing")));
	assert_int_equal(json_integer_value(json_object_get(json, "flowing")), 0);
	assert_int_equal(json_integer_value(json_object_get(json, "other")), 1);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openmetrics), cmocka_unit_test(test_plain),
		cmocka_unit_test(test_latency),	    cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_wrong_types), cmocka_unit_test(test_nameless_rules),
		cmocka_unit_test(test_pages),	    cmocka_unit_test(test_names),
		cmocka_unit_test(test_document),    cmocka_unit_test(test_event_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
