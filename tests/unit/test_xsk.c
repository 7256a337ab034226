// SPDX-License-Identifier: BSD-2-Clause
/*
 * The wake-up of a zero-copy driver (XDP_USE_NEED_WAKEUP), with a driver that the test plays in a
 * thread: it takes frames from the fill ring; if that is empty it sets its flag, looks once more
 * and stops until the system call of xsk_return() wakes it. Whatever the two interleave like, it
 * must never be stopped while a frame is in the ring. And what a successor finds, wherever a
 * process was killed (frame_record.h).
 */
#include "watchdog.h"

#include <pthread.h>
#include <sched.h>
#include <sys/types.h>
#include <sys/socket.h>

static ssize_t wake_call(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
			 socklen_t *length);

#define recvfrom wake_call
#include "base/clock.h"
#include "dataplane/xsk.c"

#define RING   16
#define ROUNDS 1000000 /* fewer on a busy host, where each can take a time slice: */
#define MOST_S 30
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
	uint64_t until_ns = clock_ns() + MOST_S * NS_PER_SECOND;
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
	assert_int_equal(frame_record_open(&fake.xsk.record, 1), 0);
#ifdef XMC_DEBUG
	fake.xsk.frames = 1;
	fake.xsk.owner = calloc(1, 1);
#endif
	assert_int_equal(pthread_create(&thread, NULL, run_driver, NULL), 0);
	for (uint32_t round = 0; round < ROUNDS && clock_ns() < until_ns; round++) {
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
	frame_record_close(&fake.xsk.record);
	watchdog_stop();
}

/* ---- a successor ---- */

#define FRAMES 8

/* A socket whose rings are plain memory, with every frame in its fill ring. */
struct used {
	struct xsk xsk;
	uint64_t fill[2 * FRAMES];
	struct xdp_desc rx[FRAMES];
	_Atomic uint32_t positions[4]; /* producer and consumer of the fill ring, of the RX ring */
	_Atomic uint32_t flags;
};

static void use(struct used *used)
{
	memset(used, 0, sizeof(*used));
	used->xsk.frames = FRAMES;
	used->xsk.frame_shift = 11;
	used->xsk.fill = (struct xsk_ring){
		.size = 2 * FRAMES,
		.mask = 2 * FRAMES - 1,
		.producer = &used->positions[0],
		.consumer = &used->positions[1],
		.flags = &used->flags,
		.entries = used->fill,
	};
	used->xsk.rx = (struct xsk_ring){
		.size = FRAMES,
		.mask = FRAMES - 1,
		.producer = &used->positions[2],
		.consumer = &used->positions[3],
		.flags = &used->flags,
		.entries = used->rx,
	};
	assert_int_equal(frame_record_open(&used->xsk.record, FRAMES), 0);
#ifdef XMC_DEBUG
	used->xsk.owner = malloc(FRAMES);
	memset((void *)used->xsk.owner, OWNER_EGRESS, FRAMES);
#endif
	for (uint32_t frame = 0; frame < FRAMES; frame++)
		xsk_return(&used->xsk, &frame, 1);
}

static void end_use(struct used *used)
{
	frame_record_close(&used->xsk.record);
#ifdef XMC_DEBUG
	free(used->xsk.owner);
#endif
}

/* The kernel receives packets into frames of the fill ring. */
static void kernel_receives(struct used *used, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t frame = used->fill[used->positions[1]++ % (2 * FRAMES)];

		used->rx[used->positions[2]++ % FRAMES] = (struct xdp_desc){.addr = frame + 256};
	}
}

static void receive(struct used *used, unsigned int count, uint32_t *indexes)
{
	struct xsk_frame frames[FRAMES];

	assert_int_equal(xsk_receive(&used->xsk, frames, count), count);
	for (unsigned int i = 0; i < count; i++) {
		indexes[i] = frames[i].index;
		xsk_hand_over(&used->xsk, indexes[i], OWNER_INGRESS, OWNER_EGRESS);
	}
}

/* Every frame is in exactly one of the rings: `waiting` of them in the RX ring. */
static void check_frames(const struct used *used, unsigned int waiting)
{
	unsigned int seen[FRAMES] = {};

	assert_int_equal(used->positions[2] - used->positions[3], waiting);
	for (uint32_t i = used->positions[3]; i != used->positions[2]; i++)
		seen[used->rx[i % FRAMES].addr >> 11]++;
	for (uint32_t i = used->positions[1]; i != used->positions[0]; i++)
		seen[used->fill[i % (2 * FRAMES)] >> 11]++;
	for (unsigned int i = 0; i < FRAMES; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(xsk_kernel_frames(&used->xsk), FRAMES);
}

/* Stopped in order: nothing is uncertain, and what waits in the RX ring stays there. */
static void test_paused(void **state)
{
	struct used used;
	uint32_t frames[FRAMES];

	use(&used);
	kernel_receives(&used, 6);
	receive(&used, 4, frames);
	xsk_return(&used.xsk, frames, 4);
	xsk_resume(&used.xsk);
	check_frames(&used, 2);
	assert_int_equal(xsk_uncertain(&used.xsk), 0);
	end_use(&used);
}

/* Killed with frames in the process: these are returned, and counted. */
static void test_killed_in_flight(void **state)
{
	struct used used;
	uint32_t frames[FRAMES];

	use(&used);
	kernel_receives(&used, 6);
	receive(&used, 4, frames);
	xsk_return(&used.xsk, frames, 1);
	xsk_resume(&used.xsk);
	check_frames(&used, 2);
	assert_int_equal(xsk_uncertain(&used.xsk), 3);
	end_use(&used);
}

/* Killed in xsk_receive(): noted as taken, but still in the RX ring. */
static void test_killed_while_receiving(void **state)
{
	struct used used;
	uint32_t frames[FRAMES];

	use(&used);
	kernel_receives(&used, 5);
	receive(&used, 3, frames);
	used.positions[3] -= 3;
	xsk_resume(&used.xsk);
	check_frames(&used, 5);
	assert_int_equal(xsk_uncertain(&used.xsk), 0);
	end_use(&used);
}

/* Killed in xsk_return(): the entries are written and not published, and some frames are noted as
 * given already. */
static void test_killed_while_returning(void **state)
{
	for (unsigned int given = 0; given <= 3; given++) {
		struct used used;
		uint32_t frames[FRAMES];

		use(&used);
		kernel_receives(&used, 5);
		receive(&used, 3, frames);
		xsk_return(&used.xsk, frames, 3);
		used.positions[0] -= 3;
		for (unsigned int i = given; i < 3; i++)
			frame_record_take(&used.xsk.record, frames[i]);
		xsk_resume(&used.xsk);
		check_frames(&used, 2);
		assert_int_equal(xsk_uncertain(&used.xsk), 0);
		end_use(&used);
	}
}

/* Killed in xsk_return(), before the entries were complete: their frames are uncertain. */
static void test_killed_before_returning(void **state)
{
	struct used used;
	uint32_t frames[FRAMES];

	use(&used);
	kernel_receives(&used, 5);
	receive(&used, 3, frames);
	*xsk_ring_address(&used.xsk.fill, 0) = (uint64_t)frames[0] << 11;
	xsk_resume(&used.xsk);
	check_frames(&used, 2);
	assert_int_equal(xsk_uncertain(&used.xsk), 3);
	end_use(&used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_is_woken),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_killed_in_flight),
		cmocka_unit_test(test_killed_while_receiving),
		cmocka_unit_test(test_killed_while_returning),
		cmocka_unit_test(test_killed_before_returning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
