/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/health.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "dataplane/health_mold64.h"
#include "dataplane/health_rtp.h"
#include "dataplane/health_ts.h"
#include "dataplane/rtp.h"

const struct health_info health_figures[HEALTH_FIGURES] = {
	[HEALTH_UNWATCHED] = {0, false, "unwatched_packets"},
	[HEALTH_RTP_PACKETS] = {WATCH_RTP, false, "received_packets"},
	[HEALTH_RTP_INVALID] = {WATCH_RTP, false, "invalid_packets"},
	[HEALTH_RTP_LOST] = {WATCH_RTP, true, "lost_packets"},
	[HEALTH_RTP_REORDERED] = {WATCH_RTP, false, "reordered_packets"},
	[HEALTH_RTP_DUPLICATE] = {WATCH_RTP, false, "duplicate_packets"},
	[HEALTH_RTP_LATE] = {WATCH_RTP, false, "late_packets"},
	[HEALTH_RTP_RESTARTS] = {WATCH_RTP, false, "restarts"},
	[HEALTH_RTP_SOURCES] = {WATCH_RTP, false, "source_changes"},
	[HEALTH_TS_INVALID] = {WATCH_TS, false, "invalid_packets"},
	[HEALTH_TS_UNCHECKED] = {WATCH_TS, false, "unchecked_packets"},
	[HEALTH_TS_FIRST + TS_PACKETS] = {WATCH_TS, false, "ts_packets"},
	[HEALTH_TS_FIRST + TS_SYNC_BYTE] = {WATCH_TS, true, "sync_byte_errors"},
	[HEALTH_TS_FIRST + TS_SYNC_LOSS] = {WATCH_TS, true, "sync_losses"},
	[HEALTH_TS_FIRST + TS_CONTINUITY] = {WATCH_TS, true, "continuity_errors"},
	[HEALTH_TS_FIRST + TS_TRANSPORT] = {WATCH_TS, true, "transport_errors"},
	[HEALTH_TS_FIRST + TS_PAT] = {WATCH_TS, true, "pat_errors"},
	[HEALTH_TS_FIRST + TS_PMT] = {WATCH_TS, true, "pmt_errors"},
	[HEALTH_TS_FIRST + TS_PCR_GAP] = {WATCH_TS, false, "pcr_gaps"},
	[HEALTH_TS_FIRST + TS_PCR_DISCONTINUITY] = {WATCH_TS, false, "pcr_discontinuities"},
	[HEALTH_TS_FIRST + TS_NULL] = {WATCH_TS, false, "null_ts_packets"},
	[HEALTH_TS_FIRST + TS_SCRAMBLED] = {WATCH_TS, false, "scrambled_ts_packets"},
	[HEALTH_MOLD64_PACKETS] = {WATCH_MOLD64, false, "received_packets"},
	[HEALTH_MOLD64_INVALID] = {WATCH_MOLD64, false, "invalid_packets"},
	[HEALTH_MOLD64_HEARTBEATS] = {WATCH_MOLD64, false, "heartbeats"},
	[HEALTH_MOLD64_ENDS] = {WATCH_MOLD64, false, "ends_of_session"},
	[HEALTH_MOLD64_MESSAGES] = {WATCH_MOLD64, false, "received_messages"},
	[HEALTH_MOLD64_LOST] = {WATCH_MOLD64, true, "lost_messages"},
	[HEALTH_MOLD64_REORDERED] = {WATCH_MOLD64, false, "reordered_messages"},
	[HEALTH_MOLD64_DUPLICATE] = {WATCH_MOLD64, false, "duplicate_messages"},
	[HEALTH_MOLD64_SESSIONS] = {WATCH_MOLD64, false, "session_changes"},
	[HEALTH_MOLD64_RESTARTS] = {WATCH_MOLD64, false, "restarts"},
};

const char *const health_kinds[HEALTH_KINDS] = {"rtp", "ts", "mold64"};

