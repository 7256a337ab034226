/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading valid files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_text.h"
#include "rules/diff.h"
#include "rules/file.h"
#include "rules/yaml_reader.h"

/* The file of the documentation. */
static const char documented[] =
	"rules:\n"
	"  - name: cam1\n"
	"    in: 239.1.1.1:5000@eth0\n"
	"    source: 10.9.9.9            # optional: source-specific\n"
	"    out:\n"
	"      - to: 239.2.2.2:6000@eth1\n"
	"        ttl: 8\n"
	"      - to: 10.0.0.100:6000\n"
	"interfaces:\n"
	"  eth0: { mode: native, queues: 4 }\n"
	"  br-lan: { queues: all }\n"
	"egress: { engine: sendmmsg, gso: off, wakeup: hybrid, send_buffer: 262144 }\n"
	"workers: { frames: 4096, rx_ring: 1024, cpus: [0, 3], watchdog: 3600 }\n"
	"statistics: { interval: 0 }\n";

static void test_documented(void **state)
{
	struct config config = parse(documented);

	assert_int_equal(config.nr_rules, 1);
	expect_rule(&config, 0,
		    "cam1 in 239.1.1.1:5000@eth0 source 10.9.9.9 out 239.2.2.2:6000@eth1 ttl 8 "
		    "out 10.0.0.100:6000");
	assert_int_equal(config.nr_ifaces, 2);
	assert_int_equal(config_iface(&config, "eth0")->mode, IFACE_MODE_NATIVE);
	assert_int_equal(config_iface(&config, "eth0")->queues, 4);
	assert_int_equal(config_iface(&config, "br-lan")->mode, IFACE_MODE_AUTO);
	assert_int_equal(config_iface(&config, "br-lan")->queues, 0);
	assert_int_equal(config.egress.engine, ENGINE_SENDMMSG);
	assert_int_equal(config.egress.gso, 1);
	assert_int_equal(config.egress.wakeup, WAKEUP_HYBRID);
	assert_int_equal(config.workers.frames, 4096);
	assert_int_equal(config.workers.rx_ring, 1024);
	assert_int_equal(config.workers.nr_cpus, 2);
	assert_int_equal(config.workers.watchdog, 3600);
	assert_int_equal(config.workers.cpus[0], 0);
	assert_int_equal(config.workers.cpus[1], 3);
	assert_int_equal(config.egress.send_buffer, 262144);
	assert_int_equal(config.stats_interval, 0);
	config_free(&config);
}

/* A file with rules alone means the defaults, and replaces the whole configuration. */
static void test_defaults(void **state)
{
	const char *text = "rules:\n- in 239.1.1.1:1@a out 1.1.1.1:1\n";
	struct config config = parse(documented);
	struct errors errors = {0};

	assert_int_equal(config_parse_yaml(text, strlen(text), "x", &config, &errors), 0);
	assert_int_equal(config.nr_rules, 1);
	assert_int_equal(config.nr_ifaces, 0);
	assert_int_equal(config.egress.engine, ENGINE_IO_URING);
	assert_int_equal(config.egress.gso, GSO_MAX_SEGMENTS);
	assert_int_equal(config.egress.wakeup, WAKEUP_EVENTFD);
	assert_int_equal(config.workers.frames, 16384);
	assert_int_equal(config.workers.rx_ring, 0);
	assert_int_equal(config.workers.nr_cpus, 0);
	assert_int_equal(config.workers.watchdog, 10);
	assert_int_equal(config.egress.send_buffer, 4 << 20);
	assert_int_equal(config.stats_interval, 600);
	config_free(&config);
}

