/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "base/text.h"

void findings_next(struct diagnosis *diagnosis, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(diagnosis->next, sizeof(diagnosis->next), format, args);
	va_end(args);
}

static bool is_text(const json_t *finding, const char *key, const char *text)
{
	return strcmp(json_string_value(json_object_get(finding, key)), text) == 0;
}

static bool is_found(const json_t *findings, const char *cause, const char *about, const char *text)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
	{
		if (is_text(finding, "cause", cause) && is_text(finding, "about", about) &&
		    is_text(finding, "text", text))
			return true;
	}
	return false;
}

void findings_add(struct diagnosis *diagnosis, const char *severity, const char *cause,
		  const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = text_format_list(format, args);
	va_end(args);
	if (text && is_found(diagnosis->findings, cause, diagnosis->about, text))
		goto out;
	json_add(&diagnosis->findings,
		 json_pack("{s:s, s:s, s:o, s:o, s:o}", "severity", severity, "cause", cause,
			   "about", json_text_string(diagnosis->about), "text",
			   json_text_string(text), "next",
			   *diagnosis->next ? json_text_string(diagnosis->next) : json_null()));
out:
	free(text);
	*diagnosis->next = '\0';
}

uint64_t findings_seconds_since(const struct diagnosis *diagnosis, uint64_t ns)
{
	uint64_t now_ns = diagnosis->inspected->now_ns;

	return ns < now_ns ? (now_ns - ns) / NS_PER_SECOND : 0;
}

bool findings_have_problem(const json_t *findings, const char *about)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
	{
		if (is_text(finding, "severity", PROBLEM) &&
		    (!about || is_text(finding, "about", about)))
			return true;
	}
	return false;
}

bool findings_is_silent(const struct diagnosis *diagnosis)
{
	return diagnosis->stats->rules->flow != FLOW_FLOWING;
}

json_t *findings_sort(json_t *findings)
{
	static const char *const order[] = {PROBLEM, HINT};
	json_t *sorted = json_array(), *finding;
	size_t i;

	for (unsigned int j = 0; j < 2 && findings; j++) {
		json_array_foreach(findings, i, finding)
		{
			if (is_text(finding, "severity", order[j]))
				json_add(&sorted, json_incref(finding));
		}
	}
	if (!findings) {
		json_decref(sorted);
		return NULL;
	}
	json_decref(findings);
	return sorted;
}
