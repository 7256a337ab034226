/* SPDX-License-Identifier: BSD-2-Clause */
/* Base64 as of RFC 4648, with padding: bytes in JSON. Pure; any thread. */
#ifndef XMCAST_BASE_BASE64_H
#define XMCAST_BASE_BASE64_H

#include <stddef.h>
#include <sys/types.h>

/* Bytes of the text of that many bytes, with its NUL. */
#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

void base64_encode(const void *bytes, size_t length, char *text);

/* Returns the number of bytes, which get a NUL behind them, or -1: not base64, or more than size -
 * 1 bytes. */
ssize_t base64_decode(const char *text, char *bytes, size_t size);

#endif
