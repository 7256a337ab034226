/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations written as text: the form, and that reading the text gives an equal one. */
#include <errno.h>
#include <time.h>

#include "config_text.h"
#include "rules/settings.h"

static void expect_text(const char *input, const char *expected)
{
	struct config config = parse(input);
	size_t length;
	char *text = config_write(&config, &length);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	expect_same(&config);
	config_free(&config);
}

/* Every setting, as a user may write it and as it is written. */
static const char every_setting[] =
	"rules:\n"
	"- cam1 in 239.1.1.1:5000@eth0 source 10.9.9.9 disabled out 239.2.2.2:6000@eth1 "
	"ttl 8 dscp 34 gso 16 rate 1500kbit out 10.0.0.100:6000 ttl 64 gso 1 dscp 63\n"
	"- in 239.1.1.3/50@eth0 path kernel out 239.2.2.3@eth1 ttl 2\n"
	"- { in: '[ff3e::1]/47@eth0', path: kernel, out: ['[ff3e::2]@eth1'] }\n"
	"- '123 in 239.1.1.2:5000@eth0.100 may_loop out 10.0.0.100:6000 gso on burst "
	"2000ms "
	"pps 10 rate 2000mbit'\n"
	"relay: { path: auto }\n"
	"statistics: { interval: 0 }\n"
	"egress: { gso: off, send_buffer: 4194304, wakeup: spin, engine: sendmmsg }\n"
	"interfaces: { yes: { mode: skb, queues: all }, b: , c: { queues: 2, lost_program: "
	"leave, attach: external, pins: '/bpf/a b: #c', offloads: manage } }\n"
	"workers: { watchdog: 0, cpus: [2, 3], rx_ring: 64, frames: 128 }\n"
	"events: { silent_after: 5 }\n"
	"control: { group: xmcast, admin_group: 0, save_changes: yes }\n"
	"logging: { level: warning, levels: { links: debug, rules: info }, to: syslog, "
	"format: json }\n";

static const char every_setting_written[] = "rules:\n"
					    "  - name: cam1\n"
					    "    in: 239.1.1.1:5000@eth0\n"
					    "    source: 10.9.9.9\n"
					    "    enabled: no\n"
					    "    out:\n"
					    "      - to: 239.2.2.2:6000@eth1\n"
					    "        ttl: 8\n"
					    "        dscp: af41\n"
					    "        gso: 16\n"
					    "        rate: 1500kbit\n"
					    "      - to: 10.0.0.100:6000\n"
					    "        dscp: 63\n"
					    "        gso: off\n"
					    "  - in: 239.1.1.3/50@eth0\n"
					    "    path: kernel\n"
					    "    out:\n"
					    "      - to: 239.2.2.3@eth1\n"
					    "        ttl: 2\n"
					    "  - in: \"[ff3e::1]/47@eth0\"\n"
					    "    path: kernel\n"
					    "    out:\n"
					    "      - to: \"[ff3e::2]@eth1\"\n"
					    "  - name: \"123\"\n"
					    "    in: 239.1.1.2:5000@eth0.100\n"
					    "    may_loop: yes\n"
					    "    out:\n"
					    "      - to: 10.0.0.100:6000\n"
					    "        gso: 64\n"
					    "        rate: 2gbit\n"
					    "        pps: 10\n"
					    "        burst: 2s\n"
					    "\n"
					    "interfaces:\n"
					    "  \"yes\":\n"
					    "    mode: skb\n"
					    "  b: {}\n"
					    "  c:\n"
					    "    queues: 2\n"
					    "    lost_program: leave\n"
					    "    attach: external\n"
					    "    pins: \"/bpf/a b: #c\"\n"
					    "    offloads: manage\n"
					    "\n"
					    "relay:\n"
					    "  path: auto\n"
					    "\n"
					    "egress:\n"
					    "  engine: sendmmsg\n"
					    "  gso: 1\n"
					    "  wakeup: spin\n"
					    "\n"
					    "workers:\n"
					    "  frames: 128\n"
					    "  rx_ring: 64\n"
					    "  cpus: [2, 3]\n"
					    "  watchdog: 0\n"
					    "\n"
					    "statistics:\n"
					    "  interval: 0\n"
					    "\n"
					    "control:\n"
					    "  group: xmcast\n"
					    "  admin_group: \"0\"\n"
					    "  save_changes: yes\n"
					    "\n"
					    "logging:\n"
					    "  level: warning\n"
					    "  levels:\n"
					    "    rules: info\n"
					    "    links: debug\n"
					    "  to: syslog\n"
					    "  format: json\n"
					    "\n"
					    "events:\n"
					    "  silent_after: 5\n";

