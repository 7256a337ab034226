// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on rpc_answer(): any bytes, as a request line. Every answer is one line of
 * JSON-RPC 2.0, with a result if, and only if, a method was called and gave one; only a
 * notification has none.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int calls;

/* Not assert(), which NDEBUG takes away. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static json_t *echo(void *context, const json_t *params)
{
	must(!params || json_is_object(params));
	calls++;
	return params ? json_deep_copy(params) : json_null();
}

static json_t *fail(void *context, const json_t *params)
{
	calls++;
	return NULL;
}

static const struct control_method methods[] = {{"echo", echo}, {"fail", fail}, {NULL, NULL}};

static void check_error(const json_t *error)
{
	must(json_is_string(json_object_get(error, "message")));
	switch (json_integer_value(json_object_get(error, "code"))) {
	case RPC_PARSE_ERROR:
	case RPC_INVALID_REQUEST:
	case RPC_NO_METHOD:
	case RPC_INVALID_PARAMS:
		must(calls == 0);
		break;
	case RPC_INTERNAL:
		must(calls == 1);
		break;
	default:
		abort();
	}
}

static void check_answer(const char *text, size_t length)
{
	json_t *answer = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *error = json_object_get(answer, "error");
	const char *version = json_string_value(json_object_get(answer, "jsonrpc"));

	must(length && memchr(text, '\n', length) == text + length - 1);
	must(json_object_size(answer) == 3);
	must(version && strcmp(version, "2.0") == 0);
	must(json_object_get(answer, "id") != NULL);
	if (error)
		check_error(error);
	else
		must(json_object_get(answer, "result") && calls == 1);
	json_decref(answer);
}

/* Is there nothing to be answered: a whole request without an id? */
static bool is_notification(const char *line, size_t length)
{
	json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	bool is = json_is_object(request) && !json_object_get(request, "id") &&
		  json_is_string(json_object_get(request, "method"));

	json_decref(request);
	return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	size_t length = 0;

	calls = 0;
	text = rpc_answer((const char *)data, size, methods, NULL, &length);
	must(calls <= 1);
	if (text)
		check_answer(text, length);
	else
		must(is_notification((const char *)data, size));
	free(text);
	return 0;
}
