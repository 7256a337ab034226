/* SPDX-License-Identifier: BSD-2-Clause */
/* Assertions about a list of input errors, for the tests of the parsers. */
#ifndef XMCAST_TESTS_EXPECT_H
#define XMCAST_TESTS_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"

/* One error that is expected: its place, its word (NULL: none) and a part of its message. The last
 * of a list has message NULL. */
struct expected {
	unsigned int line;
	unsigned int column;
	const char *word;
	const char *message;
};

static inline int word_differs(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : a != b;
}

/* Assert that exactly these errors were found, in this order. `input` says which input in a
 * failure's message. Empties the list. */
static inline void expect_errors(struct errors *errors, const struct expected *expected,
				 const char *input)
{
	unsigned int count = 0;

	while (expected[count].message)
		count++;
	for (unsigned int i = 0; i < count && i < errors->kept; i++) {
		const struct input_error *found = &errors->list[i];

		if (found->at.line == expected[i].line && found->at.column == expected[i].column &&
		    !word_differs(found->word, expected[i].word) &&
		    strstr(found->message, expected[i].message))
			continue;
		errors_print(errors, stderr);
		fail_msg("error %u of <%.200s>: expected %u:%u '%s' ...%s...", i, input,
			 expected[i].line, expected[i].column,
			 expected[i].word ? expected[i].word : "(no word)", expected[i].message);
	}
	if (errors->count != count) {
		errors_print(errors, stderr);
		fail_msg("%u errors instead of %u for <%.200s>", errors->count, count, input);
	}
	errors_free(errors);
}

/* What is printed about the errors, which stay; free() it. */
static inline char *printed_errors(const struct errors *errors)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	errors_print(errors, stream);
	fclose(stream);
	return text;
}

/* Assert that nothing was found wrong. */
static inline void expect_no_errors(struct errors *errors, const char *input)
{
	static const struct expected none[] = {{0}};

	expect_errors(errors, none, input);
}

#endif
