// SPDX-License-Identifier: BSD-2-Clause
/*
 * How an AF_XDP socket is bound, and how large its frames are, with a kernel and drivers that the
 * test plays: one without zero copy, one with, one like igb, and Linux before 6.6.
 */
#include "watchdog.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the kernel was asked. */
struct attempt {
	unsigned int frame_size;
	unsigned int flags;
};

static struct {
	/* Set by the test. */
	bool driver_zero_copy;
	bool driver_pieces; /* also with zero copy */
	bool old_kernel;    /* does not know packets in several frames */
	int busy;	    /* attempts that answer EBUSY */

	struct attempt attempts[8];
	unsigned int count;
	unsigned int frame_size;
} kernel;

static int fake_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	if (option == XDP_UMEM_REG)
		kernel.frame_size = ((const struct xdp_umem_reg *)value)->chunk_size;
	return 0;
}

static int fake_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
	struct xdp_options *options = value;

	if (option == XDP_OPTIONS && kernel.attempts[kernel.count - 1].flags & XDP_ZEROCOPY)
		options->flags = XDP_OPTIONS_ZEROCOPY;
	return 0;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int fake_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	unsigned int flags = ((const struct sockaddr_xdp *)address)->sxdp_flags;

	assert_true(kernel.count < 8);
	kernel.attempts[kernel.count++] = (struct attempt){kernel.frame_size, flags};
	if (kernel.old_kernel && flags & 1 << 4)
		return refuse(EINVAL);
	if (kernel.busy) {
		kernel.busy--;
		return refuse(EBUSY);
	}
	if (flags & XDP_ZEROCOPY &&
	    (!kernel.driver_zero_copy || (flags & 1 << 4 && !kernel.driver_pieces)))
		return refuse(EOPNOTSUPP);
	return 0;
}

#define setsockopt  fake_setsockopt
#define getsockopt  fake_getsockopt
#define bind	    fake_bind
#define socket(...) dup(1)
#include "dataplane/xsk.c"
#undef socket

/* The rings, in our own memory. */
int xsk_ring_create(int fd, enum xsk_ring_kind kind, uint32_t size)
{
	return 0;
}

int xsk_ring_map(struct xsk_ring *ring, int fd, enum xsk_ring_kind kind, uint32_t size)
{
	_Atomic uint32_t *positions = calloc(1, 3 * sizeof(*positions) + size * 16);

	assert_non_null(positions);
	ring->mapping = positions;
	ring->producer = &positions[0];
	ring->consumer = &positions[1];
	ring->flags = &positions[2];
	ring->entries = (void *)&positions[4];
	ring->size = size;
	ring->mask = size - 1;
	return 0;
}

void xsk_ring_unmap(struct xsk_ring *ring)
{
	free(ring->mapping);
}

#define NEED_WAKEUP XDP_USE_NEED_WAKEUP

static struct xsk *open_for(unsigned int mtu, bool copy)
{
	const struct xsk_options options = {.iface = "lo", .frames = 64, .mtu = mtu, .copy = copy};
	struct xsk *xsk;

	kernel.count = 0;
	assert_int_equal(xsk_open(&xsk, &options), 0);
	return xsk;
}

static void check_attempt(unsigned int i, unsigned int frame_size, unsigned int flags)
{
	assert_true(i < kernel.count);
	assert_int_equal(kernel.attempts[i].frame_size, frame_size);
	assert_int_equal(kernel.attempts[i].flags, flags | NEED_WAKEUP);
}

/* With 2,048 bytes igb would have room for 1,024 and split everything above. */
static void test_zero_copy_has_large_frames(void **state)
{
	struct xsk *xsk;

	memset(&kernel, 0, sizeof(kernel));
	kernel.driver_zero_copy = true;
	xsk = open_for(1500, false);
	assert_int_equal(kernel.count, 1);
	check_attempt(0, 4096, XDP_ZEROCOPY);
	assert_true(xsk_zero_copy(xsk));
	assert_int_equal(xsk_memory_size(xsk), 64 * 4096);
	assert_int_equal(xsk_capacity(xsk), 3840);
	xsk_close(xsk);
}

