/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the numbers of one MoldUDP64 sender say: messages that are missing, doubled or late, and its
 * sessions.
 *
 * Messages that are missing are lost MOLD64_PATIENCE packets or MOLD64_PATIENCE_NS later, or when
 * there are more than MOLD64_GAPS gaps; until then they may still come, as reordered. So what is
 * counted as lost never has to be taken back. A number more than MOLD64_JUMP ahead, and
 * MOLD64_BEHIND packets in a row with nothing new, mean that the sender has started again.
 *
 * Pure: no clock, no memory. Any thread, one at a time for each track.
 */
#ifndef XMCAST_DATAPLANE_HEALTH_MOLD64_H
#define XMCAST_DATAPLANE_HEALTH_MOLD64_H

#include "dataplane/mold64.h"

#define MOLD64_GAPS	   16
#define MOLD64_PATIENCE	   64
#define MOLD64_PATIENCE_NS 1000000000ULL
#define MOLD64_JUMP	   (1ULL << 32)
#define MOLD64_BEHIND	   64

/* Messages from `first` up to, but not including, `end`. */
struct mold64_gap {
	uint64_t first, end;
	uint64_t since_ns;
	uint64_t since; /* packets that had arrived */
};

/* Starts as all zero. */
struct mold64_track {
	uint64_t packets;
	uint64_t next; /* the number behind the highest message, or announced by a heartbeat */
	char session[MOLD64_SESSION_SIZE];
	uint8_t behind; /* packets in a row without anything new */
	uint8_t nr_gaps;
	struct mold64_gap gaps[MOLD64_GAPS]; /* in the order of their numbers */
};

/* What one packet has shown; messages. */
struct mold64_step {
	uint64_t lost;
	uint32_t reordered;
	uint32_t duplicates;
	bool session_changed;
	bool restarted;
};

/* A packet has arrived. */
struct mold64_step mold64_track(struct mold64_track *track, const struct mold64_header *header,
				uint64_t now_ns);

/* The messages that are missing and not lost yet. */
uint64_t mold64_missing(const struct mold64_track *track);

#endif
