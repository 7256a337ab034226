/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked into each program of a coverage build in place of _exit(2) (ld --wrap): gcov writes its
 * counters at exit(3) only. Also called from signal handlers: writing is not async-signal-safe,
 * which may fail a test run, but is never in a program that users run. Some tests take files or
 * descriptors away from a child: it gets them back, because a half-written file of counters is
 * worthless.
 */
#include <gcov.h>
#include <sys/resource.h>

void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void __wrap__exit(int status)
{
	const struct rlimit bytes = {RLIM_INFINITY, RLIM_INFINITY};
	const struct rlimit files = {1024, 1024};
	struct rlimit limit;

	setrlimit(RLIMIT_NOFILE, &files);
	if ((!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur == RLIM_INFINITY) ||
	    !setrlimit(RLIMIT_FSIZE, &bytes))
		__gcov_dump();
	__real__exit(status);
}
