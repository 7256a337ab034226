/* SPDX-License-Identifier: BSD-2-Clause */
/* To be preloaded: CLOCK_REALTIME jumps to and fro by a day from one call to the next, as no clock
 * of a machine that others use may. Whatever waits, measures or limits by it goes wrong at once. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define JUMP_SECONDS 86400

static time_t jump(void)
{
	static atomic_uint calls;

	return atomic_fetch_add(&calls, 1) % 2 ? JUMP_SECONDS : -JUMP_SECONDS;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int result;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, ts);
	if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += jump();
	return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	int result = clock_gettime(CLOCK_REALTIME, &ts);

	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return result;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
