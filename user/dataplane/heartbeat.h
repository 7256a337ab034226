/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heartbeat (watch.h) of a thread, and what is known of a thread that is stuck. Main thread.
 */
#ifndef XMCAST_DATAPLANE_HEARTBEAT_H
#define XMCAST_DATAPLANE_HEARTBEAT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "dataplane/watch.h"

/* Starts as all zero. */
struct heartbeat {
	struct watch watch;
	uint64_t woken_cpu_ns; /* CPU time that the thread had used when it was woken */
	bool stuck;	       /* for good */
};

/* A thread that is stuck. */
struct stuck_thread {
	char thread[16];     /* its name in the kernel */
	uint64_t overdue_ns; /* since it was woken */
	uint64_t cpu_ns; /* CPU time used since then: much in an endless loop, little in a wait */
};

/* Look at the counter of a thread, which is stuck once it has been overdue for `stuck_after_ns` (0:
 * never). True: wake the thread. */
bool heartbeat_look(struct heartbeat *heartbeat, pthread_t thread, const counter_t *beats,
		    uint64_t stuck_after_ns, uint64_t now_ns);

/* `otherwise`: its name if the kernel does not say it. */
void heartbeat_describe(const struct heartbeat *heartbeat, pthread_t thread, const char *otherwise,
			struct stuck_thread *stuck);

/* Wake an egress loop (EGRESS_PING) by the write end of its command stream; -1: it is closed. */
void heartbeat_ping(int command_fd);

#endif
