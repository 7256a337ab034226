/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables that are described by their columns: which member of an item of the daemon's answer each
 * one shows, and how. As show.h: an answer may contain anything.
 */
#ifndef XMCAST_CTL_COLUMNS_H
#define XMCAST_CTL_COLUMNS_H

#include <jansson.h>

#include "ctl/show.h"

enum cell {
	CELL_TEXT,
	CELL_NUMBER,
	CELL_QUEUE, /* its number, with the member of a bond; "-" if there is no object */
	CELL_UNITS, /* a number, shortened; "-" if it is missing */
	CELL_SECONDS,
	CELL_MILLISECONDS, /* of nanoseconds; "-": 0 */
	CELL_COPY,	   /* a boolean: zero copy? */
	CELL_SOURCE,	   /* null: any */
	CELL_LIST,	   /* an array of texts */
	CELL_ENGINE,	   /* of "io_uring:FLAG,FLAG…" the part before the colon */
	CELL_INPUT,	   /* of a rule */
	CELL_COUNTS,	   /* the counts in an object that are not 0 */
	CELL_REASON,	   /* why the object is not active, and counts */
	CELL_WHY,	   /* why a rule is not active, or not on the kernel path */
	CELL_LOSSES,	   /* of an output */
	CELL_RULE_LOSSES,  /* the same; in the first row of a rule, why the rule is not active */
};

enum column_flag {
	COLUMN_CHILD = 1 << 0,	  /* shows the row's child, otherwise its item */
	COLUMN_PAINTED = 1 << 1,  /* in the colour of the state that it shows */
	COLUMN_LONG = 1 << 2,	  /* not with -br */
	COLUMN_STATS = 1 << 3,	  /* only with -s */
	COLUMN_NO_STATS = 1 << 4, /* only without -s */
};

struct column {
	const char *heading; /* with marks, as in table.h; NULL ends a table */
	const char *key;
	enum cell cell;
	unsigned int flags;
};

/* A row shows an item of a list, or one of the item's children: an output of a rule, say. */
struct row {
	const json_t *item;
	const json_t *child; /* NULL: none */
	bool first;	     /* the item's first row, the only one that shows the item itself */
};

/* `children`: the key of each item's list of children; NULL: the items have none. */
void columns_show(const struct screen *screen, const struct column *columns, const json_t *items,
		  const char *children);

/* A table of one row. */
void columns_show_row(const struct screen *screen, const struct column *columns,
		      const struct row *row);

/* The input of a rule. A RULE of the protocol has no key of it: it is the word after the first "in"
 * that is not the name, in "[NAME] in INPUT …". Returns `text`. */
const char *columns_input(const json_t *rule, char text[SHOW_TEXT_SIZE]);

#endif
