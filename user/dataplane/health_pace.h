/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an ingress thread checks transport streams: always, unless the relay is behind.
 *
 * The seven packets of a datagram have their headers in seven places, and none of them is in this
 * CPU's cache, because the CPU that received the datagram has written it. Flat out, waiting for
 * them costs a fifth of the rate. So while the relay is behind, transport streams are checked for
 * HEALTH_CHECK_NS of each HEALTH_CYCLE_NS, and what is not checked is counted.
 *
 *     behind    __#________##########__________
 *     checked   #############_#___#___#___#####
 *
 * A thread that was not scheduled for a moment finds a backlog as well, and packets that the socket
 * has dropped meanwhile. It has relayed the backlog soon, and checks all of it, so that the loss is
 * found.
 *
 * The short times belong to the whole thread and not to a number of datagrams, because the checks
 * compare a packet with the one before of its PID: a stream of few datagrams, too, must have
 * several in a row. They are short enough that the frames can hold what arrives faster than it is
 * relayed meanwhile.
 *
 * Pure: no clock, no memory. The ingress thread.
 */
#ifndef XMCAST_DATAPLANE_HEALTH_PACE_H
#define XMCAST_DATAPLANE_HEALTH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_CHECK_NS 50000000ULL
#define HEALTH_CYCLE_NS 800000000ULL

/* Starts as all zero. */
struct health_pace {
	uint64_t begin_ns;  /* when the relay was first behind, after a cycle in which it was not */
	uint64_t behind_ns; /* and last */
};

/* Check transport streams now? The relay counts as behind when it has been so at times that are
 * HEALTH_CHECK_NS apart, and for a whole cycle after the last of them, because it may be so only
 * while they are checked. */
static inline bool health_pace(struct health_pace *pace, bool behind, uint64_t now_ns)
{
	bool long_ago = now_ns - pace->behind_ns >= HEALTH_CYCLE_NS;

	if (behind) {
		if (long_ago)
			pace->begin_ns = now_ns;
		pace->behind_ns = now_ns;
	}
	return long_ago || pace->behind_ns - pace->begin_ns < HEALTH_CHECK_NS ||
	       now_ns % HEALTH_CYCLE_NS < HEALTH_CHECK_NS;
}

#endif
