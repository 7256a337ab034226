// SPDX-License-Identifier: BSD-2-Clause
/* JSON-RPC 2.0: what is answered to which line. */
#include "watchdog.h"

#include "control/rpc.h"

static unsigned int calls;

static json_t *echo(void *context, const json_t *params)
{
	calls++;
	assert_string_equal(context, "context");
	return params ? json_deep_copy(params) : json_string("nothing");
}

static json_t *no_memory(void *context, const json_t *params)
{
	calls++;
	return NULL;
}

static const struct control_method methods[] = {
	{"echo", echo},
	{"no memory", no_memory},
	{NULL, NULL},
};

/* The answer to these bytes, checked for its frame; NULL: none. */
static json_t *answer_bytes(const char *line, size_t length)
{
	char *copy = malloc(length + 1); /* so that a read too far is seen */
	size_t answer_length = 0;
	json_t *answer;
	char *text;

	assert_non_null(copy);
	memcpy(copy, line, length);
	text = rpc_answer(copy, length, methods, (void *)"context", &answer_length);
	free(copy);
	if (!text)
		return NULL;
	assert_int_equal(strlen(text), answer_length);
	assert_ptr_equal(strchr(text, '\n'), text + answer_length - 1);
	answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	assert_non_null(answer);
	assert_string_equal(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
	assert_non_null(json_object_get(answer, "id"));
	assert_int_equal(json_object_size(answer), 3);
	return answer;
}

/* The result for this line must be this JSON, and its id that. */
static void expect_result(const char *line, const char *result, const char *id)
{
	json_t *answer = answer_bytes(line, strlen(line));
	char *text;

	assert_non_null(answer);
	text = json_dumps(json_object_get(answer, "result"),
			  JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	if (!text || strcmp(text, result) != 0)
		fail_msg("<%s>: %s instead of %s", line, text ? text : "no result", result);
	free(text);
	text = json_dumps(json_object_get(answer, "id"), JSON_ENCODE_ANY);
	assert_string_equal(text, id);
	free(text);
	json_decref(answer);
}

static void expect_error_bytes(const char *line, size_t length, int code, const char *id)
{
	json_t *answer = answer_bytes(line, length);
	const json_t *error = json_object_get(answer, "error");
	char *text;

	if (!answer)
		fail_msg("<%.100s>: not answered", line);
	if (json_integer_value(json_object_get(error, "code")) != code)
		fail_msg("<%.100s>: code %lld instead of %d", line,
			 (long long)json_integer_value(json_object_get(error, "code")), code);
	assert_true(json_string_length(json_object_get(error, "message")) > 0);
	text = json_dumps(json_object_get(answer, "id"), JSON_ENCODE_ANY);
	assert_string_equal(text, id);
	free(text);
	json_decref(answer);
}

static void expect_error(const char *line, int code, const char *id)
{
	expect_error_bytes(line, strlen(line), code, id);
}

static void expect_silence(const char *line)
{
	if (answer_bytes(line, strlen(line)))
		fail_msg("<%s> was answered", line);
}

static void test_results(void **state)
{
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}", "\"nothing\"", "1");
	expect_result(" { \"id\" : \"a b\" , \"method\":\"echo\", \"jsonrpc\":\"2.0\", "
		      "\"params\":{\"b\":[1,2],\"a\":null} }\r",
		      "{\"a\":null,\"b\":[1,2]}", "\"a b\"");
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":null,\"params\":{}}", "{}",
		      "null");
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":-1.5,\"more\":true}",
		      "\"nothing\"", "-1.5");
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"\\u0065cho\",\"id\":\"\\u00fc\\n\"}",
		      "\"nothing\"", "\"\303\274\\n\"");
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":9223372036854775807}",
		      "\"nothing\"", "9223372036854775807");
}

static void test_parse_errors(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"\r",
		"{",
		"}",
		"hello",
		"GET / HTTP/1.1\r",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1} {}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,}",
		"{'jsonrpc':'2.0'}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":01}",
		/* the same key twice */
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"method\":\"echo\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,\"params\":{\"a\":1,\"a\":1}}",
		/* numbers that nothing holds */
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":9223372036854775808}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1e999}",
		/* invalid UTF-8: stray, cut short, overlong, a surrogate, too large */
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\200\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\303\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\300\200\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\355\240\200\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\364\220\200\200\"}",
		"\377\376\375",
		/* jansson's message ends in the middle of a character */
		"{\"jsonrpc\":\"2.0\",\"method\":\"\\u005\321\221\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\\ud800\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\\u0000\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"\001\"}",
	};

	calls = 0;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_error(lines[i], RPC_PARSE_ERROR, "null");
	assert_int_equal(calls, 0);
}

