/* SPDX-License-Identifier: BSD-2-Clause */
/* What every cmocka test needs, and an end for a test that waits for what never comes. */
#ifndef XMCAST_TESTS_WATCHDOG_H
#define XMCAST_TESTS_WATCHDOG_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Far above what any test needs, sanitizers and a busy machine included. */
#define WATCHDOG_SECONDS 120

static const char *volatile watchdog_test;

static inline void watchdog_bite(int signal)
{
	static const char text[] = "watchdog: this test waits for ever: ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, watchdog_test, strlen(watchdog_test)) < 0 ||
	    write(STDERR_FILENO, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

/* The running test fails, and the program with it, if it takes longer than WATCHDOG_SECONDS. */
static inline void watchdog_start(const char *test)
{
	watchdog_test = test;
	signal(SIGALRM, watchdog_bite);
	alarm(WATCHDOG_SECONDS);
}

static inline void watchdog_stop(void)
{
	alarm(0);
}

/* A small random number generator (Marsaglia's xorshift32): each thread has its own, and a run can
 * be repeated. Never 0 if it did not start so. */
static inline uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
