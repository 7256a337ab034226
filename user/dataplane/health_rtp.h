/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the numbers and times of one RTP source say: loss, reordering, duplicates (by the sequence
 * number) and jitter (RFC 3550, section 6.4.1 and appendix A.8).
 *
 * A number that is missing is lost when RTP_WINDOW later ones have been seen; until then it may
 * still come, as reordered. So what is counted as lost never has to be taken back.
 *
 *     behind the highest number   0..63: reordered, or a duplicate     64..1023: late
 *     ahead of it                 1..16383: the numbers between are missing
 *     farther away                late, unless the next packet continues there: then the source has
 *                                 started again, and nothing between is lost
 *
 * Pure: no clock, no memory. Any thread, one at a time for each track.
 */
#ifndef XMCAST_DATAPLANE_HEALTH_RTP_H
#define XMCAST_DATAPLANE_HEALTH_RTP_H

#include <stdbool.h>
#include <stdint.h>

#define RTP_WINDOW   64
#define RTP_MISORDER 1024
#define RTP_DROPOUT  16384

/* Starts as all zero. */
struct rtp_track {
	uint64_t seen;		 /* bit i: the number `highest - i` has arrived */
	uint64_t last_ns;	 /* when the last packet arrived, */
	uint32_t last_timestamp; /* and its timestamp */
	uint32_t jitter;	 /* in 1/16 of a tick of the clock */
	uint16_t highest;
	uint16_t expected; /* behind a packet that was far away */
	uint8_t known;	   /* numbers of `seen` since the first one, at most RTP_WINDOW */
	bool suspect;	   /* the last packet was far away */
};

/* What one packet has shown. */
struct rtp_step {
	uint32_t lost; /* numbers that are lost for certain now */
	uint8_t late;  /* packets that were of no use any more: this one, the one before, or both */
	bool reordered;
	bool duplicate;
	bool restarted;
};

/* Nearly always a packet has the next number, and none of those before it is missing. True: so it
 * is, and it is noted; otherwise it is for rtp_track(). */
static inline bool rtp_track_next(struct rtp_track *track, uint16_t sequence)
{
	if (track->seen != UINT64_MAX || track->known != RTP_WINDOW || track->suspect ||
	    (uint16_t)(sequence - track->highest) != 1)
		return false;
	track->highest = sequence;
	return true;
}

/* A packet with this sequence number has arrived. */
struct rtp_step rtp_track(struct rtp_track *track, uint16_t sequence);

/* The numbers that are missing and not lost yet. */
unsigned int rtp_missing(const struct rtp_track *track);

/* A packet with this timestamp has arrived. `clock`: ticks a second, not 0. */
void rtp_track_jitter(struct rtp_track *track, uint32_t timestamp, uint32_t clock, uint64_t now_ns);

/* The jitter in nanoseconds. */
uint64_t rtp_jitter_ns(uint32_t jitter, uint32_t clock);

/* Ticks a second of a payload type (RFC 3551, section 6); 0: it has no fixed clock. */
uint32_t rtp_clock(uint8_t type);

#endif
