/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, char *text)
{
	const uint8_t *in = bytes;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				 (left > 2 ? in[i + 2] : 0);

		*text++ = digits[group >> 18];
		*text++ = digits[group >> 12 & 63];
		*text++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*text++ = left > 2 ? digits[group & 63] : '=';
	}
	*text = '\0';
}

ssize_t base64_decode(const char *text, char *bytes, size_t size)
{
	size_t length = strlen(text), count = 0;
	uint32_t group = 0;

	if (length % 4)
		return -1;
	while (length && text[length - 1] == '=' && strlen(text) - length < 2)
		length--;
	if (length / 4 * 3 + (length % 4 ? length % 4 - 1 : 0) >= size)
		return -1;
	for (size_t i = 0; i < length; i++) {
		const char *digit = strchr(digits, text[i]);

		if (!digit || !text[i])
			return -1;
		group = group << 6 | (uint32_t)(digit - digits);
		if (i % 4)
			bytes[count++] = (char)(group >> (6 - 2 * (i % 4)));
	}
	bytes[count] = '\0';
	return (ssize_t)count;
}
