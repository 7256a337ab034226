/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of `top`: text that fits the screen. Pure. One thread. */
#ifndef XMCAST_CTL_TOP_FRAME_H
#define XMCAST_CTL_TOP_FRAME_H

#include "ctl/screen.h"

/* A line of text: escaped (screen.h), and cut to the frame's columns. */
struct top_line {
	char *text;
	enum colour colour;
	bool selected;
};

/* Starts as all zero. */
struct top_frame {
	struct top_line *lines;
	size_t count;
	size_t room;
	unsigned int columns; /* 0: lines are not cut */
	size_t first;	      /* line of the whole list that is shown at its top */
};

/* Append a line. If there is no memory, the frame has fewer. */
void top_frame_add(struct top_frame *frame, enum colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Append a heading of up to 7 columns and a list, "a 1, b 2": as many lines as it needs, none of
 * which ends within an item. */
void top_frame_add_list(struct top_frame *frame, enum colour colour, const char *heading,
			const char *list);

void top_frame_clear(struct top_frame *frame);
void top_frame_free(struct top_frame *frame);

#endif
