/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations written as text: what is read of it is what was written. */
#include <errno.h>
#include <time.h>

#include "expect.h"
#include "rules/schema.h"
#include "rules/values.h"
#include "rules/write.h"

/* A setting was added or removed: config_equal(), values.c and random_config() below must know. */
_Static_assert(sizeof(struct rule) == 200, "rule");
_Static_assert(sizeof(struct rule_output) == 56, "output");
_Static_assert(sizeof(struct iface_config) == 288, "interfaces");
_Static_assert(sizeof(struct egress_config) == 16, "egress");
_Static_assert(sizeof(struct worker_config) == 272, "workers");
_Static_assert(sizeof(struct control_config) == 67, "control");
_Static_assert(sizeof(struct log_config) == 40, "logging");
_Static_assert(sizeof(struct events_config) == 260, "events");
_Static_assert(sizeof(struct metrics_config) == 20, "metrics");
_Static_assert(sizeof(struct security_config) == 67, "security");
_Static_assert(sizeof(struct config) == 784, "config");

static struct config parse(const char *text, size_t length)
{
	struct errors errors = {0};
	struct config config;
	int error;

	config_init(&config);
	error = config_parse_yaml(text, length, "written", &config, &errors);
	expect_no_errors(&errors, text);
	assert_int_equal(error, 0);
	return config;
}

/* Write, read, compare. */
static void expect_same(const struct config *config)
{
	size_t length;
	char *text = config_write(config, &length);
	struct config again;

	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	again = parse(text, length);
	if (!config_equal(config, &again))
		fail_msg("not the same after:\n%s", text);
	config_free(&again);
	free(text);
}

static void expect_text(const char *input, const char *expected)
{
	struct config config = parse(input, strlen(input));
	size_t length;
	char *text = config_write(&config, &length);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	expect_same(&config);
	config_free(&config);
}

/* The form, word by word. */
/* Every setting, as somebody may write it and as it is written. */
static const char every_setting[] =
	"rules:\n"
	"- cam1 in 239.1.1.1:5000@eth0 source 10.9.9.9 disabled out 239.2.2.2:6000@eth1 "
	"ttl 8 dscp 34 gso 16 rate 1500kbit out 10.0.0.100:6000 ttl 64 gso 1 dscp 63\n"
	"- '123 in 239.1.1.2:5000@eth0.100 may_loop out 10.0.0.100:6000 gso on burst "
	"2000ms "
	"pps 10 rate 2000mbit'\n"
	"statistics: { interval: 0 }\n"
	"egress: { gso: off, send_buffer: 4194304, wakeup: spin, engine: sendmmsg }\n"
	"interfaces: { yes: { mode: skb, queues: all }, b: , c: { queues: 2, lost_program: "
	"leave, attach: external, pins: '/bpf/a b: #c' } }\n"
	"workers: { watchdog: 0, cpus: [2, 3], rx_ring: 64, frames: 128 }\n"
	"metrics: { listen: 127.0.0.1:9710 }\n"
	"events: { hook: '/usr/local/bin/on-event', silent_after: 5 }\n"
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
					    "  silent_after: 5\n"
					    "  hook: /usr/local/bin/on-event\n"
					    "\n"
					    "metrics:\n"
					    "  listen: 127.0.0.1:9710\n";

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

/* --- names that YAML could read as something else --- */

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
	{"?", true},	      {"a:", true},
	{":", true},	      {"#a", true},
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

/* Whatever a path may be. */
static void test_hooks(void **state)
{
	static const char *const hooks[] = {
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

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		struct config config;

		config_init(&config);
		strcpy(config.events.hook, hooks[i]);
		expect_same(&config);
	}
}

/* --- random configurations --- */

#define CONFIGS 3000

static unsigned int random_state;

/* The same numbers on every machine: a failure can be repeated. */
static unsigned int pick(unsigned int below)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % below;
}

/* A default, mostly; else 1 of `count`. */
static unsigned int pick_or(unsigned int usual, unsigned int first, unsigned int count)
{
	return pick(3) ? usual : first + pick(count);
}

