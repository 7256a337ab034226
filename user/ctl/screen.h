/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where and how answers are shown to people, and text in a form that is fit for that. An answer of
 * the daemon may contain anything, so all of it is escaped here, or in table.h, before it reaches a
 * terminal. One thread.
 */
#ifndef XMCAST_CTL_SCREEN_H
#define XMCAST_CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct screen {
	FILE *stream;
	unsigned int width; /* columns that a table may have; 0: no limit */
	bool terminal;
	bool colour;
	bool brief; /* -br: the essential columns, no headings */
	bool stats; /* -s: all columns */
};

enum colour {
	COLOUR_NONE,
	COLOUR_GOOD,
	COLOUR_WARN,
	COLOUR_BAD,
	COLOUR_DIM,
	COLOUR_HEADING,
};

/* The sequence that begins a colour; "" for COLOUR_NONE. */
const char *screen_colour(enum colour colour);
#define SCREEN_PLAIN "\033[0m"

/* The colour of a state of a rule or an interface, of a rule's flow, or of an event. */
enum colour screen_state_colour(const char *state);

/* stdout as the environment describes it: a terminal or not, and the width of that (COLUMNS, which
 * also limits what goes to a pipe; 80 if unknown). */
void screen_init(struct screen *screen);

/* ---- text ---- */

/* A copy in which each byte is \xNN that is not part of a character which the locale can show in a
 * column of its own (LC_CTYPE; all but printable ASCII in the C locale), except for the ASCII
 * characters in `keep`. malloc()ed; NULL: no memory. */
char *screen_escape(const char *text, const char *keep);

/* Columns that an escaped text takes. */
size_t screen_width(const char *escaped);

/* Cut an escaped text to `width` columns, in place. If it was longer, it ends in `mark`, of one
 * column or none. */
void screen_cut(char *escaped, size_t width, const char *mark);

/* printf, escaped except for newlines. */
void screen_print(const struct screen *screen, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same to any stream, for error messages. */
void screen_print_to(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define UNITS_SIZE 24

/* "999", "1.23k", "22.4M", "224G": three digits, powers of 1000. Returns `text`. */
const char *screen_units(long long value, char text[UNITS_SIZE]);

/* A time span: "17s", "4m05s", "3h02m", "12d07h". Returns `text`. */
const char *screen_seconds(long long seconds, char text[UNITS_SIZE]);

/* "850ns", "12.3us", "4.56ms", "1.20s". Returns `text`. */
const char *screen_nanoseconds(long long ns, char text[UNITS_SIZE]);

#endif
