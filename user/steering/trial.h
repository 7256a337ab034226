/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What would the steering program do with a packet? A trial is a second instance of the program,
 * with the maps of the attached one, that is not attached: the kernel runs it on a frame
 * (BPF_PROG_TEST_RUN). It counts nothing and notes nothing in the shared maps (bpf/trial.h), and
 * the kernel redirects nothing in such a run. So the verdict is that of the code and the rules that
 * packets meet, and no packet and no counter is disturbed.
 *
 * Main thread. Needs CAP_BPF and CAP_NET_ADMIN, the full program CAP_PERFMON.
 */
#ifndef XMCAST_STEERING_TRIAL_H
#define XMCAST_STEERING_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "steering/pins.h"

/* Bytes of a frame. */
#define TRIAL_FRAME_MIN 14
#define TRIAL_FRAME_MAX 9216

struct trial;

struct trial_kind {
	bool full;   /* the program for both paths; that for the user path cannot be tried */
	bool frags;  /* it accepts packets in several buffers */
	bool pinned; /* for an external program */
};

struct trial_verdict {
	enum xmc_reason reason; /* what would be counted; XMC_REASONS: nothing */
	uint32_t action;	/* enum xdp_action */
	bool found;		/* a rule was found: */
	struct xmc_rule_key key;
	bool too_large; /* the kernel path: for an output of the rule */
	bool expired;	/* likewise: its TTL would become 0 */
	size_t length;	/* of the frame afterwards, which trial_frame() returns */
};

/* Load it. `pins`: the maps, which must stay open. 0; -EOPNOTSUPP: not `full`; -errno. Takes about
 * as long as loading the attached program. */
int trial_open(struct trial **out, const struct pins *pins, const struct trial_kind *kind);
void trial_close(struct trial *trial); /* accepts NULL */

/*
 * Run it on a frame that arrives on this interface and RX queue. 0; -EINVAL: the interface has no
 * such queue, or the frame is shorter or longer than the program or the kernel accepts; -errno.
 */
int trial_run(struct trial *trial, int ifindex, unsigned int queue, const void *frame,
	      size_t length, struct trial_verdict *verdict);

/* The frame as the last run has left it: rewritten, if the kernel path has one output. */
const uint8_t *trial_frame(const struct trial *trial);

#endif
