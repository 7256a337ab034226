/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between two configurations. */
#include <errno.h>

#include "config_text.h"
#include "rules/diff.h"

static void put_settings(const struct config_diff *diff, FILE *stream)
{
	for (unsigned int i = 0; i < diff->nr_settings; i++) {
		const struct setting_change *setting = &diff->settings[i];

		fprintf(stream, "%s %s: %s -> %s\n", setting->live ? "live" : "restart",
			setting->name, setting->before, setting->after);
	}
}

/* The difference as lines of text. */
static char *describe(const struct config *before, const struct config *after)
{
	struct config_diff diff;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	assert_int_equal(config_diff(before, after, &diff), 0);
	for (unsigned int i = 0; i < diff.nr_added; i++)
		fprintf(stream, "+%s\n", after->rules[diff.added[i]].name);
	for (unsigned int i = 0; i < diff.nr_removed; i++)
		fprintf(stream, "-%s\n", before->rules[diff.removed[i]].name);
	for (unsigned int i = 0; i < diff.nr_changed; i++) {
		const char *name = after->rules[diff.changed[i].after].name;

		assert_string_equal(before->rules[diff.changed[i].before].name, name);
		fprintf(stream, "~%s\n", name);
	}
	put_settings(&diff, stream);
	assert_int_equal(fclose(stream), 0);
	config_diff_free(&diff);
	assert_null(diff.added);
	return text;
}

#define NO_RULES "rules: []\n"

static const struct {
	const char *before;
	const char *after;
	const char *expected;
} pairs[] = {
	{NO_RULES, NO_RULES, ""},
	/* rules */
	{"rules: [a in 1.1.1.1:1@x out 1.1.1.2:1, b in 1.1.1.1:2@x out 1.1.1.2:1,"
	 " c in 1.1.1.1:3@x out 1.1.1.2:1]\n",
	 "rules: [d in 1.1.1.1:1@x out 1.1.1.2:1, c in 1.1.1.1:3@x out 1.1.1.2:1 ttl 2,"
	 " b in 1.1.1.1:2@x out 1.1.1.2:1, e in 1.1.1.1:5@x out 1.1.1.2:1]\n",
	 "+d\n+e\n-a\n~c\n"},
	{"rules: [a in 1.1.1.1:1@x out 1.1.1.2:1]\n",
	 "rules: [a in 1.1.1.1:1@x disabled out 1.1.1.2:1]\n", "~a\n"},
	{"rules: [a in 1.1.1.1:1@x out 1.1.1.2:1]\n",
	 "rules: [a in 1.1.1.1:1@x may_loop out 1.1.1.2:1]\n", "~a\n"},
	{"rules: [a in 1.1.1.1:1@x out 1.1.1.2:1 rate 1mbit, b in 1.1.1.1:2@x out 1.1.1.2:1 pps 1,"
	 " c in 1.1.1.1:3@x out 1.1.1.2:1 pps 1 burst 1s, d in 1.1.1.1:4@x out 1.1.1.2:1 pps 1]\n",
	 "rules: [a in 1.1.1.1:1@x out 1.1.1.2:1 rate 2mbit, b in 1.1.1.1:2@x out 1.1.1.2:1,"
	 " c in 1.1.1.1:3@x out 1.1.1.2:1 pps 1 burst 2s, d in 1.1.1.1:4@x out 1.1.1.2:1 pps 1]\n",
	 "~a\n~b\n~c\n"},
	{"rules: [a in 1.1.1.1:1@x out 1.1.1.2:1, b in 1.1.1.1:2@x path auto out 1.1.1.2:1,"
	 " c in 239.1.1.1/50@x path kernel out 1.1.1.2]\n",
	 "rules: [a in 1.1.1.1:1@x path auto out 1.1.1.2:1, b in 1.1.1.1:2@x path kernel out "
	 "1.1.1.2:1, c in 239.1.1.1/47@x path kernel out 1.1.1.2]\n",
	 "~a\n~b\n~c\n"},
	{NO_RULES, "rules: [in 1.1.1.1:1@x out 1.1.1.2:1]\n", "+1.1.1.1:1@x\n"},
	{"rules: [in 1.1.1.1:1@x out 1.1.1.2:1]\n", NO_RULES, "-1.1.1.1:1@x\n"},
	/* the order of rules does not matter */
	{"rules: [a in 1.1.1.1:1@x out 1.1.1.2:1, b in 1.1.1.1:2@x out 1.1.1.2:1]\n",
	 "rules: [b in 1.1.1.1:2@x out 1.1.1.2:1, a in 1.1.1.1:1@x out 1.1.1.2:1]\n", ""},
	/* every setting */
	{NO_RULES,
	 NO_RULES "relay: { path: auto }\n"
		  "egress: { engine: sendmmsg, gso: off, wakeup: spin, send_buffer: 262144 }\n"
		  "workers: { frames: 64, rx_ring: 128, cpus: [1, 2], watchdog: 0 }\n"
		  "statistics: { interval: 0 }\n"
		  "control: { group: g, admin_group: yes, save_changes: yes }\n"
		  "logging: { levels: { daemon: error, rules: warning, steering: debug, ingress: "
		  "info, egress: error, membership: error, links: error, control: error }, to: "
		  "stderr, format: json }\n"
		  "events: { silent_after: 5 }\n"
		  "security: { user: nobody, group: 7, sandbox: off }\n",
	 "live relay.path: user -> auto\n"
	 "restart egress.engine: io_uring -> sendmmsg\n"
	 "restart egress.gso: 64 -> 1\n"
	 "restart egress.wakeup: eventfd -> spin\n"
	 "restart egress.send_buffer: 4194304 -> 262144\n"
	 "restart workers.frames: 16384 -> 64\n"
	 "restart workers.rx_ring:  -> 128\n"
	 "restart workers.cpus:  -> [1, 2]\n"
	 "restart workers.watchdog: 10 -> 0\n"
	 "live statistics.interval: 600 -> 0\n"
	 "restart control.group:  -> g\n"
	 "live control.admin_group:  -> yes\n"
	 "live control.save_changes: no -> yes\n"
	 "live logging.level: info -> error\n"
	 "live logging.levels.rules:  -> warning\n"
	 "live logging.levels.steering:  -> debug\n"
	 "live logging.levels.ingress:  -> info\n"
	 "live logging.to: auto -> stderr\n"
	 "live logging.format: text -> json\n"
	 "live events.silent_after: 3 -> 5\n"
	 "restart security.user:  -> nobody\n"
	 "restart security.group:  -> 7\n"
	 "restart security.sandbox: on -> off\n"},
	/* equally many of each level: the one nearest to the default counts as common */
	{NO_RULES,
	 NO_RULES "logging: { level: debug, levels: { daemon: info, rules: info, steering: info, "
		  "ingress: info } }\n",
	 "live logging.levels.egress:  -> debug\n"
	 "live logging.levels.membership:  -> debug\n"
	 "live logging.levels.links:  -> debug\n"
	 "live logging.levels.control:  -> debug\n"},
	/* interfaces: a missing section means the defaults */
	{NO_RULES "interfaces: { a: , b: { mode: skb }, c: { queues: 2 }, d: { mode: native } }\n",
	 NO_RULES
	 "interfaces: { d: { mode: skb, queues: 3 }, c: { queues: 2 }, e: , f: { queues: 1, "
	 "lost_program: leave, attach: own, pins: /p, offloads: manage } }\n",
	 "restart interfaces.b.mode: skb -> auto\n"
	 "restart interfaces.d.mode: native -> skb\n"
	 "restart interfaces.d.queues: all -> 3\n"
	 "restart interfaces.f.queues: all -> 1\n"
	 "restart interfaces.f.lost_program: reattach -> leave\n"
	 "restart interfaces.f.attach: auto -> own\n"
	 "restart interfaces.f.pins:  -> /p\n"
	 "restart interfaces.f.offloads: report -> manage\n"},
};

