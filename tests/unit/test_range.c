/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges: rules that stand for several. */
#include <errno.h>

#include "config_text.h"
#include "rules/change.h"
#include "rules/range.h"

#define RANGE "cam{1..3} in 239.1.1.{1..3}:5000@eth0 out 239.2.2.{7..5}:{6001..6003}@eth1 ttl 8"

static const char *const members[] = {
	"cam1 in 239.1.1.1:5000@eth0 out 239.2.2.7:6001@eth1 ttl 8",
	"cam2 in 239.1.1.2:5000@eth0 out 239.2.2.6:6002@eth1 ttl 8",
	"cam3 in 239.1.1.3:5000@eth0 out 239.2.2.5:6003@eth1 ttl 8",
};

static void expect_members(const struct config *config, unsigned int first)
{
	for (unsigned int i = 0; i < 3; i++)
		expect_rule(config, first + i, members[i]);
}

/* As a line and as a mapping; written as one line, which means the same. */
static void test_file(void **state)
{
	static const char *const texts[] = {
		"rules:\n- a in 1.1.1.1:1@a out 1.1.1.2:1\n- " RANGE "\n",
		"rules:\n- a in 1.1.1.1:1@a out 1.1.1.2:1\n"
		"- out: { ttl: 8, to: '239.2.2.{7..5}:{6001..6003}@eth1' }\n"
		"  in: 239.1.1.{1..3}:5000@eth0\n  name: cam{1..3}\n",
		"rules:\n- a in 1.1.1.1:1@a out 1.1.1.2:1\n"
		"- name: \"cam{1..3}\"\n  may_loop: no\n  enabled: yes\n"
		"  in: 239.1.1.{1..3}:5000@eth0\n  out:\n"
		"  - { to: \"239.2.2.{7..5}:{6001..6003}@eth1\", ttl: 8 }\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config config = parse(texts[i]);
		size_t length;
		char *text = config_write(&config, &length);

		assert_int_equal(config.nr_rules, 4);
		expect_members(&config, 1);
		assert_non_null(strstr(text, "  - \"" RANGE "\"\n"));
		free(text);
		expect_same(&config);
		config_free(&config);
	}
}

/* Without names, with any option, several outputs, a source, padding, IPv6. */
static void test_forms(void **state)
{
	struct config config =
		parse("rules:\n"
		      "- in 239.1.1.{9..10}:5000@eth0 path kernel disabled out 10.0.0.1 out "
		      "10.0.0.{1..2}:1\n"
		      "- in 239.1.1.1:5000@eth0 source 10.9.0.{1..2} out 10.0.0.1\n"
		      "- n{08..11} in [ff3e::{1..4}]:5000@vlan{1..4} out 10.0.0.1:{1..4} from "
		      "10.0.0.{1..4}\n"
		      "- one{5..5} in 239.1.2.{3..3}:1@eth0 out 10.0.0.1\n");
	static const char *const lines[] = {
		"in 239.1.1.9:5000@eth0 path kernel disabled out 10.0.0.1 out 10.0.0.1:1",
		"in 239.1.1.10:5000@eth0 path kernel disabled out 10.0.0.1 out 10.0.0.2:1",
		"in 239.1.1.1:5000@eth0 source 10.9.0.1 out 10.0.0.1",
		"in 239.1.1.1:5000@eth0 source 10.9.0.2 out 10.0.0.1",
		"n08 in [ff3e::1]:5000@vlan1 out 10.0.0.1:1 from 10.0.0.1",
		"n09 in [ff3e::2]:5000@vlan2 out 10.0.0.1:2 from 10.0.0.2",
		"n10 in [ff3e::3]:5000@vlan3 out 10.0.0.1:3 from 10.0.0.3",
		"n11 in [ff3e::4]:5000@vlan4 out 10.0.0.1:4 from 10.0.0.4",
		"one5 in 239.1.2.3:1@eth0 out 10.0.0.1",
	};
	const char *name;

	assert_int_equal(config.nr_rules, 9);
	for (unsigned int i = 0; i < 9; i++)
		expect_rule(&config, i, lines[i]);
	assert_int_equal(range_name(config.rules[0].range->text, &name), 25);
	assert_memory_equal(name, "239.1.1.{9..10}:5000@eth0", 25);
	expect_same(&config);
	config_free(&config);
}

static bool is_written_as_range(const struct config *config)
{
	size_t length;
	char *text = config_write(config, &length);
	bool found = strstr(text, "cam{1..3} in");

	free(text);
	return found;
}

/* Added, disabled, replaced and deleted by clients. What is no longer whole is written as single
 * rules. */
static void test_change(void **state)
{
	struct config config = parse("rules: []\n");

	apply(&config, RULE_ADD, RANGE);
	expect_members(&config, 0);
	assert_true(is_written_as_range(&config));
	apply(&config, RULE_DISABLE, "cam2");
	assert_false(is_written_as_range(&config));
	expect_same(&config);
	apply(&config, RULE_ENABLE, "cam{1..3}");
	assert_true(is_written_as_range(&config));
	apply(&config, RULE_REPLACE, "cam2 in 239.1.1.2:5000@eth0 out 10.0.0.1");
	assert_false(is_written_as_range(&config));
	apply(&config, RULE_REPLACE, RANGE);
	expect_members(&config, 0);
	assert_true(is_written_as_range(&config));
	apply(&config, RULE_DELETE, "cam{3..2}");
	assert_int_equal(config.nr_rules, 1);
	assert_false(is_written_as_range(&config));
	expect_same(&config);
	config_free(&config);
}

