/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_INGRESS
#include "dataplane/xsk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/frame_record.h"
#include "dataplane/memory_file.h"
#include "dataplane/xsk_ring.h"

/* The kernel reserves this much in front of every packet (XDP_PACKET_HEADROOM). */
#define KERNEL_HEADROOM 256

/* In aligned mode the kernel accepts frames of 2048 bytes up to a page. */
#define SMALL_FRAME 2048
#define LARGE_FRAME 4096

/* Packets in several frames: linux/if_xdp.h of Linux 6.6. */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

/* Binding to a queue that was just released answers EBUSY until the kernel has freed the old
 * socket: 13 tries, 10 ms apart at first and each time half as much more, 3.9 s in total. */
#define BIND_TRIES    13
#define BIND_FIRST_MS 10

/* Nothing is transmitted through the socket, but bind(2) requires a completion ring. */
#define COMPLETION_RING 64

struct xsk {
	/* Ingress. */
	alignas(CACHE_LINE) struct xsk_ring rx;
	counter_t received; /* frames taken out of the RX ring */

	/* Egress. */
	alignas(CACHE_LINE) struct xsk_ring fill;
	counter_t returned; /* frames put into the fill ring, the first filling included */

	/* Constant after open. */
	alignas(CACHE_LINE) struct memory_file umem;
	struct frame_record record;
	unsigned int frames;
	unsigned int frame_shift;
	uint32_t rx_size; /* entries of the RX ring */
	bool zero_copy;
	bool pieces; /* it receives packets in several frames */
	bool adoptable;
	int fd;			/* -1: released */
	struct xsk_drops drops; /* of a released socket */
	uint64_t uncertain;	/* see xsk_uncertain(); main thread */
	uint32_t taken_before;
	uint32_t taken_meanwhile;
#ifdef XMC_DEBUG
	_Atomic uint8_t *owner;
#endif
};

static bool fits(unsigned int mtu, unsigned int frame_size)
{
	return mtu <= frame_size - KERNEL_HEADROOM - XSK_LINK_OVERHEAD;
}

unsigned int xsk_frame_size(unsigned int mtu)
{
	return fits(mtu, SMALL_FRAME) ? SMALL_FRAME : LARGE_FRAME;
}

bool xsk_is_jumbo(unsigned int mtu)
{
	return !fits(mtu, LARGE_FRAME);
}

bool xsk_has_pieces(const struct xsk *xsk)
{
	return xsk->pieces;
}

uint32_t xsk_capacity(const struct xsk *xsk)
{
	return ((1U << xsk->frame_shift) - KERNEL_HEADROOM) * (xsk->pieces ? XSK_MAX_PIECES : 1);
}

static int register_umem(const struct xsk *xsk)
{
	const struct xdp_umem_reg umem = {
		.addr = (uintptr_t)xsk->umem.memory,
		.len = xsk->umem.size,
		.chunk_size = 1U << xsk->frame_shift,
	};

	return setsockopt(xsk->fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) ? -errno : 0;
}

/*
 * The fill ring has twice as many entries as there are frames, so that returning one cannot fail:
 * the kernel publishes packets in the RX ring before it releases their entries of the fill ring
 * (xsk_flush() in net/xdp/xsk.c), and a frame may return in between.
 */
static int open_rings(struct xsk *xsk, const struct xsk_options *options)
{
	uint32_t rx_size = options->rx_ring ? options->rx_ring : options->frames;
	uint32_t fill_size = 2 * options->frames;
	int err = xsk_ring_create(xsk->fd, XSK_RING_FILL, fill_size);

	if (!err)
		err = xsk_ring_create(xsk->fd, XSK_RING_COMPLETION, COMPLETION_RING);
	if (!err)
		err = xsk_ring_create(xsk->fd, XSK_RING_RX, rx_size);
	if (!err)
		err = xsk_ring_map(&xsk->fill, xsk->fd, XSK_RING_FILL, fill_size);
	if (!err)
		err = xsk_ring_map(&xsk->rx, xsk->fd, XSK_RING_RX, rx_size);
	return err;
}