/* Forms of one rule in YAML. All mean the same as the first. */
static void test_forms(void **state)
{
	static const char *const forms[] = {
		"rules:\n- c in 239.1.1.1:1@a source 1.2.3.4 out 239.1.1.2:2@b ttl 8 out "
		"1.1.1.1:3\n",
		"rules: ['c in 239.1.1.1:1@a source 1.2.3.4 out 239.1.1.2:2@b ttl 8 out "
		"1.1.1.1:3']\n",
		"rules:\n- \"c in 239.1.1.1:1@a source 1.2.3.4\\tout 239.1.1.2:2@b ttl 8 out "
		"1.1.1.1:\\x33\"\n",
		"rules:\n- c in 239.1.1.1:1@a source 1.2.3.4\n   out 239.1.1.2:2@b ttl 8\n   out "
		"1.1.1.1:3\n",
		"rules:\n- |\n  c in 239.1.1.1:1@a source 1.2.3.4\n\n  out 239.1.1.2:2@b ttl 8\n  "
		"out "
		"1.1.1.1:3\n\n",
		"rules:\n- >-   # folded\n  c in 239.1.1.1:1@a source 1.2.3.4\n  out 239.1.1.2:2@b "
		"ttl 8 out 1.1.1.1:3\n# end",
		"rules:\n- out:\n  - { ttl: '8', to: \"239.1.1.2:2@b\" }\n  - 1.1.1.1:3\n  "
		"source: '1.2.3.4'\n  in: >-\n   239.1.1.1:1@a\n  name: |\n    c\n",
		"%YAML 1.1\n---\n{\"rules\": [{\"name\": \"c\", \"in\": \"239.1.1.1:1@a\", "
		"\"source\": "
		"\"1.2.3.4\", \"out\": [{\"to\": \"239.1.1.2:2@b\", \"ttl\": 8, \"dscp\": "
		"\"cs0\"}, \"1.1.1.1:3\"]}]}\n...\n",
		"\xef\xbb\xbfrules:\r\n- name: c\r\n  in: 239.1.1.1:1@a\r\n  source: 1.2.3.4\r\n  "
		"out: [ 239.1.1.2:2@b, 1.1.1.1:3 ]\r\n",
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct config config = parse(forms[i]);

		assert_int_equal(config.nr_rules, 1);
		if (i == 8)
			config.rules[0].outputs[0].ttl = 8;
		expect_rule(&config, 0,
			    "c in 239.1.1.1:1@a source 1.2.3.4 out 239.1.1.2:2@b ttl 8 "
			    "out 1.1.1.1:3");
		config_free(&config);
	}
}

/* Defaults, dscp names and derived names are the same in the file and in the grammar. */
static void test_same_as_grammar(void **state)
{
	struct config config = parse("rules:\n"
				     "- in: 239.1.1.1:1@a\n"
				     "  out:\n"
				     "  - to: 239.1.1.2:2@b\n"
				     "  - { to: 1.1.1.1:3, dscp: EF }\n"
				     "  - { to: 1.1.1.2:3, dscp: 63, ttl: 255 }\n"
				     "- in: 239.1.1.1:1@a\n"
				     "  source: 1.2.3.4\n"
				     "  out: [ 1.1.1.1:1@b ]\n");

	expect_rule(
		&config, 0,
		"in 239.1.1.1:1@a out 239.1.1.2:2@b out 1.1.1.1:3 dscp ef out 1.1.1.2:3 dscp 63 "
		"ttl 255");
	expect_rule(&config, 1, "in 239.1.1.1:1@a source 1.2.3.4 out 1.1.1.1:1@b");
	config_free(&config);
}

static void test_values(void **state)
{
	static const struct {
		const char *text;
		unsigned int gso;
	} gso[] = {{"on", 64}, {"off", 1}, {"1", 1}, {"16", 16}, {"64", 64}};
	char text[200];

	for (size_t i = 0; i < sizeof(gso) / sizeof(gso[0]); i++) {
		struct config config;

		snprintf(
			text, sizeof(text),
			"rules: [in 1.1.1.1:1@a out 1.1.1.2:1]\negress: { gso: %s, wakeup: spin }\n"
			"interfaces:\nworkers:\nstatistics:\n",
			gso[i].text);
		config = parse(text);
		assert_int_equal(config.egress.gso, gso[i].gso);
		assert_int_equal(config.egress.wakeup, WAKEUP_SPIN);
		config_free(&config);
	}
}

/* A daemon that gets its rules later. */
static void test_no_rules(void **state)
{
	struct config config = parse("rules: []\n");

	assert_int_equal(config.nr_rules, 0);
	config_free(&config);
}

static void test_settings(void **state)
{
	struct config config =
		parse("rules:\n"
		      "- { in: 239.1.1.1:1@a, enabled: no, out: [1.1.1.1:1] }\n"
		      "- { in: 239.1.1.2:1@a, enabled: yes, out: [1.1.1.1:1] }\n"
		      "control: { group: xmcast, admin_group: 0, save_changes: on }\n"
		      "logging:\n"
		      "  levels: { steering: debug, control: error }\n"
		      "  level: warning\n"
		      "  to: syslog\n"
		      "  format: json\n"
		      "events: { silent_after: 10 }\n"
		      "security: { user: xmcast, group: 12, sandbox: off }\n");

	assert_true(config.rules[0].disabled);
	assert_false(config.rules[1].disabled);
	assert_string_equal(config.control.group, "xmcast");
	assert_string_equal(config.control.admin_group, "0");
	assert_true(config.control.save_changes);
	assert_int_equal(config.logging.levels[LOG_FACILITY_STEERING], LOG_LEVEL_DEBUG);
	assert_int_equal(config.logging.levels[LOG_FACILITY_CONTROL], LOG_LEVEL_ERROR);
	assert_int_equal(config.logging.levels[LOG_FACILITY_EGRESS], LOG_LEVEL_WARNING);
	assert_int_equal(config.logging.target, LOG_TARGET_SYSLOG);
	assert_true(config.logging.json);
	assert_int_equal(config.events.silent_after, 10);
	assert_string_equal(config.security.user, "xmcast");
	assert_string_equal(config.security.group, "12");
	assert_false(config.security.sandbox);
	config_free(&config);
}

