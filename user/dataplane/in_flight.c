/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/in_flight.h"

#include <errno.h>
#include <stdlib.h>

int in_flight_open(struct in_flight *flight)
{
	unsigned int frames = flight->merger ? MERGER_SLOTS : xsk_frames(flight->xsk);
	bool pieces = !flight->merger && xsk_has_pieces(flight->xsk);

	flight->sends = calloc(frames, sizeof(*flight->sends));
	flight->returned = calloc(frames, sizeof(*flight->returned));
	if (pieces)
		flight->next_piece = calloc(frames, sizeof(*flight->next_piece));
	if (flight->sends && flight->returned && (!pieces || flight->next_piece))
		return 0;
	return -ENOMEM;
}

void in_flight_close(struct in_flight *flight)
{
	free(flight->next_piece);
	free(flight->returned);
	free(flight->sends);
}

void in_flight_return(struct in_flight *flight)
{
	if (flight->merger)
		merger_return(flight->merger, flight->returned, flight->nr_returned);
	else
		xsk_return(flight->xsk, flight->returned, flight->nr_returned);
	flight->nr_returned = 0;
	atomic_store_explicit(flight->gauge, flight->frames, memory_order_relaxed);
}
