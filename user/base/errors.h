/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of what is wrong with an input: every error, each with its place. Parsers append to it and
 * go on, so that a user mends a file in one round. Main thread.
 */
#ifndef XMCAST_BASE_ERRORS_H
#define XMCAST_BASE_ERRORS_H

#include <stdio.h>

/* More than anybody reads: bounds what a hostile file makes us keep. Further errors are counted. */
#define ERRORS_MAX 100

/* Where an input's word stands. Line and column count from 1; a column counts characters. */
struct position {
	const char *file; /* as the user named it; for a command line "--rule"; outlives the list */
	unsigned int line; /* 0: the input as a whole */
	unsigned int column;
};

struct input_error {
	struct position at;
	char *word; /* the offending word, at most 64 bytes of it and "...", others than printable
		       ASCII escaped as \xNN; NULL: none */
	char *message; /* what is wrong and what was expected; no newline, no full stop */
};

/* Starts as all zero. */
struct errors {
	unsigned int count; /* all that were found, also those past ERRORS_MAX */
	unsigned int kept;
	struct input_error list[ERRORS_MAX];
};

/* Append an error about the word [word, word+length) at `at`. `word` may be NULL (no word: an
 * error about the file as a whole). */
void errors_add(struct errors *errors, const struct position *at, const char *word, size_t length,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "FILE:LINE:COLUMN: 'WORD': MESSAGE", one line each, ordered as they were found, and a last line
 * with the number of those that were not kept. An error without a word or a line is printed without
 * it. */
void errors_print(const struct errors *errors, FILE *stream);

void errors_free(struct errors *errors);

#endif
