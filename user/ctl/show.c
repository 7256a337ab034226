/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/show.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/version.h"
#include "ctl/table.h"

/* ---- members of objects ---- */

const char *show_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "-";
}

long long show_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool show_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* Append the counts that are not 0. */
static void add_counts(const json_t *object, char text[SHOW_TEXT_SIZE])
{
	size_t used = strlen(text);
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		int n;

		if (!json_integer_value(value) || used >= SHOW_TEXT_SIZE)
			continue;
		n = snprintf(text + used, SHOW_TEXT_SIZE - used, "%s%s %lld", used ? ", " : "", key,
			     (long long)json_integer_value(value));
		used += n > 0 ? (size_t)n : 0;
	}
}

/* Append what others have reported: "ICMP: refused 3". */
static void add_icmp(const json_t *object, char text[SHOW_TEXT_SIZE])
{
	char counts[SHOW_TEXT_SIZE] = "";
	size_t used = strlen(text);

	add_counts(object, counts);
	if (*counts)
		snprintf(text + used, SHOW_TEXT_SIZE - used, "%sICMP: %s", used ? "; " : "",
			 counts);
}

/* Start `text` with the reason that an object has, if it has one. */
static void begin_with_reason(const json_t *object, char text[SHOW_TEXT_SIZE])
{
	const char *reason = json_string_value(json_object_get(object, "reason"));

	snprintf(text, SHOW_TEXT_SIZE, "%s", reason ? reason : "");
}

const char *show_counts(const json_t *object, char text[SHOW_TEXT_SIZE])
{
	*text = '\0';
	add_counts(object, text);
	return *text ? text : "-";
}

const char *show_reason(const json_t *object, const char *counts, char text[SHOW_TEXT_SIZE])
{
	begin_with_reason(object, text);
	add_counts(json_object_get(object, counts), text);
	return *text ? text : "-";
}

const char *show_losses(const json_t *output, char text[SHOW_TEXT_SIZE])
{
	begin_with_reason(output, text);
	add_counts(json_object_get(output, "errors"), text);
	add_counts(json_object_get(output, "drops"), text);
	add_icmp(json_object_get(output, "icmp_errors"), text);
	return *text ? text : "-";
}

/* ---- small answers ---- */

void show_nothing(const struct screen *screen, const json_t *answer)
{
}

void show_ping(const struct screen *screen, const json_t *answer)
{
	long long workers = show_number(answer, "workers");

	screen_print(screen, "xmcastd is %s, %lld worker%s\n",
		     show_true(answer, "alive") ? "alive" : "NOT relaying", workers,
		     workers == 1 ? " answers" : "s answer");
}

void show_version(const struct screen *screen, const json_t *answer)
{
	screen_print(screen, "xmcastctl %s\nxmcastd %s\nprotocol %lld\n", xmc_version,
		     show_text(answer, "daemon"), show_number(answer, "protocol"));
}

void show_pending(const struct screen *screen, const json_t *answer)
{
	if (show_number(answer, "pending") > 0)
		screen_print(screen, "pending: %lld; \"xmcastctl rule list\" shows the reasons\n",
			     show_number(answer, "pending"));
}

void show_changed(const struct screen *screen, const json_t *answer)
{
	const json_t *setting;
	size_t i;

	screen_print(screen, "added %lld, removed %lld, replaced %lld\n",
		     show_number(answer, "added"), show_number(answer, "removed"),
		     show_number(answer, "replaced"));
	show_pending(screen, answer);
	json_array_foreach(json_object_get(answer, "needs_restart"), i, setting)
		screen_print(screen, "needs a restart: %s\n",
			     json_is_string(setting) ? json_string_value(setting) : "-");
}

/* "4 min 10 s" */
static void show_time(const struct screen *screen, long long seconds)
{
	if (seconds >= 60)
		screen_print(screen, "%lld min%s", seconds / 60, seconds % 60 ? " " : "");
	if (seconds % 60 || !seconds)
		screen_print(screen, "%lld s", seconds % 60);
}

static void show_rollback(const struct screen *screen, long long seconds)
{
	screen_print(screen, "rolled back in ");
	show_time(screen, seconds);
	screen_print(screen, ", unless you run: xmcastctl config confirm\n");
}

void show_unconfirmed(const struct screen *screen, const json_t *config)
{
	if (!json_object_get(config, "unconfirmed"))
		return;
	screen_print(screen, "%s is not confirmed: ", show_text(config, "unconfirmed"));
	show_rollback(screen, show_number(config, "rollback_in_seconds"));
}

