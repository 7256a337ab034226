/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs that ask one question: stats, metrics, worker, group, log, ping, version. */
#include <stdlib.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "telemetry/metrics.h"

static int fetch_and_show(struct ctl *ctl, const char *method, const char *list,
			  void (*show)(const struct screen *screen, const json_t *answer))
{
	json_t *answer;
	int code = ctl_fetch(ctl, method, list, &answer);

	if (!code)
		code = ctl_show(ctl, answer, show);
	json_decref(answer);
	return code;
}

int verb_stats_show(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return fetch_and_show(ctl, "stats.show", "rules", show_stats);
}

/* Text in either case: what it says as JSON is what stats.show says. */
int verb_metrics(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *version = NULL;
	json_t *stats = NULL;
	char *text = NULL;
	size_t length;
	int code;

	if (ctl->options.json)
		return ctl_usage(verb->usage, "metrics are text: try -j stats show");
	code = ctl_fetch(ctl, "stats.show", "rules", &stats);
	if (!code)
		code = ctl_call(ctl, "version", NULL, &version);
	if (!code) {
		text = metrics_render(stats, version, &length);
		/* Byte by byte for a scraper; a terminal is not to be steered. */
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

int verb_stats_reset(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "stats.reset_peaks", NULL, show_nothing);
}

int verb_worker_list(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "worker.list", NULL, show_workers);
}

int verb_group_list(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return fetch_and_show(ctl, "group.list", "groups", show_groups);
}

int verb_log_show(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "log.show", NULL, show_log);
}

/* Which names there are is for the daemon to say. */
int verb_log_set(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *params = json_pack("{s:s, s:s}", "facility", words[0], "level", words[1]);

	if (!params)
		return ctl_usage(verb->usage, "\"%s %s\" is no UTF-8", words[0], words[1]);
	return ctl_call_and_show(ctl, "log.set", params, show_log);
}

int verb_ping(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *answer;
	int code = ctl_call(ctl, "ping", NULL, &answer);

	if (!code)
		code = ctl_show(ctl, answer, show_ping);
	/* It answers, but does not do its work. */
	if (!code && !show_true(answer, "alive"))
		code = EXIT_REFUSED;
	json_decref(answer);
	return code;
}

int verb_version(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "version", NULL, show_version);
}
