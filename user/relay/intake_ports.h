/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets and workers of an intake, by port (ports.h). For intake.c and intake_check.c; see
 * intake.h. Main thread.
 */
#ifndef XMCAST_RELAY_INTAKE_PORTS_H
#define XMCAST_RELAY_INTAKE_PORTS_H

#include "relay/intake.h"

/* Find the ports, and open a worker for each RX queue that is served. The program is attached,
 * `link` is the interface as it was before that. 0 or -errno, and `why` says why (empty: it is not
 * to be logged). */
int intake_open_ports(struct intake *intake, const struct intake_means *means,
		      char why[REASON_SIZE]);

/* Start the threads, and let the program steer packets to the sockets. 0 or -errno with `why`. */
int intake_start_ports(struct intake *intake, int epoll_fd, char why[REASON_SIZE]);

/* End the threads in order. 0 or -EIO (worker_stop()). */
int intake_stop_ports(struct intake *intake);

/* Close what was stopped or never started, and add its counters to the intake's totals. */
void intake_close_ports(struct intake *intake);

/*
 * Compare the ports with the interface as it is now, while the program is attached. Members of a
 * bond that have come or gone get or lose their workers, without disturbing the others; and it is
 * noted which of them the bond uses. NULL; or, as constant text, why the intake has to be given up.
 */
const char *intake_follow_ports(struct intake *intake, const struct link *now,
				const struct intake_means *means);

/* explain() for an error in opening something of `name`. `otherwise`: what to say if it is no
 * shortage of descriptors. */
int intake_explain_shortage(char why[REASON_SIZE], int err, const char *name,
			    const char *otherwise);

#endif