static int bind_socket(const struct xsk *xsk, const struct xsk_options *options, uint16_t flags)
{
	const struct sockaddr_xdp queue = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_USE_NEED_WAKEUP | flags,
		.sxdp_ifindex = if_nametoindex(options->iface),
		.sxdp_queue_id = options->queue,
	};
	int delay = BIND_FIRST_MS;

	if (!queue.sxdp_ifindex)
		return -errno;
	for (int try = 0; try < BIND_TRIES; try++) {
		if (!bind(xsk->fd, (const struct sockaddr *)&queue, sizeof(queue)))
			return 0;
		if (errno != EBUSY || options->fail_if_busy)
			return -errno;
		poll(NULL, 0, delay);
		delay += delay / 2;
	}
	return -EBUSY;
}

/* Before Linux 6.4 the rings of a bound socket cannot be mapped once more. */
static bool can_map_again(const struct xsk *xsk)
{
	struct xsk_ring ring = {};
	int err = xsk_ring_map(&ring, xsk->fd, XSK_RING_RX, xsk->rx.size);

	xsk_ring_unmap(&ring);
	return !err;
}

static bool query_zero_copy(int fd)
{
	struct xdp_options options = {};
	socklen_t length = sizeof(options);

	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY);
}

/* Nothing of it is open yet. NULL: no memory. */
static struct xsk *new_xsk(unsigned int frames, unsigned int frame_size)
{
	struct xsk *xsk = aligned_alloc(CACHE_LINE, sizeof(*xsk));

	if (!xsk)
		return NULL;
	memset(xsk, 0, sizeof(*xsk));
	xsk->frames = frames;
	xsk->frame_shift = (unsigned int)__builtin_ctz(frame_size);
	xsk->umem = MEMORY_FILE_CLOSED;
	xsk->record = FRAME_RECORD_CLOSED;
	xsk->fd = -1;
#ifdef XMC_DEBUG
	xsk->owner = malloc(frames);
	if (!xsk->owner) {
		xsk_close(xsk);
		return NULL;
	}
	for (uint32_t i = 0; i < frames; i++)
		atomic_init(&xsk->owner[i], OWNER_EGRESS);
#endif
	return xsk;
}

/* `flags`: XDP_ZEROCOPY or XDP_COPY, and XDP_USE_SG. */
static int open_with(struct xsk **out, const struct xsk_options *options, unsigned int frame_size,
		     uint16_t flags)
{
	struct xsk *xsk = new_xsk(options->frames, frame_size);
	int err;

	if (!xsk)
		return -ENOMEM;
	xsk->pieces = flags & XDP_USE_SG;
	xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	err = xsk->fd < 0 ? -errno : 0;
	if (!err)
		err = memory_file_open(&xsk->umem, "xmcast-frames",
				       (size_t)options->frames * frame_size, true);
	if (!err)
		err = frame_record_open(&xsk->record, options->frames);
	if (!err)
		err = register_umem(xsk);
	if (!err)
		err = open_rings(xsk, options);
	/* Frames first: a bound socket without any would drop packets. */
	for (uint32_t frame = 0; !err && frame < xsk->frames; frame++)
		xsk_return(xsk, &frame, 1);
	if (!err)
		err = bind_socket(xsk, options, flags);
	if (err) {
		xsk_close(xsk);
		return err;
	}
	xsk->rx_size = xsk->rx.size;
	xsk->zero_copy = query_zero_copy(xsk->fd);
	xsk->adoptable = can_map_again(xsk);
	log_debug("queue-bound", LOG_IFACE(options->iface), LOG_UINT("queue", options->queue),
		  LOG_NAME("data", xsk->zero_copy ? "zero-copy" : "copy"),
		  LOG_UINT("frames", options->frames), LOG_UINT("frame_bytes", frame_size));
	*out = xsk;
	return 0;
}

/*
 * Zero copy or not is asked for explicitly, because the size of a frame depends on it, and because
 * the kernel would bind zero copy in skb mode as well, in which packets do not come from the
 * driver.
 */
int xsk_open(struct xsk **out, const struct xsk_options *options)
{
	uint16_t pieces = xsk_is_jumbo(options->mtu) ? XDP_USE_SG : 0;
	int err = -EOPNOTSUPP;

	if (!options->copy)
		err = open_with(out, options, LARGE_FRAME, XDP_ZEROCOPY | pieces);
	if (err && err != -EBUSY)
		err = open_with(out, options, xsk_frame_size(options->mtu), XDP_COPY | pieces);
	/* Before Linux 6.6 the flag is unknown. */
	if (err == -EINVAL && pieces)
		err = open_with(out, options, LARGE_FRAME, XDP_COPY);
	return err;
}

