/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an admin has loaded with xdp-loader, or what was left by whatever went wrong: steering
 * programs of an interface, alone or in libxdp's dispatcher, and pinned maps. A program that an
 * xmcastd has attached by itself is no leftover: it goes with the daemon.
 *
 * One thread. Needs CAP_SYS_ADMIN (to look at other people's programs), CAP_NET_ADMIN, and to be
 * allowed to remove the pins: root, in short.
 */
#ifndef XMCAST_STEERING_LEFTOVERS_H
#define XMCAST_STEERING_LEFTOVERS_H

#include <stdint.h>

/* Programs of one interface: as many as libxdp's dispatcher takes. */
#define LEFTOVERS_MAX 10

struct leftovers {
	unsigned int nr_programs;
	uint32_t programs[LEFTOVERS_MAX]; /* ids of those that were detached */
	unsigned int pins;		  /* files that were removed */
};

/*
 * Detach all steering programs of the interface, none else. 0, also if there was none; -ENODEV;
 * -EPERM; -EBUSY: one is there that cannot be detached, because a bpf_link holds it; -errno.
 */
int leftovers_detach(const char *iface, struct leftovers *done);

/* Remove the pinned maps in a folder of a bpffs, and the folder if nothing else is in it. 0, also
 * if there is none; -EINVAL: it is in no bpffs; -errno. */
int leftovers_unpin(const char *folder, struct leftovers *done);

#endif