static void test_nul_bytes(void **state)
{
	static const char inside[] = "{\"jsonrpc\":\"2.0\",\"method\":\"ec\0ho\",\"id\":1}";
	static const char behind[] = "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}\0";
	static const char alone[] = "\0";

	calls = 0;
	expect_error_bytes(inside, sizeof(inside) - 1, RPC_PARSE_ERROR, "null");
	expect_error_bytes(behind, sizeof(behind) - 1, RPC_PARSE_ERROR, "null");
	expect_error_bytes(alone, sizeof(alone) - 1, RPC_PARSE_ERROR, "null");
	assert_int_equal(calls, 0);
}

static void test_invalid_requests(void **state)
{
	static const char *const lines[] = {
		/* JSON, but no request */
		"1",
		"null",
		"true",
		"\"echo\"",
		"[]",
		"{}",
		/* batches */
		"[{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}]",
		"[{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}, 1]",
		/* version */
		"{\"method\":\"echo\",\"id\":1}",
		"{\"jsonrpc\":\"1.0\",\"method\":\"echo\",\"id\":1}",
		"{\"jsonrpc\":2.0,\"method\":\"echo\",\"id\":1}",
		"{\"jsonrpc\":null,\"method\":\"echo\",\"id\":1}",
		/* method */
		"{\"jsonrpc\":\"2.0\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"method\":1,\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"method\":null,\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"method\":[\"echo\"],\"id\":1}",
		/* id */
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":[]}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":{}}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":true}",
	};

	calls = 0;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_error(lines[i], RPC_INVALID_REQUEST, "null");
	assert_int_equal(calls, 0);
}

static void test_other_errors(void **state)
{
	calls = 0;
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"Echo\",\"id\":5}", RPC_NO_METHOD, "5");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"\",\"id\":5}", RPC_NO_METHOD, "5");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"echo \",\"id\":\"x\"}", RPC_NO_METHOD,
		     "\"x\"");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":5,\"params\":[1]}",
		     RPC_INVALID_PARAMS, "5");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":5,\"params\":1}",
		     RPC_INVALID_PARAMS, "5");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":5,\"params\":null}",
		     RPC_INVALID_PARAMS, "5");
	assert_int_equal(calls, 0);
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"no memory\",\"id\":5}", RPC_INTERNAL, "5");
	assert_int_equal(calls, 1);
}

/* Without an id it is done, and never answered, not even with an error. */
static void test_notifications(void **state)
{
	calls = 0;
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}");
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"no memory\",\"params\":{}}");
	assert_int_equal(calls, 2);
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"no such\"}");
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[]}");
	assert_int_equal(calls, 2);
}

/* Nested `depth` deep, as params of a request. */
static char *nest(unsigned int depth, char open, char close)
{
	static const char head[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,\"params\":{\"a\":";
	char *line = malloc(sizeof(head) + 2 * depth + 8);
	size_t length = sizeof(head) - 1;

	assert_non_null(line);
	memcpy(line, head, length);
	memset(line + length, open, depth);
	length += depth;
	memset(line + length, close, depth);
	length += depth;
	memcpy(line + length, "}}", 3);
	return line;
}

static void test_deep_nesting(void **state)
{
	char *line = nest(1000, '[', ']');
	json_t *answer = answer_bytes(line, strlen(line));

	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
	free(line);
	for (unsigned int depth = 2048; depth <= 32000; depth *= 2) {
		line = nest(depth, '[', ']');
		expect_error(line, RPC_PARSE_ERROR, "null");
		free(line);
		line = nest(depth, '[', '[');
		expect_error(line, RPC_PARSE_ERROR, "null");
		free(line);
	}
}

static void test_plain_error(void **state)
{
	size_t length = 0;
	char *text = rpc_error(RPC_INVALID_REQUEST, "too long", &length);

	assert_string_equal(text, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
				  "\"too long\"},\"id\":null}\n");
	assert_int_equal(strlen(text), length);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),	     cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_nul_bytes),    cmocka_unit_test(test_invalid_requests),
		cmocka_unit_test(test_other_errors), cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_deep_nesting), cmocka_unit_test(test_plain_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
