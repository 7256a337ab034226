/* SPDX-License-Identifier: BSD-2-Clause */
/* rule list|show|add|del|replace|set|rename|enable|disable */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "rules/grammar.h"
#include "rules/range.h"

/* ---- patterns ---- */

/* As in a shell. But derived names contain IPv6 addresses in brackets, so brackets also match
 * themselves. */
static bool matches(const char *pattern, const char *name)
{
	size_t length = strlen(pattern);
	char *literal;
	bool match;

	if (fnmatch(pattern, name, 0) == 0)
		return true;
	literal = malloc(2 * length + 1);
	if (!literal)
		return false;
	for (size_t i = length = 0; pattern[i]; i++) {
		if (pattern[i] == '[')
			literal[length++] = '\\';
		literal[length++] = pattern[i];
	}
	literal[length] = '\0';
	match = fnmatch(literal, name, 0) == 0;
	free(literal);
	return match;
}

/* The same for all names of a range, "cam{1..50}". */
static bool matches_range(const char *pattern, const char *name)
{
	struct word word = {.text = pattern, .length = strlen(pattern)};
	unsigned int count = word_range_count(&word);
	char room[RANGE_WORD_SIZE];

	for (unsigned int i = 0; count > 1 && i < count; i++) {
		struct word one = word_of_range(&word, i, room);

		if (one.length == strlen(name) && memcmp(one.text, name, one.length) == 0)
			return true;
	}
	return matches(pattern, name);
}

/* Keep the rules whose names match. Nonzero: no memory. */
static int filter(json_t *answer, const char *pattern)
{
	const json_t *rules = json_object_get(answer, "rules");
	json_t *kept = json_array();
	json_t *rule;
	size_t i;
	int err = kept ? 0 : -1;

	json_array_foreach(rules, i, rule)
	{
		const char *name = json_string_value(json_object_get(rule, "name"));

		if (name && matches_range(pattern, name))
			err |= json_array_append(kept, rule);
	}
	err |= json_object_set_new(answer, "total",
				   json_integer((json_int_t)json_array_size(kept)));
	return err | json_object_set_new(answer, "rules", kept);
}

static bool is_pattern(const char *word)
{
	return strpbrk(word, "*?") != NULL;
}

static void no_match(const char *pattern)
{
	screen_print_to(stderr, "xmcastctl: no rule matches \"%s\"\n", pattern);
}

/* Append the names of the rules that match. 0, or an exit code after printing the reason. */
static int append_matches(json_t *names, const json_t *rules, const char *pattern)
{
	size_t before = json_array_size(names);
	const json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		json_t *name = json_object_get(rule, "name");

		if (json_is_string(name) && matches(pattern, json_string_value(name)) &&
		    json_array_append(names, name))
			return ctl_no_memory();
	}
	if (json_array_size(names) > before)
		return 0;
	no_match(pattern);
	return EXIT_REFUSED;
}

/* The names that the words mean: each a name, or a pattern for those of all rules. 0, then the
 * caller owns *names; otherwise an exit code. */
static int expand(struct ctl *ctl, const struct command *command, char **words, int count,
		  json_t **names)
{
	json_t *answer = NULL;
	int code = 0;

	*names = json_array();
	for (int i = 0; !code && i < count; i++) {
		if (!is_pattern(words[i])) {
			if (json_array_append_new(*names, json_string(words[i])))
				code = ctl_usage(command->usage, "\"%s\" is not UTF-8", words[i]);
			continue;
		}
		if (!answer)
			code = ctl_fetch(ctl, "rule.list", "rules", &answer);
		if (!code)
			code = append_matches(*names, json_object_get(answer, "rules"), words[i]);
	}
	json_decref(answer);
	if (code)
		json_decref(*names);
	return code;
}

/* ---- list and show ---- */

static bool same(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == y || json_equal(x, y);
}

