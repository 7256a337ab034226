// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on rpc_run(): any bytes, as a request line. Every answer must be one line of JSON-RPC
 * 2.0, with a result if and only if a method was called and returned one. Only notifications have
 * no answer.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int calls;

static void echo(void *context, const json_t *params, struct control_reply *reply)
{
	must(!params || json_is_object(params));
	calls++;
	reply->result = params ? json_deep_copy(params) : json_null();
}

static void fail(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
}

/* Fails with a message that quotes the client, cut at any byte. */
static void quote(void *context, const json_t *params, struct control_reply *reply)
{
	const char *text = control_param_string(params, "text", reply);

	calls++;
	if (text)
		control_fail(reply, CONTROL_REFUSED, "%s", text);
}

static void page(void *context, const json_t *params, struct control_reply *reply)
{
	struct control_page page;

	calls++;
	if (!control_param_page(params, &page, reply))
		return;
	must(page.limit >= 1 && page.limit <= CONTROL_PAGE_MOST);
	must(control_page_count(&page, 1000) <= page.limit);
	must(page.offset + control_page_count(&page, 1000) <= 1000 || page.offset >= 1000);
	reply->result = json_object();
}

static void list(void *context, const json_t *params, struct control_reply *reply)
{
	const json_t *texts = control_param_strings(params, "texts", 3, reply);

	calls++;
	must(!texts || (json_array_size(texts) >= 1 && json_array_size(texts) <= 3));
	for (size_t i = 0; i < json_array_size(texts); i++)
		must(json_string_length(json_array_get(texts, i)) > 0);
	if (texts)
		reply->result = json_true();
}

static void forbidden(void *context, const json_t *params, struct control_reply *reply)
{
	abort();
}

static const char *const quote_keys[] = {"text", NULL};
static const char *const page_keys[] = {"offset", "limit", NULL};
static const char *const list_keys[] = {"texts", NULL};
static const char *const echo_keys[] = {"a", "b", NULL};

static const struct control_method methods[] = {
	{"echo", CONTROL_READ, echo_keys, echo},
	{"fail", CONTROL_READ, NULL, fail},
	{"quote", CONTROL_READ, quote_keys, quote},
	{"page", CONTROL_READ, page_keys, page},
	{"list", CONTROL_READ, list_keys, list},
	{"forbidden", CONTROL_CHANGE, NULL, forbidden},
	{},
};

static void check_error(const json_t *error)
{
	must(json_is_string(json_object_get(error, "message")));
	switch (json_integer_value(json_object_get(error, "code"))) {
	case RPC_PARSE_ERROR:
	case RPC_INVALID_REQUEST:
	case RPC_NO_METHOD:
	case CONTROL_FORBIDDEN:
		must(calls == 0);
		break;
	case RPC_INVALID_PARAMS:
		break;
	case CONTROL_REFUSED:
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

/* Whether the request is a notification: valid, and without an id. */
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
	const struct rpc rpc = {methods, NULL, CONTROL_READ, 0, 0};
	struct rpc_answer answer;

	calls = 0;
	must(rpc_run(&rpc, (const char *)data, size, &answer) == 0);
	must(calls <= 1);
	if (answer.line)
		check_answer(answer.line, answer.length);
	else
		must(is_notification((const char *)data, size));
	free(answer.line);
	return 0;
}
