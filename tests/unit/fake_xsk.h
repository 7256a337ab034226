/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AF_XDP socket without the kernel: the functions of dataplane/xsk.h over plain memory, and a
 * driver's end that the test plays. A test program that includes fake_xsk.c takes these instead of
 * the real ones, since an archive's member is linked only for what is still missing.
 *
 * Stricter than the kernel: each frame's owner is checked at every step, also in builds without
 * XMC_DEBUG, and a frame that goes back is overwritten, so that a send which comes too late carries
 * the wrong bytes.
 *
 * Threads: as in xsk.h; the functions below are the test's, one thread at a time.
 */
#ifndef XMCAST_TESTS_FAKE_XSK_H
#define XMCAST_TESTS_FAKE_XSK_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/xsk.h"

/* The socket that was opened last and is open, or NULL. */
struct xsk *fake_xsk_last(void);

/* Let the next xsk_open() fail with this -errno. */
void fake_xsk_fail_open(int err);

/* Call this once, in the ingress thread, when that has just found the RX ring empty. */
void fake_xsk_when_empty(void (*hook)(void *context), void *context);

/* A packet arrives: a frame leaves the fill ring for the RX ring. False: there is no frame, or the
 * RX ring is full; then it is counted as dropped. */
bool fake_xsk_deliver(struct xsk *xsk, const void *packet, size_t length);

/* The zero-copy driver has found the fill ring empty, behind the last look of xsk_return(): no
 * packet arrives any more until the ingress thread wakes it. */
void fake_xsk_stop_driver(struct xsk *xsk);

/* Is every frame in the fill ring, each once? */
bool fake_xsk_is_whole(const struct xsk *xsk);

#endif
