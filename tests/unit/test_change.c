/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of operations on rules: the resulting configurations, and the lists that are refused. */
#include <errno.h>
#include <time.h>

#include "expect.h"
#include "rules/change.h"
#include "rules/grammar.h"

#define OPERATIONS_MAX 8

#define A	       "a in 239.1.1.1:1@x out 1.1.1.1:1"
#define B	       "b in 239.1.1.2:1@x out 1.1.1.1:1"
#define C	       "c in 239.1.1.3:1@x disabled out 1.1.1.1:1"

/* All lists change a configuration of the rules A, B, C. */
static struct config running;

static int set_up(void **state)
{
	static const char *const texts[] = {A, B, C};
	struct errors errors = {0};

	config_init(&running);
	running.stats_interval = 77;
	running.ifaces = calloc(1, sizeof(*running.ifaces));
	assert_non_null(running.ifaces);
	running.nr_ifaces = 1;
	strcpy(running.ifaces[0].name, "x");
	running.ifaces[0].queues = 5;
	return config_add_rules(&running, texts, 3, "x", &errors);
}

static int tear_down(void **state)
{
	config_free(&running);
	return 0;
}

static size_t count_operations(const struct rule_operation *operations)
{
	size_t count = 0;

	while (operations[count].text)
		count++;
	return count;
}

/* Assert that these are the rules, as texts in their order. */
static void expect_rules(const struct config *config, const char *const *texts, const char *what)
{
	unsigned int count = 0;

	for (; texts[count]; count++) {
		char *text;

		if (count >= config->nr_rules)
			fail_msg("%s: rule %u is missing", what, count);
		text = rule_format(&config->rules[count], NULL);
		assert_non_null(text);
		assert_string_equal(text, texts[count]);
		free(text);
	}
	assert_int_equal(config->nr_rules, count);
}

static const struct {
	struct rule_operation operations[OPERATIONS_MAX];
	const char *rules[OPERATIONS_MAX];
} good[] = {
	{{{0}}, {A, B, C}},
	/* one at a time */
	{{{RULE_ADD, "d in 239.1.1.4:1@x out 1.1.1.1:1"}},
	 {A, B, C, "d in 239.1.1.4:1@x out 1.1.1.1:1"}},
	{{{RULE_ADD, "in 239.1.1.4:1@x\n disabled out 1.1.1.1:1"}},
	 {A, B, C, "239.1.1.4:1@x in 239.1.1.4:1@x disabled out 1.1.1.1:1"}},
	{{{RULE_REPLACE, "b in 239.1.1.2:1@x out 1.1.1.9:1 ttl 3"}},
	 {A, "b in 239.1.1.2:1@x out 1.1.1.9:1 ttl 3", C}},
	{{{RULE_REPLACE, A}}, {A, B, C}},
	{{{RULE_REPLACE, "c in 239.1.1.3:1@x out 1.1.1.1:1"}},
	 {A, B, "c in 239.1.1.3:1@x out 1.1.1.1:1"}},
	{{{RULE_DELETE, "a"}}, {B, C}},
	{{{RULE_DISABLE, "a"}}, {"a in 239.1.1.1:1@x disabled out 1.1.1.1:1", B, C}},
	{{{RULE_ENABLE, "c"}}, {A, B, "c in 239.1.1.3:1@x out 1.1.1.1:1"}},
	/* no change */
	{{{RULE_ENABLE, "a"}, {RULE_DISABLE, "c"}}, {A, B, C}},
	{{{RULE_DISABLE, "a"}, {RULE_ENABLE, "a"}}, {A, B, C}},
	/* all of them */
	{{{RULE_DELETE, "b"}, {RULE_DELETE, "a"}, {RULE_DELETE, "c"}}, {NULL}},
	/* a rule that is deleted and added again comes last */
	{{{RULE_DELETE, "a"}, {RULE_ADD, "a in 239.1.1.1:2@x out 1.1.1.1:1"}},
	 {B, C, "a in 239.1.1.1:2@x out 1.1.1.1:1"}},
	{{{RULE_DELETE, "a"}, {RULE_ADD, A}, {RULE_DELETE, "a"}, {RULE_ADD, A}}, {B, C, A}},
	{{{RULE_ADD, "d in 239.1.1.4:1@x out 1.1.1.1:1"}, {RULE_DELETE, "d"}}, {A, B, C}},
	/* inputs move from rule to rule */
	{{{RULE_REPLACE, "a in 239.1.1.2:1@x out 1.1.1.1:1"},
	  {RULE_REPLACE, "b in 239.1.1.1:1@x out 1.1.1.1:1"}},
	 {"a in 239.1.1.2:1@x out 1.1.1.1:1", "b in 239.1.1.1:1@x out 1.1.1.1:1", C}},
	{{{RULE_ADD, "d in 239.1.1.1:1@x out 1.1.1.1:1"}, {RULE_DELETE, "a"}},
	 {B, C, "d in 239.1.1.1:1@x out 1.1.1.1:1"}},
	/* each operation sees the result of the one before */
	{{{RULE_ADD, "d in 239.1.1.4:1@x out 1.1.1.1:1"},
	  {RULE_DISABLE, "d"},
	  {RULE_REPLACE, "a in 239.1.1.5:1@x out 1.1.1.1:1"},
	  {RULE_DISABLE, "a"},
	  {RULE_REPLACE, "d in 239.1.1.4:1@x out 1.1.1.2:1"}},
	 {"a in 239.1.1.5:1@x disabled out 1.1.1.1:1", B, C, "d in 239.1.1.4:1@x out 1.1.1.2:1"}},
	{{{RULE_REPLACE, "a in 239.1.1.5:1@x out 1.1.1.1:1"},
	  {RULE_REPLACE, "a in 239.1.1.6:1@x out 1.1.1.1:1"}},
	 {"a in 239.1.1.6:1@x out 1.1.1.1:1", B, C}},
};

