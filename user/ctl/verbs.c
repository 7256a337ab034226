/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs that are one call of the daemon: rule, stats, metrics, worker, group, log, ping, version.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "rules/range.h"
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

	if (!code && (count ? filter(answer, words[0]) : !ctl->options.json && fold(answer))) {
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
