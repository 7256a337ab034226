/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/utf8.h"

#include <stdint.h>

#include "base/unicode.h"

static bool is_continuation(char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Over one character of so many bytes. */
static void step_over(struct utf8_cursor *cursor, size_t bytes)
{
	if (cursor->bytes[cursor->offset] == '\n') {
		cursor->line++;
		cursor->line_start = cursor->offset + 1;
	}
	cursor->offset += bytes;
	cursor->character++;
}

static void step_forward(struct utf8_cursor *cursor)
{
	size_t end = cursor->offset + 1;

	while (end < cursor->length && is_continuation(cursor->bytes[end]))
		end++;
	step_over(cursor, end - cursor->offset);
}

static void step_back(struct utf8_cursor *cursor)
{
	do {
		cursor->offset--;
	} while (cursor->offset > 0 && is_continuation(cursor->bytes[cursor->offset]));
	cursor->character--;
	if (cursor->bytes[cursor->offset] != '\n')
		return;
	cursor->line--;
	cursor->line_start = cursor->offset;
	while (cursor->line_start > 0 && cursor->bytes[cursor->line_start - 1] != '\n')
		cursor->line_start--;
}

void utf8_seek(struct utf8_cursor *cursor, size_t character)
{
	while (cursor->character < character && cursor->offset < cursor->length)
		step_forward(cursor);
	while (cursor->character > character)
		step_back(cursor);
}

bool utf8_is_printable(uint32_t code)
{
	return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code < 0x7f) ||
	       code == 0x85 || (code >= 0xa0 && code <= 0xfffd && code != 0xfeff) ||
	       code >= 0x10000;
}

bool utf8_find_bad(struct utf8_cursor *cursor, const char **what)
{
	unsigned int bytes;
	uint32_t code;

	while (cursor->offset < cursor->length) {
		bytes = utf8_decode(cursor->bytes + cursor->offset, cursor->length - cursor->offset,
				    &code);
		if (!bytes) {
			*what = "not valid UTF-8";
			return false;
		}
		if (!utf8_is_printable(code)) {
			*what = code ? "a control character" : "a NUL byte";
			return false;
		}
		/* Not to the next lead byte: a stray continuation byte must be seen. */
		step_over(cursor, bytes);
	}
	return true;
}
