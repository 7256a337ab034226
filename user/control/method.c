/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/method.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

void control_fail(struct control_reply *reply, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reply->message, sizeof(reply->message), format, args);
	va_end(args);
	reply->code = code;
}

static void expected(struct control_reply *reply, const char *key, const char *what)
{
	control_fail(reply, RPC_INVALID_PARAMS, "%s: expected %s", key, what);
}

static bool is_text(const json_t *value)
{
	return json_is_string(value) && json_string_length(value);
}

static bool is_object(const json_t *value)
{
	return json_is_object(value);
}

const char *control_param_string(const json_t *params, const char *key, struct control_reply *reply)
{
	const json_t *value = json_object_get(params, key);

	if (!is_text(value)) {
		expected(reply, key, "a string that is not empty");
		return NULL;
	}
	return json_string_value(value);
}

static const json_t *get_list(const json_t *params, const char *key, size_t most,
			      bool (*is_good)(const json_t *), const char *what,
			      struct control_reply *reply)
{
	const json_t *list = json_object_get(params, key);
	size_t count = json_array_size(list);
	bool good = count > 0;

	for (size_t i = 0; good && i < count; i++)
		good = is_good(json_array_get(list, i));
	if (!good)
		expected(reply, key, what);
	else if (count > most)
		control_fail(reply, RPC_INVALID_PARAMS, "%s: %zu of them, at most %zu", key, count,
			     most);
	return good && count <= most ? list : NULL;
}

const json_t *control_param_strings(const json_t *params, const char *key, size_t most,
				    struct control_reply *reply)
{
	return get_list(params, key, most, is_text,
			"an array with at least one string, none of them empty", reply);
}

const json_t *control_param_objects(const json_t *params, const char *key, size_t most,
				    struct control_reply *reply)
{
	return get_list(params, key, most, is_object, "an array with at least one object", reply);
}

bool control_param_unsigned(const json_t *params, const char *key, size_t least, size_t most,
			    size_t *value, struct control_reply *reply)
{
	const json_t *number = json_object_get(params, key);
	json_int_t given = json_integer_value(number);

	if (!number)
		return true;
	if (!json_is_integer(number) || given < 0 || (size_t)given < least ||
	    (size_t)given > most) {
		control_fail(reply, RPC_INVALID_PARAMS, "%s: expected an integer from %zu to %zu",
			     key, least, most);
		return false;
	}
	*value = (size_t)given;
	return true;
}

bool control_param_page(const json_t *params, struct control_page *page,
			struct control_reply *reply)
{
	*page = (struct control_page){.limit = CONTROL_PAGE_DEFAULT};
	return control_param_unsigned(params, "offset", 0, INT_MAX, &page->offset, reply) &&
	       control_param_unsigned(params, "limit", 1, CONTROL_PAGE_MOST, &page->limit, reply);
}

size_t control_page_count(const struct control_page *page, size_t total)
{
	size_t left = page->offset < total ? total - page->offset : 0;

	return left < page->limit ? left : page->limit;
}
