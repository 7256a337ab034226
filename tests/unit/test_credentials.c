/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may ask the exporter: users and tokens, names of this host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/credentials.h"

#define TOKEN "0123456789abcdef"

static struct credentials *parse(const char *text)
{
	char reason[CREDENTIALS_REASON] = "";
	struct credentials *credentials = credentials_parse(text, reason);

	if (!credentials)
		fail_msg("%s: %s", text, reason);
	return credentials;
}

static void expect_refused(const char *text, const char *expected)
{
	char reason[CREDENTIALS_REASON] = "";

	assert_null(credentials_parse(text, reason));
	assert_string_equal(reason, expected);
}

static void test_matches(void **state)
{
	struct credentials *credentials = parse(
		"# comment\n\n  user Aladdin open-sesame-open-sesame # him\r\ntoken " TOKEN "\n"
		"token horse#battery#staple #\n"
		"user \303\251 " TOKEN TOKEN);

	assert_true(credentials_match(credentials,
				      "Basic QWxhZGRpbjpvcGVuLXNlc2FtZS1vcGVuLXNlc2FtZQ=="));
	assert_true(credentials_match(credentials,
				      "bAsIc QWxhZGRpbjpvcGVuLXNlc2FtZS1vcGVuLXNlc2FtZQ=="));
	assert_true(credentials_match(credentials, "Bearer " TOKEN));
	/* In a word the sign begins no comment. */
	assert_true(credentials_match(credentials, "Bearer horse#battery#staple"));
	assert_false(credentials_match(credentials, "Bearer horse"));
	assert_true(credentials_match(credentials,
				      "Basic w6k6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
	credentials_free(credentials);
}

static void test_differs(void **state)
{
	static const char *const wrong[] = {
		"",
		"Bearer",
		"Bearer ",
		"Bearer  " TOKEN,
		"Bearer " TOKEN " ",
		"Bearer 0123456789abcde",
		"Bearer 0123456789abcdeF",
		"Bearer " TOKEN TOKEN,
		"Basic " TOKEN,
		TOKEN,
		"Bearer YW5uYTowMTIzNDU2Nzg5YWJjZGVm", /* the value of the user, as a token */
		"Basic YW5uYTowMTIzNDU2Nzg5YWJjZGVn",
		"Digest " TOKEN,
	};
	struct credentials *credentials = parse("user anna " TOKEN "\ntoken " TOKEN);
	char longest[600] = "Bearer ";

	assert_true(credentials_match(credentials, "Basic YW5uYTowMTIzNDU2Nzg5YWJjZGVm"));
	assert_false(credentials_match(credentials, NULL));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (credentials_match(credentials, wrong[i]))
			fail_msg("\"%s\" matches", wrong[i]);
	}
	memset(longest + 7, 'a', sizeof(longest) - 8);
	assert_false(credentials_match(credentials, longest));
	credentials_free(credentials);
}

/* The longest name and password fit. */
static void test_longest(void **state)
{
	char text[300];
	char secret[CREDENTIALS_LONGEST + 2];

	memset(secret, 'x', sizeof(secret));
	secret[CREDENTIALS_LONGEST] = '\0';
	snprintf(text, sizeof(text), "user %s %s\n", secret, secret);
	credentials_free(parse(text));
	secret[CREDENTIALS_LONGEST] = 'x';
	secret[CREDENTIALS_LONGEST + 1] = '\0';
	snprintf(text, sizeof(text), "token %s\n", secret);
	expect_refused(text, "line 1: expected at most 128 characters");
}

static void test_refused(void **state)
{
	static const char expected[] = "line 2: expected \"user NAME PASSWORD\" or \"token TOKEN\"";

	expect_refused("", "expected at least one user or token");
	expect_refused("# none\n\n", "expected at least one user or token");
	expect_refused("\nuser anna\n", expected);
	expect_refused("\nuser anna " TOKEN " more\n", expected);
	expect_refused("\ntoken\n", expected);
	expect_refused("\nToken " TOKEN "\n", expected);
	expect_refused("\n" TOKEN "\n", expected);
	expect_refused("token 0123456789abcde\n",
		       "line 1: a password or token must have at least 16 characters");
	expect_refused("user a:b " TOKEN "\n", "line 1: the name of a user must not have a colon");
}

static void test_hosts(void **state)
{
	static const char *const local[] = {"localhost",      "LocalHost:1",  "127.0.0.1",
					    "127.0.0.1:9710", "127.255.0.9:", "[::1]",
					    "[::1]:65536"};
	static const char *const others[] = {
		"",
		"example.org",
		"localhost.example.org",
		"localhost.",
		"128.0.0.1",
		"127.0.0.1.",
		"127.0.0.1:1:2",
		"127.0.0.1:a",
		"[127.0.0.1]",
		"::1",
		"[::1",
		"[::1]x",
		"[::2]",
		"127.0.0.1/",
		" localhost",
		"[localhost]",
		"127.1",
		"0x7f000001",
		"[::ffff:10.0.0.1]",
		"[]",
	};

	assert_true(credentials_local_host(NULL));
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (!credentials_local_host(local[i]))
			fail_msg("%s is not local", local[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (credentials_local_host(others[i]))
			fail_msg("%s is local", others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches), cmocka_unit_test(test_differs),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
