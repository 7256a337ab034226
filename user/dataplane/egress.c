/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xmcast/packet.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "dataplane/engine.h"
#include "dataplane/spin.h"
#include "dataplane/stamp.h"

/* struct send_request has room for one stamp. */
_Static_assert(GSO_MAX_SEGMENTS <= STAMP_EVERY, "two datagrams of a batch would be timed");

/* Entries taken from the queue in one pass. Open requests wait for the end of the pass, so it must
 * end; but a thousand interleaved flows fill a batch each only if there is much to gather from:
 * with 1024 here they cost three times as much a packet. A pass is as short as the queue, unless
 * that overflows. */
#define PASS 16384

/* Prepared sends that are handed over within a pass: often enough that frames come back while it
 * lasts, seldom enough that the call costs nothing a packet. */
#define SUBMIT_AT 64

/* Datagrams to limited outputs that are judged by one look at the clock: often enough that a long
 * pass does not end a burst too early, seldom enough that its 26 ns do not show. */
#define CLOCK_EVERY 64

struct egress_loop {
	struct egress *egress;
	struct engine *engine;
	struct send_request *requests;
	struct send_request *free_requests;
	unsigned int in_flight;	   /* requests at the kernel */
	struct output_shard *open; /* outputs with a request that is being gathered */

	uint16_t *references; /* per frame: its unfinished sends */
	uint32_t *returned;   /* frames whose last send completed in this pass */
	unsigned int nr_returned;
	uint64_t frames_in_flight;

	uint64_t now_ns;	 /* for limited outputs, a little old */
	unsigned int clock_uses; /* since now_ns was read; 0: it must be */

	bool marker_waits; /* a marker was taken; its acknowledgement is due when all before */
	uint64_t marker;   /* it is done: its generation */
	bool shutdown;
	struct log_limit send_limit;
};

/* ---- frames ---- */

static void release_frame(struct egress_loop *loop, uint32_t frame)
{
	if (--loop->references[frame])
		return;
	loop->returned[loop->nr_returned++] = frame;
	loop->frames_in_flight--;
}

/* A frame that has nothing to be sent. */
static void discard_frame(struct egress_loop *loop, uint32_t frame)
{
	loop->returned[loop->nr_returned++] = frame;
}

static void return_frames(struct egress_loop *loop)
{
	xsk_return(loop->egress->xsk, loop->returned, loop->nr_returned);
	loop->nr_returned = 0;
	atomic_store_explicit(&loop->egress->counters.in_flight, loop->frames_in_flight,
			      memory_order_relaxed);
}

/* ---- events ---- */

static void notify_main(struct egress_loop *loop)
{
	int err = wakeup_send(loop->egress->notify_fd);

	if (err)
		log_error("egress-notify-failed", LOG_ERROR(err));
}

static void on_command(void *context, const struct egress_command *command)
{
	struct egress_loop *loop = context;

	switch (command->kind) {
	case EGRESS_PING:
		atomic_store(&loop->egress->pong, command->sequence);
		notify_main(loop);
		break;
	}
}

static void on_shutdown(void *context)
{
	((struct egress_loop *)context)->shutdown = true;
}

static void log_refusal(struct egress_loop *loop, const struct send_request *request, int result)
{
	const struct rule_output *rule = &request->to->output->rule;
	uint16_t port = ntohs(send_request_port(request));
	char text[ENDPOINT_TEXT_SIZE];

	if (!log_allowed(&loop->send_limit, "send-failed"))
		return;
	log_warning("send-failed",
		    LOG_NAME("to", endpoint_format(&rule->to, port, rule->iface, text)),
		    LOG_UINT("datagrams", request->count), LOG_ERROR(result));
}

static void on_sent(void *context, struct send_request *request, int result)
{
	struct egress_loop *loop = context;
	unsigned int segments = request->to->gso_segments;
	unsigned int max_size = request->to->gso_max_size;

	if (send_request_refused(request, result)) {
		/* If the single ones are refused as well, it was not for being a batch. */
		if (!send_request_singly(request)) {
			request->to->gso_segments = segments;
			request->to->gso_max_size = max_size;
		}
	} else {
		output_shard_account(request->to, request->count, result);
		if (result < 0)
			log_refusal(loop, request, result);
	}
	send_request_end(request);
	if (request->stamp)
		histogram_add(request->to->latency, stamp_age_ns(request->stamp));
	for (unsigned int i = 0; i < request->count; i++)
		release_frame(loop, request->frames[i]);
	request->next_free = loop->free_requests;
	loop->free_requests = request;
	loop->in_flight--;
}

