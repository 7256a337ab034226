/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/reading.h"

#include <string.h>

bool reading_line(struct reading *reading, struct word *line)
{
	const char *end;

	if (!reading->left)
		return false;
	end = memchr(reading->next, '\n', reading->left);
	*line = (struct word){.text = reading->next,
			      .length = end ? (size_t)(end - reading->next) : reading->left,
			      .at = {.line = ++reading->line, .column = 1}};
	reading->next += line->length + (end != NULL);
	reading->left -= line->length + (end != NULL);
	return true;
}

bool reading_word(struct word *line, struct word *word)
{
	size_t from = 0;
	size_t to;

	while (from < line->length && byte_is_space(line->text[from]))
		from++;
	to = from;
	while (to < line->length && !byte_is_space(line->text[to]))
		to++;
	if (from == to || line->text[from] == '#')
		return false;
	*word = word_part(line, from, to);
	*line = word_part(line, to, line->length);
	if (word->length > READING_WORD_MAX)
		word->length = READING_WORD_MAX;
	return true;
}

void reading_add_address(struct text *text, const struct word *word)
{
	bool bare = memchr(word->text, ':', word->length) && word->text[0] != '[';

	text_add(text, bare ? "[" : "");
	text_add_bytes(text, word->text, word->length);
	text_add(text, bare ? "]" : "");
}
