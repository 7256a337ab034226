/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/command_line.h"

#include <stdlib.h>
#include <string.h>

void command_line_init(struct command_line *line, const struct import_source *source,
		       const char *const *programs, struct sheet *sheet)
{
	*line = (struct command_line){.reading = {source->bytes, source->length, 0},
				      .programs = programs,
				      .sheet = sheet};
}

void command_line_free(struct command_line *line)
{
	text_free(&line->bytes);
}

/* ---- splitting ---- */

/* A command while it is read: offsets of its words, because their bytes may still move. */
struct splitting {
	struct command_line *line;
	size_t starts[COMMAND_WORDS_MAX];
	unsigned int count;
	bool inside; /* a word */
	bool skip;   /* behind a redirection: no more arguments are read */
	bool too_many;
};

/* The next line of the text becomes the rest. False: there is none. */
static bool read_on(struct command_line *line)
{
	if (!reading_line(&line->reading, &line->rest))
		return false;
	/* Longer than an int is no line of this. */
	sheet_line(line->sheet, line->rest.at.line, line->rest.text, line->rest.length);
	return true;
}

static void add(struct splitting *splitting, char byte)
{
	struct text *bytes = &splitting->line->bytes;

	if (splitting->skip)
		return;
	if (!splitting->inside && splitting->count == COMMAND_WORDS_MAX) {
		splitting->too_many = true;
		return;
	}
	if (!splitting->inside)
		splitting->starts[splitting->count++] = bytes->length;
	splitting->inside = true;
	/* A NUL would end the word here and nowhere else. */
	if (byte)
		text_add_bytes(bytes, &byte, 1);
}

static void end_word(struct splitting *splitting)
{
	if (splitting->inside)
		text_add_bytes(&splitting->line->bytes, "", 1);
	splitting->inside = false;
}

static bool byte_is_one_of(char byte, const char *bytes)
{
	return byte && strchr(bytes, byte);
}

/* The byte at the front of the line, which is taken. */
static char take(struct command_line *line)
{
	line->rest.length--;
	return *line->rest.text++;
}

/* What is in quotes, up to the closing one, over several lines. */
static void add_quoted(struct splitting *splitting, char quote)
{
	struct command_line *line = splitting->line;

	/* Quotes make a word even if there is nothing in between: ''. */
	add(splitting, '\0');
	while (true) {
		char byte;

		if (!line->rest.length) {
			if (!read_on(line))
				return;
			add(splitting, '\n');
			continue;
		}
		byte = take(line);
		if (byte == quote)
			return;
		if (byte == '\\' && quote == '"' && line->rest.length &&
		    byte_is_one_of(*line->rest.text, "\\\"$`"))
			byte = take(line);
		add(splitting, byte);
	}
}

/* "2>", ">>", ">&1", "<": what follows is for the shell. */
static void redirect(struct splitting *splitting)
{
	struct command_line *line = splitting->line;
	size_t start = splitting->inside ? splitting->starts[splitting->count - 1] : 0;

	/* The digits before the redirection are a descriptor, not an argument. */
	if (splitting->inside && !line->bytes.failed &&
	    strspn(line->bytes.bytes + start, "0123456789") == line->bytes.length - start) {
		text_cut(&line->bytes, start);
		splitting->count--;
		splitting->inside = false;
	}
	end_word(splitting);
	splitting->skip = true;
	while (line->rest.length && byte_is_one_of(*line->rest.text, "<>&"))
		take(line);
}

/* One byte outside of quotes. False: the command ends. */
static bool split_byte(struct splitting *splitting)
{
	struct command_line *line = splitting->line;
	char byte = take(line);

	if (byte_is_space(byte)) {
		end_word(splitting);
	} else if (byte == '\'' || byte == '"') {
		add_quoted(splitting, byte);
	} else if (byte == '#' && !splitting->inside) {
		line->rest.length = 0;
	} else if (byte == ';' || byte == '&' || byte == '|') {
		return false;
	} else if (byte == '<' || byte == '>') {
		redirect(splitting);
	} else if (byte != '\\') {
		add(splitting, byte);
	} else if (line->rest.length && *line->rest.text != '\r') {
		add(splitting, take(line));
	} else {
		line->rest.length = 0;
		read_on(line); /* the line is continued */
	}
	return true;
}

/* One command, up to the end of its line. */
static void split(struct command_line *line)
{
	struct splitting splitting = {.line = line};

	text_cut(&line->bytes, 0);
	while (line->rest.length && split_byte(&splitting))
		continue;
	end_word(&splitting);
	line->count = line->bytes.failed ? 0 : splitting.count;
	for (unsigned int i = 0; i < line->count; i++)
		line->words[i] = line->bytes.bytes + splitting.starts[i];
	if (splitting.too_many)
		sheet_lost(line->sheet, "more than %u words in a command", COMMAND_WORDS_MAX);
}

/* ---- finding ---- */

/* "ExecStart=-/usr/bin/socat" of a unit, "/usr/bin/socat", "socat". */
static bool is_program(const struct command_line *line, const char *word)
{
	const char *slash;

	if (strncmp(word, "ExecStart=", 10) == 0)
		word += 10 + strspn(word + 10, "-@:+!");
	slash = strrchr(word, '/');
	word = slash ? slash + 1 : word;
	for (const char *const *name = line->programs; *name; name++) {
		if (strcmp(word, *name) == 0)
			return true;
	}
	return false;
}

static bool find_program(struct command_line *line)
{
	for (unsigned int i = 0; i < line->count; i++) {
		if (!is_program(line, line->words[i]))
			continue;
		line->count -= i + 1;
		memmove(line->words, line->words + i + 1, line->count * sizeof(*line->words));
		return true;
	}
	if (line->count)
		sheet_note(line->sheet, "no command of %s", *line->programs);
	return false;
}

/* Lines without a word are not on the sheet. */
static bool is_blank(struct word line)
{
	struct word word;

	return !reading_word(&line, &word);
}

bool command_line_next(struct command_line *line)
{
	struct reading ahead;
	struct word next;

	while (true) {
		if (!line->rest.length) {
			ahead = line->reading;
			if (!reading_line(&ahead, &next))
				return false;
			if (is_blank(next)) {
				line->reading = ahead;
				continue;
			}
			read_on(line);
		}
		split(line);
		if (line->bytes.failed) {
			sheet_rule(line->sheet, NULL);
			return false;
		}
		if (find_program(line))
			return true;
	}
}
