/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/wakeup.h"
#include "dataplane/capture.h"
#include "dataplane/source_ports.h"
#include "dataplane/stamp.h"

/* Prepared sends after which they are handed over: often enough that frames return during a pass,
 * seldom enough that the calls do not show. */
#define SUBMIT_AT 64

/* An output's datagrams come in the order in which their stream's shard counted them. (Of several
 * sources of `from keep`, two datagrams of a request may be timed; then only the later one is.) */
_Static_assert(GSO_MAX_SEGMENTS <= STAMP_EVERY, "two datagrams of a request would be timed");

/* ---- completions ---- */

static void count_submitted(struct egress_counters *sums, struct output_shard *to,
			    unsigned int count)
{
	counter_add(&to->submitted, count);
	counter_add(&sums->submitted, count);
}

void egress_count_withheld(struct egress_counters *sums, struct output_shard *to,
			   enum withheld reason, unsigned int count)
{
	counter_add(&to->withheld[reason], count);
	counter_add(reason == WITHHELD_NOT_JOINED      ? &sums->unwanted
		    : reason == WITHHELD_INACTIVE_SIDE ? &sums->inactive_side
						       : &sums->withheld,
		    count);
}

/* Nothing may leave by the output at this moment. */
static bool is_muted(const struct output_shard *to)
{
	return to->lease && !lease_allows(to->lease, clock_ns());
}

/* `count` datagrams have completed: `result` as from sendmsg(2), or -errno. Those of a rule with a
 * lease are submitted as far as the kernel's own check has let them pass. */
static void account(struct egress_counters *sums, struct output_shard *to, unsigned int count,
		    int result)
{
	/* EPERM is also what a packet filter answers. */
	if (result == -EPERM && is_muted(to)) {
		egress_count_withheld(sums, to, WITHHELD_STANDBY, count);
		return;
	}
	if (to->lease)
		count_submitted(sums, to, count);
	if (result >= 0) {
		counter_add(&to->sent, count);
		counter_add(&to->sent_bytes, (uint64_t)result);
		counter_add(&sums->sent, count);
		counter_add(&sums->sent_bytes, (uint64_t)result);
	} else {
		counter_add(&to->errors[send_error_slot(-result)], count);
		counter_add(&sums->send_errors, count);
	}
}

/* Send the datagrams of a refused batch one by one. Returns how many the kernel accepted. */
static unsigned int send_singly(struct egress_counters *sums, struct send_request *request)
{
	unsigned int accepted = 0;

	for (unsigned int i = 0; i < request->count; i++) {
		struct msghdr message = send_request_single(request, i);
		ssize_t n;

		if (is_muted(request->to)) {
			egress_count_withheld(sums, request->to, WITHHELD_STANDBY,
					      request->count - i);
			break;
		}
		do {
			n = sendmsg(request->send.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		} while (n < 0 && errno == EINTR);
		account(sums, request->to, 1, n < 0 ? -errno : (int)n);
		accepted += n >= 0;
	}
	return accepted;
}

static void log_send_failed(struct outbox *outbox, const struct send_request *request, int result)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (!log_allowed(&outbox->send_limit, "send-failed"))
		return;
	log_warning("send-failed", LOG_NAME("to", send_request_to(request, text)),
		    LOG_UINT("datagrams", request->count), LOG_ERROR(result));
}

/* All of its datagrams are done. */
static void end_request(struct outbox *outbox, struct send_request *request)
{
	if (request->slot != NO_SLOT)
		source_ports_give_back(request->to->output->ports, request->slot);
	for (unsigned int i = 0; i < request->count; i++)
		in_flight_release(outbox->flight, request->frames[i]);
	if (request->to->side)
		selection_done(request->to->side, request->count);
	request->next = outbox->free_requests;
	outbox->free_requests = request;
}

static void on_sent(void *context, struct send *send, int result)
{
	struct outbox *outbox = context;
	struct send_request *request = (struct send_request *)send;
	struct egress_counters *counters = outbox->counters;
	struct output_shard *to = request->to;

	if (request->raw && result >= 0)
		result -= (int)sizeof(request->header);
	if (request->count > 1 && result < 0 && gso_is_refusal(-result)) {
		counter_add(&to->gso_refused, 1);
		/* If no single datagram is accepted either, the refusal was not about the batch. */
		if (send_singly(counters, request))
			gso_refused(&to->gso, request->segment_size, -result, clock_ns());
	} else {
		account(counters, to, request->count, result);
		if (result < 0 && !(result == -EPERM && is_muted(to)))
			log_send_failed(outbox, request, result);
		else if (request->count > 1)
			gso_accepted(&to->gso, request->segment_size);
	}
	gso_end(&to->gso, request->count);
	if (request->stamp)
		histogram_add(to->latency, stamp_age_ns(request->stamp));
	end_request(outbox, request);
	outbox->unfinished--;
}

