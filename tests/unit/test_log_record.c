// SPDX-License-Identifier: BSD-2-Clause
/* Log records as lines: whatever bytes a value has, the line is one valid line. */
#include "watchdog.h"

#include <errno.h>

#include <jansson.h>

#include "base/log_record.h"
#include "base/unicode.h"

#define RANDOM_RECORDS 50000
#define FIELDS_MAX     6
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

/* 2026-11-22T15:04:05.123Z */
static const struct timespec noon = {.tv_sec = 1795359845, .tv_nsec = 123999999};

static const struct log_count errors[] = {{"ENOBUFS", 12}, {"EAGAIN", 3}};

static struct log_record make_record(const struct log_field *fields, unsigned int nr_fields)
{
	return (struct log_record){.time = noon,
				   .facility = LOG_FACILITY_EGRESS,
				   .level = LOG_LEVEL_INFO,
				   .event = "event",
				   .fields = fields,
				   .nr_fields = nr_fields};
}

/* One field, in text after "event", and in JSON after the members that every line has. */
static void expect(struct log_field field, const char *text, const char *json)
{
	static const char head[] = "{\"time\":\"2026-11-22T15:04:05.123Z\",\"level\":\"info\","
				   "\"facility\":\"egress\",\"event\":\"event\"";
	struct log_record record = make_record(&field, 1);
	char line[LOG_JSON_SIZE + 1];

	line[log_record_text(&record, "info  ", line)] = '\0';
	assert_memory_equal(line, "info  event", strlen("info  event"));
	assert_int_equal(line[strlen(line) - 1], '\n');
	line[strlen(line) - 1] = '\0';
	assert_string_equal(line + strlen("info  event"), text);
	line[log_record_json(&record, "", line)] = '\0';
	assert_memory_equal(line, head, strlen(head));
	assert_memory_equal(line + strlen(line) - 2, "}\n", 2);
	line[strlen(line) - 2] = '\0';
	assert_string_equal(line + strlen(head), json);
}

static void test_kinds(void **state)
{
	expect(LOG_NONE, "", "");
	expect(LOG_NAME("rule", "cam1"), " rule=cam1", ",\"rule\":\"cam1\"");
	expect(LOG_NAME("rule", NULL), "", "");
	expect(LOG_TEXT("reason", NULL), "", "");
	expect(LOG_TEXT("path", "/run/a b"), " path=\"/run/a b\"", ",\"path\":\"/run/a b\"");
	expect(LOG_TEXT("path", "/run"), " path=\"/run\"", ",\"path\":\"/run\"");
	expect(LOG_TEXT("path", ""), " path=\"\"", ",\"path\":\"\"");
	expect(LOG_ERROR(-ENODEV), " error=\"No such device\"", ",\"error\":\"No such device\"");
	expect(LOG_INT("n", -7), " n=-7", ",\"n\":-7");
	expect(LOG_INT("n", INT64_MIN), " n=-9223372036854775808", ",\"n\":-9223372036854775808");
	expect(LOG_UINT("n", 0), " n=0", ",\"n\":0");
	expect(LOG_UINT("n", UINT64_MAX), " n=18446744073709551615", ",\"n\":18446744073709551615");
	expect(LOG_COUNTS("errors", errors, 2), " errors=ENOBUFS:12,EAGAIN:3",
	       ",\"errors\":\"ENOBUFS:12,EAGAIN:3\"");
	expect(LOG_IFACE("eth0"), " iface=eth0", ",\"iface\":\"eth0\"");
}