const char *health_name(enum health_figure figure, char name[HEALTH_NAME_SIZE])
{
	const struct health_info *info = &health_figures[figure];
	const char *kind = info->watch ? health_kinds[__builtin_ctz(info->watch)] : "";

	snprintf(name, HEALTH_NAME_SIZE, "%s%s%s", kind, *kind ? "_" : "", info->key);
	return name;
}

/* A place in a table of flows: the first member of what the table has. */
struct flow {
	struct xmc_addr source;
	uint16_t source_port, port;
	uint32_t ssrc;		  /* 0 if it is not one of RTP */
	_Atomic uint64_t last_ns; /* of its last datagram; 0: the place is free */
};

struct rtp_flow {
	struct flow flow;
	struct rtp_track track;
	/* What the main thread reads. */
	_Atomic uint32_t ssrc;
	_Atomic uint32_t type;
	_Atomic uint32_t clock;
	_Atomic uint32_t jitter; /* as in the track */
	counter_t packets;
	counter_t lost;
	counter_t reordered;
	counter_t duplicates;
	counter_t late;
};

struct ts_flow {
	struct flow flow;
	struct ts_track track;
};

struct mold64_flow {
	struct flow flow;
	struct mold64_track track;
};

/* Of one shard: for each kind the flows, NULL if it is not watched, and where that of the last
 * datagram is. */
struct health_shard {
	alignas(CACHE_LINE) counter_t figures[HEALTH_FIGURES];
	unsigned int rtp_last, ts_last, mold64_last;
	struct rtp_flow *rtp;
	struct ts_flow *ts;
	struct mold64_flow *mold64;
};

struct health {
	uint8_t watch;
	uint32_t clock;
	unsigned int nr_shards;
	struct health_shard *shards;
};

/* Large tables come from the kernel as pages that need no memory before their first use. */
static bool open_shard(struct health_shard *shard, uint8_t watch)
{
	if (watch & WATCH_RTP)
		shard->rtp = calloc(HEALTH_FLOWS_RTP, sizeof(*shard->rtp));
	if (watch & WATCH_TS)
		shard->ts = calloc(HEALTH_FLOWS_TS, sizeof(*shard->ts));
	if (watch & WATCH_MOLD64)
		shard->mold64 = calloc(HEALTH_FLOWS_MOLD64, sizeof(*shard->mold64));
	return (shard->rtp || !(watch & WATCH_RTP)) && (shard->ts || !(watch & WATCH_TS)) &&
	       (shard->mold64 || !(watch & WATCH_MOLD64));
}

struct health *health_new(const struct rule *rule, unsigned int nr_shards)
{
	struct health *health = calloc(1, sizeof(*health));
	bool opened;

	if (!health)
		return NULL;
	health->watch = rule->watch;
	health->clock = rule->watch_clock;
	health->shards = aligned_alloc(CACHE_LINE, nr_shards * sizeof(*health->shards));
	opened = health->shards != NULL;
	if (opened)
		memset(health->shards, 0, nr_shards * sizeof(*health->shards));
	/* Counted one by one, so that a failure frees only those that are there. */
	while (opened && health->nr_shards < nr_shards)
		opened = open_shard(&health->shards[health->nr_shards++], health->watch);
	if (opened)
		return health;
	health_free(health);
	return NULL;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	for (unsigned int i = 0; i < health->nr_shards; i++) {
		free(health->shards[i].rtp);
		free(health->shards[i].ts);
		free(health->shards[i].mold64);
	}
	free(health->shards);
	free(health);
}

/* ---- the ingress thread ---- */

static void count(struct health_shard *shard, enum health_figure figure, uint64_t n)
{
	if (n)
		counter_add(&shard->figures[figure], n);
}

static uint64_t flow_last(const struct flow *flow)
{
	return atomic_load_explicit(&flow->last_ns, memory_order_relaxed);
}

static struct flow *flow_at(void *table, size_t size, unsigned int i)
{
	return (struct flow *)((char *)table + i * size);
}