static const char *const bad[][2] = {
	{"cam in 239.1.1.{1..3}:1@a out 10.0.0.1",
	 "x:1:1: 'cam': one name for 3 rules, expected a range in it, such as cam{1..3}\n"},
	{"cam{1..3} in 239.1.1.{1..4}:1@a out 10.0.0.1",
	 "x:1:14: '239.1.1.{1..4}:1@a': a range of 4 numbers, expected 3 as in the one before\n"},
	{"cam{1..3} in 239.1.1.1:1@a out 10.0.0.{1..3}",
	 "x:1:1: 'cam{1..3}': a range without one in the input, expected `out` for each output of "
	 "one rule\n"},
	{"in 239.1.1.{1..9999}:1@a out 10.0.0.1",
	 "x:1:4: '239.1.1.{1..9999}:1@a': a range of 9999 numbers, expected at most 4096\n"},
	{"in 239.1.1.{254..257}:1@a out 10.0.0.1",
	 "x:1:4: '239.1.1.256': 256 is out of range, expected 0 to 255\n"},
	{"in 239.1.1.{1-3}:1@a out 10.0.0.1",
	 "x:1:4: '239.1.1.{1-3}': not a range, expected {FIRST..LAST}, such as {1..50}\n"},
	{"in 239.1.1.{1..3}:0@a out 10.0.0.1 ttl 0",
	 "x:1:4: '0': not a valid port, expected a number from 1 to 65535, or `any` for every port "
	 "of a group\n"
	 "x:1:40: '0': not a valid ttl, expected a number from 1 to 255, keep or dec\n"},
	{"cam{{1..3}..3} in 239.1.1.{1..3}:1@a out 10.0.0.1",
	 "x:1:1: 'cam{{1..3}..3}': a range in a range, or in a word of more than 191 bytes\n"},
	{"a{1..2} in 239.1.1.{1..2}:1@a out 10.0.0.1",
	 "x:1:1: 'a1': duplicate name: the rule for 1.1.1.1:1@a already has it\n"},
};

static void test_bad(void **state)
{
	struct config config = parse("rules: [ a1 in 1.1.1.1:1@a out 1.1.1.2:1 ]\n");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct rule_operation operation = {RULE_ADD, bad[i][0]};
		struct errors errors = {0};
		struct config result;
		char *text;

		if (config_change(&config, &operation, 1, "x", &result, &errors) != -EINVAL)
			fail_msg("<%s> is accepted", bad[i][0]);
		text = printed_errors(&errors);
		assert_string_equal(text, bad[i][1]);
		errors_free(&errors);
		free(text);
	}
	config_free(&config);
}

/* More rules than there may be: one error, and bounded work. */
static void test_too_many(void **state)
{
	static struct rule_operation operations[17];
	struct config config = parse("rules: []\n"), result;
	struct errors errors = {0};

	for (int i = 0; i < 17; i++)
		operations[i] =
			(struct rule_operation){RULE_ADD, "in 239.1.1.1:{1..4096}@a out 10.0.0.1"};
	assert_int_equal(config_change(&config, operations, 17, "x", &result, &errors), -EINVAL);
	expect_errors(&errors, (struct expected[]){{0, 0, NULL, "too many rules"}, {0}}, "17");
	config_free(&config);
}

/* A line that would be read 4,096 times is bounded, in a file as well as over the socket. */
static void test_too_long(void **state)
{
	static char text[RANGE_TEXT_MAX + 200], file[RANGE_TEXT_MAX + 300];
	const struct rule_operation operation = {RULE_ADD, text};
	struct config config = parse("rules: []\n"), result;
	struct errors errors = {0};
	size_t used = (size_t)sprintf(text, "a{1..4096} in 239.1.1.1:{1..4096}@a");

	while (used <= RANGE_TEXT_MAX)
		used += (size_t)sprintf(text + used, " out 239.2.2.2@b");
	assert_int_equal(config_change(&config, &operation, 1, "x", &result, &errors), -EINVAL);
	assert_int_equal(errors.count, 1);
	assert_non_null(
		strstr(errors.list[0].message, "with a range, expected at most 65536 bytes"));
	errors_free(&errors);
	memset(&errors, 0, sizeof(errors));
	sprintf(file, "rules: [ %s ]\n", text);
	assert_int_equal(config_parse_yaml(file, strlen(file), "f", &result, &errors), -EINVAL);
	assert_int_equal(errors.count, 1);
	errors_free(&errors);
	config_free(&config);
}

/* A file with more rules than there may be: the rest is not read. */
static void test_too_many_in_a_file(void **state)
{
	static char file[20 * 100];
	struct errors errors = {0};
	struct config result;
	size_t used = (size_t)sprintf(file, "rules:\n");

	for (int i = 0; i < 17; i++)
		used += (size_t)sprintf(file + used, "  - in 239.1.%d.1:{1..4096}@a out 10.0.0.1\n",
					i);
	assert_int_equal(config_parse_yaml(file, used, "f", &result, &errors), -EINVAL);
	assert_non_null(strstr(errors.list[0].message, "too many rules"));
	errors_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_too_many_in_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
