/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/sheet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rules/array.h"
#include "rules/change.h"
#include "rules/schema.h"
#include "rules/write.h"

/* Bytes of a line that a comment repeats: enough to recognise it. */
#define LINE_LOOK 160

/* Refused rules of one line that are shown; a range of groups may be 256. */
#define REFUSED_SHOWN 4

enum item_kind { ITEM_LINE, ITEM_HEADING, ITEM_LOST, ITEM_NOTE, ITEM_RULE };

struct item {
	enum item_kind kind;
	unsigned int line; /* of the configuration; 0: none */
	char *text;	   /* of a rule: in the grammar */
	char *refusal; /* of a rule: why it is refused, a line for each error; NULL: it is not */
};

struct sheet {
	const char *file;
	struct item *items;
	unsigned int count;
	unsigned int line;
	unsigned int rules;
	size_t rule_bytes;
	bool full;   /* no more rules of this line, which was reported */
	bool failed; /* out of memory */
};

int sheet_new(struct sheet **sheet, const char *file)
{
	*sheet = calloc(1, sizeof(**sheet));
	if (!*sheet)
		return -ENOMEM;
	(*sheet)->file = file;
	return 0;
}

void sheet_free(struct sheet *sheet)
{
	if (!sheet)
		return;
	for (unsigned int i = 0; i < sheet->count; i++) {
		free(sheet->items[i].text);
		free(sheet->items[i].refusal);
	}
	free(sheet->items);
	free(sheet);
}

/* ---- adding ---- */

/* Consumes the text; NULL: no memory. */
static void add(struct sheet *sheet, enum item_kind kind, char *text)
{
	struct item *items = NULL;

	if (text)
		items = array_grow(sheet->items, sheet->count, sizeof(*items));
	if (!items) {
		sheet->failed = true;
		free(text);
		return;
	}
	sheet->items = items;
	items[sheet->count++] = (struct item){.kind = kind, .line = sheet->line, .text = text};
}

void sheet_line(struct sheet *sheet, unsigned int number, const char *text, size_t length)
{
	sheet_return(sheet, number);
	while (length && (text[length - 1] == '\r' || text[length - 1] == '\n'))
		length--;
	add(sheet, ITEM_LINE,
	    text_format("%.*s%s", (int)(length < LINE_LOOK ? length : LINE_LOOK), text,
			length > LINE_LOOK ? "..." : ""));
}

void sheet_heading(struct sheet *sheet, const char *title)
{
	sheet_return(sheet, 0);
	add(sheet, ITEM_HEADING, strdup(title));
}

void sheet_return(struct sheet *sheet, unsigned int number)
{
	sheet->line = number;
	sheet->full = false;
}

static void add_list(struct sheet *sheet, enum item_kind kind, const char *format,
		     va_list arguments)
{
	add(sheet, kind, text_format_list(format, arguments));
}

void sheet_lost(struct sheet *sheet, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_list(sheet, ITEM_LOST, format, arguments);
	va_end(arguments);
}

void sheet_note(struct sheet *sheet, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_list(sheet, ITEM_NOTE, format, arguments);
	va_end(arguments);
}

void sheet_rule(struct sheet *sheet, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	if (!text) {
		sheet->failed = true;
	} else if (strchr(text, '{')) {
		/* No peer has our syntax for ranges, so the braces are not meant as one. */
		if (!sheet->full)
			sheet_lost(sheet, "'{' is not expanded, in the rule: %.200s", text);
		sheet->full = true;
	} else if (sheet->rules == SHEET_RULES_MAX || sheet->rule_bytes + length > SHEET_TEXT_MAX) {
		if (!sheet->full)
			sheet_lost(sheet,
				   "more than %u rules, or %u MiB of them, in one import: "
				   "split the file",
				   SHEET_RULES_MAX, SHEET_TEXT_MAX >> 20);
		sheet->full = true;
	} else {
		sheet->rules++;
		sheet->rule_bytes += length;
		add(sheet, ITEM_RULE, strdup(text));
	}
}