static void test_pairs(void **state)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct config before = parse(pairs[i].before), after = parse(pairs[i].after);
		char *text = describe(&before, &after);

		assert_string_equal(text, pairs[i].expected);
		free(text);
		text = describe(&after, &after);
		assert_string_equal(text, "");
		free(text);
		config_free(&before);
		config_free(&after);
	}
}

/* With quadratic time this would take minutes: every rule has another name, and so has every second
 * interface. */
static void test_many(void **state)
{
	const unsigned int count = 50000;
	struct config before, after;
	struct config_diff diff;

	config_init(&before);
	before.rules = calloc(count, sizeof(*before.rules));
	before.ifaces = calloc(count, sizeof(*before.ifaces));
	assert_true(before.rules && before.ifaces);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(before.rules[i].name, RULE_NAME_SIZE, "r%u", i);
		snprintf(before.ifaces[i].name, IF_NAMESIZE, "i%u", i);
		before.ifaces[i].queues = 1;
		before.rules[i].nr_outputs = 1;
		before.rules[i].outputs = calloc(1, sizeof(*before.rules[i].outputs));
		assert_non_null(before.rules[i].outputs);
	}
	before.nr_rules = before.nr_ifaces = count;
	assert_int_equal(config_copy(&after, &before), 0);
	for (unsigned int i = 0; i < count; i++) {
		after.rules[i].name[0] = 'R';
		after.ifaces[i].name[0] = i % 2 ? 'i' : 'I';
	}
	assert_int_equal(config_diff(&before, &after, &diff), 0);
	assert_int_equal(diff.nr_added, count);
	assert_int_equal(diff.nr_removed, count);
	assert_int_equal(diff.nr_changed, 0);
	assert_int_equal(diff.nr_settings, count);
	config_diff_free(&diff);
	config_free(&before);
	config_free(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
