/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/egress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "dataplane/capture.h"
#include "dataplane/engine.h"
#include "dataplane/send_request.h"
#include "dataplane/source_ports.h"
#include "dataplane/spin.h"
#include "dataplane/stamp.h"

/* Entries taken from the frame queue in one pass. A pass is bounded, because open requests are sent
 * only at its end, but large, so that a thousand interleaved flows still fill theirs (with 1024
 * entries a packet cost three times as much). With the default number of
 * frames a pass can empty a full queue. */
#define PASS 16384

/* Prepared sends after which a pass calls the engine: often enough that frames return during the
 * pass, seldom enough that the calls do not show. */
#define SUBMIT_AT 64

/* Uses of one reading of the clock: often enough that a long pass does not end a burst too early,
 * seldom enough that its 26 ns do not show. */
#define CLOCK_EVERY 64

/* UDP payload that fits an IPv4 packet; also the most that one GSO send may carry. */
#define SEND_MAX_BYTES 65507

/* In egress_loop.next_piece. */
#define LAST_PIECE UINT32_MAX

/* A datagram to send, whose payload may be in several frames. */
struct datagram {
	const struct frame_entry *entry;
	const uint8_t *frame; /* the first one */
	unsigned int pieces;
	struct iovec payloads[XSK_MAX_PIECES];
};

/* An output's datagrams come in the order in which their stream's shard counted them. (Of several
 * sources of `from keep`, two datagrams of a request may be timed; then only the later one is.) */
_Static_assert(GSO_MAX_SEGMENTS <= STAMP_EVERY, "two datagrams of a request would be timed");

struct egress_loop {
	struct egress *egress;
	struct engine *engine;
	struct send_request *requests;
	struct send_request *free_requests;
	unsigned int in_flight;	   /* requests at the kernel */
	struct output_shard *open; /* outputs with an open request */
	struct capture_tap *tap;   /* NULL: nothing is captured */

	uint16_t *references; /* per frame: its unfinished sends */
	/* Per frame: the next one of the same packet, or LAST_PIECE. NULL: packets have one frame
	 * each. */
	uint32_t *next_piece;
	uint32_t *returned; /* frames whose last send completed in this pass */
	unsigned int nr_returned;
	uint64_t frames_in_flight;

	uint64_t now_ns;	 /* a little old */
	unsigned int clock_uses; /* of now_ns; 0: read the clock */

	bool marker_waits; /* a marker was taken; it is acknowledged when nothing is in flight */
	uint64_t marker;   /* its generation */
	bool shutdown;
	struct log_limit send_limit;
};

static uint64_t recent_ns(struct egress_loop *loop)
{
	if (!loop->clock_uses)
		loop->now_ns = clock_ns();
	loop->clock_uses = (loop->clock_uses + 1) % CLOCK_EVERY;
	return loop->now_ns;
}

/* ---- requests ---- */