/* The form, word by word. */
static void test_form(void **state)
{
	expect_text("rules: []\n", "rules: []\n");
	expect_text("rules:\n- in 239.1.1.1:5000@eth0 out 10.0.0.100:6000\n",
		    "rules:\n"
		    "  - in: 239.1.1.1:5000@eth0\n"
		    "    out:\n"
		    "      - to: 10.0.0.100:6000\n");
	expect_text(every_setting, every_setting_written);
}

/* --- names that other readers of YAML could take for a number or a boolean --- */

static const struct {
	const char *name;
	bool quoted;
} names[] = {
	{"cam1", false},      {"a.b-c_d", false},
	{"/x", false},	      {"10.9.9.9>239.1.1.1:1@a", false},
	{"a:b", false},	      {"1.2.3.4:5", false},
	{"yes", true},	      {"No", true},
	{"ON", true},	      {"y", true},
	{"null", true},	      {"True", true},
	{"~", true},	      {"123", true},
	{"0x10", true},	      {"0o7", true},
	{"1e3", true},	      {"1_000", true},
	{"1.5", true},	      {"1.2.3", true},
	{"1:30", true},	      {"1:30.5", true},
	{"2001-12-14", true}, {".5", true},
	{".inf", true},	      {"-1", true},
	{"+1", true},	      {"-", true},
	{"---", true},	      {"...", true},
	{"=", true},	      {"<<", true},
	{"?", true},	      {":a", true},
	{"::a", true},	      {"#a", true},
	{"a#b", true},	      {"&a", true},
	{"*a", true},	      {"!a", true},
	{"%a", true},	      {"@a", true},
	{"`a", true},	      {"|", true},
	{">", true},	      {"{a}", true},
	{"[a]", true},	      {"a,b", true},
};

static void test_names(void **state)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct rule_output output = {.port = 1, .ttl = 64};
		struct rule rule = {.port = 1, .iface = "a", .nr_outputs = 1, .outputs = &output};
		struct config config;
		size_t length;
		char *text, line[200];

		assert_true(addr_parse("239.1.1.1", &rule.group));
		assert_true(addr_parse("1.1.1.1", &output.to));
		snprintf(rule.name, sizeof(rule.name), "%s", names[i].name);
		config_init(&config);
		config.rules = &rule;
		config.nr_rules = 1;
		text = config_write(&config, &length);
		assert_non_null(text);
		snprintf(line, sizeof(line), names[i].quoted ? "name: \"%s\"\n" : "name: %s\n",
			 names[i].name);
		if (!strstr(text, line))
			fail_msg("no line <%s> in\n%s", line, text);
		free(text);
		expect_same(&config);
	}
}

/* Paths of any characters. */
static void test_paths(void **state)
{
	static const char *const paths[] = {
		"/usr/bin/x",
		"/a b",
		"/a: b",
		"/a #b",
		"/'",
		"/\"",
		"/\\",
		"/\\n\\",
		"/a\nb",
		"/a\n\n  b \n",
		"/\t \r\n",
		"/\x01\x1b\x7f",
		"/\xc3\xa9",				 /* e acute */
		"/\xc2\x85\xc2\xa0",			 /* next line, no-break space */
		"/\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf", /* separators, byte-order mark */
		"/\xef\xbf\xbe\xef\xbf\xbf",
		"/\xf0\x9f\x93\xb7\xf4\x8f\xbf\xbf",
		"/\xc2\x80\xc2\x9f\xc2\xa1",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct iface_config iface = {.name = "a"};
		struct config config;

		strcpy(iface.pins, paths[i]);
		config_init(&config);
		config.ifaces = &iface;
		config.nr_ifaces = 1;
		expect_same(&config);
	}
}

/* A setting that differs is noticed by config_equal(), and written. */
static void expect_seen(const struct config *config)
{
	struct config defaults;
	size_t length;
	char *text = config_write(config, &length);

	config_init(&defaults);
	assert_false(config_equal(config, &defaults));
	assert_non_null(text);
	assert_string_not_equal(text, "rules: []\n");
	free(text);
	expect_same(config);
}

#define EXPECT_SEEN(field, value)                                                                  \
	do {                                                                                       \
		struct config config_;                                                             \
		config_init(&config_);                                                             \
		config_.field = (value);                                                           \
		expect_seen(&config_);                                                             \
	} while (0)

