/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `top` knows and what its user has chosen: the counters of the last sample and their changes
 * since the one before, sorted and searched. Pure: no terminal, no daemon, so that a test can try
 * any answer. One thread.
 */
#ifndef XMCAST_CTL_TOP_MODEL_H
#define XMCAST_CTL_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum top_sort { TOP_NAME, TOP_PPS, TOP_BPS, TOP_DROPS, TOP_EXHAUSTED, TOP_SORTS };

extern const char *const top_sort_names[TOP_SORTS];

/* One rule. */
struct top_row {
	const json_t *rule;
	const char *name;
	long long pps;
	long long bps;
	long long sent;
	long long drops;
	long long drops_per_second;
	long long exhausted; /* packets per second that its input interface lost to empty fill
			      * rings */
};

struct top_model {
	json_t *stats;	  /* NULL before the first sample */
	json_t *counters; /* drops by rule name, and empty fill rings by "@INTERFACE" */
	json_t *changes;  /* the same keys: change per second between the last two samples */
	json_t *expanded; /* an object whose keys are the rules that show their outputs */
	double sampled;
	enum top_sort sort;
	bool reverse;
	bool searching; /* keys go to `search` */
	bool help;
	char search[64];
	char message[200];
	char *selected; /* name of the rule under the cursor, or NULL */
	struct top_row *rows;
	size_t count;
	size_t page; /* lines of the list in the last frame, set when it is drawn */
};

enum top_key {
	TOP_KEY_UP = 0x100, /* smaller ones are characters */
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
struct top_model *top_model_new(void);
void top_model_free(struct top_model *model); /* accepts NULL */

/* Sort by the name that begins with `key`. False: there is none. */
bool top_model_sort(struct top_model *model, const char *key);

/* The next answer of stats.show, at `now` seconds of a steady clock. Consumes `stats`. 0 or
 * -ENOMEM. */
int top_model_sample(struct top_model *model, json_t *stats, double now);

/* Replace the line for the user; "": none. */
void top_model_message(struct top_model *model, const char *text);

/* Handle a key. True: leave. */
bool top_model_key(struct top_model *model, int key);

/* Index of the selected row: 0 if none is, or the rule has gone. */
size_t top_model_cursor(const struct top_model *model);

/* Datagrams that an output has lost: refused or dropped. */
long long top_model_lost(const json_t *output);

/* The sum of a number that all members of a list have. */
long long top_model_sum(const json_t *list, const char *key);

#endif
