/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/text_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unicode.h"

json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	size_t length = text && !json ? strlen(text) : 0;
	char *escaped = length ? malloc(length * 4 + 1) : NULL;
	char *to = escaped;

	if (!escaped)
		return json;
	while (length) {
		uint32_t code;
		unsigned int bytes = utf8_decode(text, length, &code);

		if (bytes)
			to = mempcpy(to, text, bytes);
		else
			to += sprintf(to, "\\x%02x", (unsigned char)*text);
		text += bytes ? bytes : 1;
		length -= bytes ? bytes : 1;
	}
	json = json_stringn(escaped, (size_t)(to - escaped));
	free(escaped);
	return json;
}
