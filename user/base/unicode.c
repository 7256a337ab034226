/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/unicode.h"

/* The smallest code point for each number of bytes: a smaller one is overlong. */
static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

unsigned int utf8_decode(const char *bytes, size_t length, uint32_t *code)
{
	const unsigned char *byte = (const unsigned char *)bytes;
	unsigned int count = 1;

	if (byte[0] < 0x80) {
		*code = byte[0];
		return 1;
	}
	if (byte[0] >= 0xc2 && byte[0] < 0xe0)
		count = 2;
	else if (byte[0] >= 0xe0 && byte[0] < 0xf0)
		count = 3;
	else if (byte[0] >= 0xf0 && byte[0] < 0xf5)
		count = 4;
	if (count == 1 || length < count)
		return 0;
	*code = byte[0] & (0x7fu >> count);
	for (unsigned int i = 1; i < count; i++) {
		if (!utf8_is_continuation(bytes[i]))
			return 0;
		*code = *code << 6 | (byte[i] & 0x3f);
	}
	if (*code < smallest[count] || (*code >= 0xd800 && *code < 0xe000) || *code > 0x10ffff)
		return 0;
	return count;
}
