/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker serves one RX queue of one device, an ingress interface or a member of a bond: a UMEM
 * with its AF_XDP socket (xsk.h), an ingress thread (ingress.h), an egress thread (egress.h), and
 * the frame queue between them.
 *
 *     worker_open()    memory, bound socket, every frame in the fill ring
 *     worker_prepare() both threads are there, and wait
 *     worker_go()      they run
 *       … the caller puts xsk_fd() into the XSKMAP and attaches the XDP program …
 *       worker_update() whenever rules change
 *       worker_check()  about once a second
 *       … the caller detaches the XDP program …
 *     worker_stop()    drain the RX ring, then the queue, then what is in flight; end both threads
 *     worker_close()
 *
 * Hand-over to another process: worker_pause() instead of worker_stop() leaves the RX ring, which
 * the successor's worker continues with (worker_options.adopt); if that fails, worker_start() goes
 * on with it here.
 *
 * How a packet travels (xsk.h: who owns its frame when)
 *
 *     xmcast_steer()             bpf/steer.bpf.c: redirects it to the RX ring of the queue's socket
 *     ingress_run()              ingress thread:
 *       xsk_receive()            take up to 64 frames out of the RX ring
 *       ruleset_find()           the stream of each datagram
 *       frame_queue_publish()    to the egress thread, which is woken if it sleeps
 *     egress_loop_run()          egress thread:
 *       send_entry()             add the datagram to the open request of each output
 *       send_open_request()      a full request, or the end of the pass: one sendmsg(2)
 *       engine_enter()           submit all requests, receive completions
 *       on_sent()                count; the frame's last send has completed:
 *       xsk_return()             to the fill ring
 *
 * How a change of the rules travels
 *
 *     worker_update()            leaves the ruleset in `next`, and wakes the ingress thread
 *     change_ruleset()           ingress thread: use it, push a marker behind older frames
 *     take_entries()             egress thread: stop at the marker until nothing is in flight
 *     acknowledge()              nothing uses the old ruleset: worker_update() returns
 *
 * Heartbeats: a thread that makes no progress for `workers.watchdog` seconds, although it was woken
 * (watch.h), is stuck for good. The process can then only end, by _exit(2), because the thread may
 * still use the worker's memory.
 *
 * All functions are the main thread's; the counters may be read by any thread.
 */
#ifndef XMCAST_DATAPLANE_WORKER_H
#define XMCAST_DATAPLANE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/capture.h"
#include "dataplane/egress.h"
#include "dataplane/heartbeat.h"
#include "dataplane/ingress.h"
#include "dataplane/ruleset.h"
#include "dataplane/xsk.h"
#include "rules/config.h"

struct worker;

struct worker_options {
	const char *iface;
	unsigned int queue;
	unsigned int shard; /* of streams and outputs; of no other worker of the intake */
	unsigned int index; /* among all workers: selects its CPUs */
	unsigned int mtu;
	bool copy;	   /* see xsk_options */
	bool fail_if_busy; /* see xsk_options */
	struct worker_config sizes;
	struct egress_config egress;
	/* The socket of another process; NULL: open one. Its sizes are those of `sizes`. */
	const struct xsk_adoption *adopt;
};

/* Everything about a worker that can be read while it runs; a snapshot. */
struct worker_state {
	uint64_t submitted; /* datagrams handed to the kernel, over all outputs */
	uint64_t sent;
	uint64_t sent_bytes; /* UDP payload */
	uint64_t send_errors;
	uint64_t rate_limited;	/* datagrams not submitted: above the limit of their output */
	uint64_t withheld;	/* not submitted: they could not have left (withheld.h) */
	uint64_t unwanted;	/* not submitted: no receiver has joined */
	uint64_t inactive_side; /* not submitted: another input of the rule is selected */
	uint64_t waiting;	/* frames in the RX ring; read before `received` */
	uint64_t received;
	uint64_t drops[INGRESS_DROPS];
	uint64_t wakeups; /* eventfd writes, ingress to egress */
	uint64_t sleeps;  /* times that egress waited for an event */
	uint64_t submits;
	uint64_t sends;
	uint64_t cq_overflows;
	uint32_t queued;	 /* frames in the frame queue */
	uint64_t in_flight;	 /* frames with unfinished sends */
	uint64_t kernel_frames;	 /* frames in the fill ring and the RX ring */
	unsigned int frames;	 /* all */
	struct xsk_drops kernel; /* dropped by the kernel on our socket */
	uint64_t uncertain;	 /* see xsk_uncertain() */
};

