/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8, one character at a time. Pure; any thread. */
#ifndef XMCAST_BASE_UNICODE_H
#define XMCAST_BASE_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* The character at the beginning of [bytes, bytes+length), length at least 1. Returns how many
 * bytes it has, 1 to 4, or 0: not valid UTF-8 (cut short, an overlong form, a surrogate, past
 * U+10FFFF). */
unsigned int utf8_decode(const char *bytes, size_t length, uint32_t *code);

#endif
