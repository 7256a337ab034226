/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of top_view.h, which its two halves share: what is known and chosen (top_view.c), and
 * the lines that are made of it (top_draw.c). */
#ifndef XMCAST_CTL_TOP_MODEL_H
#define XMCAST_CTL_TOP_MODEL_H

#include "ctl/top_view.h"

#define SEARCH_SIZE  64
#define MESSAGE_SIZE 200

enum sort { SORT_NAME, SORT_PPS, SORT_BPS, SORT_DROPS, SORT_EXHAUSTED, SORTS };

/* One rule, with what it is sorted by. */
struct row {
	const json_t *rule;
	const char *name;
	long long pps;
	long long bps;
	long long sent;
	long long drops;
	long long drops_per_second;
	long long exhausted; /* packets that its input interface lost to empty fill rings, a second
			      */
};

struct top_view {
	json_t *stats;	  /* NULL before the first sample */
	json_t *before;	  /* name: number of drops a moment ago; interfaces as "@NAME" */
	json_t *changes;  /* the same keys: what came to them a second since */
	json_t *expanded; /* names, as the keys of an object */
	double sampled;
	enum sort sort;
	bool reverse;
	bool searching; /* keys go to `search` */
	bool help;
	char search[SEARCH_SIZE];
	char message[MESSAGE_SIZE];
	char *selected; /* name of the rule under the cursor, or NULL */
	struct row *rows;
	size_t count;
	size_t first; /* line of the list that is at its top */
	size_t page;  /* lines of the list in the last frame */
};

extern const char *const top_view_sort_names[SORTS];

/* Of a number that all members of a list have. */
long long top_view_sum(const json_t *list, const char *key);

/* Datagrams that an output has lost: refused or dropped. */
long long top_view_lost(const json_t *output);

/* The row that is selected: 0 if none was, or the rule has gone. */
size_t top_view_cursor(const struct top_view *view);

#endif