static bool same_key(const struct send_key *a, const struct send_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* What the order of datagrams is kept for: one source of `from keep`, otherwise the whole output.
 */
static bool same_flow(const struct send_key *a, const struct send_key *b)
{
	return addr_equal(&a->source, &b->source) && a->source_port == b->source_port;
}

static void begin_request(struct send_request *request, struct output_shard *to,
			  const struct send_key *key)
{
	request->to = to;
	request->key = *key;
	request->slot = NO_SLOT;
	request->raw = false;
	request->count = 0;
	request->pieces = 0;
	request->bytes = 0;
	request->segment_size = 0;
	request->stamp = 0;
}

/* May this datagram join the request? The limits may have become tighter since it was begun. */
static bool request_accepts(const struct send_request *request, uint32_t length,
			    const struct send_key *key)
{
	if (!same_key(&request->key, key))
		return false;
	return !request->count ||
	       (!request->raw && length > 0 && length <= request->segment_size &&
		request->bytes + length <= SEND_MAX_BYTES &&
		gso_has_room(&request->to->gso, request->count, request->segment_size));
}

/* Append a datagram. True: the request is full. */
static bool add_datagram(struct send_request *request, uint32_t frame, void *payload,
			 uint32_t length)
{
	unsigned int i = request->count++;

	if (!i)
		request->segment_size = length;
	request->frames[i] = frame;
	request->payloads[i].iov_base = payload;
	request->payloads[i].iov_len = length;
	request->bytes += length;
	/* A shorter datagram must be the last; an empty one would vanish in a batch. */
	return length < request->segment_size || !length || request->raw ||
	       !gso_has_room(&request->to->gso, request->count, request->segment_size);
}

/* ---- completions ---- */

/* One send of the packet whose first frame this is has completed. */
static void release_frame(struct egress_loop *loop, uint32_t frame)
{
	if (--loop->references[frame])
		return;
	while (frame != LAST_PIECE) {
		loop->returned[loop->nr_returned++] = frame;
		loop->frames_in_flight--;
		frame = loop->next_piece ? loop->next_piece[frame] : LAST_PIECE;
	}
}

static void return_frames(struct egress_loop *loop)
{
	if (loop->egress->merger)
		merger_return(loop->egress->merger, loop->returned, loop->nr_returned);
	else
		xsk_return(loop->egress->xsk, loop->returned, loop->nr_returned);
	loop->nr_returned = 0;
	atomic_store_explicit(&loop->egress->counters.in_flight, loop->frames_in_flight,
			      memory_order_relaxed);
}

static void count_submitted(struct egress_counters *sums, struct output_shard *to,
			    unsigned int count)
{
	counter_add(&to->submitted, count);
	counter_add(&sums->submitted, count);
}

static void count_withheld(struct egress_counters *sums, struct output_shard *to,
			   enum withheld reason, unsigned int count)
{
	counter_add(&to->withheld[reason], count);
	counter_add(reason == WITHHELD_NOT_JOINED      ? &sums->unwanted
		    : reason == WITHHELD_INACTIVE_SIDE ? &sums->inactive_side
						       : &sums->withheld,
		    count);
}

/* ---- leases ---- */

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
		count_withheld(sums, to, WITHHELD_STANDBY, count);
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
			count_withheld(sums, request->to, WITHHELD_STANDBY, request->count - i);
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

static void log_send_failed(struct egress_loop *loop, const struct send_request *request,
			    int result)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (!log_allowed(&loop->send_limit, "send-failed"))
		return;
	log_warning("send-failed", LOG_NAME("to", send_request_to(request, text)),
		    LOG_UINT("datagrams", request->count), LOG_ERROR(result));
}

/* All of its datagrams are done. */
static void end_request(struct egress_loop *loop, struct send_request *request)
{
	if (request->slot != NO_SLOT)
		source_ports_give_back(request->to->output->ports, request->slot);
	for (unsigned int i = 0; i < request->count; i++)
		release_frame(loop, request->frames[i]);
	if (request->to->side)
		selection_done(request->to->side, request->count);
	request->next = loop->free_requests;
	loop->free_requests = request;
}

static void on_sent(void *context, struct send *send, int result)
{
	struct egress_loop *loop = context;
	struct send_request *request = (struct send_request *)send;
	struct egress_counters *counters = &loop->egress->counters;
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
			log_send_failed(loop, request, result);
		else if (request->count > 1)
			gso_accepted(&to->gso, request->segment_size);
	}
	gso_end(&to->gso, request->count);
	if (request->stamp)
		histogram_add(to->latency, stamp_age_ns(request->stamp));
	end_request(loop, request);
	loop->in_flight--;
}

/* A ping has done its work: the call of the engine that reported it was counted. */
static void on_command(void *context, const struct egress_command *command)
{
}

static void on_shutdown(void *context)
{
	((struct egress_loop *)context)->shutdown = true;
}

/* Hand over what is prepared, see what has completed, return the frames that are done; wait for an
 * event only if `wait`. */
static int push(struct egress_loop *loop, bool wait)
{
	struct egress_counters *counters = &loop->egress->counters;
	int err;

	if (loop->engine->prepared)
		counter_add(&counters->submits, 1);
	if (wait)
		counter_add(&counters->sleeps, 1);
	err = engine_enter(loop->engine, wait,
			   loop->egress->merger ? merger_deadline(loop->egress->merger)
						: UINT64_MAX);
	counter_add(&counters->beats, 1);
	return_frames(loop);
	atomic_store_explicit(&counters->cq_overflows, engine_overflows(loop->engine),
			      memory_order_relaxed);
	return err;
}

/* ---- sending ---- */

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
static void drop_request(struct egress_loop *loop, struct send_request *request)
{
	count_withheld(&loop->egress->counters, request->to, WITHHELD_STANDBY, request->count);
	end_request(loop, request);
}

