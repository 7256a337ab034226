/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frames in flight: those that an egress thread has taken from its queue, until their last send
 * has completed. A frame whose sends are done is gathered here, and in_flight_return() gives all of
 * these back with one call: to the fill ring, or to the feeds of the merger.
 *
 * A packet is counted by its first frame; the others of it are chained behind, and are released
 * with it.
 *
 * The egress thread's.
 */
#ifndef XMCAST_DATAPLANE_IN_FLIGHT_H
#define XMCAST_DATAPLANE_IN_FLIGHT_H

#include "base/counter.h"
#include "dataplane/merger.h"
#include "dataplane/xsk.h"

/* In in_flight.next_piece. */
#define LAST_PIECE UINT32_MAX

struct in_flight {
	struct xsk *xsk;       /* whose frames they are */
	struct merger *merger; /* or whose slots; NULL: it is the socket's */
	counter_t *gauge;      /* `frames`, as of the last return */
	uint64_t frames;
	uint16_t *sends; /* per frame: unfinished ones of its packet */
	/* Per frame: the next one of the same packet, or LAST_PIECE. NULL: packets have one frame
	 * each. */
	uint32_t *next_piece;
	uint32_t *returned; /* frames whose last send has completed since the last return */
	unsigned int nr_returned;
};

/* `xsk`, `merger` and `gauge` are set, all else is zero. 0 or -ENOMEM. */
int in_flight_open(struct in_flight *flight);
void in_flight_close(struct in_flight *flight); /* accepts what is half open */

/* One send of the packet whose first frame this is has completed. */
static inline void in_flight_release(struct in_flight *flight, uint32_t frame)
{
	if (--flight->sends[frame])
		return;
	while (frame != LAST_PIECE) {
		flight->returned[flight->nr_returned++] = frame;
		flight->frames--;
		frame = flight->next_piece ? flight->next_piece[frame] : LAST_PIECE;
	}
}

void in_flight_return(struct in_flight *flight);

#endif