/* Member by member: what has just been written in parts is read slowly as a whole. */
static inline bool is_flow_of(const struct flow *flow, const struct health_datagram *datagram,
			      uint32_t ssrc)
{
	return flow_last(flow) && flow->ssrc == ssrc && flow->port == datagram->port &&
	       flow->source_port == datagram->source_port &&
	       memcmp(&flow->source, datagram->source, sizeof(flow->source)) == 0;
}

static struct flow *place_flow(void *table, size_t size, unsigned int count, unsigned int *last,
			       const struct health_datagram *datagram, uint32_t ssrc, bool *fresh)
{
	struct flow *flow, *oldest = flow_at(table, size, *last);

	for (unsigned int i = 0; i < count; i++) {
		flow = flow_at(table, size, i);
		if (is_flow_of(flow, datagram, ssrc)) {
			*last = i;
			return flow;
		}
		if (flow_last(flow) < flow_last(oldest))
			oldest = flow;
	}
	if (flow_last(oldest) && datagram->now_ns - flow_last(oldest) < HEALTH_QUIET_NS)
		return NULL;
	*fresh = true;
	*last = (unsigned int)((size_t)((char *)oldest - (char *)table) / size);
	oldest->source = *datagram->source;
	oldest->source_port = datagram->source_port;
	oldest->port = datagram->port;
	oldest->ssrc = ssrc;
	return oldest;
}

/* The flow of a datagram in a table of `count` entries of `size` bytes; *last: where the one before
 * was found. *fresh: it is the first, or took the place of another one, of which the caller finds
 * the rest. NULL: there is no room. */
static inline void *find_flow(void *table, size_t size, unsigned int count, unsigned int *last,
			      const struct health_datagram *datagram, uint32_t ssrc, bool *fresh)
{
	struct flow *flow = flow_at(table, size, *last);

	*fresh = false;
	if (!is_flow_of(flow, datagram, ssrc))
		flow = place_flow(table, size, count, last, datagram, ssrc, fresh);
	if (flow)
		atomic_store_explicit(&flow->last_ns, datagram->now_ns, memory_order_relaxed);
	return flow;
}

/* Is this the first flow of its table? */
static bool is_alone(void *table, size_t size, unsigned int count)
{
	unsigned int used = 0;

	for (unsigned int i = 0; i < count; i++)
		used += flow_last(flow_at(table, size, i)) != 0;
	return used < 2;
}

static void begin_rtp(struct health_shard *shard, struct rtp_flow *flow,
		      const struct health *health, const struct rtp_header *header)
{
	/* What the source before has left missing never came. */
	count(shard, HEALTH_RTP_LOST, rtp_missing(&flow->track));
	memset(&flow->track, 0, sizeof(flow->track));
	atomic_store(&flow->packets, 0);
	atomic_store(&flow->lost, 0);
	atomic_store(&flow->reordered, 0);
	atomic_store(&flow->duplicates, 0);
	atomic_store(&flow->late, 0);
	atomic_store(&flow->ssrc, header->ssrc);
	atomic_store(&flow->type, header->type);
	atomic_store(&flow->clock, health->clock ? health->clock : rtp_clock(header->type));
}

static void count_step(struct health_shard *shard, struct rtp_flow *flow,
		       const struct rtp_step *step)
{
	count(shard, HEALTH_RTP_LOST, step->lost);
	count(shard, HEALTH_RTP_LATE, step->late);
	count(shard, HEALTH_RTP_REORDERED, step->reordered);
	count(shard, HEALTH_RTP_DUPLICATE, step->duplicate);
	count(shard, HEALTH_RTP_RESTARTS, step->restarted);
	counter_add(&flow->lost, step->lost);
	counter_add(&flow->late, step->late);
	counter_add(&flow->reordered, step->reordered);
	counter_add(&flow->duplicates, step->duplicate);
}

