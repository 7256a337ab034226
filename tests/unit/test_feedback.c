// SPDX-License-Identifier: BSD-2-Clause
/* Rules that feed themselves: every such loop is found and reported, and nothing else. */
#include <errno.h>
#include <time.h>

#include "expect.h"
#include "rules/change.h"
#include "rules/grammar.h"

#define RULES_MAX 6

static size_t count_texts(const char *const *texts)
{
	size_t count = 0;

	while (texts[count])
		count++;
	return count;
}

static int add(struct config *config, const char *const *texts, size_t count, struct errors *errors)
{
	config_init(config);
	return config_add_rules(config, texts, count, "--rule", errors);
}

static const struct {
	const char *rules[RULES_MAX];
	struct expected errors[3];
} bad[] = {
	/* one rule, by way of any interface */
	{{"a in 10.1.1.1:1@a out 10.1.1.1:1"},
	 {{1, 23, "10.1.1.1:1", "rules that feed themselves: a -> a, expected no such loop"}}},
	/* two rules, from one interface to the other and back */
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b out 239.1.1.1:1@a"},
	 {{2, 24, "239.1.1.1:1@a", ": a -> b -> a, expected no such loop, or `may_loop`"}}},
	/* the same group on both sides */
	{{"a in 239.1.1.1:1@a out 239.1.1.1:1@b", "b in 239.1.1.1:1@b out 239.1.1.1:1@a"},
	 {{2, 24, "239.1.1.1:1@a", ": a -> b -> a,"}}},
	/* three, named in the order of the loop whatever their order in the input */
	{{"c in 239.1.1.3:1@c out 239.1.1.1:1@a", "b in 239.1.1.2:1@b out 239.1.1.3:1@c",
	  "a in 239.1.1.1:1@a out 239.1.1.2:1@b"},
	 {{2, 24, "239.1.1.3:1@c", ": c -> a -> b -> c,"}}},
	/* not through the first output, and with a rule that feeds the loop but is no part of it */
	{{"x in 239.9.9.9:1@a out 239.1.1.1:1@a",
	  "a in 239.1.1.1:1@a out 239.8.8.8:1@a out 239.1.1.2:1@b out 1.1.1.1:1",
	  "b in 239.1.1.2:1@b out 1.1.1.1:1 out 239.1.1.1:1@a out 239.7.7.7:1@b"},
	 {{3, 38, "239.1.1.1:1@a", ": a -> b -> a,"}}},
	/* a routed output feeds the rules of all interfaces */
	{{"a in 10.1.1.1:1@a out 10.2.2.2:1", "b in 10.2.2.2:1@b out 10.1.1.1:1@a"},
	 {{2, 23, "10.1.1.1:1@a", ": a -> b -> a,"}}},
	/* sources do not matter */
	{{"a in 239.1.1.1:1@a source 10.9.9.9 out 239.1.1.2:1@b",
	  "b in 239.1.1.2:1@b source 10.8.8.8 out 239.1.1.1:1@a"},
	 {{2, 40, "239.1.1.1:1@a", ": a -> b -> a,"}}},
	/* a loop through the second of two rules with the same group */
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b",
	  "s in 239.1.1.2:1@b source 10.8.8.8 out 1.1.1.1:1",
	  "b in 239.1.1.2:1@b out 239.1.1.1:1@a"},
	 {{3, 24, "239.1.1.1:1@a", ": a -> b -> a,"}}},
	/* two loops */
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b out 239.1.1.1:1@a",
	  "c in 239.2.1.1:1@a out 239.2.1.2:1@b", "d in 239.2.1.2:1@b out 239.2.1.1:1@a"},
	 {{2, 24, "239.1.1.1:1@a", ": a -> b -> a,"}, {4, 24, "239.2.1.1:1@a", ": c -> d -> c,"}}},
	/* a rule of any port is fed by outputs to one port, and is found by both edges of an output
	 */
	{{"a in 239.1.1.1:any@a out 239.1.1.2:7@b", "b in 239.1.1.2:7@b out 239.1.1.1:1@a"},
	 {{2, 24, "239.1.1.1:1@a", ": a -> b -> a,"}}},
	{{"b in 239.1.1.2:7@b out 1.1.1.1:1 out 239.1.1.1:1@a", "f in 239.1.1.1:1@a out 1.1.1.1:1",
	  "a in 239.1.1.1:any@a out 239.1.1.2:7@b"},
	 {{3, 26, "239.1.1.2:7@b", ": b -> a -> b,"}}},
	/* outputs that keep the port, of rules of any port and of one port */
	{{"a in 239.1.1.1:any@a out 239.1.1.2@b", "b in 239.1.1.2:any@b out 239.1.1.1@a"},
	 {{2, 26, "239.1.1.1@a", ": a -> b -> a,"}}},
	{{"a in 239.1.1.1:any@a out 239.1.1.2@b", "b in 239.1.1.2:7@b out 239.1.1.1@a"},
	 {{2, 24, "239.1.1.1@a", ": a -> b -> a,"}}},
	{{"a in 239.1.1.1:7@a out 239.1.1.2@b", "b in 239.1.1.2:7@b out 239.1.1.1@a"},
	 {{2, 24, "239.1.1.1@a", ": a -> b -> a,"}}},
	/* routed */
	{{"a in 10.1.1.1:7@a out 10.2.2.2", "b in 10.2.2.2:7@b out 10.1.1.1"},
	 {{2, 23, "10.1.1.1", ": a -> b -> a,"}}},
	{{"a in 239.1.1.1:any@a out 10.2.2.2", "b in 10.2.2.2:7@b out 239.1.1.1@a"},
	 {{2, 23, "239.1.1.1@a", ": a -> b -> a,"}}},
	/* IP protocols, on given interfaces and routed; a rule of any port is no part of it */
	{{"a in 239.1.1.1/50@a path kernel out 239.1.1.2@b", "u in 239.1.1.2:any@b out 239.1.1.1@a",
	  "b in 239.1.1.2/50@b path kernel out 239.1.1.1@a"},
	 {{3, 37, "239.1.1.1@a", ": a -> b -> a,"}}},
	/* by way of a UDP rule on the kernel path */
	{{"a in 239.1.1.1:any@a path kernel out 239.1.1.2@b",
	  "b in 239.1.1.2:any@b path auto out 239.1.1.1@a"},
	 {{2, 36, "239.1.1.1@a", ": a -> b -> a,"}}},
	/* `may_loop` in a rule that is no part of the loop */
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b out 239.1.1.1:1@a",
	  "c in 239.1.1.3:1@b may_loop out 239.1.1.1:1@a"},
	 {{2, 24, "239.1.1.1:1@a", ": a -> b -> a,"}}},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct errors errors = {0};
		struct config config;

		assert_int_equal(add(&config, bad[i].rules, count_texts(bad[i].rules), &errors),
				 -EINVAL);
		expect_errors(&errors, bad[i].errors, bad[i].rules[0]);
	}
}

