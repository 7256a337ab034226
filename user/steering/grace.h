/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An RCU grace period, on demand: after grace_wait() no XDP program that ran before the call is
 * still running, and what such programs redirected has been flushed. XDP runs and flushes its
 * redirects within one softirq, which is an RCU read-side critical section.
 *
 * The kernel offers user space no such call of its own. Updating a map of maps waits for one
 * (kernel/bpf/syscall.c, maybe_wait_bpf_programs(), since Linux 4.20), so a map is kept only to be
 * updated. membarrier(2) with MEMBARRIER_CMD_GLOBAL would be shorter, but it fails with EINVAL on
 * hosts that run with nohz_full.
 *
 * Main thread. Needs CAP_BPF.
 */
#ifndef XMCAST_STEERING_GRACE_H
#define XMCAST_STEERING_GRACE_H

struct grace {
	int inner_fd; /* the value that is written each time */
	int outer_fd; /* an array of one map */
};

#define GRACE_CLOSED ((struct grace){-1, -1})

/* 0 or -errno; grace_close() in either case. */
int grace_open(struct grace *grace);

/* Closing twice, or what was never opened (GRACE_CLOSED), is harmless. */
void grace_close(struct grace *grace);

/* Takes some tens of milliseconds. 0 or -errno. */
int grace_wait(const struct grace *grace);

#endif
