/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `top` shows: the counters of one moment against those of the moment before, sorted, searched
 * and cut into lines. Pure: no terminal, no daemon, so that a test can look at every frame. One
 * thread.
 */
#ifndef XMCAST_CTL_TOP_VIEW_H
#define XMCAST_CTL_TOP_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "ctl/screen.h"

struct top_view;

/* The caller's terminal: a line of text, cut to its columns, printable ASCII. */
struct top_line {
	char *text;
	enum colour colour;
	bool selected;
};

struct top_frame {
	struct top_line *lines;
	size_t count;
	size_t room;
	unsigned int columns; /* 0: lines are as long as they are */
};

enum top_key {
	TOP_KEY_UP = 0x100, /* below: characters as they are */
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
};

/* NULL: no memory. */
struct top_view *top_view_new(void);
void top_view_free(struct top_view *view); /* takes NULL */

/* Sort by what begins so: "name", "pps", "bps", "drops", "exhausted". False: nothing does. */
bool top_view_sort(struct top_view *view, const char *key);

/* The next answer of stats.show, `now` seconds on some steady clock. Takes over `stats`. 0 or
 * -ENOMEM. */
int top_view_sample(struct top_view *view, json_t *stats, double now);

/* A line for the user, in place of the last one; "": none. */
void top_view_message(struct top_view *view, const char *text);

/* A key. True: leave. */
bool top_view_key(struct top_view *view, int key);

/* Fill a frame of so many rows and columns; rows 0: as many as it takes, nothing selected. The
 * frame's old lines are freed. */
void top_view_draw(struct top_view *view, unsigned int rows, unsigned int columns,
		   struct top_frame *frame);
void top_frame_free(struct top_frame *frame);

#endif