void xsk_close(struct xsk *xsk)
{
	if (!xsk)
		return;
	xsk_ring_unmap(&xsk->rx);
	xsk_ring_unmap(&xsk->fill);
	if (xsk->fd >= 0)
		close(xsk->fd);
	memory_file_close(&xsk->umem);
	frame_record_close(&xsk->record);
#ifdef XMC_DEBUG
	free(xsk->owner);
#endif
	free(xsk);
}

void xsk_release(struct xsk *xsk)
{
	xsk_read_drops(xsk, &xsk->drops);
	xsk_ring_unmap(&xsk->rx);
	xsk_ring_unmap(&xsk->fill);
	close(xsk->fd);
	xsk->fd = -1;
}

/* ---- continuing with a used socket ---- */

/* Publish what the last user of the fill ring has written, but not published. */
static void finish_return(struct xsk *xsk)
{
	uint32_t count = atomic_load(&xsk->record.page->written) - xsk->fill.own;

	if (count > xsk->frames)
		return; /* not a position behind ours */
	for (uint32_t i = 0; i < count; i++)
		frame_record_give(&xsk->record,
				  (uint32_t)(*xsk_ring_address(&xsk->fill, i) >> xsk->frame_shift) %
					  xsk->frames);
	xsk_ring_publish(&xsk->fill, count);
}

/* No thread uses the socket, but its last users may have stopped anywhere: see frame_record.h. */
static void recover(struct xsk *xsk)
{
	uint32_t waiting;

	xsk->taken_before = xsk->rx.own;
	finish_return(xsk);
	waiting = xsk_ring_available(&xsk->rx, xsk->rx.size);
	for (uint32_t i = 0; i < waiting; i++)
		frame_record_give(&xsk->record, (uint32_t)(xsk_ring_packet(&xsk->rx, i)->addr >>
							   xsk->frame_shift) %
							xsk->frames);
	atomic_store(&xsk->received, 0);
	atomic_store(&xsk->returned, xsk->frames);
	for (uint32_t frame = 0; frame < xsk->frames; frame++) {
#ifdef XMC_DEBUG
		atomic_store(&xsk->owner[frame],
			     xsk->record.page->taken[frame] ? OWNER_EGRESS : OWNER_KERNEL);
#endif
		if (!atomic_load(&xsk->record.page->taken[frame]))
			continue;
		xsk->uncertain++;
		atomic_fetch_sub(&xsk->returned, 1);
		xsk_return(xsk, &frame, 1);
	}
}

static bool is_xsk(int fd)
{
	int domain = 0;
	socklen_t length = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_XDP;
}

int xsk_adopt(struct xsk **out, const struct xsk_adoption *from)
{
	struct xsk *xsk;
	int err;

	if (from->socket_fd < 0)
		return -EOPNOTSUPP;
	if (!is_xsk(from->socket_fd) || !from->frames || from->frames & (from->frames - 1) ||
	    (from->frame_size != 2048 && from->frame_size != 4096))
		return -EINVAL;
	xsk = new_xsk(from->frames, from->frame_size);
	if (!xsk)
		return -ENOMEM;
	xsk->pieces = from->pieces;
	xsk->adoptable = true;
	xsk->fd = fcntl(from->socket_fd, F_DUPFD_CLOEXEC, 0);
	err = xsk->fd < 0 ? -errno : 0;
	if (!err && xsk_has_lost_device(xsk))
		err = -ENODEV;
	if (!err)
		err = memory_file_adopt(&xsk->umem, from->frames_fd,
					(size_t)from->frames * from->frame_size);
	if (!err)
		err = frame_record_adopt(&xsk->record, from->record_fd, from->frames);
	if (!err)
		err = xsk_ring_map(&xsk->fill, xsk->fd, XSK_RING_FILL, 2 * from->frames);
	if (!err)
		err = xsk_ring_map(&xsk->rx, xsk->fd, XSK_RING_RX, from->rx_ring);
	if (err) {
		xsk_close(xsk);
		return err;
	}
	xsk->rx_size = xsk->rx.size;
	xsk->zero_copy = query_zero_copy(xsk->fd);
	*out = xsk;
	return 0;
}

void xsk_resume(struct xsk *xsk)
{
	uint32_t own = xsk->rx.own;

	xsk_ring_refresh(&xsk->fill, XSK_RING_FILL);
	xsk_ring_refresh(&xsk->rx, XSK_RING_RX);
	xsk->taken_meanwhile = xsk->rx.own - own;
	recover(xsk);
}