/* A word of any printable ASCII but these bytes. */
static void pick_word(char *word, unsigned int longest, const char *without)
{
	unsigned int length = 1 + pick(longest);

	for (unsigned int i = 0; i < length; i++) {
		do {
			word[i] = (char)('!' + pick('~' - '!' + 1));
		} while (strchr(without, word[i]));
	}
	word[length] = '\0';
}

static void pick_iface(char iface[IF_NAMESIZE])
{
	static const char *const odd[] = {
		"yes", "123", "~", "null", "0x10", "a\"b", "a#b", "#",	 "{",	 "a'b", "[x]",
		"-",   "\\",  "@", "%",	   "!",	   "&a",   "*a",  "a,b", "...",	 "---", "<<",
		"=",   "|",   ">", "eth0", "a@b",  "1.5",  "`",	  "?",	 "a\\n", "0"};

	memset(iface, 0, IF_NAMESIZE);
	do {
		if (pick(2))
			strcpy(iface, odd[pick(sizeof(odd) / sizeof(odd[0]))]);
		else
			pick_word(iface, IF_NAMESIZE - 1, "/:");
	} while (strcmp(iface, ".") == 0 || strcmp(iface, "..") == 0);
}

static struct xmc_addr pick_addr(bool group)
{
	struct xmc_addr addr;
	char text[ADDR_TEXT_SIZE];

	snprintf(text, sizeof(text), "%u.%u.%u.%u", group ? 224 + pick(16) : 1 + pick(223),
		 pick(256), pick(256), pick(256));
	assert_true(addr_parse(text, &addr));
	return addr;
}

static struct rule_output pick_output(unsigned int number)
{
	bool group = pick(2);
	struct rule_output output = {
		.to = pick_addr(group),
		.port = (uint16_t)(1 + number), /* each another one: no duplicates, no loops */
		.gso = (uint8_t)pick_or(0, 1, GSO_MAX_SEGMENTS),
		.dscp = (uint8_t)pick_or(0, 0, 64),
	};

	if (pick(2))
		output.rate_bps = RATE_BPS_MIN * (1 + pick(400000)) * (pick(2) ? 1000 : 1);
	if (pick(2))
		output.rate_pps = 1 + pick(RATE_PPS_MAX);
	if (output_is_limited(&output) && pick(2))
		output.burst_ms = 1 + pick(BURST_MS_MAX);
	output.ttl = (uint8_t)pick_or(rule_default_ttl(&output.to), 1, 255);
	if (group || pick(2))
		pick_iface(output.iface);
	return output;
}

/* A host or a prefix; of few lengths, as there may be only so many. */
static void pick_source(struct rule *rule)
{
	rule->source = pick_addr(false);
	if (pick(2))
		return;
	rule->source_host_bits = (uint8_t)(8 * pick(3) + pick(2));
	for (unsigned int bit = 0; bit < rule->source_host_bits; bit++)
		rule->source.b[15 - bit / 8] &= (uint8_t) ~(1U << bit % 8);
}

static void pick_rule(struct rule *rule, unsigned int number)
{
	size_t used;

	memset(rule, 0, sizeof(*rule));
	rule->group = pick_addr(pick(4));
	if (pick(2))
		pick_source(rule);
	rule->port = (uint16_t)(1000 + number);
	/* Of a group, and each another one. */
	if (addr_is_multicast(&rule->group) && pick(4) == 0) {
		rule->port = RULE_PORT_ANY;
		rule->group.b[14] = (uint8_t)(number >> 8);
		rule->group.b[15] = (uint8_t)number;
	}
	pick_iface(rule->iface);
	rule->disabled = pick(4) == 0;
	rule->may_loop = pick(4) == 0;
	rule->nr_outputs = 1 + pick(5);
	rule->outputs = calloc(rule->nr_outputs, sizeof(*rule->outputs));
	assert_non_null(rule->outputs);
	for (unsigned int i = 0; i < rule->nr_outputs; i++)
		rule->outputs[i] = pick_output(i);
	/* One that keeps its port, so that there are no duplicates. */
	if (pick(3) == 0)
		rule->outputs[pick(rule->nr_outputs)].port = RULE_PORT_KEPT;
	if (pick(3) == 0) {
		rule_derive_name(rule);
		return;
	}
	pick_word(rule->name, 20, "\"'\\");
	/* Each another one, and no keyword. */
	used = strlen(rule->name);
	snprintf(rule->name + used, sizeof(rule->name) - used, "%u", number);
}

