/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where answers are shown to people, and how; and text in forms that are fit for it. What a daemon
 * says may hold anything: all of it passes through here, or through table.h, on its way to a
 * terminal. One thread.
 */
#ifndef XMCAST_CTL_SCREEN_H
#define XMCAST_CTL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct screen {
	FILE *stream;
	unsigned int width; /* columns that a table may take; 0: as many as it likes */
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

/* The colour of a rule's or an interface's state, or of a rule's flow. */
enum colour screen_state_colour(const char *state);

/* stdout as the environment describes it: a terminal or not, its width (80 if it does not say). */
void screen_init(struct screen *screen);

/* A copy with all but printable ASCII as \xNN; `keep`: characters that stay as they are, besides.
 * malloc()ed, or NULL without memory. */
char *screen_escape(const char *text, const char *keep);

/* printf, escaped but for newlines. */
void screen_print(const struct screen *screen, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same on any stream, as error messages need it. */
void screen_print_to(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define UNITS_SIZE 24

/* "999", "1.23k", "22.4M", "224G": three digits, powers of 1000. Returns `text`. */
const char *screen_units(long long value, char text[UNITS_SIZE]);

/* Time as people say it: "17s", "4m05s", "3h02m", "12d07h". Returns `text`. */
const char *screen_seconds(long long seconds, char text[UNITS_SIZE]);

/* "850ns", "12.3us", "4.56ms", "1.20s". Returns `text`. */
const char *screen_nanoseconds(long long ns, char text[UNITS_SIZE]);

#endif
