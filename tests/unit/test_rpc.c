// SPDX-License-Identifier: BSD-2-Clause
/* JSON-RPC 2.0: requests and their answers. */
#include "watchdog.h"

#include "control/rpc.h"

static unsigned int calls;

static void echo(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
	assert_string_equal(context, "context");
	reply->result = params ? json_deep_copy(params) : json_string("nothing");
}

static void no_memory(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
}

/* An error with data, and a message that is not valid UTF-8. */
static void refuse(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
	reply->data = json_pack("{s:i}", "number", 7);
	control_fail(reply, CONTROL_REFUSED, "refused: %s", "\303\274\377");
}

/* A method that runs out of memory. */
static void fail_late(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
	reply->result = json_object();
	control_fail(reply, CONTROL_FAILED, "%s", "failed");
}

static void change(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
	reply->result = json_true();
}

static void watch(void *context, const json_t *params, struct control_reply *reply)
{
	calls++;
	reply->monitor = true;
	reply->result = json_object();
}

static const char *const echo_keys[] = {"a", "b", NULL};

static const struct control_method methods[] = {
	{"echo", CONTROL_READ, echo_keys, echo},
	{"no memory", CONTROL_READ, NULL, no_memory},
	{"refuse", CONTROL_READ, NULL, refuse},
	{"fail late", CONTROL_READ, NULL, fail_late},
	{"change", CONTROL_CHANGE, NULL, change},
	{"watch", CONTROL_READ, NULL, watch},
	{},
};

static enum control_access may = CONTROL_READ;
static bool monitors; /* after the last answer */

/* The answer to these bytes, whose envelope is checked; NULL: none. */
static json_t *answer_bytes(const char *line, size_t length)
{
	char *copy = malloc(length + 1); /* exactly this size, for AddressSanitizer */
	const struct rpc rpc = {methods, (void *)"context", may, 0, 0};
	struct rpc_answer reply;
	json_t *answer;

	assert_non_null(copy);
	memcpy(copy, line, length);
	assert_int_equal(rpc_run(&rpc, copy, length, &reply), 0);
	free(copy);
	monitors = reply.monitor;
	if (!reply.line)
		return NULL;
	assert_int_equal(strlen(reply.line), reply.length);
	assert_ptr_equal(strchr(reply.line, '\n'), reply.line + reply.length - 1);
	answer = json_loads(reply.line, JSON_REJECT_DUPLICATES, NULL);
	free(reply.line);
	assert_non_null(answer);
	assert_string_equal(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
	assert_non_null(json_object_get(answer, "id"));
	assert_int_equal(json_object_size(answer), 3);
	return answer;
}

/* The answer to this line must have this result and id, as JSON. */
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
		/* numbers that are out of range */
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

/* A request without an id is executed, but never answered, not even with an error. */
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

/* The request and its params are two of the 16 levels. */
static void test_deep_nesting(void **state)
{
	static const unsigned int too_deep[] = {15, 16, 17, 2048, 30000};
	char *line = nest(14, '[', ']');
	json_t *answer = answer_bytes(line, strlen(line));

	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
	free(line);
	calls = 0;
	for (unsigned int i = 0; i < sizeof(too_deep) / sizeof(too_deep[0]); i++) {
		line = nest(too_deep[i], '[', ']');
		expect_error(line, RPC_PARSE_ERROR, "null");
		free(line);
		line = nest(too_deep[i], '[', '[');
		expect_error(line, RPC_PARSE_ERROR, "null");
		free(line);
	}
	assert_int_equal(calls, 0);
	/* Brackets in strings do not count, and neither do levels that are closed again. */
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,\"params\":{\"a\":"
		      "\"[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{{{{{{{{{{{{{\"}}",
		      "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{{{{{{{{{{{{{\"}", "1");
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,\"params\":{\"a\":"
		      "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}}",
		      "{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}", "1");
}

static void test_plain_error(void **state)
{
	struct rpc_answer answer;

	assert_int_equal(rpc_error(RPC_INVALID_REQUEST, "too long", &answer), 0);
	assert_string_equal(answer.line,
			    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
			    "\"too long\"},\"id\":null}\n");
	assert_int_equal(strlen(answer.line), answer.length);
	free(answer.line);
}

static void test_notification_line(void **state)
{
	json_t *params = json_pack("{s:s}", "event", "silent");
	size_t length = 0;
	char *line = rpc_notification("event", params, &length);

	assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":"
				  "{\"event\":\"silent\"}}\n");
	assert_int_equal(strlen(line), length);
	assert_int_equal(params->refcount, 1);
	free(line);
	json_decref(params);
}

/* The message of a failure reaches the client as valid UTF-8, whatever its bytes are. */
static void test_method_errors(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"method\":\"refuse\",\"id\":1}";
	json_t *answer = answer_bytes(line, sizeof(line) - 1);
	const json_t *error = json_object_get(answer, "error");

	assert_int_equal(json_integer_value(json_object_get(error, "code")), CONTROL_REFUSED);
	assert_string_equal(json_string_value(json_object_get(error, "message")),
			    "refused: \303\274\\xff");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(error, "data"), "number")), 7);
	json_decref(answer);
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"fail late\",\"id\":1}", CONTROL_FAILED,
		     "1");
}

static void test_unknown_keys(void **state)
{
	calls = 0;
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,\"params\":{\"c\":1}}",
		     RPC_INVALID_PARAMS, "1");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1,"
		     "\"params\":{\"a\":1,\"A\":1}}",
		     RPC_INVALID_PARAMS, "1");
	expect_error("{\"jsonrpc\":\"2.0\",\"method\":\"refuse\",\"id\":1,\"params\":{\"\":1}}",
		     RPC_INVALID_PARAMS, "1");
	assert_int_equal(calls, 0);
}

static void test_access(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"method\":\"change\",\"id\":1}";

	calls = 0;
	may = CONTROL_READ;
	expect_error(line, CONTROL_FORBIDDEN, "1");
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"change\"}");
	assert_int_equal(calls, 0);
	may = CONTROL_CHANGE;
	expect_result(line, "true", "1");
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"change\"}");
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}", "\"nothing\"", "1");
	may = CONTROL_READ;
	assert_int_equal(calls, 3);
}

static void test_monitor(void **state)
{
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}", "\"nothing\"", "1");
	assert_false(monitors);
	expect_result("{\"jsonrpc\":\"2.0\",\"method\":\"watch\",\"id\":1}", "{}", "1");
	assert_true(monitors);
	expect_silence("{\"jsonrpc\":\"2.0\",\"method\":\"watch\"}");
	assert_true(monitors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),		  cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_nul_bytes),	  cmocka_unit_test(test_invalid_requests),
		cmocka_unit_test(test_other_errors),	  cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_deep_nesting),	  cmocka_unit_test(test_plain_error),
		cmocka_unit_test(test_notification_line), cmocka_unit_test(test_method_errors),
		cmocka_unit_test(test_unknown_keys),	  cmocka_unit_test(test_access),
		cmocka_unit_test(test_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
