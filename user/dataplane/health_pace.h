/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an ingress thread checks transport streams: always, unless the relay is behind.
 *
 * The seven packets of a datagram have their headers in seven places, and none of them is in this
 * CPU's cache, because the CPU that received the datagram has written it. Flat out, waiting for
 * them costs a fifth of the rate. So while the relay is behind, transport streams are checked for
 * HEALTH_CHECK_NS of each HEALTH_CYCLE_NS, and what is not checked is counted.
 *
 *     behind    ______########__________
 *     checked   ######_#___#___#___#####
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
	uint64_t behind_ns; /* when the relay was last behind; 0: never */
};

/* Check transport streams now? For a whole cycle behind the last time that the relay was behind it
 * counts as behind, because it may be so only while they are checked. */
static inline bool health_pace(struct health_pace *pace, bool behind, uint64_t now_ns)
{
	if (behind)
		pace->behind_ns = now_ns;
	return !pace->behind_ns || now_ns - pace->behind_ns >= HEALTH_CYCLE_NS ||
	       now_ns % HEALTH_CYCLE_NS < HEALTH_CHECK_NS;
}

#endif
