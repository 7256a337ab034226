// SPDX-License-Identifier: BSD-2-Clause
#include "fake_xsk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* As the kernel's, in front of each packet. */
#define HEADROOM 256

/* Contents of a frame while it is the kernel's. */
#define POISON 0xdb

/* Entries put in and taken out; one writer each. */
struct fake_ring {
	_Atomic uint32_t head;
	_Atomic uint32_t tail;
};

struct xsk {
	struct fake_ring fill;
	uint32_t *fill_frames; /* of the fill ring, with room for all frames */
	struct fake_ring rx;
	struct xsk_frame *rx_frames;
	unsigned int rx_size;
	counter_t received;
	counter_t returned;
	counter_t rx_dropped;
	counter_t rx_ring_full;
	int fd; /* eventfd: readable if the RX ring may not be empty */
	atomic_bool driver_stopped;
	uint8_t *memory;
	unsigned int frames;
	unsigned int frame_shift;
	bool pieces;		/* packets in several frames */
	_Atomic uint8_t *owner; /* enum xsk_owner as the rings see it: kernel or ingress */
	_Atomic uint8_t *stage; /* as xsk_hand_over() reports it */
};

static struct xsk *last;
static int fail_open;
static void (*empty_hook)(void *context);
static void *empty_context;

/* Not assert(), which NDEBUG removes, and not cmocka's, which belong to the main thread. */
static void must(bool holds, const char *what, uint32_t frame)
{
	if (holds)
		return;
	fprintf(stderr, "fake_xsk: frame %u: %s\n", frame, what);
	abort();
}

struct xsk *fake_xsk_last(void)
{
	return last;
}

void fake_xsk_fail_open(int err)
{
	fail_open = err;
}

void fake_xsk_when_empty(void (*hook)(void *context), void *context)
{
	empty_hook = hook;
	empty_context = context;
}

static void found_empty(void)
{
	void (*hook)(void *context) = empty_hook;

	if (!hook)
		return;
	empty_hook = NULL;
	hook(empty_context);
}

unsigned int xsk_frame_size(unsigned int mtu)
{
	return mtu <= 1500 ? 2048 : 4096;
}

bool xsk_is_jumbo(unsigned int mtu)
{
	return mtu > 3800;
}

bool xsk_has_pieces(const struct xsk *xsk)
{
	return xsk->pieces;
}

uint32_t xsk_capacity(const struct xsk *xsk)
{
	return ((1U << xsk->frame_shift) - HEADROOM) * (xsk->pieces ? XSK_MAX_PIECES : 1);
}

int xsk_open(struct xsk **out, const struct xsk_options *options)
{
	struct xsk *xsk;
	int err = fail_open;

	fail_open = 0;
	if (err)
		return err;
	xsk = calloc(1, sizeof(*xsk));
	must(xsk != NULL, "no memory", 0);
	xsk->frames = options->frames;
	xsk->frame_shift = (unsigned int)__builtin_ctz(xsk_frame_size(options->mtu));
	xsk->pieces = xsk_is_jumbo(options->mtu);
	xsk->rx_size = options->rx_ring;
	xsk->memory = malloc((size_t)options->frames << xsk->frame_shift);
	xsk->fill_frames = calloc(options->frames, sizeof(*xsk->fill_frames));
	xsk->rx_frames = calloc(options->rx_ring, sizeof(*xsk->rx_frames));
	xsk->owner = malloc(options->frames);
	xsk->stage = malloc(options->frames);
	xsk->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(xsk->memory && xsk->fill_frames && xsk->rx_frames && xsk->owner && xsk->stage &&
		     xsk->fd >= 0,
	     "no memory", 0);
	for (uint32_t frame = 0; frame < xsk->frames; frame++) {
		atomic_init(&xsk->owner[frame], OWNER_INGRESS);
		atomic_init(&xsk->stage[frame], OWNER_EGRESS);
	}
	for (uint32_t frame = 0; frame < xsk->frames; frame++)
		xsk_return(xsk, &frame, 1);
	*out = last = xsk;
	return 0;
}

