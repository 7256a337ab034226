/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/xsk.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

/* The kernel reserves this much in front of every packet (XDP_PACKET_HEADROOM). */
#define KERNEL_HEADROOM 256

/* Ethernet header and one VLAN tag; the MTU is about the IP packet behind them. */
#define LINK_OVERHEAD 18

/* Binding to a queue that was just released answers EBUSY until the kernel has freed the old
 * socket: 13 tries, 10 ms apart at first and each time half as much more, 3.9 s in total. */
#define BIND_TRIES    13
#define BIND_FIRST_MS 10

/* Nothing is transmitted through the socket, but libxdp requires a completion ring. */
#define COMPLETION_RING 64

struct xsk {
	/* Ingress. */
	alignas(CACHE_LINE) struct xsk_ring_cons rx;
	counter_t received; /* frames taken out of the RX ring */

	/* Egress. */
	alignas(CACHE_LINE) struct xsk_ring_prod fill;
	counter_t returned; /* frames put into the fill ring, the first filling included */

	/* Constant after open. */
	alignas(CACHE_LINE) uint8_t *memory;
	size_t size;
	unsigned int frames;
	unsigned int frame_shift;
	bool huge_pages;
	bool zero_copy;
	int fd;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_cons completion;
	struct xdp_mmap_offsets offsets; /* where in their mappings the rings are */
#ifdef XMC_DEBUG
	_Atomic uint8_t *owner;
#endif
};

unsigned int xsk_frame_size(unsigned int mtu)
{
	/* In aligned mode the kernel accepts chunks of 2048 bytes up to a page. */
	for (unsigned int size = 2048; size <= 4096; size *= 2) {
		if (mtu + LINK_OVERHEAD <= size - KERNEL_HEADROOM)
			return size;
	}
	return 0;
}

static int map_memory(struct xsk *xsk)
{
	const int protection = PROT_READ | PROT_WRITE;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	xsk->memory = mmap(NULL, xsk->size, protection, flags | MAP_HUGETLB, -1, 0);
	xsk->huge_pages = xsk->memory != MAP_FAILED;
	if (!xsk->huge_pages)
		xsk->memory = mmap(NULL, xsk->size, protection, flags, -1, 0);
	if (xsk->memory == MAP_FAILED) {
		xsk->memory = NULL;
		return -errno;
	}
	return 0;
}

/*
 * The fill ring has twice as many entries as there are frames, so that returning one cannot fail:
 * the kernel publishes packets in the RX ring before it releases their entries of the fill ring
 * (xsk_flush() in net/xdp/xsk.c), and a frame may return in between.
 */
static int create_umem(struct xsk *xsk, const struct xsk_options *options)
{
	const struct xsk_umem_config config = {
		.fill_size = 2 * options->frames,
		.comp_size = COMPLETION_RING,
		.frame_size = options->frame_size,
	};

	return xsk_umem__create(&xsk->umem, xsk->memory, xsk->size, &xsk->fill, &xsk->completion,
				&config);
}

static int query_offsets(struct xsk *xsk)
{
	socklen_t length = sizeof(xsk->offsets);

	return getsockopt(xsk_umem__fd(xsk->umem), SOL_XDP, XDP_MMAP_OFFSETS, &xsk->offsets,
			  &length)
		       ? -errno
		       : 0;
}

static int create_socket(struct xsk *xsk, const struct xsk_options *options)
{
	const struct xsk_socket_config config = {
		.rx_size = options->rx_ring ? options->rx_ring : options->frames,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		/* Neither XDP_COPY nor XDP_ZEROCOPY: the kernel picks the best that the driver has.
		 */
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	char iface[IF_NAMESIZE] = ""; /* libxdp copies IFNAMSIZ - 1 bytes, whatever the length */
	int delay = BIND_FIRST_MS;
	int err = 0;

	snprintf(iface, sizeof(iface), "%s", options->iface);
	for (int try = 0; try < BIND_TRIES; try++) {
		err = xsk_socket__create(&xsk->socket, iface, options->queue, xsk->umem, &xsk->rx,
					 NULL, &config);
		if (err != -EBUSY || options->fail_if_busy)
			return err;
		poll(NULL, 0, delay);
		delay += delay / 2;
	}
	return err;
}

static bool query_zero_copy(int fd)
{
	struct xdp_options options = {};
	socklen_t length = sizeof(options);

	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY);
}

