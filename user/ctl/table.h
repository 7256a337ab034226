/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables for people: columns as wide as their widest cell, numbers to the right. */
#ifndef XMCAST_CTL_TABLE_H
#define XMCAST_CTL_TABLE_H

#include <stdio.h>

#define TABLE_COLUMNS 16

struct table;

/* `headings`: one per column, space-separated; one that starts with '>' is aligned to the right. */
struct table *table_new(const char *headings);

/* Append the next cell, row by row; copied. Without memory the table prints less. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print and free. A table without rows prints nothing. */
void table_print(struct table *table, FILE *stream);

#endif
