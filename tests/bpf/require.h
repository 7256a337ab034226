/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Skips are loud, and failures where everything is meant to be there (XMCAST_REQUIRE=1). For cmocka
 * tests: call from a test, not from a fixture.
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

/* The exit code of a test program that could test nothing (automake's, and ours). */
#define EXIT_SKIPPED 77

/* End the test that runs: as a failure if skips are forbidden, else as skipped. */
static inline void skip_for(const char *reason)
{
	const char *require = getenv("XMCAST_REQUIRE");

	fprintf(stderr, "SKIP: %s\n", reason);
	if (require && strcmp(require, "1") == 0)
		fail_msg("skipped, but XMCAST_REQUIRE=1: %s", reason);
	skip();
}

#endif