/* A ping has done its work: the call of the engine that reported it was counted. */
static void on_command(void *context, const struct egress_command *command)
{
}

static void on_shutdown(void *context)
{
	((struct outbox *)context)->shutdown = true;
}

int outbox_push(struct outbox *outbox, bool wait, uint64_t until_ns)
{
	struct egress_counters *counters = outbox->counters;
	int err;

	if (outbox->engine->prepared)
		counter_add(&counters->submits, 1);
	if (wait)
		counter_add(&counters->sleeps, 1);
	err = engine_enter(outbox->engine, wait, until_ns);
	counter_add(&counters->beats, 1);
	in_flight_return(outbox->flight);
	atomic_store_explicit(&counters->cq_overflows, engine_overflows(outbox->engine),
			      memory_order_relaxed);
	return err;
}

/* See what has completed; wait for something only if `wait`. */
static int complete(struct outbox *outbox, bool wait)
{
	return outbox_push(outbox, wait, UINT64_MAX);
}

/* ---- sending ---- */

/* What the order of datagrams is kept for: one source of `from keep`, otherwise the whole output.
 */
static bool same_flow(const struct send_key *a, const struct send_key *b)
{
	return addr_equal(&a->source, &b->source) && a->source_port == b->source_port;
}

/* Where the open requests of this flow's bucket begin. */
static struct send_request **bucket_of(struct output_shard *to, const struct send_key *key)
{
	const uint32_t *source = key->source.w;

	if (!to->buckets)
		return &to->open;
	return &to->buckets[((source[0] ^ source[1] ^ source[2] ^ source[3] ^ key->source_port) *
			     0x9e3779b1U) >>
			    (32 - OPEN_BUCKET_BITS)];
}

/* The open request of this flow, or NULL. */
static struct send_request *find_open(struct output_shard *to, const struct send_key *key)
{
	struct send_request *request = *bucket_of(to, key);

	while (request && !same_flow(&request->key, key))
		request = request->next;
	return request;
}

/* The lease is not held any more: its datagrams end here. */
static void drop_request(struct outbox *outbox, struct send_request *request)
{
	egress_count_withheld(outbox->counters, request->to, WITHHELD_STANDBY, request->count);
	end_request(outbox, request);
}

/* Prepare the send of an open request. */
static int send_open_request(struct outbox *outbox, struct send_request *request)
{
	struct output_shard *to = request->to;
	struct send_request **link = bucket_of(to, &request->key);
	int err = 0;

	while (*link != request)
		link = &(*link)->next;
	*link = request->next;
	if (gso_must_wait(&to->gso, request->count, request->segment_size)) {
		/* Wait until no batch of this output is in flight; refused ones have been re-sent
		 * singly by then. Ends, because MSG_DONTWAIT sends always complete. */
		err = complete(outbox, false);
		while (!err && to->gso.unfinished)
			err = complete(outbox, true);
		if (err)
			return err;
	}
	/* As late as possible, but the thread may be stopped right behind it: see
	 * bpf/guard.bpf.c. */
	if (is_muted(to)) {
		drop_request(outbox, request);
		return 0;
	}
	send_request_write(request);
	if (outbox->tap)
		capture_submitted(outbox->tap, request);
	engine_send(outbox->engine, &request->send);
	gso_begin(&to->gso, request->count, request->segment_size);
	outbox->unfinished++;
	counter_add(&outbox->counters->sends, 1);
	if (!to->lease) /* otherwise account() */
		count_submitted(outbox->counters, to, request->count);
	if (gso_is_trial(&to->gso, request->count, request->segment_size) ||
	    outbox->engine->prepared >= SUBMIT_AT)
		err = complete(outbox, false);
	return err;
}

/* Send the open requests of an output. */
static int send_bucket(struct outbox *outbox, struct send_request **bucket)
{
	int err = 0;

	while (*bucket && !err)
		err = send_open_request(outbox, *bucket);
	return err;
}