static void look_rtp(const struct health *health, struct health_shard *shard,
		     const struct health_datagram *datagram, const struct rtp_header *header)
{
	struct rtp_flow *flow;
	struct rtp_step step;
	uint32_t clock;
	bool fresh;

	flow = find_flow(shard->rtp, sizeof(*shard->rtp), HEALTH_FLOWS_RTP, &shard->rtp_last,
			 datagram, header->ssrc, &fresh);
	if (!flow) {
		count(shard, HEALTH_UNWATCHED, 1);
		return;
	}
	if (fresh) {
		begin_rtp(shard, flow, health, header);
		count(shard, HEALTH_RTP_SOURCES,
		      !is_alone(shard->rtp, sizeof(*shard->rtp), HEALTH_FLOWS_RTP));
	}
	counter_add(&shard->figures[HEALTH_RTP_PACKETS], 1);
	counter_add(&flow->packets, 1);
	if (!rtp_track_next(&flow->track, header->sequence)) {
		step = rtp_track(&flow->track, header->sequence);
		count_step(shard, flow, &step);
	}
	clock = atomic_load_explicit(&flow->clock, memory_order_relaxed);
	if (!clock)
		return;
	rtp_track_jitter(&flow->track, header->timestamp, clock, datagram->now_ns);
	atomic_store_explicit(&flow->jitter, flow->track.jitter, memory_order_relaxed);
}

/* The transport stream packets of a datagram: behind an RTP header, or all of it. Returns the
 * number of bytes. */
static uint32_t find_ts(const struct health_datagram *datagram, const struct rtp_header *rtp,
			const uint8_t **packets)
{
	uint32_t size = rtp ? rtp->size : 0;
	uint32_t length = datagram->readable - size;

	*packets = datagram->payload + size;
	/* What RTP pads with, its length last. */
	if (rtp && datagram->payload[0] & 0x20 && length) {
		uint8_t padding = datagram->payload[datagram->readable - 1];

		length = padding <= length ? length - padding : 0;
	}
	return length;
}

static void look_ts(struct health_shard *shard, const struct health_datagram *datagram,
		    const struct rtp_header *rtp)
{
	struct ts_counts counts = {};
	const uint8_t *packets;
	uint32_t length = find_ts(datagram, rtp, &packets);
	struct ts_flow *flow;
	bool fresh;

	if (datagram->readable == datagram->length && (!length || length % TS_PACKET_SIZE)) {
		count(shard, HEALTH_TS_INVALID, 1);
		return;
	}
	flow = find_flow(shard->ts, sizeof(*shard->ts), HEALTH_FLOWS_TS, &shard->ts_last, datagram,
			 0, &fresh);
	if (!flow) {
		count(shard, HEALTH_UNWATCHED, 1);
		return;
	}
	if (fresh)
		memset(&flow->track, 0, sizeof(flow->track));
	if (datagram->skip_ts) {
		ts_skip(&flow->track);
		count(shard, HEALTH_TS_UNCHECKED, 1);
		return;
	}
	/* It continues in another frame. */
	if (datagram->readable != datagram->length) {
		ts_skip(&flow->track);
		count(shard, HEALTH_UNWATCHED, 1);
		return;
	}
	if (!ts_track(&flow->track, packets, length / TS_PACKET_SIZE, datagram->now_ns, &counts)) {
		count(shard, HEALTH_TS_FIRST + TS_PACKETS, counts.figures[TS_PACKETS]);
		return;
	}
	for (unsigned int i = 0; i < TS_FIGURES; i++)
		count(shard, HEALTH_TS_FIRST + i, counts.figures[i]);
}