/* Near misses: each group of rules is accepted. */
static const char *const good[][RULES_MAX] = {
	/* another interface, port, address */
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@c out 239.1.1.1:1@a"},
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:2@b out 239.1.1.1:1@a"},
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.3:1@b out 239.1.1.1:1@a"},
	/* a chain, and a diamond: two paths are no loop */
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b out 239.1.1.3:1@c",
	 "c in 239.1.1.3:1@c out 239.1.1.4:1@d"},
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b out 239.1.1.3:1@c",
	 "b in 239.1.1.2:1@b out 239.1.1.4:1@d", "c in 239.1.1.3:1@c out 239.1.1.4:1@d",
	 "d in 239.1.1.4:1@d out 239.1.1.5:1@e"},
	/* another port, given or kept */
	{"a in 239.1.1.1:any@a out 239.1.1.2:7@b", "b in 239.1.1.2:8@b out 239.1.1.1@a"},
	{"a in 239.1.1.1:7@a out 239.1.1.2@b", "b in 239.1.1.2:8@b out 239.1.1.1:7@a"},
	{"a in 239.1.1.1:7@a out 239.1.1.2@b", "b in 239.1.1.2:any@b out 239.1.1.1:8@a"},
	{"a in 239.1.1.1:any@a out 239.1.1.2@b", "b in 239.1.1.2:any@c out 239.1.1.1@a"},
	{"a in 239.1.1.1:any@a out 239.1.1.2@b", "b in 239.1.1.3:any@b out 239.1.1.1@a"},
	/* another IP protocol, or UDP */
	{"a in 239.1.1.1/50@a path kernel out 239.1.1.2@b",
	 "b in 239.1.1.2/47@b path kernel out 239.1.1.1@a", "c in 239.1.1.2:any@b out 239.1.1.1@a"},
	{"a in 239.1.1.1:any@a out 239.1.1.2@b", "b in 239.1.1.2/50@b path kernel out 239.1.1.1@a"},
	/* disabled */
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b disabled out 239.1.1.1:1@a"},
	/* intended loops: any rule of the loop may have `may_loop` */
	{"a in 239.1.1.1:1@a may_loop out 239.1.1.2:1@b", "b in 239.1.1.2:1@b out 239.1.1.1:1@a"},
	{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b may_loop out 239.1.1.1:1@a"},
	{"a in 239.1.1.1:1@a may_loop out 239.1.1.1:1@a"},
	{"a in 10.1.1.1:1@a may_loop out 10.1.1.1:1"},
};

