/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clean up an interface: remove steering programs that an administrator loaded with xdp-loader, or
 * that anything else left behind, alone or in libxdp's dispatcher; and pinned maps. A program that
 * an xmcastd has attached itself is not a leftover: it goes with the daemon.
 *
 * One thread. Needs root: CAP_SYS_ADMIN to inspect the programs of others, CAP_NET_ADMIN, and
 * permission to remove the pins.
 */
#ifndef XMCAST_STEERING_LEFTOVERS_H
#define XMCAST_STEERING_LEFTOVERS_H

#include <stdint.h>

/* Programs of one interface: as many as libxdp's dispatcher supports. */
#define LEFTOVERS_MAX 10

struct leftovers {
	unsigned int nr_programs;
	uint32_t programs[LEFTOVERS_MAX]; /* ids of the programs that were detached */
	unsigned int pins;		  /* files that were removed */
};

/*
 * Detach all steering programs of the interface, and no others. 0, also if there was none; -ENODEV;
 * -EPERM; -EBUSY: one cannot be detached, because a bpf_link holds it; -errno.
 */
int leftovers_detach(const char *iface, struct leftovers *done);

/* Remove the pinned maps in a directory of a bpffs, and the directory if it is empty then. 0, also
 * if there is none; -EINVAL: it is not in a bpffs; -errno. */
int leftovers_unpin(const char *directory, struct leftovers *done);

#endif