static void test_good(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t count = count_operations(good[i].operations);
		struct errors errors = {0};
		struct config result;
		char what[32];

		snprintf(what, sizeof(what), "list %zu", i);
		assert_int_equal(config_change(&running, good[i].operations, count, "operations",
					       &result, &errors),
				 0);
		expect_no_errors(&errors, what);
		expect_rules(&result, good[i].rules, what);
		/* the settings are copied */
		assert_int_equal(result.stats_interval, 77);
		assert_int_equal(result.nr_ifaces, 1);
		assert_int_equal(config_iface(&result, "x")->queues, 5);
		assert_ptr_not_equal(result.ifaces, running.ifaces);
		config_free(&result);
	}
	expect_rules(&running, (const char *const[]){A, B, C, NULL}, "running");
}

static const struct {
	struct rule_operation operations[OPERATIONS_MAX];
	struct expected errors[OPERATIONS_MAX];
} bad[] = {
	/* names */
	{{{RULE_DELETE, "A"}, {RULE_ENABLE, "ab"}, {RULE_DISABLE, ""}, {RULE_DELETE, "\033"}},
	 {{1, 1, "A", "no rule of this name"},
	  {2, 1, "ab", "no rule of this name"},
	  {3, 1, "", "no rule of this name"},
	  {4, 1, "\\x1b", "no rule of this name"}}},
	{{{RULE_ADD, "  a in 239.1.1.4:1@x out 1.1.1.1:1"}},
	 {{1, 3, "a", "duplicate name: the rule for"}}},
	{{{RULE_REPLACE, "d in 239.1.1.4:1@x out 1.1.1.1:1"}},
	 {{1, 1, "d", "no rule of this name"}}},
	{{{RULE_REPLACE, "in 239.1.1.1:1@x out 1.1.1.1:1"}},
	 {{1, 1, "239.1.1.1:1@x", "no rule of this name"}}},
	/* names that an earlier operation deleted or added */
	{{{RULE_DELETE, "a"}, {RULE_DELETE, "a"}, {RULE_ENABLE, "a"}, {RULE_REPLACE, A}},
	 {{2, 1, "a", "no rule of this name"},
	  {3, 1, "a", "no rule of this name"},
	  {4, 1, "a", "no rule of this name"}}},
	{{{RULE_DELETE, "a"}, {RULE_ADD, A}, {RULE_ADD, A}},
	 {{3, 1, "a", "duplicate name: the rule for"},
	  {3, 6, "239.1.1.1:1@x", "duplicate input: rule a (line 2) already has it"}}},
	{{{RULE_ADD, A}, {RULE_DELETE, "a"}}, {{1, 1, "a", "duplicate name"}}},
	{{{RULE_ENABLE, "d"}, {RULE_ADD, "d in 239.1.1.4:1@x out 1.1.1.1:1"}},
	 {{1, 1, "d", "no rule of this name"}}},
	/* inputs */
	{{{RULE_ADD, "d in 239.1.1.1:1@x out 1.1.1.1:1"}},
	 {{1, 6, "239.1.1.1:1@x", "duplicate input: rule a already has it"}}},
	/* the rule with the same input comes later in the order of rules */
	{{{RULE_REPLACE, "a in 239.1.1.3:1@x out 1.1.1.1:1"}},
	 {{1, 6, "239.1.1.3:1@x", "duplicate input: rule c already has it"}}},
	{{{RULE_REPLACE, "b in 239.1.1.4:1@x out 1.1.1.1:1"},
	  {RULE_REPLACE, "a in 239.1.1.4:1@x out 1.1.1.1:1"}},
	 {{2, 6, "239.1.1.4:1@x", "duplicate input: rule b (line 1) already has it"}}},
	{{{RULE_REPLACE, "a in 239.1.1.2:1@x out 1.1.1.1:1"}, {RULE_DISABLE, "b"}},
	 {{1, 6, "239.1.1.2:1@x", "duplicate input"}}},
	/* rules that are invalid by themselves */
	{{{RULE_ADD, "d in 239.1.1.4:0@x out 1.1.1.1:"}, {RULE_REPLACE, "a in"}, {RULE_ADD, ""}},
	 {{1, 16, "0", "not a valid port"},
	  {1, 32, "", "not a valid port"},
	  {2, 3, "in", "nothing after it"},
	  {3, 1, "", "an empty rule"}}},
	{{{RULE_ADD, "d in 239.1.1.4:1@x out 239.1.1.4:1@x"},
	  {RULE_REPLACE, "a in [ff01::1]:1@x source 1.1.1.1 out 1.1.1.1:1"}},
	 {{1, 24, "239.1.1.4:1@x", "a loop"},
	  {2, 6, "[ff01::1]:1@x", "interface-local scope"},
	  {2, 27, "1.1.1.1", "another address family"}}},
	/* even if a later operation removes them */
	{{{RULE_ADD, "d in 239.1.1.4:1@x out 239.1.1.4:1@x"}, {RULE_DELETE, "d"}},
	 {{1, 24, "239.1.1.4:1@x", "a loop"}}},
	{{{RULE_REPLACE, "a in 239.1.1.4:1@x out 239.1.1.4:1@x"}, {RULE_REPLACE, A}},
	 {{1, 24, "239.1.1.4:1@x", "a loop"}}},
	/* a rule that cannot be parsed still exists for the operations after it */
	{{{RULE_ADD, "  d in 239.1.1.4:0@x out 1.1.1.1:1"},
	  {RULE_DISABLE, "d"},
	  {RULE_REPLACE, "d in 239.1.1.4:1@x out 1.1.1.1:1"},
	  {RULE_DELETE, "d"},
	  {RULE_DELETE, "d"}},
	 {{1, 18, "0", "not a valid port"}, {5, 1, "d", "no rule of this name"}}},
	/* a line end in a rule does not start another line */
	{{{RULE_ENABLE, "a"}, {RULE_ADD, "d\nin 239.1.1.4:1@x\nout 1.1.1.1:0"}},
	 {{2, 32, "0", "not a valid port"}}},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t count = count_operations(bad[i].operations);
		struct errors errors = {0};
		struct config result;

		assert_int_equal(config_change(&running, bad[i].operations, count, "operations",
					       &result, &errors),
				 -EINVAL);
		assert_string_equal(errors.list[0].at.file, "operations");
		expect_errors(&errors, bad[i].errors, bad[i].operations[0].text);
		assert_int_equal(result.nr_rules, 0);
		assert_null(result.rules);
		assert_null(result.ifaces);
	}
	expect_rules(&running, (const char *const[]){A, B, C, NULL}, "running");
}