static void test_good(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct errors errors = {0};
		struct config config;

		add(&config, good[i], count_texts(good[i]), &errors);
		expect_no_errors(&errors, good[i][0]);
		assert_int_equal(config.nr_rules, count_texts(good[i]));
		config_free(&config);
	}
}

/* ---- changes ---- */

#define A "a in 239.1.1.1:1@a out 239.1.1.2:1@b"
#define B "b in 239.1.1.2:1@b disabled out 239.1.1.1:1@a"
#define C "c in 239.1.1.3:1@c out 239.1.1.1:1@a"

/* Changes of the rules A, B, C, of which B is disabled. */
static const struct {
	struct rule_operation operations[4];
	struct expected errors[2];
} changes[] = {
	{{{RULE_ADD, "d in 239.1.1.4:1@d out 239.1.1.1:1@a"}}, {{0}}},
	{{{RULE_ENABLE, "b"}}, {{1, 1, "b", ": a -> b -> a,"}}},
	{{{RULE_DISABLE, "c"}, {RULE_ENABLE, "c"}, {RULE_ENABLE, "b"}},
	 {{3, 1, "b", ": a -> b -> a,"}}},
	/* only the final state counts */
	{{{RULE_ENABLE, "b"}, {RULE_DISABLE, "b"}}, {{0}}},
	{{{RULE_ENABLE, "b"}, {RULE_DELETE, "a"}}, {{0}}},
	{{{RULE_DISABLE, "a"}, {RULE_ENABLE, "b"}}, {{0}}},
	{{{RULE_REPLACE, "a in 239.1.1.1:1@a out 239.1.1.3:1@c"}},
	 {{1, 24, "239.1.1.3:1@c", ": a -> c -> a,"}}},
	{{{RULE_REPLACE, "a in 239.1.1.1:1@a may_loop out 239.1.1.3:1@c"}, {RULE_ENABLE, "b"}},
	 {{0}}},
	/* added by one operation, enabled by another */
	{{{RULE_ADD, "d in 239.1.1.2:1@b source 1.1.1.1 disabled out 239.1.1.3:1@c"},
	  {RULE_ENABLE, "d"}},
	 {{1, 48, "239.1.1.3:1@c", ": a -> d -> c -> a,"}}},
	{{{RULE_ADD, "d in 239.1.1.2:1@b source 1.1.1.1 out 239.1.1.3:1@c"}, {RULE_DISABLE, "d"}},
	 {{0}}},
};

static void test_changes(void **state)
{
	static const char *const texts[] = {A, B, C};
	struct errors errors = {0};
	struct config running;

	assert_int_equal(add(&running, texts, 3, &errors), 0);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct rule_operation *operations = changes[i].operations;
		struct config result;
		size_t count = 0;

		while (operations[count].text)
			count++;
		assert_int_equal(
			config_change(&running, operations, count, "operations", &result, &errors),
			changes[i].errors[0].message ? -EINVAL : 0);
		expect_errors(&errors, changes[i].errors, operations[0].text);
		config_free(&result);
	}
	config_free(&running);
}

/* ---- many ---- */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Add `count` rules, of which text_of() writes each. Frees the texts. */
static int add_many(struct config *config, unsigned int count,
		    void (*text_of)(FILE *stream, unsigned int index, unsigned int count),
		    struct errors *errors)
{
	char **texts = calloc(count, sizeof(*texts));
	int error;

