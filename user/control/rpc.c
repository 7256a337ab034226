/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json_text.h"

/* The answer as a line; drops the reference. NULL: no memory. */
static char *to_line(json_t *answer, size_t *length)
{
	char *line = json_text_line(answer, length);

	json_decref(answer);
	return line;
}

char *rpc_notification(const char *method, const json_t *params, size_t *length)
{
	/* The cast: jansson changes the reference count. */
	json_t *object = json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method", method, "params",
				   (json_t *)params);

	return object ? to_line(object, length) : NULL;
}

char *rpc_events_lost(uint64_t count, size_t *length)
{
	char time[CLOCK_TEXT_SIZE];
	struct timespec now;
	json_t *params;
	char *line;

	clock_gettime(CLOCK_REALTIME, &now);
	params = json_pack("{s:s, s:s, s:I}", "time", clock_format(&now, time), "event",
			   "events-lost", "count", (json_int_t)count);
	line = params ? rpc_notification("event", params, length) : NULL;
	json_decref(params);
	return line;
}

/* Takes over `data`, which may be NULL. The message may quote any bytes of a client or a file, and
 * may have been cut within a character. */
static json_t *error_object(int code, const char *message, json_t *data, json_t *id)
{
	return json_pack("{s:s, s:{s:i, s:o, s:o*}, s:O}", "jsonrpc", "2.0", "error", "code", code,
			 "message", json_text_string(message), "data", data, "id", id);
}

int rpc_error(int code, const char *message, struct rpc_answer *answer)
{
	json_t *error = error_object(code, message, NULL, json_null());

	*answer = (struct rpc_answer){0};
	if (error)
		answer->line = to_line(error, &answer->length);
	return answer->line ? 0 : -ENOMEM;
}

/* Checked before the text is parsed, because the parser recurses as deeply as the text is nested.
 * Both agree on where strings end up to the first syntax error, where the parser stops. */
static bool is_too_deep(const char *line, size_t length)
{
	unsigned int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < length; i++) {
		char c = line[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\')
			i++;
		else if (!quoted && (c == '[' || c == '{') && ++depth > RPC_DEPTH)
			return true;
		else if (!quoted && (c == ']' || c == '}') && depth)
			depth--;
	}
	return false;
}

static const struct control_method *find_method(const struct rpc *rpc, const char *name)
{
	for (const struct control_method *method = rpc->methods; method->name; method++) {
		if (strcmp(method->name, name) == 0)
			return method;
	}
	return NULL;
}

static bool is_known(const struct control_method *method, const char *key)
{
	for (const char *const *known = method->keys; known && *known; known++) {
		if (strcmp(*known, key) == 0)
			return true;
	}
	return false;
}

static bool check_params(const struct control_method *method, const json_t *params,
			 struct control_reply *reply)
{
	const char *key;
	json_t *value;

	if (params && !json_is_object(params)) {
		control_fail(reply, RPC_INVALID_PARAMS, "params: expected an object");
		return false;
	}
	json_object_foreach((json_t *)params, key, value)
	{
		if (is_known(method, key))
			continue;
		control_fail(reply, RPC_INVALID_PARAMS, "%.100s: %s does not know this key", key,
			     method->name);
		return false;
	}
	return true;
}

static void call(const struct rpc *rpc, const json_t *request, struct control_reply *reply)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");
	const struct control_method *method = find_method(rpc, name);

	if (!method)
		control_fail(reply, RPC_NO_METHOD, "no such method");
	else if (method->access > rpc->access)
		control_fail(reply, CONTROL_FORBIDDEN, "%s is for root and for %s", method->name,
			     method->access == CONTROL_OWN ? "the daemon's user"
							   : "members of control.admin_group");
	else if (check_params(method, params, reply))
		method->call(rpc->context, params, reply);
	if (!reply->result && !reply->code)
		control_fail(reply, RPC_INTERNAL, "out of memory");
}

/* The answer; takes over the references of the reply. NULL: no memory. */
static json_t *reply_json(struct control_reply *reply, json_t *id)
{
	if (!reply->code)
		return json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "result", reply->result, "id",
				 id);
	json_decref(reply->result);
	return error_object(reply->code, reply->message, reply->data, id);
}

static bool is_request(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *id = json_object_get(request, "id");

	return version && strcmp(version, "2.0") == 0 &&
	       json_is_string(json_object_get(request, "method")) &&
	       (!id || json_is_string(id) || json_is_number(id) || json_is_null(id));
}

static int answer_request(const struct rpc *rpc, const json_t *request, struct rpc_answer *answer)
{
	struct control_reply reply = {.uid = rpc->uid, .client = rpc->client};
	json_t *id = json_object_get(request, "id");
	json_t *json;

	call(rpc, request, &reply);
	answer->monitor = reply.monitor;
	answer->cost = reply.cost;
	answer->take = reply.take;
	json = reply_json(&reply, id ? id : json_null());
	/* Without an id it is a notification: executed, but not answered. */
	if (!id) {
		json_decref(json);
		return 0;
	}
	if (json)
		answer->line = to_line(json, &answer->length);
	return answer->line ? 0 : rpc_error(RPC_INTERNAL, "out of memory", answer);
}

int rpc_run(const struct rpc *rpc, const char *line, size_t length, struct rpc_answer *answer)
{
	json_error_t error;
	json_t *request;
	int err;

	*answer = (struct rpc_answer){0};
	if (is_too_deep(line, length))
		return rpc_error(RPC_PARSE_ERROR, "nested deeper than 16 levels", answer);
	/* JSON_DECODE_ANY, so that a plain value is an invalid request, not a parse error. */
	err = json_text_read(&request, line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
			     &error);
	if (err == -ENOMEM)
		return rpc_error(RPC_INTERNAL, "out of memory", answer);
	if (err)
		return rpc_error(RPC_PARSE_ERROR, error.text, answer);
	if (is_request(request))
		err = answer_request(rpc, request, answer);
	else
		err = rpc_error(RPC_INVALID_REQUEST,
				"expected an object with \"jsonrpc\": \"2.0\", a method and an id",
				answer);
	json_decref(request);
	return err;
}