/* The number of rules from one on that are of its range; *alike: all are in the same state. */
static size_t range_length(const json_t *rules, size_t from, bool *alike)
{
	static const char *const keys[] = {"state", "reason", "path", "flow"};
	const json_t *first = json_array_get(rules, from), *rule;
	size_t count = 1;

	*alike = true;
	if (!json_object_get(first, "range"))
		return 1;
	for (; (rule = json_array_get(rules, from + count)) && same(first, rule, "range");
	     count++) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			*alike &= same(first, rule, keys[i]);
	}
	return count;
}

/* One row for all rules of a range: with its name and text, and the sums. */
static bool fold_rules(json_t *first, const json_t *rules, size_t from, size_t count)
{
	static const char *const sums[] = {"rate_pps", "rate_bps", "outputs"};
	const char *text = show_text(first, "range"), *name;
	size_t length = range_name(text, &name);
	json_t *row;

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		json_int_t sum = 0;

		for (size_t j = from; j < from + count; j++)
			sum += show_number(json_array_get(rules, j), sums[i]);
		if (json_object_set_new(first, sums[i], json_integer(sum)))
			return false;
	}
	row = json_pack("{s:s%, s:s++}", "name", name, length, "rule",
			name == text ? "" : "(no name)", name == text ? "" : " ", text);
	length = row ? (size_t)json_object_update(first, row) : 1;
	json_decref(row);
	return !length;
}

/* Fold the rules of each range into one row, unless their states differ. */
static int fold(json_t *answer)
{
	json_t *rules = json_object_get(answer, "rules"), *rows = json_array();
	bool good = rows;

	for (size_t i = 0, count; good && i < json_array_size(rules); i += count) {
		bool alike;

		count = range_length(rules, i, &alike);
		if (alike && count > 1)
			good = fold_rules(json_array_get(rules, i), rules, i, count);
		for (size_t j = i; good && j < i + (alike ? 1 : count); j++)
			good = !json_array_append(rows, json_array_get(rules, j));
	}
	good = good && !json_object_set(answer, "rules", rows);
	json_decref(rows);
	return good ? 0 : -1;
}

int verb_rule_list(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *answer;
	int code = ctl_fetch(ctl, "rule.list", "rules", &answer);

	if (!code && (count ? filter(answer, words[0]) : !ctl->options.json && fold(answer)))
		code = ctl_no_memory();
	if (!code)
		code = ctl_show(ctl, answer, show_rules);
	if (!code && count && !ctl->options.json &&
	    !json_array_size(json_object_get(answer, "rules")))
		no_match(words[0]);
	json_decref(answer);
	return code;
}

static int show_one(struct ctl *ctl, const struct command *command, json_t *name)
{
	return ctl_call_and_show(ctl, command->method, json_pack("{s:O}", "name", name),
				 command->show);
}

/* With a pattern, -j prints one object per rule. */
int verb_rule_show(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *names, *name;
	int code = expand(ctl, command, words, count, &names);
	size_t i;

	if (code)
		return code;
	json_array_foreach(names, i, name)
	{
		if (i && !ctl->options.json)
			screen_print(&ctl->screen, "\n");
		if (!code)
			code = show_one(ctl, command, name);
	}
	json_decref(names);
	return code;
}

/* ---- changes ---- */

/* "added cam1": which rules the words have changed, for people. */
static void show_done(struct ctl *ctl, const char *done, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		screen_print(&ctl->screen, "%s %s\n", done, json_string_value(name));
}

/* Ask for a change; consumes `params`. `done` and `names`: what an answer means. */
static int change(struct ctl *ctl, const char *method, json_t *params, const char *done,
		  const json_t *names)
{
	json_t *answer;
	int code = ctl_call(ctl, method, params, &answer);

	if (code)
		return code;
	if (!ctl->options.json)
		show_done(ctl, done, names);
	code = ctl_show(ctl, answer, show_pending);
	json_decref(answer);
	return code;
}

/* The name of the rule, which may be derived from its input; NULL: the daemon will say what is
 * wrong with the text. */
