/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the packets of one MPEG transport stream say about it (ISO/IEC 13818-1): the indicators of
 * ETSI TR 101 290, section 5.2.1, first priority, that need no decoder, and of the second the
 * transport errors and PCR.
 *
 * PAT and PMT are recognised by the table_id of a section that begins in the packet. A packet that
 * is marked as erroneous, or has a wrong sync byte, is not looked at further. Times are those of
 * arrival. While no packet of the stream arrives at all, nothing is missing.
 *
 * Pure: no clock, no memory. Any thread, one at a time for each track.
 */
#ifndef XMCAST_DATAPLANE_HEALTH_TS_H
#define XMCAST_DATAPLANE_HEALTH_TS_H

#include <stdbool.h>
#include <stdint.h>

#define TS_PACKET_SIZE 188
#define TS_PIDS	       8192
#define TS_PMTS	       32 /* PMT PIDs that are followed; further ones are not */
#define TS_PCRS	       32 /* PIDs with PCR that are followed */

/* PAT and PMT must come at least as often; so must PCR, and its values may not differ by more. */
#define TS_TABLE_NS 500000000ULL
#define TS_PCR_NS   100000000ULL

/* What is counted. */
enum ts_figure {
	TS_PACKETS,
	TS_SYNC_BYTE,	      /* packets with another sync byte than 0x47 */
	TS_SYNC_LOSS,	      /* two such in a row; ends after five good ones */
	TS_CONTINUITY,	      /* packets whose continuity counter is not the next one of the PID */
	TS_TRANSPORT,	      /* packets marked as erroneous by a device in front of us */
	TS_PAT,		      /* no PAT for 0.5 s, another table on its PID, or it is scrambled */
	TS_PMT,		      /* no PMT on a PID that the PAT names for 0.5 s, or it is scrambled */
	TS_PCR_GAP,	      /* no PCR for more than 100 ms on a PID that has it */
	TS_PCR_DISCONTINUITY, /* values that differ by more than 100 ms, unannounced */
	TS_NULL,	      /* packets of PID 0x1fff */
	TS_SCRAMBLED,	      /* packets that are marked as scrambled */
	TS_FIGURES,
};

struct ts_counts {
	uint32_t figures[TS_FIGURES];
};

struct ts_pmt {
	uint64_t last_ns;
	uint16_t pid;
};

struct ts_pcr {
	uint64_t last_ns;
	uint64_t value; /* of 27 MHz */
	uint16_t pid;
};

/* Starts as all zero. */
struct ts_track {
	uint64_t last_ns; /* of the last datagram; 0: none yet */
	uint64_t look_ns; /* when to look again for what is missing */
	uint64_t pat_ns;
	uint8_t bad_syncs, good_syncs; /* in a row */
	bool sync_lost;
	bool skipped; /* something has arrived since the last datagram that was looked at */
	uint8_t pat_version;
	uint8_t nr_pmts, nr_pcrs;
	struct ts_pmt pmts[TS_PMTS];
	struct ts_pcr pcrs[TS_PCRS];
	uint8_t pids[TS_PIDS]; /* the last continuity counter, and what is known: see health_ts.c */
};

/* A datagram with `number` packets, all readable, has arrived. Adds to *counts. False: to nothing
 * but TS_PACKETS. */
bool ts_track(struct ts_track *track, const uint8_t *packets, unsigned int number, uint64_t now_ns,
	      struct ts_counts *counts);

/* Datagrams have arrived that were not looked at: continuity begins again, and no table or PCR
 * counts as missing for what may have been in them. */
static inline void ts_skip(struct ts_track *track)
{
	track->skipped = true;
}

#endif
