/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/write.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/unicode.h"
#include "rules/grammar.h"
#include "rules/groups.h"
#include "rules/range.h"
#include "rules/settings.h"
#include "rules/yaml_reader.h"

/* --- texts --- */

/* Without quotes, some readers of YAML do not read these as strings. */
static bool is_yaml_word(const char *text)
{
	static const char *const words[] = {"y",   "n",	   "yes",   "no",  "on",
					    "off", "true", "false", "null"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	return false;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Whether a text that begins with a digit could be a number, a date or a time. "1.2.3.4" and
 * "1.2.3.4:5" could not. */
static bool may_be_number(const char *text)
{
	const char *dot = text;

	for (int i = 0; i < 3 && dot; i++)
		dot = strchr(dot + 1, '.');
	return !strchr(text, '@') && !dot;
}

/* Whether the text is certain to be safe without quotes, in block style. */
static bool is_plain(const char *text)
{
	size_t length = strlen(text);

	if (!is_letter(text[0]) && !is_digit(text[0]) && text[0] != '/' && text[0] != '_')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_letter(text[i]) && !is_digit(text[i]) && !strchr("-_./:@>", text[i]))
			return false;
	}
	if (text[length - 1] == ':' || is_yaml_word(text))
		return false;
	return !is_digit(text[0]) || !may_be_number(text);
}

/* Whether a character may stand in double quotes as it is: no line end of YAML, nothing invisible.
 */
static bool is_literal(uint32_t code)
{
	if (code < 0x80)
		return code >= 0x20 && code < 0x7f && code != '"' && code != '\\';
	return code > 0xa0 && code != 0x2028 && code != 0x2029 && yaml_allows(code);
}

static void put_quoted(const char *text, FILE *stream)
{
	fputc('"', stream);
	for (unsigned int bytes; *text; text += bytes) {
		uint32_t code;

		bytes = utf8_decode(text, strlen(text), &code);
		/* It cannot have come from a file, and cannot be written. */
		if (!bytes)
			break;
		if (is_literal(code))
			fwrite(text, 1, bytes, stream);
		else if (code == '"' || code == '\\')
			fprintf(stream, "\\%c", (char)code);
		else if (code < 0x100)
			fprintf(stream, "\\x%02x", code);
		else
			fprintf(stream, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
	}
	fputc('"', stream);
}

static void put_text(const char *text, FILE *stream)
{
	if (is_plain(text))
		fputs(text, stream);
	else
		put_quoted(text, stream);
}

/* --- rules --- */

/* A line for each field that is not the default. `item`: in front of the first one; the others are
 * indented as far. */
static void put_options(const struct field *fields, const void *object,
			const struct rule_output *usual, unsigned int indent, const char *item,
			FILE *stream)
{
	const char *further = *item ? "  " : "";
	char text[FIELD_TEXT_SIZE];

	for (; fields->name; fields++) {
		if (!*rule_field_format(fields, object, usual, text))
			continue;
		fprintf(stream, "%*s%s%s: ", (int)indent, "", item, rule_field_key(fields));
		item = further;
		if (field_is_text(fields))
			put_text(text, stream);
		else
			/* The contrary of a switch that is on. */
			fputs(fields->key ? "no" : text, stream);
		fputc('\n', stream);
	}
}

/* The same as an item of a list. */
static void put_fields(const struct field *fields, const void *object,
		       const struct rule_output *usual, unsigned int indent, FILE *stream)
{
	put_options(fields, object, usual, indent, "- ", stream);
}

/* Several inputs, each with its source. */
static void put_sides(const struct rule *rule, FILE *stream)
{
	char text[SIDE_TEXT_SIZE];

	fputs("    in:\n", stream);
	for (unsigned int i = 0; i < rule->nr_sides; i++) {
		struct rule view;
		bool source = !addr_is_any(&rule->sides[i].source);

		fputs(source ? "      - in: " : "      - ", stream);
		put_text(side_format(rule, i, text), stream);
		fputc('\n', stream);
		if (!source)
			continue;
		fputs("        source: ", stream);
		put_text(rule_field_format(&rule_fields[RULE_SOURCE], rule_of_side(rule, i, &view),
					   NULL, (char[FIELD_TEXT_SIZE]){""}),
			 stream);
		fputc('\n', stream);
	}
}

static void put_rule_fields(const struct rule *rule, FILE *stream)
{
	if (!rule->nr_sides) {
		put_fields(rule_fields, rule, NULL, 2, stream);
		return;
	}
	/* Without a name of its own it has the one that it would get. */
	fputs("  - name: ", stream);
	put_text(rule->name, stream);
	fputc('\n', stream);
	put_sides(rule, stream);
	put_options(&rule_fields[RULE_PATH], rule, NULL, 4, "", stream);
}

/* `group`: whose lease the rule has; NULL: it has its own, if any. */
static void put_rule(const struct rule *rule, const struct rule_group *group,
		     const struct default_config *defaults, FILE *stream)
{
	struct rule shown = *rule;

	if (group) {
		*shown.lease = '\0';
		shown.lease_shards = 0;
	}
	put_rule_fields(&shown, stream);
	if (group) {
		fputs("    group: ", stream);
		put_text(group->name, stream);
		fputc('\n', stream);
	}
	fputs("    out:\n", stream);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		struct rule_output usual = {.to = rule->outputs[i].to};

		output_complete(&usual, 0, defaults);
		put_fields(output_fields, &rule->outputs[i], &usual, 6, stream);
	}
}

