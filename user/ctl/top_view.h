/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines that `top` shows of its model. Pure. One thread. */
#ifndef XMCAST_CTL_TOP_VIEW_H
#define XMCAST_CTL_TOP_VIEW_H

#include "ctl/screen.h"
#include "ctl/top_model.h"

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

/* Draw a frame of this size; 0 rows: as many as are needed, with nothing selected.
 * The frame's old lines are freed. */
void top_view_draw(struct top_model *model, unsigned int rows, unsigned int columns,
		   struct top_frame *frame);
void top_frame_free(struct top_frame *frame);

#endif
