/* SPDX-License-Identifier: BSD-2-Clause */
/* Text of any length. Any thread. */
#ifndef XMCAST_BASE_TEXT_H
#define XMCAST_BASE_TEXT_H

#include <stdarg.h>

/*
 * A malloc()ed text, or NULL: no memory.
 *
 * In place of asprintf(3): that of glibc 2.36 writes one byte behind its buffer if it has no memory
 * to make it larger, and the text is just as long as the buffer.
 */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_format_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#endif
