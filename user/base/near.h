/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Did you mean …?": of several names, the one that a misspelt word is nearest to. Pure; any
 * thread.
 */
#ifndef XMCAST_BASE_NEAR_H
#define XMCAST_BASE_NEAR_H

#include <stddef.h>

/* Longer words and names are not compared: they are no slip of the finger. */
#define NEAR_MAX 64

/* A search. Starts with the word, and borrows all texts. */
struct near {
	const char *word;
	size_t length;
	const char *name; /* the nearest so far, not NUL-terminated; NULL: none is near */
	size_t name_length;
	unsigned int distance; /* of `name` */
};

/*
 * Offer a name. The distance counts letters that are wrong, missing or too many, and neighbours
 * that are swapped; upper and lower case are equal. Near is at most 2, and at most half of the
 * letters of either. Of equally near names the first is kept.
 */
void near_offer(struct near *near, const char *name, size_t length);

/* ", did you mean NAME?", or an empty text. Returns `text`. */
#define NEAR_TEXT_SIZE (NEAR_MAX + 24)
const char *near_question(const struct near *near, char text[NEAR_TEXT_SIZE]);

#endif