/* Byte by byte, so that lines, quotes, escapes and characters of every length come up. */
_Static_assert(HOOK_PATH_SIZE == PINS_PATH_SIZE, "pick_path() is for both");
static void pick_path(char path[HOOK_PATH_SIZE])
{
	static const char *const pieces[] = {
		"a",  "/",  " ",  "\n",	  "\"",	      "'",	  "\\",		  ":",	 "#",
		"\t", ": ", " #", "\x01", "\xc3\xa9", "\xc2\x85", "\xe2\x80\xa8", "\\x", "\r"};
	unsigned int count = pick(60);

	strcpy(path, "/");
	for (unsigned int i = 0; i < count; i++)
		strcat(path, pieces[pick(sizeof(pieces) / sizeof(pieces[0]))]);
}

static void pick_group(char group[GROUP_NAME_SIZE])
{
	static const char *const groups[] = {
		"",	"xmcast", "0",	"1000", "no",
		"NULL", "a.b-c",  "_x", "1.5",	"abcdefghijklmnopqrstuvwxyz012345"};

	strcpy(group, groups[pick(sizeof(groups) / sizeof(groups[0]))]);
}

static void pick_workers(struct worker_config *workers)
{
	workers->frames = pick(2) ? 16384 : 64U << pick(15);
	workers->rx_ring = pick(2) ? 0 : 64U << pick(11);
	workers->watchdog = pick_or(10, 0, 3601);
	workers->nr_cpus = pick_or(0, 0, WORKER_CPUS_MAX + 1);
	for (unsigned int i = 0; i < workers->nr_cpus; i++)
		workers->cpus[i] = (uint16_t)pick(8192);
}

static void pick_logging(struct log_config *logging)
{
	enum log_level level = (enum log_level)pick(LOG_LEVELS);

	for (int i = 0; i < LOG_FACILITIES; i++)
		logging->levels[i] = (enum log_level)pick_or(level, 0, LOG_LEVELS);
	logging->target = (enum log_target)pick(LOG_TARGET_SYSLOG + 1);
	logging->json = pick(2);
}

static void pick_ifaces(struct config *config)
{
	unsigned int count = pick(5);

	config->ifaces = calloc(count + 1, sizeof(*config->ifaces));
	assert_non_null(config->ifaces);
	while (config->nr_ifaces < count) {
		struct iface_config iface = {
			.mode = (enum iface_mode)pick(IFACE_MODE_SKB + 1),
			.queues = pick_or(0, 1, XMC_MAX_QUEUES),
			.lost_program = (enum lost_program)pick(LOST_PROGRAM_LEAVE + 1),
			.attach = (enum iface_attach)pick(IFACE_ATTACH_EXTERNAL + 1),
		};

		pick_iface(iface.name);
		if (pick(2))
			pick_path(iface.pins);
		if (!config_iface(config, iface.name))
			config->ifaces[config->nr_ifaces++] = iface;
	}
}