/* A name that could be read as something else is quoted: a rule may be called 7. */
static void test_names(void **state)
{
	expect(LOG_NAME("n", "a-b.c:1@eth0.100"), " n=a-b.c:1@eth0.100",
	       ",\"n\":\"a-b.c:1@eth0.100\"");
	expect(LOG_NAME("n", "7a"), " n=7a", ",\"n\":\"7a\"");
	expect(LOG_NAME("n", "7"), " n=\"7\"", ",\"n\":\"7\"");
	expect(LOG_NAME("n", "-"), " n=\"-\"", ",\"n\":\"-\"");
	expect(LOG_NAME("n", ""), " n=\"\"", ",\"n\":\"\"");
	expect(LOG_NAME("n", "a=b"), " n=\"a=b\"", ",\"n\":\"a=b\"");
	expect(LOG_NAME("n", "two words"), " n=\"two words\"", ",\"n\":\"two words\"");
	expect(LOG_NAME("n", "caf\xc3\xa9"), " n=caf\xc3\xa9", ",\"n\":\"caf\xc3\xa9\"");
}

static void test_escapes(void **state)
{
	expect(LOG_TEXT("a", "x\ny"), " a=\"x\\x0ay\"", ",\"a\":\"x\\u000ay\"");
	expect(LOG_NAME("a", "line\nwarn  fake=1"), " a=\"line\\x0awarn  fake=1\"",
	       ",\"a\":\"line\\u000awarn  fake=1\"");
	expect(LOG_NAME("a", "\x7f"), " a=\"\\x7f\"", ",\"a\":\"\\u007f\"");
	expect(LOG_TEXT("a", "\033[2J"), " a=\"\\x1b[2J\"", ",\"a\":\"\\u001b[2J\"");
	expect(LOG_TEXT("a", "say \"hi\" to"), " a=\"say \\\"hi\\\" to\"",
	       ",\"a\":\"say \\\"hi\\\" to\"");
	expect(LOG_TEXT("a", "back\\slash\\"), " a=\"back\\\\slash\\\\\"",
	       ",\"a\":\"back\\\\slash\\\\\"");
	expect(LOG_TEXT("a", "\xc3\xa4\xe4"), " a=\"\xc3\xa4\\xe4\"",
	       ",\"a\":\"\xc3\xa4\xef\xbf\xbd\"");
	expect(LOG_TEXT("a", "\xc2\x9b"), " a=\"\\xc2\\x9b\"", ",\"a\":\"\\u009b\"");
	/* Overlong, a surrogate, and above the last code point. */
	expect(LOG_TEXT("a", "\xc0\xaf"), " a=\"\\xc0\\xaf\"",
	       ",\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"");
	expect(LOG_NAME("a", "\xed\xa0\x80"), " a=\\xed\\xa0\\x80",
	       ",\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	expect(LOG_NAME("a", "\xf4\x90\x80\x80"), " a=\\xf4\\x90\\x80\\x80",
	       ",\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void test_suppressed(void **state)
{
	static char text[LOG_JSON_SIZE];
	struct log_field field = LOG_NAME("a", text);
	struct log_record record = make_record(&field, 1);
	char line[LOG_JSON_SIZE + 1];
	json_t *json;

	strcpy(text, "b");
	record.suppressed = UINT64_MAX;
	line[log_record_text(&record, "info  ", line)] = '\0';
	assert_string_equal(line, "info  event a=b suppressed=18446744073709551615\n");
	/* There is room for it after the longest line. */
	memset(text, '\n', sizeof(text) - 1);
	line[log_record_text(&record, "info  ", line)] = '\0';
	assert_true(strlen(line) <= LOG_TEXT_SIZE && strlen(line) > LOG_TEXT_SIZE - 4);
	assert_non_null(strstr(line, "\\x0a suppressed=18446744073709551615\n"));
	record.suppressed = 1;
	line[log_record_json(&record, "", line)] = '\0';
	json = json_loads(line, 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "suppressed")), 1);
	assert_true(json_is_true(json_object_get(json, "cut")));
	json_decref(json);
}

/* A list of counts that is too long is cut, and ends. */
static void test_many_counts(void **state)
{
	struct log_count counts[100];
	struct log_field field = LOG_COUNTS("errors", counts, COUNT(counts));
	char room[LOG_VALUE_SIZE];

	for (unsigned int i = 0; i < COUNT(counts); i++)
		counts[i] = (struct log_count){"ENETUNREACH", UINT64_MAX};
	assert_int_equal(strlen(log_field_text(&field, room)), LOG_VALUE_SIZE - 1);
	field.nr_counts = 0;
	assert_string_equal(log_field_text(&field, room), "");
}

/* ---- random records ---- */

/* Mostly ordinary text, with pieces that could confuse a reader. */
static void make_random(char text[LOG_JSON_SIZE], uint32_t *seed)
{
	static const char *const pieces[] = {
		" ",	 " ",  "\"",	 "\"",	 "=",	     "key=",  " key=\"",
		"\" b=", "\\", "\n",	 "\xc3", "ä",	     "€",     "a",
		"7",	 "-",  "level=", "😀",	 "\xed\xa0", "text=", " cut=true",
	};
	size_t limit = next_random(seed) % 8 ? next_random(seed) % 100 : LOG_JSON_SIZE - 1;
	bool hostile =
		next_random(seed) % 64 == 0; /* every byte needs an escape, the longest output */
	size_t length = 0;

	while (length < limit) {
		uint32_t random = next_random(seed);
		const char *piece = pieces[random % COUNT(pieces)];
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

static struct log_field make_field(unsigned int i, char text[LOG_JSON_SIZE], uint32_t *seed)
{
	static const char *const keys[FIELDS_MAX] = {"a", "b", "c", "d", "e", "f"};

	switch (next_random(seed) % 8) {
	case 0:
		return LOG_UINT(keys[i], next_random(seed));
	case 1:
		return LOG_INT(keys[i], -(int64_t)next_random(seed));
	case 2:
		return LOG_COUNTS(keys[i], errors, next_random(seed) % 3);
	case 3:
		return LOG_NONE;
	case 4:
		make_random(text, seed);
		return LOG_TEXT(keys[i], text);
	default:
		make_random(text, seed);
		return LOG_NAME(keys[i], text);
	}
}

/* Valid UTF-8 without control characters, except for the newline at the end. */
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
	static char text[FIELDS_MAX][LOG_JSON_SIZE];
	struct log_field fields[FIELDS_MAX];
	struct log_record record = make_record(fields, FIELDS_MAX);
	char line[LOG_JSON_SIZE];
	unsigned int cut = 0;
	uint32_t seed = 1;

	watchdog_start(__func__);
	for (unsigned int i = 0; i < RANDOM_RECORDS; i++) {
		json_error_t error;
		json_t *json;
		size_t length;

		for (unsigned int j = 0; j < FIELDS_MAX; j++)
			fields[j] = make_field(j, text[j], &seed);
		record.suppressed = next_random(&seed) % 2 ? UINT64_MAX >> 2 : 0;
		length = log_record_text(&record, prefix, line);
		assert_true(length <= LOG_TEXT_SIZE);
		check_clean(line, length);
		length = log_record_json(&record, prefix, line);
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
	assert_true(cut > 0); /* too long records were among them */
	watchdog_stop();
}

/* JSON has the values exactly as they were logged. */
static void test_values_come_back(void **state)
{
	static const char *const values[] = {
		"",    " ",	"a b",	       "\"",	    "\"quoted\"", "say \"hi\" and go",
		"a=b", "k=\"v", "line\nbreak", "tab\there", "ä€😀",	  "trailing\\\"",
	};
	char line[LOG_JSON_SIZE];

	for (unsigned int i = 0; i < COUNT(values); i++) {
		const struct log_field fields[] = {LOG_TEXT("first", values[i]),
						   LOG_NAME("second", values[i]), LOG_UINT("n", i)};
		struct log_record record = make_record(fields, 3);
		json_t *json = json_loadb(line, log_record_json(&record, "", line), 0, NULL);

		assert_non_null(json);
		assert_string_equal(json_string_value(json_object_get(json, "first")), values[i]);
		assert_string_equal(json_string_value(json_object_get(json, "second")), values[i]);
		assert_int_equal(json_integer_value(json_object_get(json, "n")), i);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_suppressed),
		cmocka_unit_test(test_many_counts),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_values_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
