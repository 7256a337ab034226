/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs that are one call of the daemon: iface, metrics, log, ping. */
#include <stdlib.h>
#include <errno.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "telemetry/metrics.h"

int verb_named(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params = json_pack("{s:s}", "name", words[0]);

	if (!params)
		return ctl_usage(command->usage, "\"%s\" is not UTF-8", words[0]);
	return ctl_call_and_show(ctl, command->method, params, command->show);
}

/* "--format NAME" or "--format=NAME", or nothing. */
static bool parse_format(char **words, int count, enum metrics_format *format)
{
	static const char option[] = "--format";
	const char *name = NULL;

	*format = METRICS_OPENMETRICS;
	if (count == 2 && strcmp(words[0], option) == 0)
		name = words[1];
	else if (count == 1 && strncmp(words[0], "--format=", sizeof(option)) == 0)
		name = words[0] + sizeof(option);
	if (name && strcmp(name, "prometheus") == 0)
		*format = METRICS_PLAIN;
	else if (!name || strcmp(name, "openmetrics") != 0)
		return !count;
	return true;
}

int verb_metrics(struct ctl *ctl, const struct command *command, char **words, int count)
{
	enum metrics_format format;
	json_t *version = NULL;
	json_t *stats = NULL;
	char *text = NULL;
	size_t length;
	int code;

	if (!parse_format(words, count, &format))
		return ctl_usage(command->usage,
				 "unexpected argument \"%s\", expected --format openmetrics or "
				 "prometheus",
				 words[count - 1]);
	if (ctl->options.json)
		return ctl_usage(command->usage, "metrics are text: use -j stats show");
	code = ctl_fetch(ctl, "stats.show", "rules", &stats);
	if (!code)
		code = ctl_call(ctl, "version", NULL, &version);
	if (!code) {
		text = metrics_render(format, stats, version, &length);
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

/* What receivers want on the outputs' side, if anybody does. */
static int add_receivers(struct ctl *ctl, json_t *groups)
{
	json_t *receivers = NULL;
	int code = 0;

	if (show_number(groups, "receivers_total"))
		code = ctl_fetch(ctl, "receiver.list", "receivers", &receivers);
	if (!code && receivers &&
	    (json_object_set(groups, "receivers", json_object_get(receivers, "receivers")) ||
	     json_object_set(groups, "interfaces", json_object_get(receivers, "interfaces"))))
		code = ctl_no_answer(ctl, -ENOMEM);
	json_decref(receivers);
	return code;
}

int verb_group_list(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *groups = NULL;
	int code = ctl_fetch(ctl, "group.list", "groups", &groups);

	if (!code)
		code = add_receivers(ctl, groups);
	if (!code)
		code = ctl_show(ctl, groups, show_groups);
	json_decref(groups);
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