static void test_too_many_operations(void **state)
{
	static const struct expected expected[] = {{0, 0, NULL, "too many operations"}, {0}};
	struct errors errors = {0};
	struct config result;

	assert_int_equal(config_change(&running, NULL, RULE_OPERATIONS_MAX + 1, "operations",
				       &result, &errors),
			 -EINVAL);
	expect_errors(&errors, expected, "too many");
}

/* --- many --- */

#define MANY 10000

/* CPU time of this process: a busy machine does not change it. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* `count` operations of one kind on rules r0, r1, ...; their input is 239.S.c.d. */
static struct rule_operation *many(enum rule_verb verb, unsigned int count, unsigned int subnet)
{
	struct rule_operation *operations = calloc(count, sizeof(*operations));

	assert_non_null(operations);
	for (unsigned int i = 0; i < count; i++) {
		char *text;
		int length;

		if (verb == RULE_ADD || verb == RULE_REPLACE)
			length = asprintf(&text, "r%u in 239.%u.%u.%u:1@x out 1.1.1.1:1", i,
					  subnet + (i >> 16), i >> 8 & 255, i & 255);
		else
			length = asprintf(&text, "r%u", i);
		assert_true(length > 0);
		operations[i] = (struct rule_operation){verb, text};
	}
	return operations;
}