void xsk_close(struct xsk *xsk)
{
	if (!xsk)
		return;
	if (last == xsk)
		last = NULL;
	close(xsk->fd);
	free(xsk->memory);
	free(xsk->fill_frames);
	free(xsk->rx_frames);
	free(xsk->owner);
	free(xsk->stage);
	free(xsk);
}

int xsk_adopt(struct xsk **out, const struct xsk_adoption *from)
{
	return -EINVAL; /* nobody shares plain memory */
}

void xsk_resume(struct xsk *xsk)
{
}

void xsk_describe(const struct xsk *xsk, struct xsk_adoption *as)
{
	*as = (struct xsk_adoption){.socket_fd = -1, .frames_fd = -1, .record_fd = -1};
}

bool xsk_can_be_adopted(const struct xsk *xsk)
{
	return true;
}

void xsk_release(struct xsk *xsk)
{
}

uint32_t xsk_taken_before(const struct xsk *xsk)
{
	return 0;
}

uint32_t xsk_taken_meanwhile(const struct xsk *xsk)
{
	return 0;
}

uint64_t xsk_uncertain(const struct xsk *xsk)
{
	return 0;
}

int xsk_fd(const struct xsk *xsk)
{
	return xsk->fd;
}

bool xsk_zero_copy(const struct xsk *xsk)
{
	return false;
}

bool xsk_huge_pages(const struct xsk *xsk)
{
	return false;
}

size_t xsk_memory_size(const struct xsk *xsk)
{
	return (size_t)xsk->frames << xsk->frame_shift;
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
	uint32_t tail = atomic_load_explicit(&xsk->rx.tail, memory_order_relaxed);
	unsigned int count = 0;
	uint64_t events;

	if (tail == atomic_load(&xsk->rx.head)) {
		/* Consumed before the second look at the ring, so that poll sees what arrives
		 * later. */
		if (read(xsk->fd, &events, sizeof(events)) < 0 && errno != EAGAIN)
			must(false, "eventfd", 0);
	}
	while (count < max && tail != atomic_load(&xsk->rx.head)) {
		frames[count] = xsk->rx_frames[tail++ % xsk->rx_size];
		xsk_hand_over(xsk, frames[count].index, OWNER_KERNEL, OWNER_INGRESS);
		count++;
	}
	atomic_store(&xsk->rx.tail, tail);
	counter_add(&xsk->received, count);
	if (!count)
		found_empty();
	return count;
}

void xsk_return(struct xsk *xsk, const uint32_t *frames, unsigned int count)
{
	uint32_t head = atomic_load_explicit(&xsk->fill.head, memory_order_relaxed);

	counter_add(&xsk->returned, count);
	for (unsigned int i = 0; i < count; i++) {
		uint32_t frame = frames[i];

		must(frame < xsk->frames, "no such frame was given back", frame);
		must(atomic_exchange(&xsk->owner[frame], OWNER_KERNEL) == OWNER_INGRESS,
		     "given back twice", frame);
		xsk_hand_over(xsk, frame, OWNER_EGRESS, OWNER_KERNEL);
		memset(xsk_frame(xsk, frame), POISON, (size_t)1 << xsk->frame_shift);
		xsk->fill_frames[head++ % xsk->frames] = frame;
	}
	atomic_store(&xsk->fill.head, head);
}

void xsk_wake_driver(const struct xsk *xsk)
{
	if (atomic_load(&xsk->driver_stopped))
		atomic_store(&((struct xsk *)xsk)->driver_stopped, false);
}

#ifdef XMC_DEBUG
void xsk_hand_over(struct xsk *xsk, uint32_t frame, enum xsk_owner from, enum xsk_owner to)
{
	must(frame < xsk->frames, "no such frame was handed over", frame);
	must(atomic_exchange(&xsk->stage[frame], (uint8_t)to) == from, "handed over by another",
	     frame);
}
#endif

