/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/near.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Two slips in one word. */
#define MOST 2

static bool equal(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein's distance, in which two swapped neighbours count once.
 * Three rows of the table are enough. */
static unsigned int distance_of(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned int rows[3][NEAR_MAX + 1];
	unsigned int *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b_length; j++)
		last[j] = (unsigned int)j;
	for (size_t i = 1; i <= a_length; i++) {
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(least(last[j], row[j - 1]) + 1,
				       last[j - 1] + !equal(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && equal(a[i - 1], b[j - 2]) &&
			    equal(a[i - 2], b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

void near_offer(struct near *near, const char *name, size_t length)
{
	size_t shorter = near->length < length ? near->length : length;
	size_t longer = near->length + length - shorter;
	unsigned int distance;

	if (!shorter || longer > NEAR_MAX || longer - shorter > MOST)
		return;
	distance = distance_of(near->word, near->length, name, length);
	if (distance > MOST || 2 * distance > shorter || (near->name && distance >= near->distance))
		return;
	near->name = name;
	near->name_length = length;
	near->distance = distance;
}

const char *near_question(const struct near *near, char text[NEAR_TEXT_SIZE])
{
	*text = '\0';
	if (near->name)
		snprintf(text, NEAR_TEXT_SIZE, ", did you mean %.*s?", (int)near->name_length,
			 near->name);
	return text;
}
