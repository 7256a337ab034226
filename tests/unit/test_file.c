/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expect.h"
#include "rules/add.h"
#include "rules/file.h"
#include "rules/grammar.h"
#include "rules/schema.h"
#include "rules/yaml_tree.h"

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

static struct config parse(const char *text)
{
	struct errors errors = {0};
	struct config config;
	int error;

	config_init(&config);
	error = config_parse_yaml(text, strlen(text), "test.yaml", &config, &errors);
	expect_no_errors(&errors, text);
	assert_int_equal(error, 0);
	return config;
}

static struct rule parse_rule(const char *text)
{
	struct errors errors = {0};
	struct rule rule;

	assert_int_equal(grammar_parse_rule(text, strlen(text), &(struct position){"r", 1, 1},
					    &rule, NULL, &errors),
			 0);
	return rule;
}

static void expect_rule(const struct config *config, unsigned int index, const char *text)
{
	struct rule rule = parse_rule(text);

	assert_true(index < config->nr_rules);
	if (!rule_equal(&config->rules[index], &rule))
		fail_msg("not rule %u: %s", index, text);
	rule_free(&rule);
}

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

/* A file with nothing but rules leaves the defaults, and replaces all that was there. */
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
	assert_int_equal(config.stats_interval, 10);
	config_free(&config);
}

/* The forms of one rule that YAML offers. All mean the first. */
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

/* A daemon that is told its rules later. */
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
		      "events: { silent_after: 10, hook: /bin/true }\n"
		      "metrics: { listen: 127.0.0.1:9710 }\n"
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
	assert_string_equal(config.events.hook, "/bin/true");
	assert_int_equal(config.metrics.port, 9710);
	assert_true(addr_is_loopback(&config.metrics.address));
	assert_string_equal(config.security.user, "xmcast");
	assert_string_equal(config.security.group, "12");
	assert_true(config.security.no_sandbox);
	config_free(&config);
}

/* A copy says the same, and owns what it says. */
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

#define RULES "rules: [in 1.1.1.1:1@a out 1.1.1.2:1]\n"

