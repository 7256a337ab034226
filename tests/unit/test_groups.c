/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups of rules in the file: their rules have their lease, also after they were written and read,
 * or changed. */
#include <errno.h>

#include "config_text.h"
#include "rules/groups.h"

#define OUT " out 239.2.2.2:6000@eth1"

static const char text[] =
	"rules:\n"
	"- { group: tv, name: a, in: 239.1.1.1:5000@eth0, out: 239.2.2.2:6000@eth1 }\n"
	"- { group: tv, name: 'b{1..2}', in: '239.1.2.{1..2}:5000@eth0', out: "
	"239.2.2.2:6000@eth1 }\n"
	"- c in 239.1.1.3:5000@eth0 lease tv/4" OUT "\n"
	"groups: { tv: { lease: tv/4 }, spare: { lease: radio } }\n";

static const char *const rules[] = {
	"a in 239.1.1.1:5000@eth0 lease tv/4" OUT,
	"b1 in 239.1.2.1:5000@eth0 lease tv/4" OUT,
	"b2 in 239.1.2.2:5000@eth0 lease tv/4" OUT,
	"c in 239.1.1.3:5000@eth0 lease tv/4" OUT,
};

static void expect_groups(const struct config *config)
{
	assert_int_equal(config->nr_rules, 4);
	for (unsigned int i = 0; i < 4; i++) {
		expect_rule(config, i, rules[i]);
		assert_int_equal(config->rules[i].group_number, i < 3);
	}
	assert_int_equal(config->nr_groups, 2);
	assert_string_equal(rule_group_find(config, "spare")->lease, "radio");
	assert_null(rule_group_find(config, "none"));
}

static void test_rules(void **state)
{
	struct config config = parse(text), again;
	size_t length;
	char *written;

	expect_groups(&config);
	expect_same(&config);
	written = config_write(&config, &length);
	assert_non_null(strstr(written, "    group: tv\n"));
	assert_non_null(strstr(written, "groups:\n  tv:\n    lease: tv/4\n  spare:\n"));
	again = parse(written);
	expect_groups(&again);
	config_free(&again);
	free(written);
	assert_int_equal(config_copy(&again, &config), 0);
	config_free(&config);
	expect_groups(&again);
	config_free(&again);
}

/* A rule that is replaced stays in its group only with the group's lease. */
static void test_changes(void **state)
{
	struct config config = parse(text);

	apply(&config, RULE_REPLACE, "a in 239.1.1.1:5000@eth0 lease tv/4" OUT " ttl 8");
	assert_int_equal(config.rules[0].group_number, 1);
	apply(&config, RULE_REPLACE, "b1 in 239.1.2.1:5000@eth0 lease other" OUT);
	assert_int_equal(config.rules[1].group_number, 0);
	apply(&config, RULE_DISABLE, "b2");
	assert_int_equal(config.rules[2].group_number, 1);
	expect_same(&config);
	config_free(&config);
}

#define RULE "rules: [{ group: tv, in: 239.1.1.1:5000@a, out: 239.2.2.2:1@b }]\n"

static bool has_error(const struct errors *errors, unsigned int line, unsigned int column,
		      const char *message)
{
	for (unsigned int i = 0; i < errors->kept; i++) {
		const struct input_error *error = &errors->list[i];

		if (error->at.line == line && error->at.column == column &&
		    strstr(error->message, message))
			return true;
	}
	return false;
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned int line, column;
		const char *message;
	} refused[] = {
		{RULE, 1, 18, "no such group"},
		{RULE "groups: { t: { lease: tv } }\n", 1, 18, "no such group"},
		{RULE "groups: { tv: {} }\n", 2, 15, "no `lease:` here"},
		{RULE "groups: { tv: { lease: tv, more: 1 } }\n", 2, 28, "unknown key"},
		{RULE "groups: { tv: { lease: tv/1025 } }\n", 2, 27, "number of shards"},
		{RULE "groups: { tv: { lease: tv }, tv: { lease: tv } }\n", 2, 30,
		 "duplicate group: it is defined (line 2)"},
		{RULE "groups: [tv]\n", 2, 9, "wrong type"},
		{RULE "groups: { 'a b': { lease: tv } }\n", 2, 12, "not a rule name"},
		{RULE "groups: { tv: { lease: tv } }\ngroups: {}\n", 3, 1, "duplicate key"},
		{"rules: [{ group: tv, lease: tv, in: 239.1.1.1:5000@a, out: 239.2.2.2:1@b }]\n"
		 "groups: { tv: { lease: tv } }\n",
		 1, 9, "both `group:` and `lease:`"},
		{"rules: [{ group: [tv], in: 239.1.1.1:5000@a, out: 239.2.2.2:1@b }]\n", 1, 18,
		 "expected the name of a group"},
		{"rules:\n- { group: tv, in: 239.1.1.1:5000@a, out: 239.2.2.2:1@b }\n"
		 "- in 239.1.1.2:5000@a lease tv/3 out 239.2.2.2:1@b\n"
		 "groups: { tv: { lease: tv } }\n",
		 3, 29, "another number of shards"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct errors errors = {0};
		struct config config;

		config_init(&config);
		assert_int_equal(config_parse_yaml(refused[i].text, strlen(refused[i].text), "text",
						   &config, &errors),
				 -EINVAL);
		if (!has_error(&errors, refused[i].line, refused[i].column, refused[i].message))
			fail_msg("%s: %u:%u: %s", refused[i].text, errors.list[0].at.line,
				 errors.list[0].at.column, errors.list[0].message);
		errors_free(&errors);
		config_free(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