/* Prepare the send of an open request. */
static int send_open_request(struct egress_loop *loop, struct send_request *request)
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
		err = push(loop, false);
		while (!err && to->gso.unfinished)
			err = push(loop, true);
		if (err)
			return err;
	}
	/* As late as possible, but the thread may be stopped right behind it: see
	 * bpf/guard.bpf.c. */
	if (is_muted(to)) {
		drop_request(loop, request);
		return 0;
	}
	send_request_write(request);
	if (loop->tap)
		capture_submitted(loop->tap, request);
	engine_send(loop->engine, &request->send);
	gso_begin(&to->gso, request->count, request->segment_size);
	loop->in_flight++;
	counter_add(&loop->egress->counters.sends, 1);
	if (!to->lease) /* otherwise account() */
		count_submitted(&loop->egress->counters, to, request->count);
	if (gso_is_trial(&to->gso, request->count, request->segment_size) ||
	    loop->engine->prepared >= SUBMIT_AT)
		err = push(loop, false);
	return err;
}

/* Send the open requests of an output. */
static int send_bucket(struct egress_loop *loop, struct send_request **bucket)
{
	int err = 0;

	while (*bucket && !err)
		err = send_open_request(loop, *bucket);
	return err;
}

static int send_open_requests(struct egress_loop *loop)
{
	int err = 0;

	while (loop->open) {
		struct output_shard *to = loop->open;

		loop->open = to->next_open;
		to->next_open = NULL;
		to->listed = false;
		if (!err)
			err = send_bucket(loop, &to->open);
		for (unsigned int i = 0; to->buckets && i < OPEN_BUCKETS && !err; i++)
			err = send_bucket(loop, &to->buckets[i]);
	}
	return err;
}

/* Choose the socket of a request of an output that sends from given ports. */
static void choose_port(struct egress_loop *loop, struct send_request *request)
{
	const struct output *output = request->to->output;
	in_port_t port = send_source_port(output, &request->key);
	int err = 0;

	if (port)
		request->slot = source_ports_take(output->ports, port);
	request->raw = request->slot == NO_SLOT;
	if (request->raw && port && source_ports_want(output->ports, port))
		err = wakeup_send(loop->egress->notify_fd);
	if (err)
		log_error("egress-notify-failed", LOG_ERROR(err));
}

/* Open a request of this output. If none is free, the open ones are sent and completions awaited.
 */
static int open_request(struct egress_loop *loop, struct output_shard *to,
			const struct send_key *key, struct send_request **out)
{
	struct send_request *request;
	struct send_request **bucket = bucket_of(to, key);
	int err = 0;

	if (!loop->free_requests) {
		err = send_open_requests(loop);
		if (!err)
			err = push(loop, false);
	}
	while (!err && !loop->free_requests)
		err = push(loop, true);
	if (err)
		return err;
	request = loop->free_requests;
	loop->free_requests = request->next;
	gso_refresh(&to->gso, gso_is_limited(&to->gso) ? recent_ns(loop) : 0);
	begin_request(request, to, key);
	if (to->output->ports)
		choose_port(loop, request);
	request->next = *bucket;
	*bucket = request;
	if (!to->listed) {
		to->listed = true;
		to->next_open = loop->open;
		loop->open = to;
	}
	*out = request;
	return 0;
}

/* Add a datagram to the open request of its flow, or open one. One in several frames is sent alone.
 */
static int send_datagram(struct egress_loop *loop, struct output_shard *to,
			 const struct datagram *datagram, const struct send_key *key)
{
	const struct frame_entry *entry = datagram->entry;
	struct send_request *request = find_open(to, key);
	bool alone = datagram->pieces > 1;
	int err = 0;

	if (request && (alone || !request_accepts(request, entry->length, key))) {
		err = send_open_request(loop, request);
		request = NULL;
	}
	if (!err && !request)
		err = open_request(loop, to, key, &request);
	if (err)
		return err;
	if (entry->stamp)
		request->stamp = entry->stamp;
	if (!add_datagram(request, entry->frame, datagram->payloads[0].iov_base, entry->length) &&
	    !alone)
		return 0;
	if (alone) {
		request->pieces = datagram->pieces;
		memcpy(request->payloads, datagram->payloads,
		       datagram->pieces * sizeof(struct iovec));
	}
	return send_open_request(loop, request);
}