static void test_each_setting(void **state)
{
	EXPECT_SEEN(relay.path, RULE_PATH_KERNEL);
	EXPECT_SEEN(egress.engine, ENGINE_SENDMMSG);
	EXPECT_SEEN(egress.gso, 2);
	EXPECT_SEEN(egress.wakeup, WAKEUP_SPIN);
	EXPECT_SEEN(egress.send_buffer, 1 << 18);
	EXPECT_SEEN(workers.frames, 64);
	EXPECT_SEEN(workers.rx_ring, 64);
	EXPECT_SEEN(workers.nr_cpus, 1);
	EXPECT_SEEN(workers.watchdog, 0);
	EXPECT_SEEN(demand.querier, false);
	EXPECT_SEEN(demand.linger, 500);
	EXPECT_SEEN(demand.leave, DEMAND_LEAVE_TRACKED);
	EXPECT_SEEN(demand.query_interval, 60000);
	EXPECT_SEEN(demand.response_time, 1000);
	EXPECT_SEEN(demand.last_member_interval, 200);
	EXPECT_SEEN(demand.robustness, 3);
	EXPECT_SEEN(demand.max_groups, 100);
	EXPECT_SEEN(demand.max_members, 1000);
	EXPECT_SEEN(control.group[0], 'a');
	EXPECT_SEEN(control.admin_group[0], 'a');
	EXPECT_SEEN(control.save_changes, true);
	for (int i = 0; i < LOG_FACILITIES; i++)
		EXPECT_SEEN(logging.levels[i], LOG_LEVEL_ERROR);
	EXPECT_SEEN(logging.target, LOG_TARGET_STDERR);
	EXPECT_SEEN(logging.json, true);
	EXPECT_SEEN(events.silent_after, 4);
	EXPECT_SEEN(stats_interval, 0);
	EXPECT_SEEN(security.user[0], 'a');
	EXPECT_SEEN(security.sandbox, false);
}

/* The levels and the facilities are those of the log. */
static void test_facility_names(void **state)
{
	unsigned int found = 0;

	for (const struct field *setting = setting_list; setting->name; setting++) {
		const char *facility = setting_key(setting, SETTING_LEVELS);

		if (facility || strcmp(setting->name, "logging.level") == 0) {
			for (unsigned int i = 0; i < LOG_LEVELS; i++) {
				assert_int_equal(setting->choices[i].value, i);
				assert_string_equal(setting->choices[i].name,
						    log_level_name((enum log_level)i));
			}
		}
		if (!facility)
			continue;
		assert_string_equal(facility, log_facility_name((enum log_facility)found));
		assert_int_equal(setting->offset, offsetof(struct config, logging.levels[found]));
		found++;
	}
	assert_int_equal(found, LOG_FACILITIES);
}

/* --- many --- */

static void fill_rules(struct config *config, unsigned int count, unsigned int outputs)
{
	config_init(config);
	config->rules = calloc(count, sizeof(*config->rules));
	assert_non_null(config->rules);
	for (; config->nr_rules < count; config->nr_rules++) {
		struct rule *rule = &config->rules[config->nr_rules];

		snprintf(rule->name, sizeof(rule->name), "cam%u", config->nr_rules);
		assert_true(addr_parse("239.1.0.0", &rule->group));
		rule->group.b[14] = (uint8_t)(config->nr_rules >> 8);
		rule->group.b[15] = (uint8_t)config->nr_rules;
		strcpy(rule->iface, "eth0");
		rule->port = 5000;
		rule->nr_outputs = outputs;
		rule->outputs = calloc(outputs, sizeof(*rule->outputs));
		assert_non_null(rule->outputs);
		for (unsigned int i = 0; i < outputs; i++) {
			rule->outputs[i].port = (uint16_t)(1 + i);
			rule->outputs[i].ttl = 9;
			assert_true(addr_parse("10.0.0.100", &rule->outputs[i].to));
		}
	}
}

static void test_many(void **state)
{
	struct timespec start, end;
	struct config config;
	size_t length;
	char *text;

	fill_rules(&config, 10000, 2);
	/* CPU time of this process: a busy machine does not change it. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	text = config_write(&config, &length);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	print_message("10,000 rules, %zu bytes: %.3f s\n", length,
		      (double)(end.tv_sec - start.tv_sec) +
			      (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	assert_non_null(text);
	assert_true(end.tv_sec - start.tv_sec < 30);
	free(text);
	expect_same(&config);
	config_free(&config);
}

/* A configuration that would be too large to read again is not written. */
static void test_too_large(void **state)
{
	struct config config;
	size_t length;

	fill_rules(&config, 2000, XMC_MAX_OUTPUTS);
	errno = 0;
	assert_null(config_write(&config, &length));
	assert_int_equal(errno, EFBIG);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),	       cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),	       cmocka_unit_test(test_each_setting),
		cmocka_unit_test(test_facility_names), cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
