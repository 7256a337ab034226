/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unicode.h"

/* Most answers are smaller. */
#define FIRST_ROOM 512

struct text {
	char *bytes;
	size_t length;
	size_t room;
	bool failed; /* once, and so for good: a hole is no text */
};

static int append(const char *bytes, size_t length, void *context)
{
	struct text *text = context;

	if (text->failed)
		return -1;
	/* Two bytes more, for the end. */
	if (length + 2 > text->room - text->length) {
		size_t room = text->room ? text->room : FIRST_ROOM;
		char *larger;

		while (room - text->length < length + 2)
			room *= 2;
		larger = realloc(text->bytes, room);
		if (!larger) {
			text->failed = true;
			return -1;
		}
		text->bytes = larger;
		text->room = room;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	return 0;
}

char *json_text_line(const json_t *json, size_t *length)
{
	struct text text = {0};

	if (json_dump_callback(json, append, &text, JSON_COMPACT) || text.failed || !text.length) {
		free(text.bytes);
		return NULL;
	}
	text.bytes[text.length++] = '\n';
	text.bytes[text.length] = '\0';
	*length = text.length;
	return text.bytes;
}

/* Has jansson had to do without memory? */
static __thread bool lacking;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	lacking |= !memory;
	return memory;
}

int json_text_read(json_t **json, const char *text, size_t length, size_t flags,
		   json_error_t *error)
{
	json_set_alloc_funcs(allocate, free);
	lacking = false;
	*json = json_loadb(text, length, flags, error);
	if (!lacking)
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
