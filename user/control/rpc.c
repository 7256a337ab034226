/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/rpc.h"

#include <stdlib.h>
#include <string.h>

/* Dump with a newline behind, and drop the reference. */
static char *to_line(json_t *answer, size_t *length)
{
	char *compact = json_dumps(answer, JSON_COMPACT);
	char *line;

	json_decref(answer);
	if (!compact)
		return NULL;
	*length = strlen(compact);
	line = realloc(compact, *length + 2);
	if (!line) {
		free(compact);
		return NULL;
	}
	line[(*length)++] = '\n';
	line[*length] = '\0';
	return line;
}

static json_t *error_object(int code, const char *message, json_t *id)
{
	return json_pack("{s:s, s:{s:i, s:s}, s:O}", "jsonrpc", "2.0", "error", "code", code,
			 "message", message, "id", id);
}

char *rpc_error(int code, const char *message, size_t *answer_length)
{
	return to_line(error_object(code, message, json_null()), answer_length);
}

/* jansson quotes what it did not understand, which may end within a character; an answer takes
 * nothing but UTF-8. */
static char *parse_error(json_error_t *error, size_t *answer_length)
{
	for (char *c = error->text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return rpc_error(RPC_PARSE_ERROR, error->text, answer_length);
}

static json_t *call(const json_t *request, const struct control_method *methods, void *context,
		    json_t *id)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");
	json_t *result;

	if (params && !json_is_object(params))
		return error_object(RPC_INVALID_PARAMS, "params: expected an object", id);
	for (const struct control_method *method = methods; method->name; method++) {
		if (strcmp(method->name, name) != 0)
			continue;
		result = method->call(context, params);
		if (!result)
			return error_object(RPC_INTERNAL, "out of memory", id);
		return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "result", result, "id", id);
	}
	return error_object(RPC_NO_METHOD, "no such method", id);
}

char *rpc_answer(const char *line, size_t length, const struct control_method *methods,
		 void *context, size_t *answer_length)
{
	json_error_t error;
	json_t *request;
	json_t *answer;
	json_t *id;

	/* ANY, so that a plain value is an invalid request and not a parse error. */
	request = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!request)
		return parse_error(&error, answer_length);
	id = json_object_get(request, "id");
	if (!json_is_object(request) || !json_is_string(json_object_get(request, "method")) ||
	    json_object_get(request, "jsonrpc") == NULL ||
	    !json_is_string(json_object_get(request, "jsonrpc")) ||
	    strcmp(json_string_value(json_object_get(request, "jsonrpc")), "2.0") != 0 ||
	    (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))) {
		json_decref(request);
		return rpc_error(RPC_INVALID_REQUEST,
				 "expected an object with \"jsonrpc\": \"2.0\", a method and an id",
				 answer_length);
	}
	answer = call(request, methods, context, id ? id : json_null());
	/* Without an id it is a notification: done, and not answered. */
	if (!id) {
		json_decref(answer);
		answer = NULL;
	}
	json_decref(request);
	return answer ? to_line(answer, answer_length) : NULL;
}
