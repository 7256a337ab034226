/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_frame.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Of a list that goes on, below "total   ". */
#define INDENT 8

void top_frame_clear(struct top_frame *frame)
{
	for (size_t i = 0; i < frame->count; i++)
		free(frame->lines[i].text);
	frame->count = 0;
}

void top_frame_free(struct top_frame *frame)
{
	top_frame_clear(frame);
	free(frame->lines);
	*frame = (struct top_frame){0};
}

void top_frame_add(struct top_frame *frame, enum colour colour, const char *format, ...)
{
	struct top_line *lines = frame->lines;
	va_list arguments;
	char *plain;
	char *text;

	va_start(arguments, format);
	plain = text_format_list(format, arguments);
	va_end(arguments);
	text = plain ? screen_escape(plain, "") : NULL;
	free(plain);
	if (frame->count == frame->room) {
		lines = realloc(lines, (frame->room * 2 + 64) * sizeof(*lines));
		if (lines) {
			frame->lines = lines;
			frame->room = frame->room * 2 + 64;
		}
	}
	if (!text || !lines) {
		free(text);
		return;
	}
	if (frame->columns)
		screen_cut(text, frame->columns, "");
	lines[frame->count++] = (struct top_line){.text = text, .colour = colour};
}

void top_frame_add_list(struct top_frame *frame, enum colour colour, const char *heading,
			const char *list)
{
	size_t most = frame->columns > 2 * INDENT ? frame->columns - INDENT : 0;

	do {
		size_t length = 0, next;

		do {
			next = length + strcspn(list + length, ",;");
			next += list[next] != '\0';
			if (!length || !most || next <= most)
				length = next;
		} while (list[next] && length == next);
		top_frame_add(frame, colour, "%-*s%.*s", INDENT, heading, (int)length, list);
		heading = "";
		list += length;
		list += *list == ' ';
	} while (*list);
}