void show_applied(const struct screen *screen, const json_t *answer)
{
	long long seconds = show_number(answer, "confirm_seconds");

	show_changed(screen, answer);
	if (seconds)
		show_rollback(screen, seconds);
}

void show_confirmed(const struct screen *screen, const json_t *answer)
{
	screen_print(screen, "confirmed\n");
	if (!show_true(answer, "saved") && json_object_get(answer, "file"))
		screen_print(screen,
			     "a restart reads %s, which says something else: put the new file in "
			     "its place, or run: xmcastctl config save\n",
			     show_text(answer, "file"));
}

void show_config_status(const struct screen *screen, const json_t *answer)
{
	struct timespec loaded = {.tv_sec = show_number(answer, "last_reload_seconds")};
	char text[CLOCK_TEXT_SIZE];

	if (json_object_get(answer, "file"))
		screen_print(screen, "file %s, read %s\n", show_text(answer, "file"),
			     clock_format(&loaded, text));
	else
		screen_print(screen, "no file: the rules are from the command line (--rule)\n");
	if (!show_true(answer, "last_reload_successful"))
		screen_print(screen, "the last reload was refused; its errors are in the log\n");
	if (json_object_get(answer, "unconfirmed"))
		show_unconfirmed(screen, answer);
	else
		screen_print(screen, "nothing waits to be confirmed\n");
}

static void show_side(const struct screen *screen, const json_t *rule, const char *side,
		      const char *mark)
{
	if (json_is_string(json_object_get(rule, side)))
		screen_print(screen, "%s %s\n", mark, show_text(rule, side));
}

/* Of a setting. */
static const char *value_text(const json_t *setting, const char *key)
{
	const char *text = show_text(setting, key);

	return *text ? text : "not set";
}

void show_diff(const struct screen *screen, const json_t *answer)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(answer, "rules"), i, item)
	{
		show_side(screen, item, "running", "-");
		show_side(screen, item, "file", "+");
	}
	if (show_true(answer, "more"))
		screen_print(screen, "and more rules\n");
	json_array_foreach(json_object_get(answer, "settings"), i, item)
		screen_print(screen, "%s: running %s, file %s\n", show_text(item, "setting"),
			     value_text(item, "running"), value_text(item, "file"));
}

void show_saved(const struct screen *screen, const json_t *answer)
{
	screen_print(screen, "saved %lld bytes to %s\n", show_number(answer, "bytes"),
		     show_text(answer, "path"));
}

void show_log(const struct screen *screen, const json_t *answer)
{
	struct table *table = table_new("FACILITY LEVEL");
	const char *facility;
	json_t *level;

	json_object_foreach(json_object_get(answer, "levels"), facility, level)
	{
		table_add(table, "%s", facility);
		table_add(table, "%s", json_is_string(level) ? json_string_value(level) : "-");
	}
	table_print(table, screen);
	if (!screen->brief)
		screen_print(screen, "to %s, as %s\n", show_text(answer, "to"),
			     show_text(answer, "format"));
}

/* ---- events ---- */

/* A value as one word of a key=value line: in quotes if it is empty or could be read as several. */
static void show_value(const struct screen *screen, const json_t *value)
{
	const char *text = json_string_value(value);
	char *encoded;

	if (text && *text && !strpbrk(text, " \"=\\\n\r\t")) {
		screen_print(screen, "%s", text);
		return;
	}
	encoded = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
	screen_print(screen, "%s", encoded ? encoded : "-");
	free(encoded);
}

static void show_pair(const struct screen *screen, const char *key, const json_t *value)
{
	const char *name;
	json_t *number;
	bool first = true;

	screen_print(screen, " %s=", key);
	if (!json_is_object(value)) {
		show_value(screen, value);
		return;
	}
	json_object_foreach((json_t *)value, name, number)
	{
		screen_print(screen, "%s%s:", first ? "" : ",", name);
		show_value(screen, number);
		first = false;
	}
}

void show_event(const struct screen *screen, const json_t *event)
{
	const char *name = show_text(event, "event");
	enum colour colour = screen->colour ? screen_state_colour(name) : COLOUR_NONE;
	const char *key;
	json_t *value;

	screen_print(screen, "%s ", show_text(event, "time"));
	fputs(screen_colour(colour), screen->stream);
	screen_print(screen, "%s", name);
	fputs(colour == COLOUR_NONE ? "" : SCREEN_PLAIN, screen->stream);
	json_object_foreach((json_t *)event, key, value)
	{
		if (strcmp(key, "time") != 0 && strcmp(key, "event") != 0)
			show_pair(screen, key, value);
	}
	putc('\n', screen->stream);
}
