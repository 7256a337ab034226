/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/unicode.h"

static int append(const char *bytes, size_t length, void *context)
{
	struct text *text = context;

	text_add_bytes(text, bytes, length);
	return text->failed ? -1 : 0;
}

char *json_text_line(const json_t *json, size_t *length)
{
	struct text text = {0};

	if (json_dump_callback(json, append, &text, JSON_COMPACT) || !text.length)
		text.failed = true;
	text_add(&text, "\n");
	if (text.failed)
		text_free(&text);
	*length = text.length;
	return text.bytes;
}

/* Whether an allocation of jansson has failed. */
static __thread bool out_of_memory;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	out_of_memory |= !memory;
	return memory;
}

int json_text_read(json_t **json, const char *text, size_t length, size_t flags,
		   json_error_t *error)
{
	json_set_alloc_funcs(allocate, free);
	out_of_memory = false;
	*json = json_loadb(text, length, flags, error);
	if (!out_of_memory)
		return *json ? 0 : -EBADMSG;
	json_decref(*json);
	*json = NULL;
	return -ENOMEM;
}

json_t *json_text_string(const char *text)
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
