/* SPDX-License-Identifier: BSD-2-Clause */
/* Linked into each program of a coverage build in place of two system calls (ld --wrap). gcov
 * writes its counters at exit(3), which these never come to:
 * - a process that leaves by _exit(2). From a signal handler, too; that the dump is not
 *   async-signal-safe may cost a test run, never a user. Some tests take files or descriptors away
 *   from a child: it gets them back, or its counters are lost, as a file half written is worth
 * less;
 * - the exporter, which its daemon kills: it writes them whenever it goes to sleep. */
#include <errno.h>
#include <gcov.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "daemon/exporter.h"

void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));
int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);

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

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	if (strcmp(program_invocation_name, EXPORTER_NAME) == 0) {
		__gcov_dump();
		__gcov_reset();
	}
	return __real_epoll_wait(fd, events, max, timeout);
}