static void test_driver_without_zero_copy(void **state)
{
	struct xsk *xsk;

	memset(&kernel, 0, sizeof(kernel));
	xsk = open_for(1500, false);
	assert_int_equal(kernel.count, 2);
	check_attempt(0, 4096, XDP_ZEROCOPY);
	check_attempt(1, 2048, XDP_COPY);
	assert_false(xsk_zero_copy(xsk));
	assert_int_equal(xsk_memory_size(xsk), 64 * 2048);
	assert_int_equal(xsk_capacity(xsk), 1792);
	xsk_close(xsk);
}

/* skb mode, and a fall-back: never zero copy, although the driver has it. */
static void test_copy_is_asked_for(void **state)
{
	struct xsk *xsk;

	memset(&kernel, 0, sizeof(kernel));
	kernel.driver_zero_copy = true;
	xsk = open_for(1500, true);
	assert_int_equal(kernel.count, 1);
	check_attempt(0, 2048, XDP_COPY);
	assert_false(xsk_zero_copy(xsk));
	xsk_close(xsk);
}

static void test_jumbo(void **state)
{
	struct xsk *xsk;

	memset(&kernel, 0, sizeof(kernel));
	kernel.driver_zero_copy = kernel.driver_pieces = true;
	xsk = open_for(9000, false);
	assert_int_equal(kernel.count, 1);
	check_attempt(0, 4096, XDP_ZEROCOPY | XDP_USE_SG);
	assert_int_equal(xsk_capacity(xsk), 5 * 3840);
	xsk_close(xsk);
	/* The driver has zero copy for packets in one buffer only. */
	kernel.driver_pieces = false;
	xsk = open_for(9000, false);
	assert_int_equal(kernel.count, 2);
	check_attempt(1, 4096, XDP_COPY | XDP_USE_SG);
	assert_true(xsk_has_pieces(xsk));
	xsk_close(xsk);
}

/* Linux 6.1: larger packets than fit a frame are not received. */
static void test_jumbo_on_old_kernel(void **state)
{
	struct xsk *xsk;

	memset(&kernel, 0, sizeof(kernel));
	kernel.old_kernel = true;
	xsk = open_for(9000, true);
	assert_int_equal(kernel.count, 2);
	check_attempt(0, 4096, XDP_COPY | XDP_USE_SG);
	check_attempt(1, 4096, XDP_COPY);
	assert_false(xsk_has_pieces(xsk));
	assert_int_equal(xsk_capacity(xsk), 3840);
	xsk_close(xsk);
}

/* What is busy with zero copy is busy without: the caller tries again later. */
static void test_busy(void **state)
{
	const struct xsk_options options = {
		.iface = "lo", .frames = 64, .mtu = 1500, .fail_if_busy = true};
	struct xsk *xsk;

	memset(&kernel, 0, sizeof(kernel));
	kernel.driver_zero_copy = true;
	kernel.busy = 1;
	assert_int_equal(xsk_open(&xsk, &options), -EBUSY);
	assert_int_equal(kernel.count, 1);
}

static void test_sizes(void **state)
{
	/* With two VLAN tags. */
	assert_int_equal(xsk_frame_size(1770), 2048);
	assert_int_equal(xsk_frame_size(1771), 4096);
	assert_int_equal(xsk_frame_size(65536), 4096);
	assert_false(xsk_is_jumbo(1500));
	assert_false(xsk_is_jumbo(3818));
	assert_true(xsk_is_jumbo(3819));
	assert_true(xsk_is_jumbo(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_copy_has_large_frames),
		cmocka_unit_test(test_driver_without_zero_copy),
		cmocka_unit_test(test_copy_is_asked_for),
		cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_jumbo_on_old_kernel),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
