/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The errors of an input, each with its position. Parsers add to the list and continue, so that a
 * user sees all errors of a file at once. Main thread.
 */
#ifndef XMCAST_BASE_ERRORS_H
#define XMCAST_BASE_ERRORS_H

#include <stdio.h>

/* Errors that are kept: more than anybody reads. Further ones are only counted, so that a hostile
 * file cannot fill the memory. */
#define ERRORS_MAX 100

/* The position of a word in an input. Line and column start at 1; a column counts characters. */
struct position {
	const char *file;  /* as the user named it, or "--rule"; must outlive the list: see
			      errors_keep_name() */
	unsigned int line; /* 0: the input as a whole */
	unsigned int column;
};

struct input_error {
	struct position at;
	char *word;    /* the offending word: at most 64 bytes of it and "...", with everything but
			  printable ASCII escaped as \xNN; NULL: none */
	char *message; /* what is wrong and what was expected; no newline, no full stop */
};

/* Starts as all zero. */
struct errors {
	unsigned int count; /* all errors, including those past ERRORS_MAX */
	unsigned int kept;  /* the first ERRORS_MAX found; those of a file by line and column */
	struct input_error list[ERRORS_MAX];
	unsigned int nr_names;
	char **names; /* see errors_keep_name() */
};

/* A copy of a file's name that lives as long as the errors. NULL: no memory. */
const char *errors_keep_name(struct errors *errors, const char *name);

/* Add an error about the word [word, word+length) at `at`: before those of the same file with a
 * later position, otherwise at the end. `word` may be NULL (no word: an error about the file as a
 * whole). */
void errors_add(struct errors *errors, const struct position *at, const char *word, size_t length,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "FILE:LINE:COLUMN: 'WORD': MESSAGE", one line each, in the order of the list, and a last line
 * with the number of those that were not kept. An error without a word or a line is printed without
 * it. */
void errors_print(const struct errors *errors, FILE *stream);

void errors_free(struct errors *errors);

#endif
