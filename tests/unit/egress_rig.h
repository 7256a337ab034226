/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ingress and egress one after the other in one thread, over a fake AF_XDP socket and real UDP
 * sockets, so that what is queued, gathered, sent, refused and counted is the same in every run.
 *
 * A test opens a rig, adds flows, delivers their packets, relays, checks, and closes the rig. It
 * runs with both engines; the state says which (BOTH_ENGINES).
 *
 * A test program includes egress_rig.c, which includes lab.c.
 */
#ifndef XMCAST_TESTS_EGRESS_RIG_H
#define XMCAST_TESTS_EGRESS_RIG_H

#include <stdint.h>

#include "dataplane/egress.h"
#include "dataplane/ingress.h"
#include "lab.h"

#define RIG_FRAMES  4096
#define RIG_STREAMS 32

struct rig {
	struct xsk *xsk;
	struct frame_queue queue;
	struct ingress ingress;
	struct egress egress;
	int command_fd;
	unsigned int nr_streams;
	struct stream *streams[RIG_STREAMS];
	struct ruleset *ruleset;
	uint32_t numbers[RIG_STREAMS]; /* of the next packet, per stream */
	uint32_t delivered;
};

extern const enum egress_engine rig_engines[2];

/* cmocka has no parameters: each test runs twice, with its engine in the state. */
#define BOTH_ENGINES(test)                                                                         \
	{#test ":io_uring", test, NULL, NULL, (void *)&rig_engines[0]},                            \
	{                                                                                          \
#test ":sendmmsg", test, NULL, NULL, (void *)&rig_engines[1]                       \
	}

/* With the engine of cmocka's state. */
struct rig *rig_open(void **state);

/* For packets of this MTU. */
struct rig *rig_open_for(void **state, unsigned int mtu);

/* Checks that every frame is the kernel's, nothing is queued or in flight, and all that was
 * delivered was received. */
void rig_close(struct rig *rig);

/* Relay the next flow to these outputs, or to one sink, which is opened. The rig owns the stream.
 */
struct stream *rig_add_outputs(struct rig *rig, const struct rule_output *outputs,
			       unsigned int count, unsigned int gso);
struct stream *rig_add(struct rig *rig, struct sink *sink, lab_lengths lengths, unsigned int gso);

/* The next `count` packets of a flow arrive. */
void rig_deliver(struct rig *rig, unsigned int flow, uint32_t count, lab_lengths lengths);

/* Ingress queues what has arrived. */
void rig_receive(struct rig *rig);

/* Egress sends everything that is queued, and ends, because its command stream is closed. Skips the
 * test where the engine is unavailable. */
void rig_send_all_queued(struct rig *rig);

/* Both. */
void rig_relay(struct rig *rig);

/* Check what an output has counted: `sent` of the submitted datagrams, the others refused with
 * `error`. */
void rig_expect_counts(const struct stream *stream, unsigned int output, uint64_t submitted,
		       uint64_t sent, int error);

/* Exactly the next `count` datagrams of the flow have arrived. Closes the sink. */
void rig_expect_only(struct sink *sink, uint32_t count);

/* Exactly what was delivered has arrived. Closes the sink. */
void rig_expect_all(struct rig *rig, struct sink *sink);

#endif