int xsk_open(struct xsk **out, const struct xsk_options *options)
{
	struct xsk *xsk;
	int err;

	xsk = aligned_alloc(CACHE_LINE, sizeof(*xsk));
	if (!xsk)
		return -ENOMEM;
	memset(xsk, 0, sizeof(*xsk));
	xsk->frames = options->frames;
	xsk->frame_shift = (unsigned int)__builtin_ctz(options->frame_size);
	xsk->size = (size_t)options->frames * options->frame_size;
	xsk->fd = -1;
#ifdef XMC_DEBUG
	xsk->owner = malloc(options->frames);
	err = xsk->owner ? 0 : -ENOMEM;
	for (uint32_t i = 0; !err && i < options->frames; i++)
		atomic_init(&xsk->owner[i], OWNER_EGRESS);
	if (err)
		goto fail;
#endif
	err = map_memory(xsk);
	if (err)
		goto fail;
	err = create_umem(xsk, options);
	if (err)
		goto fail;
	err = query_offsets(xsk);
	if (err)
		goto fail;
	/* Frames first: a bound socket without any would drop packets. */
	for (uint32_t frame = 0; frame < xsk->frames; frame++)
		xsk_return(xsk, &frame, 1);
	err = create_socket(xsk, options);
	if (err)
		goto fail;
	xsk->fd = xsk_socket__fd(xsk->socket);
	xsk->zero_copy = query_zero_copy(xsk->fd);
	*out = xsk;
	return 0;
fail:
	xsk_close(xsk);
	return err;
}

/*
 * Work-around: libxdp asks the kernel where a ring begins before it unmaps the ring, and leaves
 * the mapping if that fails; the mapping then keeps the socket, and that the queue, until the
 * process ends. Map anonymous memory over the ring first, so that the socket is released in any
 * case.
 */
