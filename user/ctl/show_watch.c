/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/show_watch.h"

#include <stdio.h>
#include <string.h>

/* What is said first of each kind, and so is not among the rest; the rest are good figures, which
 * are not worth a place. */
static const char *const quiet[] = {"received_packets", "ts_packets", "received_messages",
				    "null_ts_packets",	"heartbeats", "jitter_ns"};

/* Append to the text, as far as there is room. */
__attribute__((format(printf, 2, 3))) static void append(char text[SHOW_TEXT_SIZE],
							 const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, SHOW_TEXT_SIZE - used, format, args);
	va_end(args);
}

static bool is_quiet(const char *key)
{
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		if (strcmp(key, quiet[i]) == 0)
			return true;
	}
	return false;
}

static void add_kind(const char *kind, const json_t *figures, char text[SHOW_TEXT_SIZE])
{
	bool is_ts = json_is_integer(json_object_get(figures, "ts_packets"));
	bool has_messages = json_is_integer(json_object_get(figures, "received_messages"));
	long long total = show_number(figures, is_ts	      ? "ts_packets"
					       : has_messages ? "received_messages"
							      : "received_packets");
	char units[UNITS_SIZE];
	const char *key;
	json_t *value;

	append(text, "%s%s %lld %s", *text ? "; " : "", kind, total,
	       has_messages ? "messages" : "packets");
	if (is_ts && total > 0)
		append(text, ", %.0f %% null",
		       100.0 * (double)show_number(figures, "null_ts_packets") / (double)total);
	json_object_foreach((json_t *)figures, key, value)
	{
		if (json_integer_value(value) && !is_quiet(key))
			append(text, ", %s %lld", key, (long long)json_integer_value(value));
	}
	if (json_is_integer(json_object_get(figures, "jitter_ns")))
		append(text, ", jitter %s",
		       screen_nanoseconds(show_number(figures, "jitter_ns"), units));
}

bool show_watch_is_broken(const json_t *rule)
{
	const json_t *watch = json_object_get(rule, "watch");

	return show_true(watch, "broken_on_arrival") || show_true(watch, "broken_here");
}

const char *show_watch(const json_t *rule, char text[SHOW_TEXT_SIZE])
{
	const json_t *watch = json_object_get(rule, "watch");
	bool arrival = show_true(watch, "broken_on_arrival"),
	     here = show_true(watch, "broken_here");
	char kinds[SHOW_TEXT_SIZE] = "";
	const char *key;
	json_t *value;

	*text = '\0';
	if (!json_is_object(watch))
		return text;
	json_object_foreach((json_t *)watch, key, value)
	{
		/* All kinds have this one. */
		if (json_object_get(value, "invalid_packets"))
			add_kind(key, value, kinds);
	}
	if (show_number(watch, "unwatched_packets"))
		append(kinds, "; %lld packets not watched",
		       show_number(watch, "unwatched_packets"));
	append(text, "%s%s%s%s%s", arrival || here ? "broken " : "", arrival ? "on arrival" : "",
	       arrival && here ? " and " : "", here ? "here" : "", arrival || here ? ": " : "");
	append(text, "%s", kinds);
	return text;
}
