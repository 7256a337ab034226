/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/yaml_problem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rules/words.h"

static const char indentation[] =
	"wrong indentation, expected as many spaces as before the key above";

/* What is said instead of libyaml's words. */
static const struct {
	const char *problem, *message;
} messages[] = {
	{"found character that cannot start any token",
	 "a value cannot begin with this character, expected it in quotes"},
	{"did not find expected ',' or ']'", "a list in [ ] has not ended, expected a comma or ]"},
	{"did not find expected ',' or '}'",
	 "a mapping in { } has not ended, expected a comma or }"},
	{"did not find expected key", indentation},
	{"did not find expected '-' indicator",
	 "wrong indentation, expected `- ` below the items above"},
	{"block sequence entries are not allowed in this context",
	 "a list cannot begin here, expected `- ` in a line of its own"},
	{"mapping values are not allowed in this context",
	 "a key cannot begin here, expected it in a line of its own, or its value in quotes"},
	{"mapping keys are not allowed in this context", "a key cannot begin with `? `"},
	{"could not find expected ':'", "no colon behind the key, expected `KEY: VALUE`"},
	{"found unexpected end of stream", "a quoted text has not ended, expected its quote"},
	{"found unknown escape character", "an unknown escape in double quotes, expected \\\\"},
	{"found unexpected ':'", "a colon without a space behind it, expected quotes around it"},
	{"did not find expected <document start>", "text behind the value, expected a key"},
};

static const char *line_of(const struct yaml_stop *stop, const char *at)
{
	while (at > stop->bytes && at[-1] != '\n')
		at--;
	return at;
}

/* The first byte of a line that is no space and no "- ". */
static const char *content_of(const char *line, const char *end)
{
	while (line < end && (*line == ' ' || *line == '\t' ||
			      (*line == '-' && line + 1 < end && line[1] == ' ')))
		line++;
	return line;
}

static const char *end_of(const char *line, const char *end)
{
	while (line < end && *line != '\n')
		line++;
	return line;
}

/* The line before, other than empty ones and comments; NULL: there is none. */
static const char *line_before(const struct yaml_stop *stop, const char *line)
{
	while (line > stop->bytes) {
		const char *content;

		line = line_of(stop, line - 1);
		content = content_of(line, stop->end);
		if (content < stop->end && *content != '\n' && *content != '\r' && *content != '#')
			return line;
	}
	return NULL;
}

unsigned int yaml_glued_key(const char *text, const char *end)
{
	const char *byte = text;

	while (byte < end && ((*byte >= 'a' && *byte <= 'z') || *byte == '_'))
		byte++;
	if (byte == text || byte - text > 32 || byte + 1 >= end || *byte != ':' ||
	    byte_is_space(byte[1]))
		return 0;
	return (unsigned int)(byte - text);
}

/* A tab in the indentation of the line, or where libyaml has stopped; NULL: none. */
static const char *find_tab(const struct yaml_stop *stop)
{
	const char *line = line_of(stop, stop->at);

	while (line < stop->at && *line == ' ')
		line++;
	if (line < stop->end && *line == '\t')
		return line;
	return stop->at < stop->end && *stop->at == '\t' ? stop->at : NULL;
}

static const char *report_glued(const char *key, unsigned int length,
				char message[YAML_PROBLEM_SIZE])
{
	snprintf(message, YAML_PROBLEM_SIZE, "no space behind the colon, expected `%.*s: `",
		 (int)length, key);
	return key;
}

static void report_option(const char *value, const char *end, char message[YAML_PROBLEM_SIZE])
{
	snprintf(message, YAML_PROBLEM_SIZE, "a key below a value, expected `to: %.*s` above it",
		 end - value < 80 ? (int)(end - value) : 80, value);
}

/* A key in the line below a value: libyaml takes both for one value of two lines. NULL: the key has
 * another fault. */
static const char *report_nested(const struct yaml_stop *stop, char message[YAML_PROBLEM_SIZE])
{
	const char *line = line_of(stop, stop->at), *before = line_before(stop, line);
	const char *key = content_of(line, stop->end), *value, *value_end;
	unsigned int glued;

	if (!before || key >= stop->at || memchr(key, ' ', (size_t)(stop->at - key)))
		return NULL;
	value = content_of(before, line);
	value_end = end_of(value, line);
	while (value_end > value && byte_is_space(value_end[-1]))
		value_end--;
	glued = yaml_glued_key(value, value_end);
	if (glued)
		return report_glued(value, glued, message);
	if (memmem(value, (size_t)(value_end - value), " out ", 5))
		snprintf(message, YAML_PROBLEM_SIZE,
			 "a key below a rule of one line, expected all of the rule in that line");
	else if (value_end - value > 5 && strncmp(value, "out: ", 5) == 0)
		report_option(value + 5, value_end, message);
	else if (memmem(value, (size_t)(value_end - value), ": ", 2))
		snprintf(message, YAML_PROBLEM_SIZE, "%s", indentation);
	else
		report_option(value, value_end, message);
	return key;
}

const char *yaml_problem(const struct yaml_stop *stop, char message[YAML_PROBLEM_SIZE])
{
	static const char no_key[] = "could not find expected ':'";
	const char *tab = find_tab(stop), *found = NULL;
	unsigned int glued = yaml_glued_key(stop->begin, end_of(stop->begin, stop->end));

	if (tab) {
		snprintf(message, YAML_PROBLEM_SIZE,
			 "a tab, expected spaces: YAML is not "
			 "indented with tabs");
		return tab;
	}
	if (strcmp(stop->problem, no_key) == 0 && glued)
		return report_glued(stop->begin, glued, message);
	if (strncmp(stop->problem, "mapping values", strlen("mapping values")) == 0)
		found = report_nested(stop, message);
	if (found)
		return found;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (strcmp(stop->problem, messages[i].problem) != 0)
			continue;
		snprintf(message, YAML_PROBLEM_SIZE, "%s", messages[i].message);
		/* The key, not what follows it. */
		return strcmp(stop->problem, no_key) == 0 ? stop->begin : stop->at;
	}
	snprintf(message, YAML_PROBLEM_SIZE, "not valid YAML: %s", stop->problem);
	return stop->at;
}