/* Apply the operations to *config; expect success, or a first error with this message. */
static void apply_many(struct config *config, enum rule_verb verb, unsigned int count,
		       unsigned int subnet, const char *message)
{
	struct rule_operation *operations = many(verb, count, subnet);
	struct errors errors = {0};
	struct config result;
	int error = config_change(config, operations, count, "many", &result, &errors);

	if (message) {
		assert_int_equal(error, -EINVAL);
		assert_non_null(strstr(errors.list[0].message, message));
	} else {
		expect_no_errors(&errors, "many");
		assert_int_equal(error, 0);
		config_free(config);
		*config = result;
	}
	errors_free(&errors);
	for (unsigned int i = 0; i < count; i++)
		free((char *)operations[i].text);
	free(operations);
}

/* With quadratic time this would take minutes. A slow machine with a sanitizer keeps the limit.
 */
static void test_many(void **state)
{
	double start = seconds();
	struct config config;

	config_init(&config);
	apply_many(&config, RULE_ADD, MANY, 1, NULL);
	assert_int_equal(config.nr_rules, MANY);
	apply_many(&config, RULE_ADD, MANY, 2, "duplicate name");
	apply_many(&config, RULE_REPLACE, MANY, 3, NULL);
	assert_int_equal(config.rules[MANY - 1].group.b[13], 3);
	apply_many(&config, RULE_DISABLE, MANY, 0, NULL);
	assert_true(config.rules[MANY - 1].disabled);
	apply_many(&config, RULE_DELETE, MANY, 0, NULL);
	assert_int_equal(config.nr_rules, 0);
	print_message("5 changes of %d rules took %.3f s\n", MANY, seconds() - start);
	assert_true(seconds() - start < 30);
	config_free(&config);
}

static void test_limit(void **state)
{
	static const struct rule_operation swap[] = {
		{RULE_DELETE, "r0"},
		{RULE_ADD, "new in 239.9.0.0:1@x out 1.1.1.1:1"},
	};
	struct errors errors = {0};
	struct config config, result;

	config_init(&config);
	apply_many(&config, RULE_ADD, XMC_MAX_RULES + 1, 1, "too many rules");
	apply_many(&config, RULE_ADD, XMC_MAX_RULES, 1, NULL);
	assert_int_equal(config_change(&config, swap + 1, 1, "x", &result, &errors), -EINVAL);
	expect_errors(&errors, (struct expected[]){{1, 1, "new", "too many rules"}, {0}}, "new");
	assert_int_equal(config_change(&config, swap, 2, "x", &result, &errors), 0);
	assert_int_equal(result.nr_rules, XMC_MAX_RULES);
	config_free(&result);
	config_free(&config);
}

/* --- against a model --- */

/*
 * The model: an array that is searched from its start and closes its gap after each deletion. Names
 * and inputs are few, so that operations affect each other.
 */
#define MODEL_RULES 32
#define MODEL_NAMES 6
#define LISTS	    20000
#define LIST_MAX    12

struct model_rule {
	char name;
	unsigned int input;
	unsigned int output;
	bool disabled;
};

struct model {
	struct model_rule rules[MODEL_RULES];
	unsigned int count;
	bool wrong;
};

static unsigned int random_state;

/* The same numbers on every machine: a failure can be repeated. */
static unsigned int pick(unsigned int below)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 16) % below;
}