static json_t *name_in(const char *text)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	const struct position at = {"rule", 1, 1};
	json_t *name = NULL;
	const char *range;
	struct rule rule;
	size_t length;

	if (errors && range_count(text, strlen(text), &at, true, errors) > 1) {
		length = range_name(text, &range);
		name = json_stringn(range, length);
	} else if (errors && !grammar_parse_rule(text, strlen(text), &at, &rule, NULL, errors)) {
		if (!*rule.name)
			rule_derive_name(&rule);
		name = json_string(rule.name);
		rule_free(&rule);
	}
	if (errors)
		errors_free(errors);
	free(errors);
	return name;
}

/* add, replace */
int verb_rule_text(struct ctl *ctl, const struct command *command, char **words, int count)
{
	struct text text = {0};
	json_t *params, *names = json_array();
	int code;

	for (int i = 0; i < count; i++)
		text_add_format(&text, "%s%s", i ? " " : "", words[i]);
	params = text.failed ? NULL : json_pack("{s:[s]}", "rules", text.bytes);
	if (params) {
		json_array_append_new(names, name_in(text.bytes));
		code = change(ctl, command->method, params, command->done, names);
	} else {
		code = text.failed ? ctl_no_memory()
				   : ctl_usage(command->usage, "the rule is not UTF-8");
	}
	json_decref(names);
	text_free(&text);
	return code;
}

/* del, enable, disable */
int verb_rule_names(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *names;
	int code = expand(ctl, command, words, count, &names);

	if (code)
		return code;
	code = change(ctl, command->method, json_pack("{s:O}", "names", names), command->done,
		      names);
	json_decref(names);
	return code;
}

/* Can it stand as one word of a rule's text that begins no clause? */
static bool is_word(const char *text)
{
	const struct word word = {.text = text, .length = strlen(text)};

	return *text && !strpbrk(text, " \t\r\n") && !word_is_keyword(&word);
}

/* The text of the rule of this name. 0, then the caller frees *text; otherwise an exit code. */
static int fetch_rule(struct ctl *ctl, const struct command *command, const char *name, char **text)
{
	json_t *params = json_pack("{s:s}", "name", name);
	const json_t *rule;
	json_t *answer;
	int code;

	if (!params)
		return ctl_usage(command->usage, "\"%s\" is not UTF-8", name);
	code = ctl_call(ctl, "rule.show", params, &answer);
	if (code)
		return code;
	rule = json_object_get(answer, "rule");
	if (!json_is_string(rule))
		code = ctl_no_answer(ctl, -EPROTO);
	else if (!(*text = strdup(json_string_value(rule))))
		code = ctl_no_memory();
	json_decref(answer);
	return code;
}

/* As if the rule had been deleted and added, in one transaction: others lose nothing. */
int verb_rule_rename(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *operations, *names;
	char *text = NULL, *renamed;
	int code;

	if (!is_word(words[1]))
		return ctl_usage(command->usage,
				 "\"%s\" is not a rule name, expected a word without spaces that "
				 "is no keyword of a rule",
				 words[1]);
	code = fetch_rule(ctl, command, words[0], &text);
	if (!text)
		return code;
	/* The text begins with the old name. */
	renamed = text_format("%s%s", words[1], text + strcspn(text, " "));
	operations = renamed ? json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "operations", "do", "del",
					 "name", words[0], "do", "add", "rule", renamed)
			     : NULL;
	names = json_pack("[s++]", words[0], " to ", words[1]);
	if (operations)
		code = change(ctl, command->method, operations, command->done, names);
	else
		code = ctl_usage(command->usage, "\"%s\" is not UTF-8", words[1]);
	json_decref(names);
	free(renamed);
	free(text);
	return code;
}

/* ---- set ---- */

/* One option, and where it is to be set. */
struct setting {
	const struct field *field;
	bool of_rule;	   /* otherwise of outputs */
	const char *to;	   /* NULL: of all */
	const char *value; /* "default": none */
};

