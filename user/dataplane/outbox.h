/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outbox of an egress thread: datagrams to requests, requests to the kernel, and what became of
 * each to the counters of its output.
 *
 *     outbox_add() ─▶ request per output ─▶ engine (engine.h) ─▶ completion ─▶ in_flight.h
 *
 * Batches: what is added for one output until outbox_flush() leaves with one send, if GSO is on
 * (gso.h) and the headers are the same (send_request.h). An output of `from keep` gathers for each
 * source by itself.
 *
 * Order: datagrams leave on each output in the order in which they are added; with `from keep`,
 * those of one source do. The sends of one output are submitted in order, and MSG_DONTWAIT keeps
 * the kernel from parking one of them. The datagrams of a refused batch are sent one by one when
 * its completion reports the refusal, so until then nothing is handed over that could be accepted
 * (gso_must_wait()). One case remains: the route changes between two sends of one submission,
 * within tens of microseconds, so that the kernel refuses a batch and accepts the datagrams behind
 * it.
 *
 * Leases (lease.h): a datagram of a rule whose lease is not held in front of its send, or when the
 * kernel's own check has refused the send, ends here, as `standby`.
 *
 * Everything runs in the egress thread. What returns -errno: the engine cannot continue.
 */
#ifndef XMCAST_DATAPLANE_OUTBOX_H
#define XMCAST_DATAPLANE_OUTBOX_H

#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "dataplane/in_flight.h"
#include "dataplane/send_request.h"
#include "rules/config.h"

struct capture_tap;

/* Of an egress thread. */
struct egress_counters {
	counter_t sleeps;	/* calls of the engine that waited */
	counter_t submits;	/* calls of the engine that handed over sends */
	counter_t sends;	/* requests sent: several datagrams each, with GSO */
	counter_t cq_overflows; /* completions that did not fit the ring; always 0 */
	counter_t in_flight;	/* frames with unfinished sends: a gauge */
	counter_t beats;	/* calls of the engine: the thread makes progress (watch.h) */

	/* Sums of the same counters of all output shards, also of those that are gone, so that
	 * totals need no walk over all rules. */
	counter_t submitted;
	counter_t sent;
	counter_t sent_bytes;
	counter_t send_errors;
	counter_t rate_limited;
	counter_t withheld;
	counter_t unwanted;
	counter_t inactive_side;
};

/* Count datagrams of this output that end without a send. */
void egress_count_withheld(struct egress_counters *sums, struct output_shard *to,
			   enum withheld reason, unsigned int count);

/* A datagram to send, whose payload may be in several frames. */
struct datagram {
	const struct frame_entry *entry;
	const uint8_t *frame; /* the first one */
	unsigned int pieces;
	struct iovec payloads[XSK_MAX_PIECES];
};

/* Uses of one reading of the clock: often enough that a long pass does not end a burst too early,
 * seldom enough that its 26 ns do not show. */
#define CLOCK_EVERY 64

struct outbox {
	/* Set before it is opened. */
	struct in_flight *flight;
	struct egress_counters *counters;
	int notify_fd; /* eventfd: a source port is wanted (source_ports.h) */

	struct capture_tap *tap; /* that sees what is handed over; NULL: nothing is captured */
	bool shutdown;		 /* the command stream has closed */
	unsigned int unfinished; /* requests at the kernel */

	struct engine *engine;
	struct send_request *requests;
	struct send_request *free_requests;
	struct output_shard *open; /* outputs with an open request */
	uint64_t now_ns;	   /* a little old */
	unsigned int clock_uses;   /* of now_ns; 0: read the clock */
	struct log_limit send_limit;
};

/* Create the engine (engine_open()), sendmmsg where io_uring is unavailable, in the thread that
 * will use it (IORING_SETUP_SINGLE_ISSUER). What is not set is zero before. 0 or -errno. */
int outbox_open(struct outbox *outbox, enum egress_engine engine, int wakeup_fd, int command_fd);
void outbox_close(struct outbox *outbox); /* accepts what is half open */

/* Add a datagram to the open request of its flow, or open one. One of the unfinished sends of its
 * frame is this one's. One in several frames is sent alone. 0 or -errno. */
int outbox_add(struct outbox *outbox, struct output_shard *to, const struct datagram *datagram,
	       const struct send_key *key);

/* Prepare the sends of all open requests. 0 or -errno. */
int outbox_flush(struct outbox *outbox);

/* Hand over what is prepared, see what has completed, return the frames that are done; wait for an
 * event, but not beyond `until_ns`, only if `wait` (engine_enter()). 0 or -errno. */
int outbox_push(struct outbox *outbox, bool wait, uint64_t until_ns);

/* clock_ns(), up to CLOCK_EVERY uses old; clock_uses = 0 makes the next one exact. */
static inline uint64_t outbox_recent_ns(struct outbox *outbox)
{
	if (!outbox->clock_uses)
		outbox->now_ns = clock_ns();
	outbox->clock_uses = (outbox->clock_uses + 1) % CLOCK_EVERY;
	return outbox->now_ns;
}

#endif