/* Hand over what is prepared and see what has completed; wait for an event only if asked. */
static int push(struct egress_loop *loop, bool wait)
{
	struct egress_counters *counters = &loop->egress->counters;
	int err;

	if (loop->engine->prepared)
		counter_add(&counters->submits, 1);
	if (wait)
		counter_add(&counters->sleeps, 1);
	err = engine_enter(loop->engine, wait);
	counter_add(&counters->beats, 1);
	return_frames(loop);
	atomic_store_explicit(&counters->cq_overflows, engine_overflows(loop->engine),
			      memory_order_relaxed);
	return err;
}

/* ---- sending ---- */

/* Until no batch of this output is unfinished: the refused ones have been sent singly then. The
 * kernel keeps none of them waiting, so that this ends; it seldom takes more than the first call.
 */
static int finish_batches(struct egress_loop *loop, const struct output_shard *to)
{
	int err = push(loop, false);

	while (!err && to->gso_unfinished)
		err = push(loop, true);
	return err;
}

/* The output's open request is complete: prepare its send. */
static int close_request(struct egress_loop *loop, struct output_shard *to)
{
	struct send_request *request = to->open;
	int err;

	to->open = NULL;
	if (send_request_overtakes(request)) {
		err = finish_batches(loop, to);
		if (err)
			return err;
	}
	send_request_finish(request);
	send_request_begin(request);
	engine_send(loop->engine, request);
	loop->in_flight++;
	counter_add(&loop->egress->counters.sends, 1);
	counter_add(&to->submitted, request->count);
	/* The first batch with segments so large shows whether the route takes them: one refusal
	 * tells, instead of one for each batch that is prepared behind it. */
	if ((request->count > 1 && request->segment_size > to->gso_proven) ||
	    loop->engine->prepared >= SUBMIT_AT)
		return push(loop, false);
	return 0;
}

static int close_all(struct egress_loop *loop)
{
	int err = 0;

	while (loop->open) {
		struct output_shard *to = loop->open;

		loop->open = to->next_open;
		to->next_open = NULL;
		to->listed = false;
		if (to->open && !err)
			err = close_request(loop, to);
	}
	return err;
}

/* A free request. If all are in use, the open ones are sent and completions awaited. */
static int get_request(struct egress_loop *loop, struct send_request **request)
{
	int err = 0;

	if (!loop->free_requests) {
		err = close_all(loop);
		if (!err)
			err = push(loop, false);
	}
	while (!err && !loop->free_requests)
		err = push(loop, true);
	if (err)
		return err;
	*request = loop->free_requests;
	loop->free_requests = (*request)->next_free;
	return 0;
}

/* Append a datagram to its output's open request, or begin one. */
static int send_datagram(struct egress_loop *loop, struct output_shard *to, uint32_t frame,
			 void *payload, const struct frame_entry *entry)
{
	in_port_t port = to->keeps_port ? xmc_payload_port(payload) : 0;
	uint32_t length = entry->length;
	int err;

	if (to->open && !send_request_takes(to->open, length, port)) {
		err = close_request(loop, to);
		if (err)
			return err;
	}
	if (!to->open) {
		struct send_request *request;

		err = get_request(loop, &request);
		if (err)
			return err;
		send_request_start(request, to, port);
		to->open = request;
		if (!to->listed) {
			to->listed = true;
			to->next_open = loop->open;
			loop->open = to;
		}
	}
	if (entry->stamp)
		to->open->stamp = entry->stamp;
	if (send_request_add(to->open, frame, payload, length))
		return close_request(loop, to);
	return 0;
}

/* Is this datagram over its output's limit? Then it is counted and ends here. The clock is read
 * only where there is a limit. */
static bool is_over_limit(struct egress_loop *loop, struct output_shard *to, uint32_t length)
{
	if (!to->limit)
		return false;
	if (!loop->clock_uses)
		loop->now_ns = clock_ns();
	loop->clock_uses = (loop->clock_uses + 1) % CLOCK_EVERY;
	if (rate_limit_allows(to->limit, length, loop->now_ns))
		return false;
	counter_add(&to->rate_limited, 1);
	return true;
}

static int send_entry(struct egress_loop *loop, const struct frame_entry *entry)
{
	struct egress *egress = loop->egress;
	uint32_t frame = xsk_frame_index(egress->xsk, entry->payload);
	struct stream *stream = entry->stream;
	int err = 0;

	xsk_hand_over(egress->xsk, frame, OWNER_QUEUE, OWNER_EGRESS);
	if (!stream || !stream->nr_outputs) {
		discard_frame(loop, frame);
		return 0;
	}
	/* Counted before the first send, because that may complete before the last is prepared. */
	loop->references[frame] = (uint16_t)stream->nr_outputs;
	loop->frames_in_flight++;
	for (unsigned int i = 0; !err && i < stream->nr_outputs; i++) {
		struct output_shard *to = &stream->outputs[i].shards[egress->rx_queue];

		if (is_over_limit(loop, to, entry->length))
			release_frame(loop, frame);
		else
			err = send_datagram(loop, to, frame,
					    xsk_memory(egress->xsk) + entry->payload, entry);
	}
	return err;
}

