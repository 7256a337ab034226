// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the metrics: any JSON, as the answers of `stats.show` and `version`. Every line of
 * the text is a comment or "NAME{LABELS} NUMBER" with all quotes closed, every metric has its
 * header before it, and the last line is the end.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry/metrics.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Behind the closing brace of the labels; in a value anything may stand, but for a bare quote. */
static const char *skip_labels(const char *at, const char *end)
{
	bool quoted = false;

	for (; at < end; at++) {
		if (quoted && *at == '\\')
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (!quoted && *at == '}')
			return at + 1;
	}
	abort();
}

static void check_sample(const char *line, const char *end, const char *header)
{
	const char *at = line;
	size_t name;

	while (at < end && (islower((unsigned char)*at) || *at == '_'))
		at++;
	name = (size_t)(at - line);
	must((name > strlen("xmcast_") && strncmp(line, "xmcast_", 7) == 0) ||
	     (name > strlen("process_") && strncmp(line, "process_", 8) == 0));
	/* The header's name, and at most a suffix: "# TYPE NAME TYPE". */
	must(header != NULL);
	header += strlen("# TYPE ");
	must(strcspn(header, " ") <= name && strncmp(header, line, strcspn(header, " ")) == 0);
	if (*at == '{')
		at = skip_labels(at + 1, end);
	must(at < end && *at == ' ');
	for (at++; at < end; at++)
		must(isdigit((unsigned char)*at) || strchr(".e+-", *at));
}

static void check_text(const char *text, size_t length, bool openmetrics)
{
	const char *header = NULL;
	const char *line = text;

	must(strlen(text) == length);
	while (*line) {
		const char *end = strchr(line, '\n');

		must(end != NULL);
		if (strncmp(line, "# TYPE ", 7) == 0)
			header = line;
		else if (line[0] != '#')
			check_sample(line, end, header);
		if (strncmp(line, "# EOF\n", 6) == 0)
			must(openmetrics && end[1] == '\0');
		line = end + 1;
	}
	must(!openmetrics || (length >= 6 && strcmp(text + length - 6, "# EOF\n") == 0));
}

static void render(const json_t *json, enum metrics_format format)
{
	struct metrics *metrics = metrics_new(format);
	size_t length = 0;
	char *text;

	metrics_add_version(metrics, json);
	metrics_add_machine(metrics, json);
	metrics_add_process(metrics, json);
	metrics_add_cluster(metrics, json);
	metrics_add_rules(metrics, json);
	text = metrics_text(metrics, &length);
	must(text != NULL);
	check_text(text, length, format == METRICS_OPENMETRICS);
	free(text);
	metrics_free(metrics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, 0, NULL);

	if (!json)
		return 0;
	render(json, METRICS_OPENMETRICS);
	render(json, METRICS_PLAIN);
	json_decref(json);
	return 0;
}