static void add_setting(struct text *text, const struct setting *setting)
{
	bool on = false;

	if (strcmp(setting->value, "default") == 0)
		return;
	if (setting->field->type != FIELD_SWITCH) {
		text_add_format(text, " %s %s", setting->field->name, setting->value);
		return;
	}
	/* A switch is there or not. What is neither yes nor no is refused by the daemon. */
	if (!word_to_bool(&(struct word){.text = setting->value, .length = strlen(setting->value)},
			  &on))
		text_add_format(text, " %s", setting->value);
	else if (on)
		text_add_format(text, " %s", setting->field->name);
}

/*
 * Write a rule's text with a setting in the place of what it says of that option now. Words are
 * moved, not understood: what the rule leaves out stays left out, because only the daemon knows its
 * defaults. `rule` is used up. False: the rule has no such output.
 */
static bool edit(char *rule, const struct setting *setting, struct text *text)
{
	const struct field *options = rule_options;
	bool inside = false, found = setting->of_rule;
	char *word;

	text_add_format(text, "%s", strsep(&rule, " ")); /* the name */
	while ((word = strsep(&rule, " "))) {
		bool is_out = strcmp(word, "out") == 0;
		const struct field *field = field_find(options, word);

		if (is_out && inside)
			add_setting(text, setting);
		if (is_out || strcmp(word, "in") == 0) {
			const char *operand = rule ? strsep(&rule, " ") : "";

			inside = setting->of_rule ? !is_out
						  : is_out && (!setting->to ||
							       strcmp(operand, setting->to) == 0);
			found |= inside;
			options = is_out ? output_options : rule_options;
			text_add_format(text, " %s %s", word, operand);
			continue;
		}
		if (!inside || field != setting->field)
			text_add_format(text, " %s", word);
		if (field && field->type != FIELD_SWITCH && rule) {
			word = strsep(&rule, " ");
			if (!inside || field != setting->field)
				text_add_format(text, " %s", word);
		}
	}
	if (inside)
		add_setting(text, setting);
	return found;
}

/* Apply "OPTION VALUE" to *rule, which is replaced. 0 or an exit code. */
static int apply(const struct command *command, char **rule, const char *option,
		 const struct setting *wanted)
{
	struct setting setting = *wanted;
	struct text text = {0};

	setting.field = field_find(rule_options, option);
	setting.of_rule = setting.field;
	if (!setting.field)
		setting.field = field_find(output_options, option);
	if (!setting.field && strcmp(option, "enabled") == 0)
		return ctl_usage(command->usage, "\"enabled\" is not an option, expected "
						 "`rule enable NAME` or `rule disable NAME`");
	if (!setting.field)
		return ctl_usage(command->usage, "\"%s\" is not an option of a rule or an output",
				 option);
	if (!is_word(setting.value))
		return ctl_usage(command->usage,
				 "\"%s\" is not a value, expected a word without spaces that is no "
				 "keyword of a rule",
				 setting.value);
	if (!edit(*rule, &setting, &text)) {
		text_free(&text);
		return ctl_usage(command->usage,
				 "the rule has no output \"%s\", expected one as "
				 "`rule show` writes it",
				 setting.to);
	}
	if (text.failed)
		return ctl_no_memory();
	free(*rule);
	*rule = text.bytes;
	return 0;
}

int verb_rule_set(struct ctl *ctl, const struct command *command, char **words, int count)
{
	struct setting setting = {0};
	json_t *names, *params;
	char *rule = NULL;
	int code = fetch_rule(ctl, command, words[0], &rule);

	for (int i = 1; !code && i < count; i += 2) {
		setting.value = words[i + 1];
		if (!setting.value)
			code = ctl_usage(command->usage, "no value after \"%s\"", words[i]);
		else if (strcmp(words[i], "out") == 0)
			setting.to = setting.value;
		else
			code = apply(command, &rule, words[i], &setting);
	}
	names = json_pack("[s]", words[0]);
	if (!code) {
		params = json_pack("{s:[s]}", "rules", rule);
		code = params ? change(ctl, command->method, params, command->done, names)
			      : ctl_usage(command->usage, "a value is not UTF-8");
	}
	json_decref(names);
	free(rule);
	return code;
}