/* Add the counters of one to another; not the gauges (queued, in_flight, kernel_frames, frames). */
void worker_state_add(struct worker_state *sum, const struct worker_state *state);

/* 0 or -errno as xsk_open() or xsk_adopt(). */
int worker_open(struct worker **out, const struct worker_options *options);

/* Create the threads, for the first time or after worker_pause(): they use no ring before
 * worker_go(), which is all that lasts between two processes. 0, or -errno if the egress thread's
 * engine or a thread could not be created; then no thread runs. */
int worker_prepare(struct worker *worker);

/* Run with this ruleset. No other process uses the rings any more. */
void worker_go(struct worker *worker, const struct ruleset *ruleset);

/* Both of these. */
int worker_start(struct worker *worker, const struct ruleset *ruleset);

/*
 * Hand a new ruleset to the ingress thread, and wait until the egress thread has acknowledged it:
 * then nothing uses the old one. Lasts about as long as egress needs for what is queued. 0, or
 * -errno if a thread has failed or is stuck.
 */
int worker_update(struct worker *worker, const struct ruleset *ruleset);

/* Wait until what is in the RX ring now has been sent, or dropped. Returns as worker_update(). */
int worker_flush(struct worker *worker);

/*
 * Capture the worker's packets from now on; NULL: capture none. Waits as worker_update(), and then
 * nothing uses the capture before. 0; -ENOMEM: all is as before; -errno: a thread has failed or is
 * stuck.
 */
int worker_capture(struct worker *worker, struct capture *capture);

/* Look at the heartbeats of both threads, and wake a thread that may be asleep, so that its
 * heartbeat moves until the next call. Never waits. */
void worker_check(struct worker *worker, uint64_t now_ns);

/* For how long a heartbeat has been overdue, when worker_check() last looked; 0: none is. */
uint64_t worker_overdue_ns(const struct worker *worker);

/* The worker of the first thread that was found stuck, or NULL. worker_stop() fails for such a
 * worker, and worker_close() does not free its memory. */
const struct worker *worker_find_stuck(void);
void worker_describe_stuck(const struct worker *worker, struct stuck_thread *stuck);

/*
 * End both threads in order; no packet that reached the RX ring is left behind. 0; -EIO and a log
 * record if a thread failed or a frame was lost, -EIO if a thread is stuck, the merger's included.
 * Accepts a worker that was never started.
 */
int worker_stop(struct worker *worker);

/*
 * As worker_stop(), but packets in the RX ring, and those that arrive, stay there; the socket stays
 * open. All that was taken out before has been sent: its frames are in the fill ring.
 */
int worker_pause(struct worker *worker);

void worker_close(struct worker *worker); /* stopped, stuck, or never started; accepts NULL */

/* Its socket, for what that can say of itself; after worker_stop() it may be released: then the
 * worker cannot be started again. */
struct xsk *worker_xsk(const struct worker *worker);

const char *worker_interface(const struct worker *worker);
unsigned int worker_queue(const struct worker *worker);
unsigned int worker_shard(const struct worker *worker);
const char *worker_engine(const struct worker *worker);

/* The CPUs of the ingress and the egress thread; -1: any. */
#define WORKER_THREADS 2
void worker_cpus(const struct worker *worker, int cpus[WORKER_THREADS]);

/* Has a thread ended on its own, or is one stuck? Then the relay must end. */
bool worker_failed(const struct worker *worker);

/* An eventfd that becomes readable when worker_failed() may have changed. */
int worker_notify_fd(const struct worker *worker);

void worker_read(const struct worker *worker, struct worker_state *state);

/* Does it go on with the socket of another process? */
bool worker_is_adopted(const struct worker *worker);

/* See xsk_taken_before(); 0 if the socket was not adopted. */
uint32_t worker_taken_before(const struct worker *worker);

/* Add what the worker of another process has counted; gauges are ignored. What the kernel has
 * dropped is not added if the socket is the same, because the kernel counts on. */
void worker_carry(struct worker *worker, const struct worker_state *before);

#endif
