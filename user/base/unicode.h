/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8, one character at a time. Pure; any thread. */
#ifndef XMCAST_BASE_UNICODE_H
#define XMCAST_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode the first character of `length` bytes (at least 1). Returns the number of its bytes, 1 to
 * 4, or 0: not valid UTF-8 (truncated, overlong, a surrogate, above U+10FFFF). */
unsigned int utf8_decode(const char *bytes, size_t length, uint32_t *code);

/* Whether a byte of valid UTF-8 is not the first one of its character. */
static inline bool utf8_is_continuation(char byte)
{
	return (byte & 0xc0) == 0x80;
}

#endif