static void random_config(struct config *config)
{
	unsigned int count = pick(4);

	config_init(config);
	config->rules = calloc(count + 1, sizeof(*config->rules));
	assert_non_null(config->rules);
	for (; config->nr_rules < count; config->nr_rules++)
		pick_rule(&config->rules[config->nr_rules], config->nr_rules);
	pick_ifaces(config);
	config->egress.engine = (enum egress_engine)pick(ENGINE_SENDMMSG + 1);
	config->egress.gso = pick_or(GSO_MAX_SEGMENTS, 1, GSO_MAX_SEGMENTS);
	config->egress.wakeup = (enum egress_wakeup)pick(WAKEUP_SPIN + 1);
	config->egress.send_buffer = pick_or(4 << 20, 128 << 10, 1 << 20);
	pick_workers(&config->workers);
	pick_group(config->control.group);
	pick_group(config->control.admin_group);
	config->control.save_changes = pick(2);
	pick_logging(&config->logging);
	config->events.silent_after = pick_or(3, 1, 86400);
	if (pick(2))
		pick_path(config->events.hook);
	if (pick(2)) {
		config->metrics.port = (uint16_t)(1 + pick(65535));
		assert_true(addr_parse(pick(2) ? "::1" : "127.0.0.1", &config->metrics.address));
	}
	config->stats_interval = pick_or(10, 0, 86401);
	pick_group(config->security.user);
	if (config->security.user[0])
		pick_group(config->security.group);
	config->security.no_sandbox = pick(2);
}

static void test_random(void **state)
{
	struct config config, other;
	unsigned int differ = 0;

	random_config(&other);
	for (unsigned int i = 0; i < CONFIGS; i++) {
		random_state = i;
		random_config(&config);
		expect_same(&config);
		/* A comparison that always holds would prove nothing. */
		differ += !config_equal(&config, &other);
		config_free(&other);
		other = config;
	}
	assert_true(differ >= CONFIGS - 1);
	config_free(&other);
}

/* Each setting that differs is seen by config_equal(), and has its place in the text. */
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
	struct config config;

	EXPECT_SEEN(egress.engine, ENGINE_SENDMMSG);
	EXPECT_SEEN(egress.gso, 2);
	EXPECT_SEEN(egress.wakeup, WAKEUP_SPIN);
	EXPECT_SEEN(egress.send_buffer, 1 << 18);
	EXPECT_SEEN(workers.frames, 64);
	EXPECT_SEEN(workers.rx_ring, 64);
	EXPECT_SEEN(workers.nr_cpus, 1);
	EXPECT_SEEN(workers.watchdog, 0);
	EXPECT_SEEN(control.group[0], 'a');
	EXPECT_SEEN(control.admin_group[0], 'a');
	EXPECT_SEEN(control.save_changes, true);
	for (int i = 0; i < LOG_FACILITIES; i++)
		EXPECT_SEEN(logging.levels[i], LOG_LEVEL_ERROR);
	EXPECT_SEEN(logging.target, LOG_TARGET_STDERR);
	EXPECT_SEEN(logging.json, true);
	EXPECT_SEEN(events.silent_after, 4);
	EXPECT_SEEN(events.hook[0], '/');
	EXPECT_SEEN(stats_interval, 0);
	EXPECT_SEEN(security.user[0], 'a');
	EXPECT_SEEN(security.no_sandbox, true);
	config_init(&config);
	config.metrics.port = 1;
	assert_true(addr_parse("127.0.0.1", &config.metrics.address));
	expect_seen(&config);
}

static void test_facility_names(void **state)
{
	unsigned int found = 0;

	for (size_t i = 0; i < NR_SETTINGS; i++) {
		const char *name = setting_list[i].name;

		assert_non_null(setting_list[i].format);
		if (strncmp(name, "logging.levels.", 15) != 0)
			continue;
		assert_string_equal(name + 15, log_facility_name((enum log_facility)found));
		assert_int_equal(setting_list[i].argument, found++);
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
	clock_gettime(CLOCK_MONOTONIC, &start);
	text = config_write(&config, &length);
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("10,000 rules, %zu bytes: %.3f s\n", length,
		      (double)(end.tv_sec - start.tv_sec) +
			      (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	assert_non_null(text);
	assert_true(end.tv_sec - start.tv_sec < 30);
	free(text);
	expect_same(&config);
	config_free(&config);
}

/* What could not be read again is not written. */
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
		cmocka_unit_test(test_form),	     cmocka_unit_test(test_names),
		cmocka_unit_test(test_hooks),	     cmocka_unit_test(test_random),
		cmocka_unit_test(test_each_setting), cmocka_unit_test(test_facility_names),
		cmocka_unit_test(test_many),	     cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
