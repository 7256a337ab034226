/* SPDX-License-Identifier: BSD-2-Clause */
/* Text of any length. Any thread. */
#ifndef XMCAST_BASE_TEXT_H
#define XMCAST_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A malloc()ed text, or NULL: no memory.
 *
 * Instead of asprintf(3): without memory to enlarge its buffer, that of glibc 2.36 writes one byte
 * past the buffer's end if the text is exactly as long as the buffer.
 */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_format_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* A text that grows: all zero at first, freed by text_free() or by free(bytes). */
struct text {
	char *bytes; /* ends with a NUL once something was added */
	size_t length;
	size_t room;
	bool failed; /* an allocation failed: nothing is added any more, and the text is incomplete
		      */
};

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_format(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Cut the text to `length` bytes, which it has at least. */
void text_cut(struct text *text, size_t length);

void text_free(struct text *text);

#endif
