/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an importer has made of a configuration, in the order of its lines: each line, the rules
 * that do the same, and notes on what they cannot do. Written as a configuration of ours, lines and
 * notes are comments.
 *
 * Readers add to it and never fail: without memory the sheet is incomplete, which sheet_write()
 * reports. One thread; no I/O.
 */
#ifndef XMCAST_IMPORT_SHEET_H
#define XMCAST_IMPORT_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/errors.h"

/* Rules of one import, and bytes of their texts. Each error about rules among each other costs
 * another pass over all of them, so that these bound the time as well. */
#define SHEET_RULES_MAX 4096
#define SHEET_TEXT_MAX	(4u << 20)

struct sheet;

/* 0 or -ENOMEM. `file`: as the user named it, for comments; it must outlive the sheet. */
int sheet_new(struct sheet **sheet, const char *file);

/* Accepts NULL. */
void sheet_free(struct sheet *sheet);

/* A line of the configuration. Notes and rules that follow belong to it. */
void sheet_line(struct sheet *sheet, unsigned int number, const char *text, size_t length);

/* The title of rules and notes that come from no single line. */
void sheet_heading(struct sheet *sheet, const char *title);

/* Notes and rules that follow belong to this line, which has been there before. */
void sheet_return(struct sheet *sheet, unsigned int number);

/* Note what the line configures and the rules cannot do, with the reason. */
void sheet_lost(struct sheet *sheet, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Note what the rules do differently, or do although the line does not ask for it. */
void sheet_note(struct sheet *sheet, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One rule in our grammar, valid or not: sheet_write() finds out. NULL: there was no memory for it.
 */
void sheet_rule(struct sheet *sheet, const char *text);

/* Whether no more rules of the current line are accepted. */
bool sheet_is_full(const struct sheet *sheet);

/* Each error as something that is lost. Empties the list. */
void sheet_errors(struct sheet *sheet, struct errors *errors);

struct sheet_count {
	unsigned int rules; /* that are valid */
	unsigned int lost;  /* lines of which something was lost */
};

/*
 * Check all rules, by themselves and with each other, and write the configuration:
 * config_parse_yaml() accepts it, with these rules. A rule that is refused becomes a comment, with
 * the errors. `heading`: lines of comments to begin with, without '#'. `defaults`: the section of
 * the configuration that has the options of outputs which the rules leave out; NULL: none.
 *
 * Returns a malloc()ed string and its length, or NULL without memory.
 */
char *sheet_write(struct sheet *sheet, const char *heading, const char *defaults, size_t *length,
		  struct sheet_count *count);

#endif