static void look_mold64(struct health_shard *shard, const struct health_datagram *datagram)
{
	struct mold64_header header;
	struct mold64_step step;
	struct mold64_flow *flow;
	bool fresh;

	/* Each message has two bytes of length. */
	if (!mold64_parse(datagram->payload, datagram->readable, &header) ||
	    datagram->length < MOLD64_HEADER_SIZE + 2u * mold64_messages(&header)) {
		count(shard, HEALTH_MOLD64_INVALID, 1);
		return;
	}
	flow = find_flow(shard->mold64, sizeof(*shard->mold64), HEALTH_FLOWS_MOLD64,
			 &shard->mold64_last, datagram, 0, &fresh);
	if (!flow) {
		count(shard, HEALTH_UNWATCHED, 1);
		return;
	}
	if (fresh) {
		count(shard, HEALTH_MOLD64_LOST, mold64_missing(&flow->track));
		memset(&flow->track, 0, sizeof(flow->track));
	}
	step = mold64_track(&flow->track, &header, datagram->now_ns);
	count(shard, HEALTH_MOLD64_PACKETS, 1);
	count(shard, HEALTH_MOLD64_HEARTBEATS, header.count == 0);
	count(shard, HEALTH_MOLD64_ENDS, header.count == MOLD64_END);
	count(shard, HEALTH_MOLD64_MESSAGES, mold64_messages(&header));
	count(shard, HEALTH_MOLD64_LOST, step.lost);
	count(shard, HEALTH_MOLD64_REORDERED, step.reordered);
	count(shard, HEALTH_MOLD64_DUPLICATE, step.duplicates);
	count(shard, HEALTH_MOLD64_SESSIONS, step.session_changed);
	count(shard, HEALTH_MOLD64_RESTARTS, step.restarted);
}

void health_look(struct health *health, unsigned int index, const struct health_datagram *datagram)
{
	struct health_shard *shard = &health->shards[index];
	struct rtp_header header;
	/* A transport stream begins with 0x47, which no RTP does. */
	bool is_rtp = health->watch & (WATCH_RTP | WATCH_TS) &&
		      rtp_parse(datagram->payload, datagram->readable, &header);

	if (health->watch & WATCH_RTP) {
		if (is_rtp)
			look_rtp(health, shard, datagram, &header);
		else
			count(shard, HEALTH_RTP_INVALID, 1);
	}
	if (health->watch & WATCH_TS)
		look_ts(shard, datagram, is_rtp ? &header : NULL);
	if (health->watch & WATCH_MOLD64)
		look_mold64(shard, datagram);
}

/* ---- main thread ---- */

void health_add(struct health_counts *sum, const struct health_counts *counts)
{
	for (unsigned int i = 0; i < HEALTH_FIGURES; i++)
		sum->figures[i] += counts->figures[i];
}

uint64_t health_errors(const struct health_counts *counts)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HEALTH_FIGURES; i++)
		sum += health_figures[i].broken ? counts->figures[i] : 0;
	return sum;
}

void health_read(const struct health *health, struct health_counts *sum)
{
	for (unsigned int i = 0; health && i < health->nr_shards; i++) {
		for (unsigned int j = 0; j < HEALTH_FIGURES; j++)
			sum->figures[j] += counter_read(&health->shards[i].figures[j]);
	}
}

static void read_source(const struct rtp_flow *flow, uint64_t now_ns, struct health_source *source)
{
	uint64_t last_ns = flow_last(&flow->flow);

	source->ssrc = atomic_load(&flow->ssrc);
	source->type = (uint8_t)atomic_load(&flow->type);
	source->clock = atomic_load(&flow->clock);
	source->packets = counter_read(&flow->packets);
	source->lost = counter_read(&flow->lost);
	source->reordered = counter_read(&flow->reordered);
	source->duplicates = counter_read(&flow->duplicates);
	source->late = counter_read(&flow->late);
	source->jitter_ns = rtp_jitter_ns(atomic_load(&flow->jitter), source->clock);
	source->quiet_ns = now_ns > last_ns ? now_ns - last_ns : 0;
}

unsigned int health_sources(const struct health *health, uint64_t now_ns,
			    struct health_source *sources, unsigned int most)
{
	unsigned int found = 0;

	for (unsigned int i = 0; health && i < health->nr_shards; i++) {
		const struct rtp_flow *flows = health->shards[i].rtp;

		for (unsigned int j = 0; flows && j < HEALTH_FLOWS_RTP && found < most; j++) {
			const struct rtp_flow *flow = &flows[j];

			if (flow_last(&flow->flow))
				read_source(flow, now_ns, &sources[found++]);
		}
	}
	return found;
}