/* Every one is refused, with these errors. */
static const struct {
	const char *text;
	struct expected errors[8];
} bad[] = {
	/* nothing */
	{"", {{1, 1, NULL, "an empty file, expected `rules:`"}}},
	{"# nothing\n", {{1, 1, NULL, "an empty file"}}},
	{"---\n", {{1, 1, NULL, "an empty file"}}},
	{"egress: { gso: on }\n",
	 {{1, 1, "egress:", "no `rules:` here, expected a list of rules"}}},
	{"rules:\n", {{1, 7, "", "no value, expected a list of rules"}}},
	/* types */
	{"just text\n", {{1, 1, "just text", "wrong type, expected a mapping with `rules:`"}}},
	{"- 1\n", {{1, 1, "-", "wrong type, expected a mapping"}}},
	{"rules: cam1\n", {{1, 8, "cam1", "wrong type, expected a list of rules"}}},
	{"rules: { a: b }\n", {{1, 8, "{", "wrong type, expected a list of rules"}}},
	{"rules:\n- - 1\n", {{2, 3, "-", "wrong type, expected a rule"}}},
	{"rules:\n-\n", {{2, 2, "", "an empty rule"}}},
	{"rules:\n- { in: [1], out: x, name: {} }\n",
	 {{2, 9, "[1],", "wrong type, expected GROUP:PORT@IFACE"},
	  {2, 19, "x", "wrong type, expected a list of outputs"},
	  {2, 28, "{}", "wrong type, expected a rule name"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  out:\n  - [x]\n  - ttl: [1]\n",
	 {{4, 5, "[x]", "wrong type, expected a mapping with `to`"},
	  {5, 10, "[1]", "wrong type, expected a number from 1 to 255"},
	  {5, 5, "ttl:", "no `to:` here, expected DEST[:PORT][@IFACE]"}}},
	{RULES "egress: 5\ninterfaces: [a]\nworkers: x\nstatistics: 1\n",
	 {{2, 9, "5", "wrong type, expected a mapping with engine, gso, wakeup"},
	  {3, 13, "[a]", "wrong type, expected a mapping of interface names"},
	  {4, 10, "x", "wrong type, expected a mapping with frames, rx_ring"},
	  {5, 13, "1", "wrong type, expected a mapping with interval"}}},
	{RULES "interfaces: { a: on }\n",
	 {{2, 18, "on", "wrong type, expected a mapping with mode"}}},
	/* keys */
	{RULES "rule: []\n",
	 {{2, 1, "rule",
	   "expected one of rules, interfaces, egress, workers, statistics, control, logging, "
	   "events, metrics"}}},
	{RULES "rules: [in 1.1.1.3:1@a out 1.1.1.2:1]\n", {{2, 1, "rules", "duplicate key"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  outs: []\n",
	 {{3, 3, "outs", "unknown key, expected one of name, in, source, enabled, may_loop, out"},
	  {2, 3, "in:", "no `out:` here, expected a list of outputs"}}},
	{"rules:\n- {}\n",
	 {{2, 3, "{}", "no `in:` here, expected GROUP:PORT@IFACE"},
	  {2, 3, "{}", "no `out:` here"}}},
	{"rules:\n- name: a\n  name: b\n  in: 1.1.1.1:1@a\n  out: [ 1.1.1.2:1 ]\n",
	 {{3, 3, "name", "duplicate key, expected it once"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  out: [ { to: 1.1.1.2:1, tll: 1 } ]\n",
	 {{3, 27, "tll", "unknown key, expected one of to, ttl, dscp"}}},
	{RULES "egress: { GSO: on }\n", {{2, 11, "GSO", "expected one of engine, gso, wakeup"}}},
	{RULES "[a]: b\n", {{2, 1, "[a]:", "wrong type, expected a key"}}},
	/* words */
	{"rules:\n- name: in\n  in: 239.1.1.1:5000\n  source: 239.1.1.1\n  out:\n"
	 "  - to: 239.1.1.2:0@b\n    ttl: 0\n  - 1.1.1.1:65536\n",
	 {{2, 9, "in", "a keyword cannot be a rule name"},
	  {3, 7, "239.1.1.1:5000", "no interface, expected GROUP:PORT@IFACE"},
	  {4, 11, "239.1.1.1", "cannot be a source"},
	  {6, 19, "0", "not a valid port"},
	  {7, 10, "0", "not a valid ttl"},
	  {8, 13, "65536", "not a valid port"}}},
	{"rules:\n- in: 240.1.1.1:1@a\n  out: [ '1.1.1.1:1 x', \" 1.1.1.1:2\" ]\n",
	 {{2, 7, "240.1.1.1", "address out of range"},
	  {3, 19, "1 x", "not a valid port"},
	  {3, 26, " 1.1.1.1", "not an address"}}},
	{"rules:\n- in:\n  source:\n  out: []\n",
	 {{2, 6, "", "no port, expected GROUP"},
	  {3, 10, "", "not an address"},
	  {4, 8, "[]", "no outputs, expected at least one"}}},
	{"rules:\n- \xc3\xa9t\xc3\xa9 in 1.1.1.1:0@a\n   out 1.1.1.1:1\n   ttl 0\n",
	 {{2, 3, "\\xc3\\xa9t\\xc3\\xa9", "not a rule name"},
	  {2, 20, "0", "not a valid port"},
	  {4, 8, "0", "not a valid ttl"}}},
	{"rules:\n- |2\n\n   a in 1.1.1.1:0@a\n   out 1.1.1.1:1 ttl 0\n",
	 {{4, 17, "0", "not a valid port"}, {5, 22, "0", "not a valid ttl"}}},
	{RULES "interfaces: { ..: {}, a/b: { mode: xdp, queues: 0 }, c: { queues: 65, mode: } }\n",
	 {{2, 15, "..", "not an interface name"},
	  {2, 23, "a/b", "not an interface name"},
	  {2, 36, "xdp", "unknown value, expected one of auto, native, skb"},
	  {2, 49, "0", "not a valid number of queues, expected a number from 1 to 64"},
	  {2, 67, "65", "not a valid number of queues"},
	  {2, 77, "", "unknown value, expected one of auto"}}},
	{RULES "egress: { engine: uring, gso: 65, wakeup: never }\n",
	 {{2, 19, "uring", "unknown value, expected one of io_uring, sendmmsg"},
	  {2, 31, "65", "not a valid gso, expected on, off or a number from 1 to 64"},
	  {2, 43, "never", "unknown value, expected one of eventfd, hybrid, spin"}}},
	{RULES "egress: { gso: yes }\n",
	 {{2, 16, "yes", "expected on, off or a number from 1 to 64"}}},
	{RULES "egress: { send_buffer: 1000 }\nworkers: { cpus: [0, x, 9000] }\n",
	 {{2, 24, "1000", "not a valid number of bytes, expected a number from 131072"},
	  {3, 22, "x", "not a valid CPU, expected a number from 0 to 8191"},
	  {3, 25, "9000", "not a valid CPU"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  out: [ { to: 1.1.1.2:1, gso: 65 } ]\n",
	 {{3, 32, "65", "not a valid gso"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  may_loop: 2\n  out: [ { to: 1.1.1.2:1, rate: 5, pps: -1, "
	 "burst: [] } ]\n",
	 {{3, 13, "2", "expected one of yes, no"},
	  {4, 33, "5", "not a valid rate"},
	  {4, 41, "-1", "not a valid pps"},
	  {4, 52, "[]", "wrong type, expected a time such as 100ms"}}},
	{RULES "interfaces: { a: { queues: any } }\n", {{2, 28, "any", "one of all or a number"}}},
	{RULES "workers: { watchdog: 3601 }\n",
	 {{2, 22, "3601", "not a valid number of seconds, expected a number from 0 to 3600"}}},
	{RULES "workers: { frames: 32, rx_ring: 100 }\nstatistics: { interval: 86401 }\n",
	 {{2, 20, "32", "not a valid number of frames, expected a number from 64 to 1048576"},
	  {2, 33, "100", "not a valid ring size, expected a power of two from 64 to 65536"},
	  {3, 25, "86401", "not a valid number of seconds, expected a number from 0 to 86400"}}},
	{RULES "control: { group: -x, admin_group: '', save_changes: maybe }\n",
	 {{2, 19, "-x", "not the name of a group"},
	  {2, 37, "", "not the name of a group"},
	  {2, 54, "maybe", "unknown value, expected one of yes, no"}}},
	{RULES "logging: { level: loud, levels: { wire: info, links: no, links: info } }\n",
	 {{2, 19, "loud", "unknown value, expected one of error, warning, info, debug"},
	  {2, 35, "wire", "expected one of daemon, rules, steering, ingress, egress, membership"},
	  {2, 54, "no", "unknown value, expected one of error"},
	  {2, 58, "links", "duplicate key"}}},
	{RULES "logging: { to: file, format: xml }\n",
	 {{2, 16, "file", "expected one of auto, stderr, syslog"},
	  {2, 30, "xml", "expected one of text, json"}}},
	{RULES "events: { silent_after: 0, hook: true }\n",
	 {{2, 25, "0", "not a valid number of seconds, expected a number from 1 to 86400"},
	  {2, 34, "true", "not a path, expected an absolute one"}}},
	{RULES "metrics: { listen: 127.0.0.1 }\n",
	 {{2, 20, "127.0.0.1",
	   "not an address of this host alone with a port, expected 127.0.0.1:PORT"}}},
	{RULES "metrics: { listen: 127.0.0.1:0 }\n",
	 {{2, 20, "127.0.0.1:0",
	   "not an address of this host alone with a port, expected 127.0.0.1:PORT"}}},
	{RULES "metrics: { listen: 10.0.0.1:9710 }\n",
	 {{2, 20, "10.0.0.1:9710",
	   "not an address of this host alone with a port, expected 127.0.0.1:PORT"}}},
	{RULES "metrics: { listen: 0.0.0.0:9710 }\n",
	 {{2, 20, "0.0.0.0:9710",
	   "not an address of this host alone with a port, expected 127.0.0.1:PORT"}}},
	{RULES "metrics: { listen: localhost:9710 }\n",
	 {{2, 20, "localhost:9710",
	   "not an address of this host alone with a port, expected 127.0.0.1:PORT"}}},
	{RULES "metrics: { listen: 127.0.0.1:9710@lo }\n",
	 {{2, 20, "127.0.0.1:9710@lo",
	   "not an address of this host alone with a port, expected 127.0.0.1:PORT"}}},
	/* IPv6 */
	{"rules:\n- in: '[ff01::1]:1@a'\n  out: [ '[ff3e::2]:1@b', '[fe80::1]:1' ]\n",
	 {{2, 8, "[ff01::1]:1@a", "interface-local scope is on no wire"},
	  {3, 28, "[fe80::1]:1", "a link-local address without an interface"}}},
	/* what our YAML leaves out */
	{"rules: &r\n- &a in 1.1.1.1:1@a out 1.1.1.2:1\n- *a\nworkers: !!map { frames: !n 64 }\n",
	 {{1, 8, "&r", "anchors are not supported"},
	  {2, 3, "&a", "anchors are not supported"},
	  {3, 3, "*a", "aliases are not supported"},
	  {4, 10, "!!map", "tags are not supported"},
	  {4, 26, "!n", "tags are not supported"}}},
	{RULES "<<: { a: b }\n", {{2, 1, "<<", "merge keys are not supported"}}},
	{RULES "interfaces: { <<: {} }\n", {{2, 15, "<<", "merge keys are not supported"}}},
	{RULES "---\n" RULES, {{2, 1, "---", "a second document, expected one"}}},
	{"# x\n%TAG !a! b\n---\n" RULES, {{2, 1, "%TAG", "tag directives are not supported"}}},
	{RULES "...\n%TAG !a! b\n", {{3, 1, "%TAG", "tag directives are not supported"}}},
	{"a: [[[[[[[[1]]]]]]]]\n",
	 {{1, 11, "[1]]]]]]]]", "nested too deeply, expected at most 8"}}},
	/* syntax */
	{"rules:\n- a: b\n c: d\n", {{3, 2, "c:", "not valid YAML"}}},
	{"rules: [in 1.1.1.1:1@a out 1.1.1.2:1\n", {{2, 1, "", "the file ends too early"}}},
	{"rules:\n- \"in 1.1.1.1:1@a out", {{2, 22, "", "the file ends too early"}}},
	{"rules:\n- @x\n", {{2, 3, "@x", "not valid YAML"}}},
	{"rules:\n- in: [ff3e::1]:1@a\n", {{2, 16, ":1@a", "not valid YAML"}}},
	{"rules:\n\t- a\n", {{2, 1, "", "not valid YAML"}}},
	/* bytes */
	{"rules:\n- \xc3\xa9 \xff in\n", {{2, 6, "\\xff", "not valid UTF-8"}}},
	{"rules: s\x80\xa8\n", {{1, 9, "\\x80", "not valid UTF-8"}}},
	{"rules: \xed\xa0\x80\n", {{1, 8, "\\xed", "not valid UTF-8"}}},
	{"rules: \xc0\x80\n", {{1, 8, "\\xc0", "not valid UTF-8"}}},
	{"rules: \xe2\x82", {{1, 8, "\\xe2", "not valid UTF-8"}}},
	{"rules: \xf4\x90\x80\x80", {{1, 8, "\\xf4", "not valid UTF-8"}}},
	{"rules:\n- \x1b[1m", {{2, 3, "\\x1b", "a control character"}}},
};

static void expect_refused(const char *text, size_t length, const struct expected *expected)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	config.stats_interval = 77;
	config.egress.gso = 7;
	assert_int_equal(config_parse_yaml(text, length, "test.yaml", &config, &errors), -EINVAL);
	expect_errors(&errors, expected, text);
	assert_int_equal(config.stats_interval, 77);
	assert_int_equal(config.egress.gso, 7);
	assert_int_equal(config.nr_rules, 0);
	assert_int_equal(config.nr_ifaces, 0);
	assert_null(config.rules);
}

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(bad[i].text, strlen(bad[i].text), bad[i].errors);
}

static void test_binary(void **state)
{
	static const char nul[] = RULES "x\0y", elf[] = "\x7f"
							"ELF\2\1\1";
	static const char utf16[] = "\xff\xfer\0u\0l\0";

	expect_refused(nul, sizeof(nul) - 1,
		       (struct expected[]){{2, 2, "\\x00", "a NUL byte"}, {0}});
	expect_refused(elf, sizeof(elf) - 1,
		       (struct expected[]){{1, 1, "\\x7f", "a control character"}, {0}});
	expect_refused(utf16, sizeof(utf16) - 1,
		       (struct expected[]){{1, 1, "\\xff", "not valid UTF-8"}, {0}});
}

/* Cut off anywhere, a file is either refused with an error or a valid, shorter one. */
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

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

static void test_long_line(void **state)
{
	size_t length = 1 << 20;
	char *text = malloc(length);

	assert_non_null(text);
	memset(text, 'x', length);
	memcpy(text, "rules:\n- ", 9);
	expect_refused(text, length,
		       (struct expected[]){{2, 3, X64 "...", "not a rule name"},
					   {2, 3, X64 "...", "no input after it"},
					   {0}});
	free(text);
}

/* 1 MB of items on one line: many errors, of which some are kept. */
static void test_long_flow(void **state)
{
	size_t length = 1 << 20;
	char *text = malloc(length);
	struct errors errors = {0};
	struct config config;

	assert_non_null(text);
	for (size_t i = 0; i < length; i++)
		text[i] = i % 2 ? ',' : 'x';
	memcpy(text, "rules: [", 8);
	text[length - 1] = ']';
	config_init(&config);
	assert_int_equal(config_parse_yaml(text, length, "x", &config, &errors), -EINVAL);
	assert_int_equal(errors.count, (length - 8) / 2);
	assert_int_equal(errors.list[99].at.column, 9 + 2 * 99);
	errors_free(&errors);
	free(text);
}

/* 10,000 rules, and one more than is allowed. */
static char *many_rules(unsigned int count)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	fputs("rules:\n", stream);
	for (unsigned int i = 0; i < count; i++)
		fprintf(stream,
			"  - name: cam%u\n    in: 239.%u.%u.%u:5000@eth0\n    source: 10.9.9.9\n"
			"    out:\n      - to: 239.2.2.2:6000@eth1\n        ttl: 8\n"
			"      - to: 10.0.0.100:6000\n",
			i, i >> 16, i >> 8 & 255, i & 255);
	fclose(stream);
	return text;
}

static void test_many_rules(void **state)
{
	char *text = many_rules(10000);
	struct config config = parse(text);

	assert_int_equal(config.nr_rules, 10000);
	expect_rule(
		&config, 9999,
		"cam9999 in 239.0.39.15:5000@eth0 source 10.9.9.9 out 239.2.2.2:6000@eth1 ttl 8 "
		"out 10.0.0.100:6000");
	config_free(&config);
	free(text);
	text = many_rules(XMC_MAX_RULES + 2);
	expect_refused(
		text, strlen(text),
		(struct expected[]){
			{458754, 11, "cam65536", "too many rules, expected at most 65536"}, {0}});
	free(text);
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
	char folder[] = "/tmp/test_file.XXXXXX", path[64];

	assert_non_null(mkdtemp(folder));
	expect_load(folder, -EINVAL,
		    (struct expected[]){{0, 0, NULL, "is a directory, expected"}, {0}});
	snprintf(path, sizeof(path), "%s/file", folder);
	expect_load(path, -ENOENT,
		    (struct expected[]){{0, 0, NULL, "cannot be opened: No such file"}, {0}});
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_load(path, -EINVAL, (struct expected[]){{0, 0, NULL, "is not a regular file"}, {0}});
	unlink(path);
	write_file(path, "", 0);
	expect_load(path, -EINVAL, (struct expected[]){{1, 1, NULL, "an empty file"}, {0}});
	write_file(path, documented, strlen(documented));
	expect_load(path, 0, (struct expected[]){{0}});
	assert_int_equal(truncate(path, TREE_BYTES_MAX + 1), 0);
	expect_load(path, -EINVAL,
		    (struct expected[]){{0, 0, NULL, "too large, expected at most 16777216 bytes"},
					{0}});
	unlink(path);
	rmdir(folder);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_forms),	   cmocka_unit_test(test_same_as_grammar),
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_settings),   cmocka_unit_test(test_copy),
		cmocka_unit_test(test_bad),	   cmocka_unit_test(test_binary),
		cmocka_unit_test(test_truncated),  cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_long_flow),  cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_load),	   cmocka_unit_test(test_load_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
