/* SPDX-License-Identifier: BSD-2-Clause */
/* The time stamps of the log's lines, for tests that compare the rest. */
#ifndef XMCAST_TESTS_STAMPS_H
#define XMCAST_TESTS_STAMPS_H

#include <stddef.h>
#include <stdio.h>

/* "2026-11-22T15:04:05.123Z " */
#define STAMP 25

/* Remove the time stamps at the beginning of lines. Returns the length. */
static inline size_t without_stamps(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		unsigned int year, second;
		int end = 0;

		if ((from == text || from[-1] == '\n') &&
		    sscanf(from, "%4u-%*2u-%*2uT%*2u:%*2u:%2u.%*3uZ%n", &year, &second, &end) ==
			    2 &&
		    end == STAMP - 1)
			from += STAMP;
		else
			*to++ = *from++;
	}
	*to = '\0';
	return (size_t)(to - text);
}

#endif