void config_write_rule(const struct rule *rule, const struct default_config *defaults, FILE *stream)
{
	put_rule(rule, NULL, defaults, stream);
}

/* Whether the rules from `first` on are those of its range, all of them and unchanged. 1, 0, or
 * -ENOMEM. */
static int range_is_whole(const struct config *config, unsigned int first)
{
	static const struct position at = {"", 1, 1};
	const struct range *range = config->rules[first].range;
	bool whole = range && config->nr_rules - first >= range->count;

	for (unsigned int i = 0; whole && i < range->count; i++) {
		const struct grammar_range member = {i, true};
		struct rule_positions where;
		struct errors ignored = {0};
		struct rule rule;
		int err;

		if (config->rules[first + i].range != range)
			return 0;
		err = grammar_parse_member(range->text, strlen(range->text), &at, &member, &rule,
					   &where, &ignored);
		errors_free(&ignored);
		if (err)
			return err == -ENOMEM ? err : 0;
		rule_complete(&rule, &where, &config->defaults);
		whole = rule_equal(&rule, &config->rules[first + i]);
		rule_free(&rule);
		rule_positions_free(&where);
	}
	return whole;
}

/* A rule, or all of a range as one line. Returns how many rules these are; 0: no memory. */
static unsigned int put_rules(const struct config *config, unsigned int first, FILE *stream)
{
	const struct rule *rule = &config->rules[first];
	const struct rule_group *group = rule_group_fits(config, rule->group_number, rule)
						 ? &config->groups[rule->group_number - 1]
						 : NULL;
	int whole = range_is_whole(config, first);

	if (whole < 0)
		return 0;
	if (!whole) {
		put_rule(rule, group, &config->defaults, stream);
		return 1;
	}
	fputs("  - ", stream);
	put_text(rule->range->text, stream);
	fputc('\n', stream);
	return rule->range->count;
}

/* --- settings --- */

/* Write the keys "a.b.c" of a setting, one below the other, except those that stand there from the
 * setting before. */
static void put_keys(const char *path, const char *before, FILE *stream)
{
	unsigned int depth = 0;

	for (;;) {
		size_t length = strcspn(path, ".");
		bool same = strncmp(path, before, length) == 0 && before[length] == '.';

		if (!same) {
			if (depth == 0)
				fputc('\n', stream);
			fprintf(stream, "%*s%.*s:", (int)depth * 2, "", (int)length, path);
			before = "";
		}
		if (!path[length])
			return;
		if (!same)
			fputc('\n', stream);
		else
			before += length + 1;
		path += length + 1;
		depth++;
	}
}

