/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables for people, laid out by libsmartcols: columns as wide as their widest cell, numbers
 * aligned to the right. libsmartcols itself would truncate numbers and leave no mark, so what does
 * not fit the screen is cut here: columns of text give way first, the widest of them first, and a
 * cell that was cut ends in '~'. Cells are escaped (screen.h). One thread.
 */
#ifndef XMCAST_CTL_TABLE_H
#define XMCAST_CTL_TABLE_H

#include "ctl/screen.h"

#define TABLE_COLUMNS 24

struct table;

/* `headings`: one per column, separated by spaces; ">HEADING" aligns the column to the right. NULL:
 * no memory, which the other functions accept. */
struct table *table_new(const char *headings);

/* Append the next cell, row by row; copied. If there is no memory, the table has less to show. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append a cell with a colour. */
void table_add_painted(struct table *table, enum colour colour, const char *text);

/* Print and free. A table without rows prints nothing; a brief screen gets no headings. */
void table_print(struct table *table, const struct screen *screen);

#endif
