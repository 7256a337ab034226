// SPDX-License-Identifier: BSD-2-Clause
/* Lines of the log: whatever bytes a record has, its line is one line, and valid. */
#include "watchdog.h"

#include <jansson.h>

#include "base/log_line.h"
#include "base/unicode.h"

#define RANDOM_LINES 50000

/* 2026-11-22T15:04:05.123Z */
static const struct timespec noon = {.tv_sec = 1795359845, .tv_nsec = 123999999};

static struct log_record make_record(const char *text)
{
	return (struct log_record){.time = noon,
				   .facility = LOG_FACILITY_EGRESS,
				   .level = LOG_LEVEL_INFO,
				   .text = text};
}

static void expect_text(const char *text, const char *expected)
{
	struct log_record record = make_record(text);
	char line[LOG_TEXT_SIZE + 1];

	line[log_line_text(&record, "", line)] = '\0';
	assert_string_equal(line, expected);
}

static void test_text(void **state)
{
	expect_text("ready rules=2 socket=\"/run/a b\"", "ready rules=2 socket=\"/run/a b\"\n");
	expect_text("", "\n");
	expect_text("  spaces   between ", "spaces between\n");
	expect_text("e a=\"x\ny\" b=\r c=\x7f", "e a=\"x\\x0ay\" b=\\x0d c=\\x7f\n");
	expect_text("e\033[2J", "e\\x1b[2J\n");
	expect_text("e a=\"say \"hi\" to\" b=\"\"", "e a=\"say \\\"hi\\\" to\" b=\"\"\n");
	expect_text("e a=\"\\\" b=\\", "e a=\"\\\\\" b=\\\\\n");
	expect_text("e a=\"never closed", "e a=\"never closed\"\n");
	expect_text("e a=\xc3\xa4 b=\xe4 c=\xc2\x9b", "e a=\xc3\xa4 b=\\xe4 c=\\xc2\\x9b\n");
	/* Overlong, a surrogate, and past the last character. */
	expect_text("e \xc0\xaf", "e \\xc0\\xaf\n");
	expect_text("e \xed\xa0\x80", "e \\xed\\xa0\\x80\n");
	expect_text("e \xf4\x90\x80\x80", "e \\xf4\\x90\\x80\\x80\n");
}

static void test_suppressed(void **state)
{
	struct log_record record = make_record("event");
	static char text[LOG_TEXT_SIZE];
	char line[LOG_JSON_SIZE + 1];
	json_t *json;

	record.suppressed = UINT64_MAX;
	line[log_line_text(&record, "info  ", line)] = '\0';
	assert_string_equal(line, "info  event suppressed=18446744073709551615\n");
	/* There is room for it behind the longest line. */
	memset(text, '\n', sizeof(text) - 1);
	record.text = text;
	line[log_line_text(&record, "info  ", line)] = '\0';
	assert_true(strlen(line) <= LOG_TEXT_SIZE && strlen(line) > LOG_TEXT_SIZE - 4);
	assert_non_null(strstr(line, "\\x0a suppressed=18446744073709551615\n"));
	record.suppressed = 1;
	line[log_line_json(&record, "", line)] = '\0';
	json = json_loads(line, 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "suppressed")), 1);
	assert_true(json_is_true(json_object_get(json, "cut")));
	json_decref(json);
}

static void expect_json(const char *text, const char *format, const char *expected)
{
	static const char head[] = "{\"time\":\"2026-11-22T15:04:05.123Z\",\"level\":\"info\","
				   "\"facility\":\"egress\",\"event\":";
	struct log_record record = make_record(text);
	char line[LOG_JSON_SIZE + 1];

	record.format = format;
	line[log_line_json(&record, "", line)] = '\0';
	assert_memory_equal(line, head, strlen(head));
	assert_string_equal(line + strlen(head), expected);
}

static void test_json(void **state)
{
	expect_json("send-failed to=10.0.0.1:5@e0 datagrams=3 error=\"No route to host\"", NULL,
		    "\"send-failed\",\"to\":\"10.0.0.1:5@e0\",\"datagrams\":3,"
		    "\"error\":\"No route to host\"}\n");
	expect_json("", NULL, "\"\"}\n");
	expect_json("e a=\"x\n\\\"y\"\" b=\"z\"", NULL,
		    "\"e\",\"a\":\"x\\u000a\\\\\\\"y\\\"\",\"b\":\"z\"}\n");
	expect_json("e a=\"1\" b=-7 c=07 d=- e=1234567890123456789 f=0 g=1.5 h=", NULL,
		    "\"e\",\"a\":\"1\",\"b\":-7,\"c\":\"07\",\"d\":\"-\","
		    "\"e\":\"1234567890123456789\",\"f\":0,\"g\":\"1.5\",\"h\":\"\"}\n");
	expect_json("e a=\xff\xc3\xa4", NULL, "\"e\",\"a\":\"\xef\xbf\xbd\xc3\xa4\"}\n");
	/* What is no pair, keys that are there already, keys that every line has. */
	expect_json("e word a=1 a=2 Key=3 level=\"error it is\" b=4", NULL,
		    "\"e\",\"a\":1,\"b\":4,"
		    "\"text\":\"word a=2 Key=3 level=\\\"error it is\\\"\"}\n");
}