	assert_non_null(texts);
	for (unsigned int i = 0; i < count; i++) {
		size_t size;
		FILE *stream = open_memstream(&texts[i], &size);

		assert_non_null(stream);
		text_of(stream, i, count);
		assert_int_equal(fclose(stream), 0);
	}
	error = add(config, (const char *const *)texts, count, errors);
	for (unsigned int i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
	return error;
}

static void put_group(FILE *stream, unsigned int number)
{
	fprintf(stream, "239.%u.%u.%u:1@a", number >> 16, number >> 8 & 255, number & 255);
}

static void chain(FILE *stream, unsigned int index, unsigned int count)
{
	fprintf(stream, "r%u in ", index);
	put_group(stream, index);
	fputs(" out ", stream);
	put_group(stream, index + 1);
}

static void ring(FILE *stream, unsigned int index, unsigned int count)
{
	fprintf(stream, "r%u in ", index);
	put_group(stream, index);
	fputs(" out ", stream);
	put_group(stream, (index + 1) % count);
}

static void test_ring(void **state)
{
	static const struct expected expected[] = {
		{5000, 31, "239.0.0.0:1@a",
		 ": r0 -> r1 -> r2 -> r3 -> r4 -> r5 -> r6 -> (4992 more) -> r4999 -> r0,"},
		{0}};
	struct errors errors = {0};
	struct config config;

	assert_int_equal(add_many(&config, 5000, ring, &errors), -EINVAL);
	expect_errors(&errors, expected, "ring");
	/* The longest loop whose names are all shown, and the shortest whose names are not. */
	assert_int_equal(add_many(&config, 8, ring, &errors), -EINVAL);
	assert_non_null(strstr(errors.list[0].message, "r5 -> r6 -> r7 -> r0,"));
	errors_free(&errors);
	assert_int_equal(add_many(&config, 9, ring, &errors), -EINVAL);
	assert_non_null(strstr(errors.list[0].message, "r5 -> r6 -> (1 more) -> r8 -> r0,"));
	errors_free(&errors);
}

/* As deep as the number of rules permits: recursion would overflow the stack. */
static void test_chain(void **state)
{
	struct errors errors = {0};
	struct config config;

	assert_int_equal(add_many(&config, XMC_MAX_RULES, chain, &errors), 0);
	config_free(&config);
}

/* Rules of one group and many sources, each sending to the group of the next hundred. */
#define SHARING 100

static void layers(FILE *stream, unsigned int index, unsigned int count)
{
	unsigned int layer = index / SHARING;

	fprintf(stream, "r%u in ", index);
	put_group(stream, layer);
	fprintf(stream, " source 10.0.0.%u", 1 + index % SHARING);
	for (unsigned int i = 1; i <= 50; i++) {
		fputs(" out ", stream);
		put_group(stream, layer + i);
	}
}

/* All of one group, each sending to all: every output closes a loop. */
static void tangle(FILE *stream, unsigned int index, unsigned int count)
{
	unsigned int place = index % SHARING;

	fprintf(stream, "r%u in ", index);
	put_group(stream, place);
	fprintf(stream, " source 10.0.%u.%u", index >> 8 & 255, index & 255);
	for (unsigned int i = 1; i < SHARING; i++) {
		fputs(" out ", stream);
		put_group(stream, (place + i) % SHARING);
	}
}

/* 10,000 rules and half a million outputs, without a loop and with nothing but loops. In quadratic
 * time the layers would be 50 million edges and the tangle 100 million, with as many loops of ten
 * thousand rules to report. */
static void test_time(void **state)
{
	struct errors errors = {0};
	struct config config;
	double started = seconds();

	assert_int_equal(add_many(&config, 10000, layers, &errors), 0);
	config_free(&config);
	printf("10,000 rules of 50 outputs: %.3f s\n", seconds() - started);
	started = seconds();
	assert_int_equal(add_many(&config, 10000, tangle, &errors), -EINVAL);
	printf("10,000 rules that all feed each other: %.3f s, %u errors\n", seconds() - started,
	       errors.count);
	assert_in_range(errors.count, 1, 10000 * SHARING);
	assert_int_equal(errors.kept, ERRORS_MAX);
	errors_free(&errors);
}

/* ---- against a plain search ---- */

#define RANDOM_RULES 8

static uint32_t seed = 1;

static unsigned int pick(unsigned int count)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % count;
}

