/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AF_XDP socket without the kernel: the functions of dataplane/xsk.h over plain memory, and a
 * driver that the test plays. A test program that includes fake_xsk.c uses these instead of the
 * real ones, because a member of an archive is linked only for symbols that are still missing.
 *
 * Stricter than the kernel: the owner of each frame is checked at every step, even without
 * XMC_DEBUG, and a returned frame is overwritten, so that a late send carries wrong bytes.
 *
 * Threads: as in xsk.h; the functions below are the test's, one thread at a time.
 */
#ifndef XMCAST_TESTS_FAKE_XSK_H
#define XMCAST_TESTS_FAKE_XSK_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/xsk.h"

/* The last opened socket, or NULL if it was closed. */
struct xsk *fake_xsk_last(void);

/* Let the next xsk_open() fail with this -errno. */
void fake_xsk_fail_open(int err);

/* Call this once, in the ingress thread, when it has just found the RX ring empty. */
void fake_xsk_when_empty(void (*hook)(void *context), void *context);

/* A packet arrives: a frame moves from the fill ring to the RX ring. False: there is no frame, or
 * the RX ring is full, and the packet is counted as dropped. */
bool fake_xsk_deliver(struct xsk *xsk, const void *packet, size_t length);

/* The same, in frames with `piece` bytes each. */
bool fake_xsk_deliver_pieces(struct xsk *xsk, const void *packet, size_t length, size_t piece);

/* The zero-copy driver has found the fill ring empty, behind the last look of xsk_return(): no
 * packet arrives any more until the ingress thread wakes it. */
void fake_xsk_stop_driver(struct xsk *xsk);

/* Is every frame in the fill ring, each once? */
bool fake_xsk_is_whole(const struct xsk *xsk);

#endif
