// SPDX-License-Identifier: BSD-2-Clause
/*
 * The wake-up of a zero-copy driver (XDP_USE_NEED_WAKEUP), with a driver that the test plays in a
 * thread: it takes frames from the fill ring; if that is empty it sets its flag, looks once more
 * and stops until the system call of xsk_return() wakes it. Whatever the two interleave like, it
 * must never be stopped while a frame is in the ring.
 */
#include "watchdog.h"

#include <pthread.h>
#include <sched.h>
#include <sys/types.h>
#include <sys/socket.h>

static ssize_t wake_call(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
			 socklen_t *length);

#define recvfrom wake_call
#include "dataplane/xsk.c"

#define RING   16
#define ROUNDS 1000000
#define STEPS  1000 /* of waiting before the CPU is yielded */

static struct fake {
	struct xsk xsk;
	uint64_t ring[RING];
	alignas(CACHE_LINE) _Atomic uint32_t producer;
	alignas(CACHE_LINE) _Atomic uint32_t consumer;
	alignas(CACHE_LINE) _Atomic uint32_t flags;
	alignas(CACHE_LINE) atomic_uint calls;	 /* that wake the driver */
	alignas(CACHE_LINE) atomic_bool stopped; /* it waits until `calls` differs from `seen` */
	atomic_uint seen;
	atomic_bool end;
} fake;

static ssize_t wake_call(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
			 socklen_t *length)
{
	atomic_fetch_add(&fake.calls, 1);
	return 0;
}

static bool ring_is_empty(void)
{
	return atomic_load(&fake.producer) == atomic_load(&fake.consumer);
}

static void *run_driver(void *arg)
{
	while (!atomic_load(&fake.end)) {
		if (!ring_is_empty()) {
			atomic_fetch_add(&fake.consumer, 1);
			continue;
		}
		atomic_store(&fake.flags, XDP_RING_NEED_WAKEUP);
		if (ring_is_empty()) {
			atomic_store(&fake.stopped, true);
			while (atomic_load(&fake.calls) == atomic_load(&fake.seen) &&
			       !atomic_load(&fake.end))
				sched_yield();
			atomic_store(&fake.stopped, false);
		}
		atomic_store(&fake.seen, atomic_load(&fake.calls));
		atomic_store(&fake.flags, 0);
	}
	return NULL;
}

static bool frame_waits(uint32_t round)
{
	return atomic_load(&fake.consumer) == round;
}

/* Does the driver wait for a call that will never come? Once it has been woken, it takes the frame
 * before it waits again. */
static bool is_lost(uint32_t round)
{
	return atomic_load(&fake.stopped) && atomic_load(&fake.calls) == atomic_load(&fake.seen) &&
	       atomic_load(&fake.stopped) && frame_waits(round);
}

static void test_driver_is_woken(void **state)
{
	pthread_t thread;

	watchdog_start(__func__);
	fake.xsk.fill = (struct xsk_ring){
		.mask = RING - 1,
		.size = RING,
		.producer = &fake.producer,
		.consumer = &fake.consumer,
		.flags = &fake.flags,
		.entries = fake.ring,
	};
	fake.xsk.zero_copy = true;
#ifdef XMC_DEBUG
	fake.xsk.frames = 1;
	fake.xsk.owner = calloc(1, 1);
#endif
	assert_int_equal(pthread_create(&thread, NULL, run_driver, NULL), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		const uint32_t frame = 0;

#ifdef XMC_DEBUG
		atomic_store(&fake.xsk.owner[0], OWNER_EGRESS);
#endif
		xsk_return(&fake.xsk, &frame, 1);
		/* The driver takes it, sometimes just as it is about to stop. */
		for (unsigned int i = 1; frame_waits(round); i++) {
			if (is_lost(round))
				fail_msg("the driver was not woken in round %u", round);
			if (i % STEPS == 0)
				sched_yield();
		}
	}
	atomic_store(&fake.end, true);
	pthread_join(thread, NULL);
#ifdef XMC_DEBUG
	free(fake.xsk.owner);
#endif
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_driver_is_woken)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
