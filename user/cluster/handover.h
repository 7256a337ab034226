/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon is asked for when a shard is passed on while it is sent (protocol.h, 5), one
 * shard at a time:
 *
 *     old host  lease.sequence ─▶ HANDOVER_MEASURE_NS ─▶ lease.sequence ─▶ lease.set, until_seq
 *                      │ a rule has no sequence numbers, or they pass too fast  │ refused
 *                      └────────────────────────────▶ lease.set, until a moment ◀┘
 *               and when it is passed on  lease.set, later, with the same until_seq
 *     new host  lease.set, from_seq
 *
 * The numbers are ahead by half of the time that is left, as fast as the stream has counted between
 * the two readings, or as its mean rate is if it is slow. No I/O and no clock; one thread.
 */
#ifndef XMCAST_CLUSTER_HANDOVER_H
#define XMCAST_CLUSTER_HANDOVER_H

#include <jansson.h>
#include <stdbool.h>

#include "cluster/protocol.h"

/* Between the two readings. */
#define HANDOVER_MEASURE_NS 50000000ULL

/* So often it is read until it moves at a moment. */
#define HANDOVER_READINGS 10

/* The shortest time in which a number can be agreed on. */
#define HANDOVER_LEAST_NS 250000000ULL

enum handover_step {
	HANDOVER_IDLE,
	HANDOVER_FIRST,	 /* the first reading is asked for */
	HANDOVER_PAUSE,	 /* until `at` */
	HANDOVER_SECOND, /* the second one is */
	HANDOVER_READY,	 /* the numbers are chosen, or there are none */
	HANDOVER_END,	 /* the end is asked for */
	HANDOVER_LATER,	 /* that it ends later is asked for */
	HANDOVER_BEGIN,	 /* the beginning is asked for */
};

/* Starts zeroed. */
struct handover {
	enum handover_step step;
	char lease[CLUSTER_NAME_SIZE];
	unsigned int number, shards; /* of the lease, when the first step was made */
	uint64_t at, until, left;
	json_t *rules, *earlier; /* of the last reading, and of the one before */
	uint64_t between;	 /* them */
	unsigned int readings;
	json_t *cut; /* {RULE: NUMBER, …}; NULL: at a moment */
};

/* Forget what is being done: the daemon is not connected any more. */
void handover_reset(struct handover *handover);

/* The next request, with its params, which are the caller's; NULL: nothing now. */
const char *handover_request(struct handover *handover, struct protocol *protocol, uint64_t now,
			     json_t **params);

/* Its answer; NULL: it was refused. */
void handover_answer(struct handover *handover, struct protocol *protocol, uint64_t now,
		     const json_t *result);

/* When handover_request() has something without an answer or a change of the protocol; UINT64_MAX:
 * never. */
uint64_t handover_next(const struct handover *handover);

/* The way of a shard's record through the store to the new host, at most. */
#define HANDOVER_WAY_NS 100000000ULL

/*
 * The new host withholds what comes before the numbers until `wait` after the end, *left after the
 * second reading. Half of all numbers must not pass in this time, or those after it look as if they
 * came before. Reduces *left; false: not possible.
 */
bool handover_limit(const json_t *first, const json_t *second, uint64_t between, uint64_t wait,
		    uint64_t *left);

/*
 * The numbers at which streams change hosts, from two readings (the `rules` of lease.sequence) that
 * are `between` apart, about *left / 2 after the second one. *left is reduced so that not more than
 * a quarter of all numbers passes in it. A new reference; NULL: not possible.
 */
json_t *handover_choose(const json_t *first, const json_t *second, uint64_t between,
			uint64_t *left);

#endif
