/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables for people, laid out by libsmartcols: columns as wide as their widest cell, numbers
 * aligned to the right. A column whose cells all say nothing ("-") is left out. libsmartcols itself
 * would truncate numbers and leave no mark, so it is decided here what gives way if a table does
 * not fit the screen: the least important columns are left out, then columns of text are cut, the
 * widest of them first; a cell that was cut ends in '~'. Cells are escaped (screen.h). One thread.
 */
#ifndef XMCAST_CTL_TABLE_H
#define XMCAST_CTL_TABLE_H

#include "ctl/screen.h"

#define TABLE_COLUMNS 24

struct table;

/* `headings`: one per column, separated by spaces, each with marks before it, in this order: "!",
 * its cells are never cut; a digit, the column may be left out, the highest digit first; ">", it is
 * aligned to the right. NULL: no memory, which the other functions accept. */
struct table *table_new(const char *headings);

/* Append the next cell, row by row; copied. If there is no memory, the table has less to show. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append a cell with a colour. */
void table_add_painted(struct table *table, enum colour colour, const char *text);

/* Print and free. A table without rows prints nothing; a brief screen gets no headings. */
void table_print(struct table *table, const struct screen *screen);

#endif