/* A copy is equal, and independent of the original. */
static void test_copy(void **state)
{
	struct config config = parse("rules:\n"
				     "- { in: 239.1.1.1:1@a, out: [1.1.1.1:1, 1.1.1.2:1] }\n"
				     "interfaces: { a: { mode: skb } }\n"
				     "workers: { frames: 128 }\n");
	struct config copy;

	assert_int_equal(config_copy(&copy, &config), 0);
	assert_int_equal(copy.nr_rules, 1);
	assert_true(rule_equal(&copy.rules[0], &config.rules[0]));
	config_free(&config);
	assert_int_equal(copy.rules[0].outputs[1].port, 1);
	assert_int_equal(config_iface(&copy, "a")->mode, IFACE_MODE_SKB);
	assert_int_equal(copy.workers.frames, 128);
	config_free(&copy);
}

/* A file that is cut off anywhere is either refused with an error or valid. */
static void test_truncated(void **state)
{
	for (size_t length = 0; length < sizeof(documented) - 1; length++) {
		struct errors errors = {0};
		struct config config;
		int error;

		config_init(&config);
		error = config_parse_yaml(documented, length, "x", &config, &errors);
		assert_true(error == 0 || error == -EINVAL);
		assert_int_equal(error == 0, errors.count == 0);
		assert_int_equal(error == 0, config.nr_rules == 1);
		errors_free(&errors);
		config_free(&config);
	}
}

/* --- files --- */

static void expect_load(const char *path, int result, const struct expected *expected)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	assert_int_equal(config_load_file(path, &config, &errors), result);
	expect_errors(&errors, expected, path);
	assert_int_equal(config.nr_rules, result == 0);
	config_free(&config);
}

static void write_file(const char *path, const char *text, size_t length)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(text, 1, length, stream), length);
	assert_int_equal(fclose(stream), 0);
}

static void test_load(void **state)
{
	char directory[] = "/tmp/test_file.XXXXXX", path[64];

	assert_non_null(mkdtemp(directory));
	expect_load(directory, -EINVAL,
		    (struct expected[]){{0, 0, NULL, "is a directory, expected"}, {0}});
	snprintf(path, sizeof(path), "%s/file", directory);
	expect_load(path, -ENOENT,
		    (struct expected[]){{0, 0, NULL, "cannot be opened: No such file"}, {0}});
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_load(path, -EINVAL, (struct expected[]){{0, 0, NULL, "is not a regular file"}, {0}});
	unlink(path);
	write_file(path, "", 0);
	expect_load(path, -EINVAL, (struct expected[]){{1, 1, NULL, "an empty file"}, {0}});
	write_file(path, documented, strlen(documented));
	expect_load(path, 0, (struct expected[]){{0}});
	assert_int_equal(truncate(path, YAML_BYTES_MAX + 1), 0);
	expect_load(path, -EINVAL,
		    (struct expected[]){{0, 0, NULL, "too large, expected at most 16777216 bytes"},
					{0}});
	unlink(path);
	rmdir(directory);
}

/* A file that does not say its size is read to its end. */
static void test_load_proc(void **state)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	assert_int_equal(config_load_file("/proc/self/status", &config, &errors), -EINVAL);
	assert_string_equal(errors.list[0].word, "Name");
	assert_true(errors.count > 10);
	errors_free(&errors);
}

/* The reference is a file that xmcastd accepts, and its settings are the defaults, as it says. */
static void test_reference(void **state)
{
	struct errors errors = {0};
	struct config config, defaults;
	struct config_diff diff;

	config_init(&config);
	config_init(&defaults);
	assert_int_equal(config_load_file("docs/xmcast.yaml", &config, &errors), 0);
	expect_no_errors(&errors, "docs/xmcast.yaml");
	assert_int_equal(config.nr_rules, 4);
	assert_int_equal(config.nr_ifaces, 1);
	assert_int_equal(config_diff(&defaults, &config, &diff), 0);
	for (unsigned int i = 0; i < diff.nr_settings; i++)
		fail_msg("%s: %s", diff.settings[i].name, diff.settings[i].after);
	config_diff_free(&diff);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_forms),	   cmocka_unit_test(test_same_as_grammar),
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_settings),   cmocka_unit_test(test_copy),
		cmocka_unit_test(test_truncated),  cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_proc),  cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
