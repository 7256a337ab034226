/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Skip a test with the reason; with XMCAST_REQUIRE=1 a skip is a failure. For cmocka tests: call it
 * from a test, not from a fixture.
 */
#ifndef XMCAST_TESTS_REQUIRE_H
#define XMCAST_TESTS_REQUIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The exit code of a test program whose tests were all skipped (as in automake). */
#define EXIT_SKIPPED 77

/* End the current test as skipped, or as failed if skips are forbidden. */
static inline void skip_for(const char *reason)
{
	const char *require = getenv("XMCAST_REQUIRE");

	fprintf(stderr, "SKIP: %s\n", reason);
	if (require && strcmp(require, "1") == 0)
		fail_msg("skipped, but XMCAST_REQUIRE=1: %s", reason);
	skip();
}

#endif
