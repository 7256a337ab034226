/* SPDX-License-Identifier: BSD-2-Clause */
/* rule list|show|add|del|replace|enable|disable */
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"

/* As in a shell; but the brackets of an IPv6 address, of which derived names consist, may as well
 * be just these. */
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

/* Leave the rules whose names match. */
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

		if (name && matches(pattern, name))
			err |= json_array_append(kept, rule);
	}
	err |= json_object_set_new(answer, "total",
				   json_integer((json_int_t)json_array_size(kept)));
	return err | json_object_set_new(answer, "rules", kept);
}

int verb_rule_list(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *answer;
	int code = ctl_fetch(ctl, "rule.list", "rules", &answer);

	if (!code && count && filter(answer, words[0])) {
		fputs("xmcastctl: no memory\n", stderr);
		code = EXIT_REFUSED;
	}
	if (!code)
		code = ctl_show(ctl, answer, show_rules);
	json_decref(answer);
	return code;
}

int verb_rule_show(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *params = json_pack("{s:s}", "name", words[0]);

	if (!params)
		return ctl_usage(verb->usage, "\"%s\" is no UTF-8", words[0]);
	return ctl_call_and_show(ctl, "rule.show", params, show_rule);
}

/* "rule.add" and so on, from the verb. */
static const char *method_of(const struct verb *verb, char text[32])
{
	snprintf(text, 32, "rule.%s", verb->name);
	return text;
}

/* The words as one text, with single spaces. malloc()ed. */
static char *join(char **words, int count)
{
	size_t size = 1;
	char *text;
	char *to;

	for (int i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	text = malloc(size);
	to = text;
	for (int i = 0; text && i < count; i++)
		to += sprintf(to, "%s%s", i ? " " : "", words[i]);
	return text;
}

int verb_rule_text(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	char *text = join(words, count);
	json_t *params = text ? json_pack("{s:[s]}", "rules", text) : NULL;
	char method[32];

	free(text);
	if (!params)
		return ctl_usage(verb->usage, "the rule is no UTF-8");
	return ctl_call_and_show(ctl, method_of(verb, method), params, show_changed);
}

int verb_rule_names(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *names = json_array();
	char method[32];

	for (int i = 0; i < count; i++) {
		if (json_array_append_new(names, json_string(words[i]))) {
			json_decref(names);
			return ctl_usage(verb->usage, "\"%s\" is no UTF-8", words[i]);
		}
	}
	return ctl_call_and_show(ctl, method_of(verb, method), json_pack("{s:o}", "names", names),
				 show_changed);
}