int outbox_flush(struct outbox *outbox)
{
	int err = 0;

	while (outbox->open) {
		struct output_shard *to = outbox->open;

		outbox->open = to->next_open;
		to->next_open = NULL;
		to->listed = false;
		if (!err)
			err = send_bucket(outbox, &to->open);
		for (unsigned int i = 0; to->buckets && i < OPEN_BUCKETS && !err; i++)
			err = send_bucket(outbox, &to->buckets[i]);
	}
	return err;
}

/* Choose the socket of a request of an output that sends from given ports. */
static void choose_port(struct outbox *outbox, struct send_request *request)
{
	const struct output *output = request->to->output;
	in_port_t port = send_source_port(output, &request->key);
	int err = 0;

	if (port)
		request->slot = source_ports_take(output->ports, port);
	request->raw = request->slot == NO_SLOT;
	if (request->raw && port && source_ports_want(output->ports, port))
		err = wakeup_send(outbox->notify_fd);
	if (err)
		log_error("egress-notify-failed", LOG_ERROR(err));
}

/* Open a request of this output. If none is free, the open ones are sent and completions awaited.
 */
static int open_request(struct outbox *outbox, struct output_shard *to, const struct send_key *key,
			struct send_request **out)
{
	struct send_request *request;
	struct send_request **bucket = bucket_of(to, key);
	int err = 0;

	if (!outbox->free_requests) {
		err = outbox_flush(outbox);
		if (!err)
			err = complete(outbox, false);
	}
	while (!err && !outbox->free_requests)
		err = complete(outbox, true);
	if (err)
		return err;
	request = outbox->free_requests;
	outbox->free_requests = request->next;
	gso_refresh(&to->gso, gso_is_limited(&to->gso) ? outbox_recent_ns(outbox) : 0);
	send_request_begin(request, to, key);
	if (to->output->ports)
		choose_port(outbox, request);
	request->next = *bucket;
	*bucket = request;
	if (!to->listed) {
		to->listed = true;
		to->next_open = outbox->open;
		outbox->open = to;
	}
	*out = request;
	return 0;
}

int outbox_add(struct outbox *outbox, struct output_shard *to, const struct datagram *datagram,
	       const struct send_key *key)
{
	const struct frame_entry *entry = datagram->entry;
	struct send_request *request = find_open(to, key);
	bool alone = datagram->pieces > 1;
	int err = 0;

	if (request && (alone || !send_request_accepts(request, entry->length, key))) {
		err = send_open_request(outbox, request);
		request = NULL;
	}
	if (!err && !request)
		err = open_request(outbox, to, key, &request);
	if (err)
		return err;
	if (entry->stamp)
		request->stamp = entry->stamp;
	if (!send_request_add(request, entry->frame, datagram->payloads[0].iov_base,
			      entry->length) &&
	    !alone)
		return 0;
	if (alone) {
		request->pieces = datagram->pieces;
		memcpy(request->payloads, datagram->payloads,
		       datagram->pieces * sizeof(struct iovec));
	}
	return send_open_request(outbox, request);
}

/* ---- open and close ---- */

/* The configured engine; sendmmsg where io_uring is unavailable. */
static int open_engine(struct outbox *outbox, enum egress_engine engine, int wakeup_fd,
		       int command_fd)
{
	const struct engine_handler handler = {
		.context = outbox,
		.sent = on_sent,
		.command = on_command,
		.shutdown = on_shutdown,
	};
	int err;

	if (engine == ENGINE_IO_URING) {
		err = engine_open(&outbox->engine, &engine_uring, &handler, wakeup_fd, command_fd);
		if (!err || err == -ENOMEM)
			return err;
		log_warning("engine-fallback", LOG_NAME("engine", "sendmmsg"), LOG_ERROR(err),
			    LOG_TEXT("hint", "io_uring is unavailable; check sysctl "
					     "kernel.io_uring_disabled"));
	}
	return engine_open(&outbox->engine, &engine_mmsg, &handler, wakeup_fd, command_fd);
}

int outbox_open(struct outbox *outbox, enum egress_engine engine, int wakeup_fd, int command_fd)
{
	outbox->requests = calloc(ENGINE_SENDS, sizeof(*outbox->requests));
	if (!outbox->requests)
		return -ENOMEM;
	for (unsigned int i = 0; i < ENGINE_SENDS; i++) {
		outbox->requests[i].next = outbox->free_requests;
		outbox->free_requests = &outbox->requests[i];
	}
	return open_engine(outbox, engine, wakeup_fd, command_fd);
}

void outbox_close(struct outbox *outbox)
{
	engine_close(outbox->engine);
	free(outbox->requests);
}