void xsk_describe(const struct xsk *xsk, struct xsk_adoption *as)
{
	*as = (struct xsk_adoption){
		.socket_fd = xsk->adoptable ? xsk->fd : -1,
		.frames_fd = xsk->adoptable ? xsk->umem.fd : -1,
		.record_fd = xsk->adoptable ? xsk->record.file.fd : -1,
		.frames = xsk->frames,
		.frame_size = 1U << xsk->frame_shift,
		.rx_ring = xsk->rx_size,
		.pieces = xsk->pieces,
	};
}

bool xsk_can_be_adopted(const struct xsk *xsk)
{
	return xsk->adoptable;
}

uint32_t xsk_taken_before(const struct xsk *xsk)
{
	return xsk->taken_before;
}

uint32_t xsk_taken_meanwhile(const struct xsk *xsk)
{
	return xsk->taken_meanwhile;
}

uint64_t xsk_uncertain(const struct xsk *xsk)
{
	return xsk->uncertain;
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
	return xsk->umem.huge_pages;
}

size_t xsk_memory_size(const struct xsk *xsk)
{
	return xsk->umem.size;
}

uint8_t *xsk_frame(const struct xsk *xsk, uint32_t index)
{
	return xsk->umem.memory + ((size_t)index << xsk->frame_shift);
}

unsigned int xsk_frames(const struct xsk *xsk)
{
	return xsk->frames;
}

unsigned int xsk_receive(struct xsk *xsk, struct xsk_frame *frames, unsigned int max)
{
	unsigned int count = xsk_ring_available(&xsk->rx, max);

	if (!count)
		return 0;
	for (unsigned int i = 0; i < count; i++) {
		const struct xdp_desc *desc = xsk_ring_packet(&xsk->rx, i);

		frames[i].index = (uint32_t)(desc->addr >> xsk->frame_shift);
		frames[i].offset = (uint16_t)(desc->addr & ((1U << xsk->frame_shift) - 1));
		frames[i].length = (uint16_t)desc->len;
		frames[i].more = desc->options & XDP_PKT_CONTD;
		xsk_hand_over(xsk, frames[i].index, OWNER_KERNEL, OWNER_INGRESS);
		frame_record_take(&xsk->record, frames[i].index);
	}
	xsk_ring_release(&xsk->rx, count);
	counter_add(&xsk->received, count);
	return count;
}

void xsk_return(struct xsk *xsk, const uint32_t *frames, unsigned int count)
{
	if (!count)
		return;
	for (unsigned int i = 0; i < count; i++)
		xsk_hand_over(xsk, frames[i], OWNER_EGRESS, OWNER_KERNEL);
	/* Counted before the kernel can see them, because a frame counts as the kernel's until it
	 * is received: the difference must never become negative. */
	counter_add(&xsk->returned, count);
	assert(xsk_ring_has_room(&xsk->fill, count));
	for (unsigned int i = 0; i < count; i++)
		*xsk_ring_address(&xsk->fill, i) = (uint64_t)frames[i] << xsk->frame_shift;
	frame_record_written(&xsk->record, xsk->fill.own + count);
	for (unsigned int i = 0; i < count; i++)
		frame_record_give(&xsk->record, frames[i]);
	xsk_ring_publish(&xsk->fill, count);
	if (!xsk->zero_copy)
		return;
	/* The flag must not be read before the frames are published: the driver could set it in
	 * between, because it still saw an empty ring. */
	atomic_thread_fence(memory_order_seq_cst);
	if (xsk_ring_needs_wakeup(&xsk->fill))
		recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

void xsk_wake_driver(const struct xsk *xsk)
{
	struct pollfd fd = {.fd = xsk->fd, .events = POLLIN};

	if (xsk->zero_copy && xsk_ring_needs_wakeup(&xsk->fill))
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

uint32_t xsk_waiting(const struct xsk *xsk)
{
	return xsk->fd < 0 ? 0 : xsk_ring_waiting(&xsk->rx);
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

	if (xsk->fd < 0) {
		*drops = xsk->drops;
		return 0;
	}
	if (getsockopt(xsk->fd, SOL_XDP, XDP_STATISTICS, &statistics, &length))
		return -errno;
	drops->rx_dropped = statistics.rx_dropped;
	drops->rx_ring_full = statistics.rx_ring_full;
	drops->fill_ring_empty = statistics.rx_fill_ring_empty_descs;
	return 0;
}