/* Take what is queued and prepare its sends; stops at a marker. Returns entries taken or -errno. */
static int take(struct egress_loop *loop)
{
	struct frame_entry entry;
	int taken = 0;
	int err = 0;

	loop->clock_uses = 0;
	while (!err && taken < PASS && !loop->marker_waits &&
	       frame_queue_take(loop->egress->queue, &entry)) {
		taken++;
		if (entry.kind == FRAME_MARKER) {
			loop->marker_waits = true;
			loop->marker = entry.payload;
			break;
		}
		err = send_entry(loop, &entry);
	}
	if (!err)
		err = close_all(loop);
	return err ? err : taken;
}

/* All frames in front of the marker are done: the ruleset before it is not used any more. */
static void acknowledge(struct egress_loop *loop)
{
	loop->marker_waits = false;
	atomic_store(&loop->egress->acknowledged, loop->marker);
	notify_main(loop);
}

/* Nothing was taken: what completes next, an arrival or a send, is waited for. */
static bool may_sleep(struct egress_loop *loop, struct spin *spin)
{
	if (loop->shutdown && !loop->in_flight)
		return false;
	if (loop->marker_waits)
		return true; /* only for sends in flight: the queue may hold more */
	if (spin_again(spin))
		return false;
	return frame_queue_sleep(loop->egress->queue);
}

int egress_loop_run(struct egress_loop *loop)
{
	struct egress *egress = loop->egress;
	struct spin spin;
	int taken;
	int err;

	spin_reset(&spin, egress->wakeup);
	for (;;) {
		if (loop->marker_waits && !loop->in_flight)
			acknowledge(loop);
		taken = take(loop);
		if (taken < 0)
			return taken;
		return_frames(loop);
		if (taken)
			spin_reset(&spin, egress->wakeup);
		/* Ingress has ended before the command stream was closed, so empty stays empty. */
		else if (loop->shutdown && !loop->in_flight && frame_queue_empty(egress->queue))
			return 0;
		if (loop->marker_waits && !loop->in_flight)
			continue;
		err = push(loop, !taken && may_sleep(loop, &spin));
		frame_queue_awake(egress->queue);
		if (err)
			return err;
	}
}

/* ---- life ---- */

/* The engine asked for; where the kernel does not let us have io_uring, the other one. */
static int open_engine(struct egress_loop *loop)
{
	const struct egress *egress = loop->egress;
	const struct engine_handler handler = {
		.context = loop,
		.sent = on_sent,
		.command = on_command,
		.shutdown = on_shutdown,
	};
	int err;

	if (egress->engine == ENGINE_IO_URING) {
		err = engine_open(&loop->engine, &engine_uring, &handler, egress->wakeup_fd,
				  egress->command_fd);
		if (!err || err == -ENOMEM)
			return err;
		log_warning(
			"engine-fallback", LOG_NAME("engine", "sendmmsg"), LOG_ERROR(err),
			LOG_TEXT("hint",
				 "io_uring is not to be had: sysctl kernel.io_uring_disabled=0"));
	}
	return engine_open(&loop->engine, &engine_mmsg, &handler, egress->wakeup_fd,
			   egress->command_fd);
}

int egress_loop_open(struct egress_loop **out, struct egress *egress)
{
	unsigned int frames = xsk_frames(egress->xsk);
	struct egress_loop *loop;
	int err = -ENOMEM;

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	loop->egress = egress;
	loop->references = calloc(frames, sizeof(*loop->references));
	loop->returned = calloc(frames, sizeof(*loop->returned));
	loop->requests = calloc(ENGINE_REQUESTS, sizeof(*loop->requests));
	if (!loop->references || !loop->returned || !loop->requests)
		goto fail;
	for (unsigned int i = 0; i < ENGINE_REQUESTS; i++) {
		loop->requests[i].next_free = loop->free_requests;
		loop->free_requests = &loop->requests[i];
	}
	err = open_engine(loop);
	if (err)
		goto fail;
	*out = loop;
	return 0;
fail:
	egress_loop_close(loop);
	return err;
}

const char *egress_loop_engine(const struct egress_loop *loop)
{
	return loop->engine->text;
}

void egress_loop_close(struct egress_loop *loop)
{
	if (!loop)
		return;
	engine_close(loop->engine);
	free(loop->requests);
	free(loop->returned);
	free(loop->references);
	free(loop);
}