static bool feeds(const struct rule *from, const struct rule *to)
{
	if (from->disabled || from->may_loop || to->disabled || to->may_loop)
		return false;
	for (unsigned int i = 0; i < from->nr_outputs; i++) {
		const struct rule_output *output = &from->outputs[i];
		/* 0: every port. */
		uint16_t port = output->port ? output->port : from->port;

		if (addr_equal(&output->to, &to->group) &&
		    (!port || !to->port || port == to->port) && from->protocol == to->protocol &&
		    (!*output->iface || strcmp(output->iface, to->iface) == 0))
			return true;
	}
	return false;
}

/* Warshall: does any rule reach itself? */
static bool has_loop(const struct rule *rules, unsigned int count)
{
	bool reaches[RANDOM_RULES][RANDOM_RULES] = {0};
	bool found = false;

	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int j = 0; j < count; j++)
			reaches[i][j] = feeds(&rules[i], &rules[j]);
	}
	for (unsigned int k = 0; k < count; k++) {
		for (unsigned int i = 0; i < count; i++) {
			for (unsigned int j = 0; j < count; j++)
				reaches[i][j] |= reaches[i][k] && reaches[k][j];
		}
	}
	for (unsigned int i = 0; i < count; i++)
		found |= reaches[i][i];
	return found;
}

/* Three hosts, to which outputs may be routed, and three groups, which may be the input with any
 * port. */
static const char *const networks[] = {"10.0.0.", "239.0.0."};

/* A rule of few addresses, ports, IP protocols and interfaces. Its source makes its input unique.
 */
static void random_rule(FILE *stream, unsigned int index, unsigned int count)
{
	unsigned int outputs = 1 + pick(2);
	unsigned int group = pick(6), first = pick(2);
	bool protocol = group >= 3 && !pick(3);

	fprintf(stream, "r%u in %s%u%s@%c source 10.9.9.%u%s%s%s", index, networks[group / 3],
		group,
		protocol	       ? "/50"
		: group < 3 || pick(3) ? ":1"
				       : ":any",
		'a' + pick(2), 1 + index, protocol ? " path kernel" : "",
		pick(8) ? "" : " disabled", pick(8) ? "" : " may_loop");
	for (unsigned int i = 0; i < outputs; i++) {
		/* Only rules of any port receive port 2; the outputs of a rule differ. */
		bool host = i ^ first;

		fprintf(stream, " out %s%u", networks[!host], pick(3) + (host ? 0 : 3));
		if (pick(3) && !protocol)
			fprintf(stream, ":%u", 1 + !pick(3));
		if (!host || pick(3))
			fprintf(stream, "@%c", 'a' + pick(2));
	}
}

/* Parse a rule without checking it against others. */
static struct rule parse(const char *text)
{
	struct position at = {"text", 1, 1};
	struct errors errors = {0};
	struct rule rule;

	assert_int_equal(grammar_parse_rule(text, strlen(text), &at, &rule, NULL, &errors), 0);
	return rule;
}

static void test_random(void **state)
{
	unsigned int loops = 0;

	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int count = 1 + pick(RANDOM_RULES);
		struct rule rules[RANDOM_RULES];
		char *texts[RANDOM_RULES];
		struct errors errors = {0};
		struct config config;
		bool loop;

		for (unsigned int i = 0; i < count; i++) {
			size_t size;
			FILE *stream = open_memstream(&texts[i], &size);

			random_rule(stream, i, count);
			fclose(stream);
			rules[i] = parse(texts[i]);
		}
		loop = has_loop(rules, count);
		/* A disabled rule that is its own input is refused as well, by rule_validate(). */
		for (unsigned int i = 0; i < count; i++) {
			for (unsigned int j = 0; j < rules[i].nr_outputs; j++)
				loop |= !rules[i].may_loop &&
					rule_output_is_input(&rules[i], &rules[i].outputs[j]);
		}
		if (add(&config, (const char *const *)texts, count, &errors) !=
		    (loop ? -EINVAL : 0)) {
			for (unsigned int i = 0; i < count; i++)
				fprintf(stderr, "%s\n", texts[i]);
			errors_print(&errors, stderr);
			fail_msg("round %u: a loop is %s", round, loop ? "missed" : "seen");
		}
		loops += loop;
		errors_free(&errors);
		config_free(&config);
		for (unsigned int i = 0; i < count; i++) {
			rule_free(&rules[i]);
			free(texts[i]);
		}
	}
	/* Both outcomes must have been tested often. */
	assert_in_range(loops, 2000, 18000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),	cmocka_unit_test(test_good),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_ring),
		cmocka_unit_test(test_chain),	cmocka_unit_test(test_time),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
