/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our XDP program as it is loaded: for both paths, or for the user path only where the kernel or a
 * missing right does not allow the other. Needs CAP_BPF and CAP_NET_ADMIN, and CAP_PERFMON for the
 * kernel path. Main thread.
 */
#ifndef XMCAST_STEERING_XDP_PROGRAM_H
#define XMCAST_STEERING_XDP_PROGRAM_H

#include <stdbool.h>

#include "steering/pins.h"

struct bpf_program;
struct steer_bpf;
struct steer_user_bpf;

/* Where the program captures packets, for steering/tap.h. */
struct tap_maps {
	struct xmc_capture_order *order;
	int captures_fd;
	int tallies_fd;
};

/* Starts as all zero: nothing is loaded. */
struct xdp_program {
	struct steer_bpf *full;	     /* both paths */
	struct steer_user_bpf *user; /* the user path only */
	bool frags;		     /* it accepts packets in several buffers */
	bool shared_maps;	     /* outputs and tallies are another process's as well */
	const char *no_forwards;     /* why no rule can take the kernel path; NULL: all can */
};

/* Maps of the kernel path of another process. -1: it has not that one. */
struct xdp_program_maps {
	int outputs_fd, tallies_fd;
};

/* Load it, and note its maps in `pins`, which remain the program's. `from`: use these maps; NULL:
 * new ones. 0 or -errno; xdp_program_unload() also if it fails. */
int xdp_program_load(struct xdp_program *program, bool frags, const struct xdp_program_maps *from,
		     struct pins *pins);
void xdp_program_unload(struct xdp_program *program);

/* NULL: none is loaded. */
const struct bpf_program *xdp_program_bpf(const struct xdp_program *program);

/* False: it cannot capture packets. */
bool xdp_program_describe_tap(const struct xdp_program *program, struct tap_maps *maps);

/* Why the kernel path is not allowed; NULL: it is. */
const char *xdp_program_missing_right(void);

#endif