static struct model_rule *model_find(struct model *model, char name)
{
	for (unsigned int i = 0; i < model->count; i++) {
		if (model->rules[i].name == name)
			return &model->rules[i];
	}
	return NULL;
}

/* An output that is the rule's own input is a loop, so the rule is invalid by itself. */
static bool model_loops(const struct model_rule *rule)
{
	return rule->output == rule->input;
}

static void model_apply(struct model *model, enum rule_verb verb, const struct model_rule *rule)
{
	struct model_rule *found = model_find(model, rule->name);

	if ((verb == RULE_ADD) == !!found ||
	    ((verb == RULE_ADD || verb == RULE_REPLACE) && model_loops(rule))) {
		model->wrong = true;
		return;
	}
	switch (verb) {
	case RULE_ADD:
		model->rules[model->count++] = *rule;
		break;
	case RULE_REPLACE:
		*found = *rule;
		break;
	case RULE_DELETE:
		for (; found + 1 < model->rules + model->count; found++)
			found[0] = found[1];
		model->count--;
		break;
	default:
		found->disabled = verb == RULE_DISABLE;
		break;
	}
}

static bool model_is_valid(const struct model *model)
{
	for (unsigned int i = 0; i < model->count; i++) {
		for (unsigned int k = 0; k < i; k++) {
			if (model->rules[i].input == model->rules[k].input)
				return false;
		}
	}
	return !model->wrong;
}

static void model_text(const struct model_rule *rule, char text[80])
{
	snprintf(text, 80, "%c in 239.1.1.%u:1@x%s out 239.1.1.%u:1@x", rule->name, rule->input,
		 rule->disabled ? " disabled" : "", rule->output);
}

static struct model_rule pick_rule(void)
{
	unsigned int input = 1 + pick(7);

	return (struct model_rule){
		.name = (char)('a' + pick(MODEL_NAMES)),
		.input = input,
		.output = pick(20) ? 100 + pick(3) : input,
		.disabled = pick(4) == 0,
	};
}

static void expect_model(const struct config *config, const struct model *model)
{
	assert_int_equal(config->nr_rules, model->count);
	for (unsigned int i = 0; i < model->count; i++) {
		char expected[80], *text = rule_format(&config->rules[i], NULL);

		assert_non_null(text);
		model_text(&model->rules[i], expected);
		assert_string_equal(text, expected);
		free(text);
	}
}

/* Apply one list to the result of the last one. Returns whether it was accepted. */
static bool try_list(struct config *config, struct model *model)
{
	struct rule_operation operations[LIST_MAX];
	char texts[LIST_MAX][80];
	unsigned int count = 1 + pick(LIST_MAX);
	struct model after = *model;
	struct errors errors = {0};
	struct config result;
	int error;

	for (unsigned int i = 0; i < count; i++) {
		enum rule_verb verb = (enum rule_verb)pick(RULE_DISABLE + 1);
		struct model_rule rule = pick_rule();

		/* Mostly an operation that is possible; otherwise hardly any list would be. */
		if (pick(16))
			verb = !model_find(&after, rule.name) ? RULE_ADD
			       : verb == RULE_ADD	      ? RULE_DELETE
							      : verb;
		model_apply(&after, verb, &rule);
		model_text(&rule, texts[i]);
		if (verb != RULE_ADD && verb != RULE_REPLACE)
			texts[i][1] = '\0';
		operations[i] = (struct rule_operation){verb, texts[i]};
	}
	error = config_change(config, operations, count, "random", &result, &errors);
	assert_int_equal(error, model_is_valid(&after) ? 0 : -EINVAL);
	assert_int_equal(!error, errors.count == 0);
	errors_free(&errors);
	if (error)
		return false;
	expect_model(&result, &after);
	config_free(config);
	*config = result;
	*model = after;
	return true;
}

static void test_model(void **state)
{
	unsigned int accepted = 0;
	struct model model = {0};
	struct config config;

	config_init(&config);
	for (unsigned int i = 0; i < LISTS; i++) {
		random_state = i;
		accepted += try_list(&config, &model);
		/* The configuration that a list is applied to must not change. */
		expect_model(&config, &model);
	}
	print_message("%u of %u lists accepted\n", accepted, LISTS);
	/* Both outcomes must have been tried often. */
	assert_true(accepted > LISTS / 20 && accepted < LISTS - LISTS / 20);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_too_many_operations),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