uint64_t xsk_kernel_frames(const struct xsk *xsk)
{
	uint64_t received = counter_read(&xsk->received);

	return counter_read(&xsk->returned) - received;
}

uint32_t xsk_waiting(const struct xsk *xsk)
{
	uint32_t tail = atomic_load(&xsk->rx.tail);

	return atomic_load(&xsk->rx.head) - tail;
}

bool xsk_has_lost_device(const struct xsk *xsk)
{
	return false;
}

int xsk_read_drops(const struct xsk *xsk, struct xsk_drops *drops)
{
	drops->rx_dropped = counter_read(&xsk->rx_dropped);
	drops->fill_ring_empty = drops->rx_dropped; /* as in copy mode */
	drops->rx_ring_full = counter_read(&xsk->rx_ring_full);
	return 0;
}

static uint32_t rx_free(struct xsk *xsk)
{
	return xsk->rx_size - (atomic_load_explicit(&xsk->rx.head, memory_order_relaxed) -
			       atomic_load(&xsk->rx.tail));
}

/* A frame moves from the fill ring to the RX ring with a piece of a packet. */
static void deliver_piece(struct xsk *xsk, const void *bytes, size_t length, bool more)
{
	uint32_t fill = atomic_load_explicit(&xsk->fill.tail, memory_order_relaxed);
	uint32_t rx = atomic_load_explicit(&xsk->rx.head, memory_order_relaxed);
	uint32_t frame = xsk->fill_frames[fill % xsk->frames];

	must(atomic_exchange(&xsk->owner[frame], OWNER_INGRESS) == OWNER_KERNEL,
	     "in the fill ring twice", frame);
	atomic_store(&xsk->fill.tail, fill + 1);
	must(length <= (1U << xsk->frame_shift) - HEADROOM, "too small for the packet", frame);
	memcpy(xsk_frame(xsk, frame) + HEADROOM, bytes, length);
	xsk->rx_frames[rx % xsk->rx_size] = (struct xsk_frame){
		.index = frame, .offset = HEADROOM, .length = (uint16_t)length, .more = more};
	atomic_store(&xsk->rx.head, rx + 1);
}

bool fake_xsk_deliver_pieces(struct xsk *xsk, const void *packet, size_t length, size_t piece)
{
	uint32_t fill = atomic_load_explicit(&xsk->fill.tail, memory_order_relaxed);
	uint32_t needed = length > piece ? (uint32_t)((length + piece - 1) / piece) : 1;
	const uint64_t one = 1;

	if (atomic_load(&xsk->driver_stopped) || atomic_load(&xsk->fill.head) - fill < needed) {
		counter_add(&xsk->rx_dropped, 1);
		return false;
	}
	if (rx_free(xsk) < needed) {
		counter_add(&xsk->rx_ring_full, 1);
		return false;
	}
	while (length > piece) {
		deliver_piece(xsk, packet, piece, true);
		packet = (const uint8_t *)packet + piece;
		length -= piece;
	}
	deliver_piece(xsk, packet, length, false);
	must(write(xsk->fd, &one, sizeof(one)) == sizeof(one), "eventfd", 0);
	return true;
}

bool fake_xsk_deliver(struct xsk *xsk, const void *packet, size_t length)
{
	return fake_xsk_deliver_pieces(xsk, packet, length, length);
}

void fake_xsk_stop_driver(struct xsk *xsk)
{
	atomic_store(&xsk->driver_stopped, true);
}

bool fake_xsk_is_whole(const struct xsk *xsk)
{
	for (uint32_t frame = 0; frame < xsk->frames; frame++) {
		if (atomic_load(&xsk->owner[frame]) != OWNER_KERNEL)
			return false;
	}
	return atomic_load(&xsk->fill.head) - atomic_load(&xsk->fill.tail) == xsk->frames;
}
