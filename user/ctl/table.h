/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables for people: columns as wide as their widest cell, numbers to the right. Where the screen
 * has a width, columns of text give way, the widest first: what does not fit ends with '~'. Cells
 * are escaped (see screen.h).
 */
#ifndef XMCAST_CTL_TABLE_H
#define XMCAST_CTL_TABLE_H

#include "ctl/screen.h"

#define TABLE_COLUMNS 24

struct table;

/* `headings`: one per column, space-separated; one that starts with '>' is aligned to the right. */
struct table *table_new(const char *headings);

/* Append the next cell, row by row; copied. Without memory the table prints less. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append a cell with a colour. */
void table_add_painted(struct table *table, enum colour colour, const char *text);

/* Print and free. A table without rows prints nothing; a brief screen gets no headings. */
void table_print(struct table *table, const struct screen *screen);

#endif