bool sheet_is_full(const struct sheet *sheet)
{
	return sheet->full;
}

/* Of errors beyond a number, and of those that there is no memory for, only the count is kept. The
 * former are found again in the next pass. */
static bool errors_are_complete(const struct errors *errors)
{
	return errors->kept == errors->count || errors->kept == ERRORS_MAX;
}

void sheet_errors(struct sheet *sheet, struct errors *errors)
{
	for (unsigned int i = 0; i < errors->kept; i++) {
		const struct input_error *error = &errors->list[i];

		sheet_lost(sheet, "%s%s%s%s", error->word ? "'" : "",
			   error->word ? error->word : "", error->word ? "': " : "",
			   error->message);
	}
	sheet->failed |= !errors_are_complete(errors);
	errors_free(errors);
}

/* ---- checking ---- */

/* A message about two rules names the other's place in the list: "... (line 4) ...". It becomes
 * the line of the configuration. */
static char *translate(const char *message, struct item *const *rules, unsigned int count)
{
	static const char before[] = " (line ";
	const char *at = strstr(message, before);
	char *end = NULL;
	unsigned long index = at ? strtoul(at + strlen(before), &end, 10) : 0;

	if (!index || index > count || *end != ')')
		return strdup(message);
	return text_format("%.*s%u%s", (int)(at + strlen(before) - message), message,
			   rules[index - 1]->line, end);
}

static bool refuse(struct item *const *rules, unsigned int count, const struct input_error *error)
{
	struct item *item;
	char *message;
	char *longer;

	if (!error->at.line || error->at.line > count)
		return false;
	item = rules[error->at.line - 1];
	message = translate(error->message, rules, count);
	longer = message ? text_format("%s%s%s%s%s%s", item->refusal ? item->refusal : "",
				       item->refusal ? "\n" : "", error->word ? "'" : "",
				       error->word ? error->word : "", error->word ? "': " : "",
				       message)
			 : NULL;
	free(message);
	if (!longer)
		return false;
	free(item->refusal);
	item->refusal = longer;
	return true;
}

/* One pass over the rules that are not refused yet. 0: all are valid, and in `config`; -EAGAIN:
 * some are refused now; -ENOMEM. */
static int pass(struct sheet *sheet, struct item **rules, const char **texts, struct errors *errors,
		struct config *config)
{
	unsigned int count = 0;
	int err;

	for (unsigned int i = 0; i < sheet->count; i++) {
		struct item *item = &sheet->items[i];

		if (item->kind != ITEM_RULE || item->refusal)
			continue;
		texts[count] = item->text;
		rules[count++] = item;
	}
	err = config_add_rules(config, texts, count, "import", errors);
	if (err == -EINVAL)
		err = errors_are_complete(errors) ? -EAGAIN : -ENOMEM;
	for (unsigned int i = 0; i < errors->kept && err == -EAGAIN; i++) {
		if (!refuse(rules, count, &errors->list[i]))
			err = -ENOMEM;
	}
	errors_free(errors);
	return err;
}

/* 0 or -ENOMEM. */
static int set_defaults(struct config *config, const char *defaults, struct errors *errors)
{
	char *text = text_format("%s\nrules: []\n", defaults);
	int err =
		text ? config_parse_yaml(text, strlen(text), "defaults", config, errors) : -ENOMEM;

	free(text);
	return err;
}

/* 0, then *config has the valid rules in the order of the items; -ENOMEM. */
static int check(struct sheet *sheet, const char *defaults, struct config *config)
{
	struct item **rules = calloc(sheet->rules + 1UL, sizeof(struct item *));
	const char **texts = calloc(sheet->rules + 1UL, sizeof(*texts));
	struct errors *errors = calloc(1, sizeof(*errors));
	int err = rules && texts && errors ? 0 : -ENOMEM;

	config_init(config);
	if (!err && defaults)
		err = set_defaults(config, defaults, errors);
	if (!err)
		err = -EAGAIN;
	while (err == -EAGAIN)
		err = pass(sheet, rules, texts, errors, config);
	free(rules);
	free(texts);
	free(errors);
	return err;
}