/* A rule that is called 7 is a string in every line. */
static void test_numbers_by_format(void **state)
{
	expect_json("e rule=7 iface=8 n=9 z=10 fix=11", "e rule=%s iface=%.*s n=%u z=%-5zu fix=11",
		    "\"e\",\"rule\":\"7\",\"iface\":\"8\",\"n\":9,\"z\":10,\"fix\":11}\n");
	expect_json("e rule=7", "%s", "\"e\",\"rule\":7}\n");
	expect_json("statistics sent=7", "%s sent=%llu", "\"statistics\",\"sent\":7}\n");
}

/* ---- random records ---- */

/* Mostly such as there are, with pieces that a parser may stumble over. */
static void make_random(char text[LOG_TEXT_SIZE], uint32_t *seed)
{
	static const char *const pieces[] = {
		" ",	 " ",  "\"",	 "\"",	 "=",	     "key=",  " key=\"",
		"\" b=", "\\", "\n",	 "\xc3", "ä",	     "€",     "a",
		"7",	 "-",  "level=", "😀",	 "\xed\xa0", "text=", " cut=true",
	};
	const unsigned int nr_pieces = sizeof(pieces) / sizeof(pieces[0]);
	size_t limit = next_random(seed) % 8 ? next_random(seed) % 100 : LOG_TEXT_SIZE - 1;
	bool hostile = next_random(seed) % 64 == 0; /* all of it takes the most room */
	size_t length = 0;

	while (length < limit) {
		uint32_t random = next_random(seed);
		const char *piece = pieces[random % nr_pieces];
		size_t size = strlen(piece);

		if (hostile && random % 16) {
			text[length++] = '\n';
			continue;
		}
		if (random & 0x10000) { /* a byte, never NUL */
			text[length++] = (char)(1 + (random >> 20) % 255);
			continue;
		}
		if (size > limit - length)
			size = limit - length;
		memcpy(text + length, piece, size);
		length += size;
	}
	text[length] = '\0';
}

/* Valid UTF-8 without control characters, but for the newline that ends it. */
static void check_clean(const char *line, size_t length)
{
	unsigned int bytes;
	uint32_t code;

	assert_true(length > 0 && line[length - 1] == '\n');
	for (size_t i = 0; i < length - 1; i += bytes) {
		bytes = utf8_decode(line + i, length - 1 - i, &code);
		if (!bytes || code < 0x20 || (code >= 0x7f && code < 0xa0))
			fail_msg("byte %zu of %.*s", i, (int)length, line);
	}
}

static void test_random(void **state)
{
	static const char prefix[] = "<30>Nov 22 15:04:05 xmcastd[123]: ";
	char line[LOG_JSON_SIZE];
	char text[LOG_TEXT_SIZE];
	struct log_record record = make_record(text);
	unsigned int cut = 0;
	uint32_t seed = 1;

	watchdog_start(__func__);
	for (unsigned int i = 0; i < RANDOM_LINES; i++) {
		json_error_t error;
		json_t *json;
		size_t length;

		make_random(text, &seed);
		record.suppressed = next_random(&seed) % 2 ? UINT64_MAX >> 2 : 0;
		length = log_line_text(&record, prefix, line);
		assert_true(length <= LOG_TEXT_SIZE);
		check_clean(line, length);
		length = log_line_json(&record, prefix, line);
		assert_true(length <= LOG_JSON_SIZE);
		check_clean(line, length);
		assert_memory_equal(line, prefix, strlen(prefix));
		json = json_loadb(line + strlen(prefix), length - strlen(prefix),
				  JSON_REJECT_DUPLICATES, &error);
		if (!json)
			fail_msg("%s: %.*s", error.text, (int)length, line);
		assert_string_equal(json_string_value(json_object_get(json, "level")), "info");
		cut += json_object_get(json, "cut") != NULL;
		json_decref(json);
	}
	assert_true(cut > 0); /* the longest were seen, too */
	watchdog_stop();
}

/* What a program logs as values comes out of the JSON as it went in. */
static void test_values_come_back(void **state)
{
	static const char *const values[] = {
		"",
		" ",
		"a b",
		"\"",
		"\"quoted\"",
		"say \"hi\" and go",
		"back\\slash\\",
		"tab\there",
		"ä€😀",
		"a=b",
		"k=\"v",
		"line\nbreak",
		"trailing\\\"",
	};
	char text[LOG_TEXT_SIZE];
	char line[LOG_JSON_SIZE];
	struct log_record record = make_record(text);

	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		json_t *json;

		snprintf(text, sizeof(text), "event first=\"%s\" second=\"%s\" n=%u", values[i],
			 values[i], i);
		json = json_loadb(line, log_line_json(&record, "", line), 0, NULL);
		assert_non_null(json);
		assert_string_equal(json_string_value(json_object_get(json, "first")), values[i]);
		assert_string_equal(json_string_value(json_object_get(json, "second")), values[i]);
		assert_int_equal(json_integer_value(json_object_get(json, "n")), i);
		assert_null(json_object_get(json, "text"));
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),   cmocka_unit_test(test_suppressed),
		cmocka_unit_test(test_json),   cmocka_unit_test(test_numbers_by_format),
		cmocka_unit_test(test_random), cmocka_unit_test(test_values_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
