/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures packets of the kernel path of one steering program (bpf/capture.h): what it has copied,
 * and what it has left out. Only of our own program: an external one does not capture.
 *
 * Main thread. Rights as for steering/steer.h.
 */
#ifndef XMCAST_STEERING_TAP_H
#define XMCAST_STEERING_TAP_H

#include "steering/steer.h"

struct tap;

struct tap_options {
	uint32_t rate; /* received packets a second */
	uint32_t snap; /* bytes of a frame that are kept, at most XMC_CAPTURE_LARGE */
	/* What tap_drain() calls with each packet; it is valid until the function returns. */
	void (*captured)(void *context, const struct xmc_captured *packet);
	void *context;
};

/* Nothing is captured before tap_select(). 0; -EOPNOTSUPP: the program cannot; -errno. The tap is
 * closed before `steer` is. */
int tap_open(struct tap **out, struct steer *steer, const struct tap_options *options);

/* From the next packet on, capture those of the rule whose forward has this slot
 * (forward_slot()), of all rules (TAP_ALL), or of none (TAP_NONE). */
#define TAP_ALL	 0xffffffffU
#define TAP_NONE 0xfffffffeU
void tap_select(struct tap *tap, uint32_t slot);

/* Readable when tap_drain() has something to do. */
int tap_fd(const struct tap *tap);

/* Take packets out of the ring, a bounded number. True: there may be more. */
bool tap_drain(struct tap *tap);

/* What was counted since the last call. */
void tap_count(struct tap *tap, struct xmc_capture_tally *counted);

/* Capture no more, and wait until no packet is on its way that was captured: tap_drain() and
 * tap_count() then find the last ones. Takes a grace period, some tens of milliseconds. */
void tap_stop(struct tap *tap);

void tap_close(struct tap *tap); /* accepts NULL */

#endif
