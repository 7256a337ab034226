/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs that are one call of the daemon: rule, stats, metrics, worker, group, log, ping, version.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "telemetry/metrics.h"

/* ---- rule ---- */

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

		if (name && matches(pattern, name))
			err |= json_array_append(kept, rule);
	}
	err |= json_object_set_new(answer, "total",
				   json_integer((json_int_t)json_array_size(kept)));
	return err | json_object_set_new(answer, "rules", kept);
}

int verb_rule_list(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *answer;
	int code = ctl_fetch(ctl, "rule.list", "rules", &answer);

	if (!code && count && filter(answer, words[0])) {
		fputs("xmcastctl: out of memory\n", stderr);
		code = EXIT_REFUSED;
	}
	if (!code)
		code = ctl_show(ctl, answer, show_rules);
	json_decref(answer);
	return code;
}

int verb_named(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params = json_pack("{s:s}", "name", words[0]);

	if (!params)
		return ctl_usage(command->usage, "\"%s\" is not UTF-8", words[0]);
	return ctl_call_and_show(ctl, command->method, params, command->show);
}

/* The rule is all words, with single spaces between them. */
int verb_rule_text(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params;
	size_t size = 1;
	char *text;
	char *end;

	for (int i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	text = malloc(size);
	end = text;
	for (int i = 0; text && i < count; i++)
		end += sprintf(end, "%s%s", i ? " " : "", words[i]);
	params = text ? json_pack("{s:[s]}", "rules", text) : NULL;
	free(text);
	if (!params)
		return ctl_usage(command->usage, "the rule is not UTF-8");
	return ctl_call_and_show(ctl, command->method, params, command->show);
}

int verb_rule_names(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *names = json_array();

	for (int i = 0; i < count; i++) {
		if (json_array_append_new(names, json_string(words[i]))) {
			json_decref(names);
			return ctl_usage(command->usage, "\"%s\" is not UTF-8", words[i]);
		}
	}
	return ctl_call_and_show(ctl, command->method, json_pack("{s:o}", "names", names),
				 command->show);
}

/* ---- the others ---- */

int verb_metrics(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *version = NULL;
	json_t *stats = NULL;
	char *text = NULL;
	size_t length;
	int code;

	if (ctl->options.json)
		return ctl_usage(command->usage, "metrics are text: use -j stats show");
	code = ctl_fetch(ctl, "stats.show", "rules", &stats);
	if (!code)
		code = ctl_call(ctl, "version", NULL, &version);
	if (!code) {
		text = metrics_render(stats, version, &length);
		/* Unchanged for a scraper, escaped for a terminal. */
		if (text && ctl->screen.terminal)
			screen_print(&ctl->screen, "%s", text);
		else if (text)
			fwrite(text, 1, length, stdout);
		code = text ? ctl_flush() : EXIT_REFUSED;
	}
	free(text);
	json_decref(version);
	json_decref(stats);
	return code;
}

/* The daemon knows the names. */
int verb_log_set(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params = json_pack("{s:s, s:s}", "facility", words[0], "level", words[1]);

	if (!params)
		return ctl_usage(command->usage, "\"%s %s\" is not UTF-8", words[0], words[1]);
	return ctl_call_and_show(ctl, "log.set", params, show_log);
}

int verb_ping(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *answer;
	int code = ctl_call(ctl, "ping", NULL, &answer);

	if (!code)
		code = ctl_show(ctl, answer, show_ping);
	/* It answers, but is not relaying. */
	if (!code && !show_true(answer, "alive"))
		code = EXIT_REFUSED;
	json_decref(answer);
	return code;
}
