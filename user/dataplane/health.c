/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/health.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "dataplane/health_rtp.h"
#include "dataplane/rtp.h"

const struct health_info health_figures[HEALTH_FIGURES] = {
	[HEALTH_UNWATCHED] = {0, false, "unwatched_packets"},
	[HEALTH_RTP_PACKETS] = {WATCH_RTP, false, "received_packets"},
	[HEALTH_RTP_INVALID] = {WATCH_RTP, false, "invalid_packets"},
	[HEALTH_RTP_LOST] = {WATCH_RTP, true, "lost_packets"},
	[HEALTH_RTP_REORDERED] = {WATCH_RTP, false, "reordered_packets"},
	[HEALTH_RTP_DUPLICATE] = {WATCH_RTP, false, "duplicate_packets"},
	[HEALTH_RTP_LATE] = {WATCH_RTP, false, "late_packets"},
	[HEALTH_RTP_RESTARTS] = {WATCH_RTP, true, "restarts"},
	[HEALTH_RTP_SOURCES] = {WATCH_RTP, false, "source_changes"},
};

const char *const health_kinds[HEALTH_KINDS] = {"rtp", "ts", "mold64"};

const char *health_name(enum health_figure figure, char name[HEALTH_NAME_SIZE])
{
	const struct health_info *info = &health_figures[figure];
	const char *kind = info->watch ? health_kinds[__builtin_ctz(info->watch)] : "";

	snprintf(name, HEALTH_NAME_SIZE, "%s%s%s", kind, *kind ? "_" : "", info->key);
	return name;
}

/* Whose packets they are; without padding. */
struct flow_key {
	struct xmc_addr source;
	uint16_t source_port, port;
	uint32_t ssrc; /* 0 if it is not one of RTP */
};

_Static_assert(sizeof(struct flow_key) == 24, "compared as bytes");

/* A place in a table of flows: the first member of what the table has. */
struct flow {
	struct flow_key key;
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

/* Of one shard. */
struct health_shard {
	alignas(CACHE_LINE) counter_t figures[HEALTH_FIGURES];
	unsigned int rtp_last; /* the flow of the last datagram */
	struct rtp_flow rtp[HEALTH_FLOWS_RTP];
};

struct health {
	uint8_t watch;
	uint32_t clock;
	unsigned int nr_shards;
	struct health_shard *shards;
};

struct health *health_new(const struct rule *rule, unsigned int nr_shards)
{
	struct health *health = calloc(1, sizeof(*health));

	if (!health)
		return NULL;
	health->watch = rule->watch;
	health->clock = rule->watch_clock;
	health->nr_shards = nr_shards;
	health->shards = aligned_alloc(CACHE_LINE, nr_shards * sizeof(*health->shards));
	if (!health->shards) {
		free(health);
		return NULL;
	}
	memset(health->shards, 0, nr_shards * sizeof(*health->shards));
	return health;
}

void health_free(struct health *health)
{
	if (!health)
		return;
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

/* The flow with this key in a table of `count` entries of `size` bytes; *last: where the one before
 * was found. A new one is all zero but for its key; *fresh: it took the place of another one, or is
 * the first. NULL: there is no room. */
static void *find_flow(void *table, size_t size, unsigned int count, unsigned int *last,
		       const struct flow_key *key, uint64_t now_ns, bool *fresh)
{
	struct flow *flow = flow_at(table, size, *last), *oldest = flow;

	*fresh = false;
	if (flow_last(flow) && memcmp(&flow->key, key, sizeof(*key)) == 0)
		goto found;
	for (unsigned int i = 0; i < count; i++) {
		flow = flow_at(table, size, i);
		if (flow_last(flow) && memcmp(&flow->key, key, sizeof(*key)) == 0) {
			*last = i;
			goto found;
		}
		if (flow_last(flow) < flow_last(oldest))
			oldest = flow;
	}
	if (flow_last(oldest) && now_ns - flow_last(oldest) < HEALTH_QUIET_NS)
		return NULL;
	*fresh = true;
	flow = oldest;
	flow->key = *key;
	*last = (unsigned int)((size_t)((char *)flow - (char *)table) / size);
found:
	atomic_store_explicit(&flow->last_ns, now_ns, memory_order_relaxed);
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

static void look_rtp(const struct health *health, struct health_shard *shard, struct flow_key key,
		     const struct rtp_header *header, uint64_t now_ns)
{
	struct rtp_flow *flow;
	struct rtp_step step;
	uint32_t clock;
	bool fresh;

	key.ssrc = header->ssrc;
	flow = find_flow(shard->rtp, sizeof(*shard->rtp), HEALTH_FLOWS_RTP, &shard->rtp_last, &key,
			 now_ns, &fresh);
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
	step = rtp_track(&flow->track, header->sequence);
	if (step.lost | step.late | step.reordered | step.duplicate | step.restarted)
		count_step(shard, flow, &step);
	clock = atomic_load_explicit(&flow->clock, memory_order_relaxed);
	if (!clock)
		return;
	rtp_track_jitter(&flow->track, header->timestamp, clock, now_ns);
	atomic_store_explicit(&flow->jitter, flow->track.jitter, memory_order_relaxed);
}

void health_look(struct health *health, unsigned int index, const struct health_datagram *datagram)
{
	struct health_shard *shard = &health->shards[index];
	struct flow_key key = {
		.source = *datagram->source,
		.source_port = datagram->source_port,
		.port = datagram->port,
	};
	struct rtp_header header;
	bool is_rtp = rtp_parse(datagram->payload, datagram->readable, &header);

	if (health->watch & WATCH_RTP) {
		if (is_rtp)
			look_rtp(health, shard, key, &header, datagram->now_ns);
		else
			count(shard, HEALTH_RTP_INVALID, 1);
	}
}

/* ---- main thread ---- */

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
		for (unsigned int j = 0; j < HEALTH_FLOWS_RTP && found < most; j++) {
			const struct rtp_flow *flow = &health->shards[i].rtp[j];

			if (flow_last(&flow->flow))
				read_source(flow, now_ns, &sources[found++]);
		}
	}
	return found;
}
