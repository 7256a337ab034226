/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Which frames of an AF_XDP socket are in the process, and which the kernel has: a note in shared
 * memory, for the process that continues with the socket after this one was killed.
 *
 *     xsk_receive()   ledger_take()     before the entries of the RX ring are released
 *     xsk_return()    ledger_written()  the entries of the fill ring are written up to here
 *                     ledger_give()     for each of them
 *                                       then they are published to the kernel
 *
 * A process can be killed between any two of these. Its successor (xsk_adopt(), xsk_resume()) then
 * finds each frame in one place:
 *
 *     fill ring: written, not published   ledger_give() them once more, and publish
 *     RX ring                             the kernel's, whatever the note says
 *     noted as taken, in neither          it was in the process: whether its packet was sent is
 *                                         uncertain; it is counted and returned
 *
 * The stores of a killed process are visible in program order, and the fill ring is published last,
 * so no frame that the kernel may use is noted as taken, except in the RX ring.
 */
/* clang-format on */
#ifndef XMCAST_DATAPLANE_LEDGER_H
#define XMCAST_DATAPLANE_LEDGER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/memory_file.h"

/* In the file. */
struct ledger_page {
	_Atomic uint32_t written; /* position of the fill ring up to which entries are written */
	uint32_t frames;
	_Atomic uint8_t taken[]; /* for each frame */
};

struct ledger {
	struct memory_file file;
	struct ledger_page *page;
};

#define LEDGER_CLOSED ((struct ledger){.file = MEMORY_FILE_CLOSED})

/* Create one in which all frames are taken; or map that of another process, whose descriptor stays
 * the caller's. 0 or -errno (-EINVAL: it is not a ledger of this number of frames). */
int ledger_open(struct ledger *ledger, uint32_t frames);
int ledger_adopt(struct ledger *ledger, int fd, uint32_t frames);
void ledger_close(struct ledger *ledger); /* accepts LEDGER_CLOSED */

/* Ingress. */
static inline void ledger_take(struct ledger *ledger, uint32_t frame)
{
	atomic_store_explicit(&ledger->page->taken[frame], 1, memory_order_relaxed);
}

/* Egress. */
static inline void ledger_written(struct ledger *ledger, uint32_t position)
{
	atomic_store_explicit(&ledger->page->written, position, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void ledger_give(struct ledger *ledger, uint32_t frame)
{
	atomic_store_explicit(&ledger->page->taken[frame], 0, memory_order_release);
}

#endif
