/* SPDX-License-Identifier: BSD-2-Clause */
/* A rule as a line of the grammar: rule_format() of rule.h. */
#include <stdio.h>
#include <stdlib.h>

#include "rules/rule.h"

static void put_inputs(const struct rule *rule, FILE *stream)
{
	char input[SIDE_TEXT_SIZE], source[FIELD_TEXT_SIZE];

	for (unsigned int i = 0; i < rule_inputs(rule); i++) {
		struct rule view;

		fprintf(stream, " in %s", side_format(rule, i, input));
		rule_of_side(rule, i, &view);
		if (!addr_is_any(&view.source))
			fprintf(stream, " source %s",
				rule_field_format(&rule_fields[RULE_SOURCE], &view, NULL, source));
	}
}

static void put_options(const struct field *options, const void *object,
			const struct rule_output *usual, FILE *stream)
{
	char text[FIELD_TEXT_SIZE];

	for (; options->name; options++) {
		if (!*rule_field_format(options, object, usual, text))
			continue;
		fprintf(stream, " %s", options->name);
		if (options->type != FIELD_SWITCH)
			fprintf(stream, " %s", text);
	}
}

char *rule_format(const struct rule *rule, const struct default_config *defaults)
{
	char endpoint[ENDPOINT_TEXT_SIZE];
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	bool failed;

	if (!stream)
		return NULL;
	fputs(rule->name, stream);
	put_inputs(rule, stream);
	put_options(&rule_fields[RULE_PATH], rule, NULL, stream);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		struct rule_output usual = {.to = rule->outputs[i].to};

		output_complete(&usual, 0, defaults);
		fprintf(stream, " out %s", output_format(&rule->outputs[i], endpoint));
		put_options(output_options, &rule->outputs[i], &usual, stream);
	}
	failed = ferror(stream);
	if (fclose(stream) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