static void release_ring(const void *ring, const struct xdp_ring_offset *offset, size_t size)
{
	if (ring && offset->desc)
		(void)mmap((char *)ring - offset->desc, offset->desc + size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static void release_rings(struct xsk *xsk)
{
	const struct xdp_mmap_offsets *at = &xsk->offsets;

	if (xsk->socket)
		release_ring(xsk->rx.ring, &at->rx, xsk->rx.size * sizeof(struct xdp_desc));
	release_ring(xsk->fill.ring, &at->fr, xsk->fill.size * sizeof(uint64_t));
	release_ring(xsk->completion.ring, &at->cr, xsk->completion.size * sizeof(uint64_t));
}

void xsk_close(struct xsk *xsk)
{
	if (!xsk)
		return;
	if (xsk->umem)
		release_rings(xsk);
	if (xsk->socket)
		xsk_socket__delete(xsk->socket);
	if (xsk->umem)
		xsk_umem__delete(xsk->umem);
	if (xsk->memory)
		munmap(xsk->memory, xsk->size);
#ifdef XMC_DEBUG
	free(xsk->owner);
#endif
	free(xsk);
}

int xsk_fd(const struct xsk *xsk)
{
	return xsk->fd;
}

bool xsk_zero_copy(const struct xsk *xsk)
{
	return xsk->zero_copy;
}

bool xsk_huge_pages(const struct xsk *xsk)
{
	return xsk->huge_pages;
}

size_t xsk_memory_size(const struct xsk *xsk)
{
	return xsk->size;
}

uint8_t *xsk_frame(const struct xsk *xsk, uint32_t index)
{
	return xsk->memory + ((size_t)index << xsk->frame_shift);
}

unsigned int xsk_frames(const struct xsk *xsk)
{
	return xsk->frames;
}

unsigned int xsk_receive(struct xsk *xsk, struct xsk_frame *frames, unsigned int max)
{
	unsigned int count;
	uint32_t index;

	count = xsk_ring_cons__peek(&xsk->rx, max, &index);
	if (!count)
		return 0;
	for (unsigned int i = 0; i < count; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&xsk->rx, index + i);

		frames[i].index = (uint32_t)(desc->addr >> xsk->frame_shift);
		frames[i].offset = (uint16_t)(desc->addr & ((1U << xsk->frame_shift) - 1));
		frames[i].length = (uint16_t)desc->len;
		xsk_hand_over(xsk, frames[i].index, OWNER_KERNEL, OWNER_INGRESS);
	}
	xsk_ring_cons__release(&xsk->rx, count);
	counter_add(&xsk->received, count);
	return count;
}

void xsk_return(struct xsk *xsk, const uint32_t *frames, unsigned int count)
{
	uint32_t index;
	uint32_t room;

	if (!count)
		return;
	for (unsigned int i = 0; i < count; i++)
		xsk_hand_over(xsk, frames[i], OWNER_EGRESS, OWNER_KERNEL);
	/* Counted before the kernel can see them, because a frame counts as the kernel's until it
	 * is received: the difference must never become negative. */
	counter_add(&xsk->returned, count);
	room = xsk_ring_prod__reserve(&xsk->fill, count, &index);
	assert(room == count);
	(void)room;
	for (unsigned int i = 0; i < count; i++)
		*xsk_ring_prod__fill_addr(&xsk->fill, index + i) = (uint64_t)frames[i]
								   << xsk->frame_shift;
	xsk_ring_prod__submit(&xsk->fill, count);
	if (!xsk->zero_copy)
		return;
	/* The flag must not be read before the frames are published: the driver could set it in
	 * between, because it still saw an empty ring. */
	atomic_thread_fence(memory_order_seq_cst);
	if (xsk_ring_prod__needs_wakeup(&xsk->fill))
		recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

void xsk_wake_driver(const struct xsk *xsk)
{
	struct pollfd fd = {.fd = xsk->fd, .events = POLLIN};

	if (xsk->zero_copy && xsk_ring_prod__needs_wakeup(&xsk->fill))
		poll(&fd, 1, 0);
}

#ifdef XMC_DEBUG
void xsk_hand_over(struct xsk *xsk, uint32_t frame, enum xsk_owner from, enum xsk_owner to)
{
	uint8_t before;

	assert(frame < xsk->frames);
	before = atomic_exchange(&xsk->owner[frame], (uint8_t)to);
	assert(before == from);
	(void)before;
}
#endif

uint64_t xsk_kernel_frames(const struct xsk *xsk)
{
	/* `received` first: it never overtakes `returned`. */
	uint64_t received = counter_read(&xsk->received);

	return counter_read(&xsk->returned) - received;
}

bool xsk_has_lost_device(const struct xsk *xsk)
{
	socklen_t length = sizeof(int);
	int error = 0;

	/* xsk_notifier() in net/xdp/xsk.c sets it on NETDEV_UNREGISTER. */
	return getsockopt(xsk->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ENETDOWN;
}

int xsk_read_drops(const struct xsk *xsk, struct xsk_drops *drops)
{
	struct xdp_statistics statistics = {};
	socklen_t length = sizeof(statistics);

	if (getsockopt(xsk->fd, SOL_XDP, XDP_STATISTICS, &statistics, &length))
		return -errno;
	drops->rx_dropped = statistics.rx_dropped;
	drops->rx_ring_full = statistics.rx_ring_full;
	drops->fill_ring_empty = statistics.rx_fill_ring_empty_descs;
	return 0;
}
