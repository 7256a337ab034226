/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The health of a stream as it arrives: what a rule with `watch` counts about the payload of its
 * datagrams (docs/stream-health.md).
 *
 *     ingress thread ─▶ health_look() ─▶ the flow of the datagram ─┬─▶ health_rtp.h
 *                                                                  ├─▶ health_ts.h
 *                                                                  └─▶ health_mold64.h
 *
 * The ingress thread looks, and the egress thread, which sends, never waits for it. Each shard of a
 * stream has its own struct health, because a flow arrives on one RX queue. A stream without
 * `watch` has none.
 *
 * Flows: a rule may match several sources or ports, so what is known is kept for each source
 * address, ports and, of RTP, SSRC. A shard has room for a few (HEALTH_FLOWS_*). A new one takes
 * the place of one that has been quiet for HEALTH_QUIET_NS; if there is none, its datagrams are
 * relayed and counted as not watched. So senders of ever new sources cost no memory, and do not
 * displace what is there.
 *
 * Threads: the main thread creates, frees and reads; one ingress thread writes a shard. No I/O.
 */
#ifndef XMCAST_DATAPLANE_HEALTH_H
#define XMCAST_DATAPLANE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "base/clock.h"
#include "dataplane/health_ts.h"
#include "rules/rule.h"

#define HEALTH_FLOWS_RTP    8
#define HEALTH_FLOWS_TS	    4 /* of 10 KiB each */
#define HEALTH_FLOWS_MOLD64 4
#define HEALTH_QUIET_NS	    NS_PER_SECOND

/* A source whose last packet is older says nothing about now. */
#define HEALTH_STALE_NS (10 * NS_PER_SECOND)

/* What is counted. The order is that of health_figures. */
enum health_figure {
	HEALTH_UNWATCHED,

	HEALTH_RTP_PACKETS,
	HEALTH_RTP_INVALID,
	HEALTH_RTP_LOST,
	HEALTH_RTP_REORDERED,
	HEALTH_RTP_DUPLICATE,
	HEALTH_RTP_LATE,
	HEALTH_RTP_RESTARTS,
	HEALTH_RTP_SOURCES,

	HEALTH_TS_INVALID,   /* datagrams */
	HEALTH_TS_UNCHECKED, /* datagrams, while the relay was behind */
	HEALTH_TS_FIRST,     /* TS_FIGURES of them: health_ts.h */
	HEALTH_TS_LAST = HEALTH_TS_FIRST + TS_FIGURES - 1,

	HEALTH_MOLD64_PACKETS,
	HEALTH_MOLD64_INVALID,
	HEALTH_MOLD64_HEARTBEATS,
	HEALTH_MOLD64_ENDS,
	HEALTH_MOLD64_MESSAGES,
	HEALTH_MOLD64_LOST,
	HEALTH_MOLD64_REORDERED,
	HEALTH_MOLD64_DUPLICATE,
	HEALTH_MOLD64_SESSIONS,
	HEALTH_MOLD64_RESTARTS,

	HEALTH_FIGURES,
};

/* What a figure is: names are a contract (docs/control-protocol.md), never renamed. */
struct health_info {
	uint8_t watch; /* WATCH_*: of what; 0: of all */
	bool broken;   /* more of it: the stream is broken */
	const char *key;
};

extern const struct health_info health_figures[HEALTH_FIGURES];

/* The names of WATCH_*, by bit: a contract as well. */
#define HEALTH_KINDS 3
extern const char *const health_kinds[HEALTH_KINDS];

/* A figure of each kind, summed up. */
struct health_counts {
	uint64_t figures[HEALTH_FIGURES];
};

/* "rtp_lost_packets": with its kind. Returns `name`. */
#define HEALTH_NAME_SIZE 40
const char *health_name(enum health_figure figure, char name[HEALTH_NAME_SIZE]);

struct health;

/* A datagram, as far as it is looked at. */
struct health_datagram {
	const struct xmc_addr *source;
	uint16_t source_port, port; /* as on the wire */
	const uint8_t *payload;
	uint32_t readable; /* bytes: those in the packet's first frame */
	uint32_t length;   /* bytes of payload */
	uint64_t now_ns;
	bool skip_ts; /* do not check transport streams now, only count: health_pace.h */
};

/* One for each shard; NULL: no memory. */
struct health *health_new(const struct rule *rule, unsigned int nr_shards);
void health_free(struct health *health); /* accepts NULL */

/* The ingress thread of this shard. */
void health_look(struct health *health, unsigned int index, const struct health_datagram *datagram);

/* ---- main thread ---- */

void health_add(struct health_counts *sum, const struct health_counts *counts);

/* The sum of what breaks the stream. */
uint64_t health_errors(const struct health_counts *counts);

/* Add the figures of all shards. Accepts NULL. */
void health_read(const struct health *health, struct health_counts *sum);

/* A source of RTP that arrives now, or has been the last one. */
struct health_source {
	uint32_t ssrc;
	uint8_t type;
	uint32_t clock; /* ticks a second; 0: not known, and there is no jitter */
	uint64_t packets;
	uint64_t lost;
	uint64_t reordered;
	uint64_t duplicates;
	uint64_t late;
	uint64_t jitter_ns;
	uint64_t quiet_ns; /* since its last packet */
};

/* Up to `most` sources. Returns their number. Accepts NULL. */
unsigned int health_sources(const struct health *health, uint64_t now_ns,
			    struct health_source *sources, unsigned int most);

#endif
