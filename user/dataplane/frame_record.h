/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Which frames of an AF_XDP socket are in the process, and which the kernel has: a note in shared
 * memory, for the process that continues with the socket after this one was killed.
 *
 *     xsk_receive()   frame_record_take()     before the entries of the RX ring are released
 *     xsk_return()    frame_record_written()  the entries of the fill ring are written up to here
 *                     frame_record_give()     for each of them
 *                                             then they are published to the kernel
 *
 * A process can be killed between any two of these. Its successor (xsk_adopt(), xsk_resume()) then
 * finds each frame in one place:
 *
 *     fill ring: written, not published   frame_record_give() them once more, and publish
 *     RX ring                             the kernel's, whatever the note says
 *     noted as taken, in neither          it was in the process: whether its packet was sent is
 *                                         uncertain; it is counted and returned
 *
 * The stores of a killed process are visible in program order, and the fill ring is published last,
 * so no frame that the kernel may use is noted as taken, except in the RX ring.
 */
/* clang-format on */
#ifndef XMCAST_DATAPLANE_FRAME_RECORD_H
#define XMCAST_DATAPLANE_FRAME_RECORD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/memory_file.h"

/* In the file. */
struct frame_record_page {
	_Atomic uint32_t written; /* position of the fill ring up to which entries are written */
	uint32_t frames;
	_Atomic uint8_t taken[]; /* for each frame */
};

struct frame_record {
	struct memory_file file;
	struct frame_record_page *page;
};

#define FRAME_RECORD_CLOSED ((struct frame_record){.file = MEMORY_FILE_CLOSED})

/* Create one in which all frames are taken; or map that of another process, whose descriptor stays
 * the caller's. 0 or -errno (-EINVAL: it is not a record of this number of frames). */
int frame_record_open(struct frame_record *record, uint32_t frames);
int frame_record_adopt(struct frame_record *record, int fd, uint32_t frames);
void frame_record_close(struct frame_record *record); /* accepts FRAME_RECORD_CLOSED */

/* Ingress. */
static inline void frame_record_take(struct frame_record *record, uint32_t frame)
{
	atomic_store_explicit(&record->page->taken[frame], 1, memory_order_relaxed);
}

/* Egress. */
static inline void frame_record_written(struct frame_record *record, uint32_t position)
{
	atomic_store_explicit(&record->page->written, position, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void frame_record_give(struct frame_record *record, uint32_t frame)
{
	atomic_store_explicit(&record->page->taken[frame], 0, memory_order_release);
}

#endif