/* Write what differs from the defaults. Of an interface `object` is its section, whose name is
 * written already; otherwise the config. Returns how many settings were written. */
static unsigned int put_settings(const void *object, const void *defaults, bool of_iface,
				 FILE *stream)
{
	char text[FIELD_TEXT_SIZE], usual[FIELD_TEXT_SIZE];
	const char *before = "";
	unsigned int count = 0;

	for (const struct field *setting = setting_list; setting->name; setting++) {
		if (setting_of_iface(setting) != of_iface)
			continue;
		setting_format(setting, object, text);
		if (!*text || strcmp(text, setting_format(setting, defaults, usual)) == 0)
			continue;
		if (of_iface)
			fprintf(stream, "%s    %s:", count ? "" : "\n",
				setting_key(setting, SETTING_IFACES));
		else
			put_keys(setting->name, before, stream);
		before = setting->name;
		count++;
		fputc(' ', stream);
		if (field_is_text(setting))
			put_text(text, stream);
		else
			fputs(text, stream);
		fputc('\n', stream);
	}
	return count;
}

/* --- the whole --- */

/* Means every file. */
#define EVERY UINT_MAX

/* False: no memory. */
static bool put_all_rules(const struct config *config, unsigned int file, FILE *stream)
{
	unsigned int count;
	bool none = true;

	for (unsigned int i = 0; i < config->nr_rules;) {
		if (file != EVERY && config->rules[i].file != file) {
			i++;
			continue;
		}
		if (none)
			fputs("rules:\n", stream);
		none = false;
		count = put_rules(config, i, stream);
		if (!count)
			return false;
		i += count;
	}
	if (none)
		fputs("rules: []\n", stream);
	return true;
}

static void put_groups(const struct config *config, unsigned int file, FILE *stream)
{
	bool none = true;

	for (unsigned int i = 0; i < config->nr_groups; i++) {
		const struct rule_group *group = &config->groups[i];
		struct rule has = {.lease_shards = group->lease_shards};
		char text[FIELD_TEXT_SIZE];

		if (file != EVERY && group->file != file)
			continue;
		memcpy(has.lease, group->lease, sizeof(has.lease));
		fputs(none ? "\ngroups:\n  " : "  ", stream);
		put_text(group->name, stream);
		fputs(":\n    lease: ", stream);
		put_text(rule_field_format(&rule_fields[RULE_LEASE], &has, NULL, text), stream);
		fputc('\n', stream);
		none = false;
	}
}

/* False: no memory. */
static bool put_config(const struct config *config, unsigned int file, FILE *stream)
{
	struct iface_config usual = {.queues = 0};
	struct config defaults;
	bool none = true;

	if (!put_all_rules(config, file, stream))
		return false;
	put_groups(config, file, stream);
	setting_defaults(&usual, true);
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		if (file != EVERY && config->ifaces[i].file != file)
			continue;
		if (none)
			fputs("\n" SETTING_IFACES ":\n", stream);
		none = false;
		fputs("  ", stream);
		put_text(config->ifaces[i].name, stream);
		fputc(':', stream);
		if (!put_settings(&config->ifaces[i], &usual, true, stream))
			fputs(" {}\n", stream);
	}
	config_init(&defaults);
	if (!file || file == EVERY)
		put_settings(config, &defaults, false, stream);
	return true;
}

char *config_write(const struct config *config, size_t *length)
{
	return config_write_file(config, EVERY, length);
}

char *config_write_file(const struct config *config, unsigned int file, size_t *length)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, length);
	bool failed;

	if (!stream)
		return NULL;
	failed = !put_config(config, file, stream) || ferror(stream);
	/* A stream that could not be stored may close without error and without text; *length is
	 * not set then. */
	if (fclose(stream) != 0 || failed || !text) {
		free(text);
		errno = ENOMEM;
		return NULL;
	}
	if (*length <= YAML_BYTES_MAX)
		return text;
	free(text);
	errno = EFBIG;
	return NULL;
}