/* ---- writing ---- */

/* The configuration may contain anything; a comment of ours is printable ASCII. */
static void put_escaped(const char *text, size_t length, FILE *stream)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == '\t')
			fputc(' ', stream);
		else if (byte >= 0x20 && byte < 0x7f)
			fputc(byte, stream);
		else
			fprintf(stream, "\\x%02x", byte);
	}
}

/* A comment for each line of the text, the further ones below the beginning of the first. */
static void put_comment(const char *begin, const char *text, FILE *stream)
{
	int indent = 0;

	do {
		size_t length = strcspn(text, "\n");

		fprintf(stream, "  # %*s%s", indent, "", indent ? "" : begin);
		put_escaped(text, length, stream);
		fputc('\n', stream);
		indent = (int)strlen(begin);
		text += length;
	} while (*text++);
}

static void put_refused(const struct item *item, FILE *stream)
{
	put_comment("    not carried over: ", item->refusal, stream);
	put_comment("        in the rule: ", item->text, stream);
}

struct writing {
	const struct config *config;
	FILE *stream;
	unsigned int rule;    /* the next of the config */
	unsigned int refused; /* of the current line */
	unsigned int lost_line;
	struct sheet_count *count;
};

static void count_lost(struct writing *writing, const struct item *item)
{
	writing->count->lost += writing->lost_line != item->line || !writing->count->lost;
	writing->lost_line = item->line;
}

static void put_item(struct writing *writing, const struct item *item, const char *file)
{
	FILE *stream = writing->stream;

	if (item->kind == ITEM_LINE) {
		writing->refused = 0;
		fprintf(stream, "\n  # ");
		put_escaped(file, strlen(file), stream);
		fprintf(stream, ":%u: ", item->line);
		put_escaped(item->text, strlen(item->text), stream);
		fputc('\n', stream);
	} else if (item->kind == ITEM_HEADING) {
		writing->refused = 0;
		fputc('\n', stream);
		put_comment("", item->text, stream);
	} else if (item->kind == ITEM_NOTE) {
		put_comment("    note: ", item->text, stream);
	} else if (item->kind == ITEM_LOST) {
		put_comment("    not carried over: ", item->text, stream);
		count_lost(writing, item);
	} else if (!item->refusal) {
		config_write_rule(&writing->config->rules[writing->rule++],
				  &writing->config->defaults, stream);
	} else {
		if (writing->refused++ < REFUSED_SHOWN)
			put_refused(item, stream);
		else if (writing->refused == REFUSED_SHOWN + 1)
			put_comment("    not carried over: ", "more rules of this line", stream);
		count_lost(writing, item);
	}
}

static void put_heading(const char *heading, FILE *stream)
{
	while (*heading) {
		size_t length = strcspn(heading, "\n");

		fputs("# ", stream);
		put_escaped(heading, length, stream);
		fputc('\n', stream);
		heading += length + (heading[length] == '\n');
	}
}

static void put_all(const struct sheet *sheet, const struct config *config, FILE *stream,
		    struct sheet_count *count)
{
	struct writing writing = {.config = config, .stream = stream, .count = count};

	*count = (struct sheet_count){.rules = config->nr_rules};
	fputs(config->nr_rules ? "rules:\n" : "rules: []\n", stream);
	for (unsigned int i = 0; i < sheet->count; i++)
		put_item(&writing, &sheet->items[i], sheet->file);
}

char *sheet_write(struct sheet *sheet, const char *heading, const char *defaults, size_t *length,
		  struct sheet_count *count)
{
	struct config config;
	char *text = NULL;
	FILE *stream;
	bool failed;

	if (sheet->failed || check(sheet, defaults, &config))
		return NULL;
	stream = open_memstream(&text, length);
	if (stream) {
		put_heading(heading, stream);
		if (defaults)
			fprintf(stream, "%s\n", defaults);
		put_all(sheet, &config, stream, count);
	}
	config_free(&config);
	if (!stream)
		return NULL;
	failed = ferror(stream);
	if (fclose(stream) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