/* Take the further frames of a packet, which were queued with the first one. */
static void take_pieces(struct egress_loop *loop, struct datagram *datagram)
{
	uint32_t last = datagram->entry->frame;
	struct frame_entry piece;

	for (unsigned int i = 0; i < datagram->entry->pieces; i++) {
		if (!frame_queue_take(loop->egress->queue, &piece))
			break;
		xsk_hand_over(loop->egress->xsk, piece.frame, OWNER_QUEUE, OWNER_EGRESS);
		loop->next_piece[last] = piece.frame;
		last = piece.frame;
		datagram->payloads[0].iov_len -= piece.length;
		if (piece.length)
			datagram->payloads[datagram->pieces++] = (struct iovec){
				xsk_frame(loop->egress->xsk, piece.frame) + piece.udp,
				piece.length,
			};
		loop->frames_in_flight++;
	}
	loop->next_piece[last] = LAST_PIECE;
}

/* Take it over from the queue with all its frames. They are in flight until their last send has
 * completed. */
static void begin_datagram(struct egress_loop *loop, const struct frame_entry *entry,
			   struct datagram *datagram)
{
	const struct egress *egress = loop->egress;
	uint8_t *frame = egress->merger ? merger_frame(egress->merger, entry->frame)
					: xsk_frame(egress->xsk, entry->frame);

	datagram->entry = entry;
	datagram->frame = frame;
	datagram->pieces = 1;
	datagram->payloads[0].iov_base = frame + entry->udp + sizeof(struct xmc_udp);
	datagram->payloads[0].iov_len = entry->length;
	if (!egress->merger)
		xsk_hand_over(egress->xsk, entry->frame, OWNER_QUEUE, OWNER_EGRESS);
	loop->frames_in_flight++;
	if (loop->next_piece)
		take_pieces(loop, datagram);
}

/* Does another host send this datagram, because the stream moves at a number? */
static bool is_cut(const struct stream *stream, const struct datagram *datagram, uint64_t now_ns)
{
	const struct rule *rule = &stream->rule;
	uint32_t number = 0;
	bool has_number;

	if (cut_side(&stream->cut) == CUT_NONE)
		return false;
	has_number = sequence_read(datagram->payloads[0].iov_base,
				   (uint32_t)datagram->payloads[0].iov_len, rule->sequence_offset,
				   rule->sequence_bits, &number);
	return cut_withholds(&stream->cut, has_number, number, rule->sequence_bits, now_ns);
}

/* Why a datagram is sent to no output of its stream, or WITHHELD_NOTHING: then selection_done() has
 * to be called for each output. */
static enum withheld judge(struct egress_loop *loop, const struct stream *stream,
			   const struct datagram *datagram)
{
	enum withheld result = WITHHELD_NOTHING;

	/* The lease first: a selection must not count datagrams that are not sent. */
	if (stream->lease && (!lease_allows(stream->lease, recent_ns(loop)) ||
			      is_cut(stream, datagram, loop->now_ns)))
		result = WITHHELD_STANDBY;
	if (stream->selection && !selection_admit(stream->selection, stream->rule.side,
						  stream->nr_outputs, recent_ns(loop)))
		return result ? result : WITHHELD_INACTIVE_SIDE;
	if (stream->selection && result)
		selection_done(&stream->selection->sides[stream->rule.side], stream->nr_outputs);
	return result;
}

/* Send a datagram to every output of its stream. */
static int send_entry(struct egress_loop *loop, const struct frame_entry *entry)
{
	struct egress *egress = loop->egress;
	struct stream *stream = entry->stream;
	struct datagram datagram;
	unsigned int ended = 0; /* outputs without a send */
	enum withheld all;
	int err = 0;

	begin_datagram(loop, entry, &datagram);
	if (!stream || !stream->nr_outputs) {
		loop->references[entry->frame] = 1;
		release_frame(loop, entry->frame);
		return 0;
	}
	all = judge(loop, stream, &datagram);
	/* Counted before the first send, which may complete before the last is prepared. */
	loop->references[entry->frame] = (uint16_t)stream->nr_outputs;
	for (unsigned int i = 0; !err && i < stream->nr_outputs; i++) {
		struct output_shard *to =
			&stream->outputs[i]
				 .shards[egress->merger ? stream->nr_shards - 1 : egress->shard];
		enum withheld withhold = atomic_load_explicit(&to->withhold, memory_order_relaxed);
		struct send_key key;

		if (all)
			withhold = all;
		if (!withhold)
			withhold = send_key_make(&key, to, entry, datagram.frame);
		if (withhold) {
			count_withheld(&egress->counters, to, withhold, 1);
			release_frame(loop, entry->frame);
			ended++;
		} else if (to->limit &&
			   !rate_limit_allows(to->limit, entry->length, recent_ns(loop))) {
			counter_add(&to->rate_limited, 1);
			counter_add(&egress->counters.rate_limited, 1);
			release_frame(loop, entry->frame);
			ended++;
		} else {
			err = send_datagram(loop, to, &datagram, &key);
		}
	}
	if (ended && !all && stream->selection)
		selection_done(&stream->selection->sides[stream->rule.side], ended);
	return err;
}

/* ---- the loop ---- */

static bool take_entry(const struct egress *egress, struct frame_entry *entry)
{
	return egress->merger ? merger_take(egress->merger, entry)
			      : frame_queue_take(egress->queue, entry);
}

static bool is_empty(const struct egress *egress)
{
	return egress->merger ? merger_empty(egress->merger) : frame_queue_empty(egress->queue);
}

/* Take what is queued and prepare its sends; stop at a marker. Returns entries taken or -errno. */
static int take_entries(struct egress_loop *loop)
{
	struct frame_entry entry;
	int taken = 0;
	int err = 0;

	loop->clock_uses = 0;
	while (!err && taken < PASS && !loop->marker_waits && take_entry(loop->egress, &entry)) {
		taken++;
		if (entry.kind == FRAME_MARKER) {
			loop->marker_waits = true;
			loop->marker = entry.generation;
			break;
		}
		err = send_entry(loop, &entry);
	}
	if (!err)
		err = send_open_requests(loop);
	return err ? err : taken;
}

/* All frames in front of the marker are done: nothing uses the rulesets before it any more. */
static void acknowledge(struct egress_loop *loop)
{
	int err;

	loop->marker_waits = false;
	loop->tap = atomic_load(&loop->egress->next_tap);
	atomic_store(&loop->egress->acknowledged, loop->marker);
	err = wakeup_send(loop->egress->notify_fd);
	if (err)
		log_error("egress-notify-failed", LOG_ERROR(err));
}

/* Nothing was taken: may the loop wait for an event? */
static bool may_sleep(struct egress_loop *loop, struct spin *spin)
{
	if (loop->shutdown && !loop->in_flight)
		return false;
	if (loop->marker_waits)
		return true; /* for sends in flight; the queue may hold more */
	if (spin_again(spin))
		return false;
	return loop->egress->merger ? merger_sleep(loop->egress->merger)
				    : frame_queue_sleep(loop->egress->queue);
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
		taken = take_entries(loop);
		if (taken < 0)
			return taken;
		return_frames(loop);
		if (taken)
			spin_reset(&spin, egress->wakeup);
		/* Ingress ended before the command stream was closed, so empty stays empty. */
		else if (loop->shutdown && !loop->in_flight && is_empty(egress))
			return 0;
		if (loop->marker_waits && !loop->in_flight)
			continue;
		err = push(loop, !taken && may_sleep(loop, &spin));
		if (egress->merger)
			merger_awake(egress->merger);
		else
			frame_queue_awake(egress->queue);
		if (err)
			return err;
	}
}

/* ---- open and close ---- */

/* The configured engine; sendmmsg where io_uring is unavailable. */
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
		log_warning("engine-fallback", LOG_NAME("engine", "sendmmsg"), LOG_ERROR(err),
			    LOG_TEXT("hint", "io_uring is unavailable; check sysctl "
					     "kernel.io_uring_disabled"));
	}
	return engine_open(&loop->engine, &engine_mmsg, &handler, egress->wakeup_fd,
			   egress->command_fd);
}

int egress_loop_open(struct egress_loop **out, struct egress *egress)
{
	unsigned int frames = egress->merger ? MERGER_SLOTS : xsk_frames(egress->xsk);
	bool pieces = !egress->merger && xsk_has_pieces(egress->xsk);
	struct egress_loop *loop;
	int err = -ENOMEM;

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	loop->egress = egress;
	loop->references = calloc(frames, sizeof(*loop->references));
	loop->returned = calloc(frames, sizeof(*loop->returned));
	loop->requests = calloc(ENGINE_SENDS, sizeof(*loop->requests));
	if (pieces)
		loop->next_piece = calloc(frames, sizeof(*loop->next_piece));
	if (!loop->references || !loop->returned || !loop->requests ||
	    (pieces && !loop->next_piece))
		goto fail;
	for (unsigned int i = 0; i < ENGINE_SENDS; i++) {
		loop->requests[i].next = loop->free_requests;
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
	free(loop->next_piece);
	free(loop->returned);
	free(loop->references);
	free(loop);
}
