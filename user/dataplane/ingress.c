/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_INGRESS
#include "dataplane/ingress.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "dataplane/health_ts.h"
#include "dataplane/rtp.h"
#include "dataplane/spin.h"
#include "dataplane/stamp.h"

/* Frames per look at the RX ring: enough to spread the cost of a publish and its fence, few enough
 * to stay in the first-level cache and to let egress start early. */
#define BURST 64

/* How many frames before its turn the rest of a frame is fetched into the cache. */
#define AHEAD 6

/* `end`: of the packet's first frame. */
static void note_sequence(struct stream_shard *shard, const struct rule *rule,
			  const uint8_t *payload, const uint8_t *end)
{
	uint32_t number;

	if (payload < end && sequence_read(payload, (uint32_t)(end - payload),
					   rule->sequence_offset, rule->sequence_bits, &number))
		atomic_store_explicit(&shard->sequence, number, memory_order_relaxed);
}

/* One reading of the clock is enough for what one look at the RX ring has found. */
static uint64_t pass_ns(struct ingress *ingress)
{
	if (!ingress->pass_ns)
		ingress->pass_ns = clock_ns();
	return ingress->pass_ns;
}

/* Does more than half of the frames wait for this thread or the egress thread? Both are less while
 * the relay keeps up, even if the two share a CPU and take turns. */
static bool is_behind(const struct ingress *ingress)
{
	uint32_t waiting = xsk_waiting(ingress->xsk) + frame_queue_length(ingress->queue);

	return waiting > xsk_frames(ingress->xsk) / 2;
}

/* Decided once for what one look at the RX ring has found. */
static bool must_skip_ts(struct ingress *ingress)
{
	if (ingress->pass_ts == TS_UNDECIDED)
		ingress->pass_ts = health_pace(&ingress->pace, is_behind(ingress), pass_ns(ingress))
					   ? TS_CHECK
					   : TS_SKIP;
	return ingress->pass_ts == TS_SKIP;
}

/* `data`, `end`: of the packet's first frame. */
static void look(struct ingress *ingress, const struct stream *stream,
		 const struct xmc_datagram *dgram, const uint8_t *data, const uint8_t *end)
{
	const uint8_t *udp = data + dgram->udp_offset;
	const struct xmc_udp *header = (const struct xmc_udp *)udp;
	const uint8_t *payload = udp + sizeof(*header);
	uint32_t readable = payload < end ? (uint32_t)(end - payload) : 0;
	struct health_datagram datagram = {
		.source = &dgram->source,
		.source_port = header->source,
		.port = header->destination,
		.payload = payload,
		.readable = readable < dgram->payload_length ? readable : dgram->payload_length,
		.length = dgram->payload_length,
		.now_ns = pass_ns(ingress),
		.skip_ts = stream->rule.watch & WATCH_TS && must_skip_ts(ingress),
	};

	if (stream->rule.watch & WATCH_TS && !datagram.skip_ts)
		ingress->ts_offset = (uint32_t)(payload - data) +
				     (datagram.readable % TS_PACKET_SIZE ? RTP_HEADER_SIZE : 0);
	health_look(stream->health, ingress->shard, &datagram);
}

/* The packets of a transport stream have their headers all over the frame, and each of them would
 * be waited for. What comes now looks like what came last. */
static void prefetch_packets(const uint8_t *data, uint32_t offset, uint32_t length)
{
	for (; offset + TS_PACKET_SIZE <= length; offset += TS_PACKET_SIZE)
		__builtin_prefetch(data + offset);
}

/* Find the stream of a received packet, of `length` bytes in all its frames, and count. */
static void classify(struct ingress *ingress, const struct xsk_frame *frame, uint32_t length,
		     struct frame_entry *entry)
{
	const uint8_t *data = xsk_frame(ingress->xsk, frame->index) + frame->offset;
	struct xmc_datagram dgram;
	struct stream_shard *shard;

	*entry = (struct frame_entry){.kind = FRAME_DATA, .frame = frame->index};
	ingress->ts_offset = 0;
	if (xmc_parse_frame(data, data + frame->length, length, &dgram) != XMC_STEERED) {
		counter_add(&ingress->counters.drops[INGRESS_INVALID], 1);
		return;
	}
	entry->stream = ruleset_find(ingress->ruleset, &dgram);
	if (!entry->stream) {
		counter_add(&ingress->counters.drops[INGRESS_NO_RULE], 1);
		return;
	}
	entry->ip = (uint16_t)(frame->offset + dgram.ip_offset);
	entry->udp = (uint16_t)(frame->offset + dgram.udp_offset);
	entry->length = dgram.payload_length;
	shard = &entry->stream->shards[ingress->shard];
	if (counter_read(&shard->received) % STAMP_EVERY == 0)
		entry->stamp = stamp_now();
	counter_add(&shard->received, 1);
	counter_add(&shard->received_bytes, dgram.payload_length);
	if (entry->stream->rule.sequence_bits)
		note_sequence(shard, &entry->stream->rule,
			      data + dgram.udp_offset + sizeof(struct xmc_udp),
			      data + frame->length);
	if (entry->stream->health)
		look(ingress, entry->stream, &dgram, data, data + frame->length);
}

/* Bytes of payload behind the first frame, which has the headers. */
static uint32_t payload_left(const struct frame_entry *entry, const struct xsk_frame *first)
{
	uint32_t begin = entry->udp + sizeof(struct xmc_udp);
	uint32_t end = first->offset + first->length;

	return begin + entry->length > end ? begin + entry->length - end : 0;
}

/* Give a datagram that is merged to the merger. False: its frames are only returned. */
static bool divert(struct ingress *ingress, const struct frame_entry *entries, unsigned int count)
{
	struct stream *stream = entries->stream;
	struct unmerged *unmerged = &stream->shards[ingress->shard].unmerged;
	const uint8_t *payload =
		xsk_frame(ingress->xsk, entries->frame) + entries->udp + sizeof(struct xmc_udp);
	uint32_t readable = entries->length;
	struct merge_skipped skipped;

	for (unsigned int i = 1; i < count; i++)
		readable -= entries[i].length;
	skipped = unmerged_read(unmerged, stream->merged, payload, readable);
	if (ingress->feed && feed_push(ingress->feed, entries, count, pass_ns(ingress), skipped)) {
		unmerged_clear(unmerged, skipped);
		return true;
	}
	unmerged_add(unmerged, stream->merged, payload, readable);
	/* No egress thread counts in this shard of a stream that is merged. */
	for (unsigned int i = 0; i < stream->nr_outputs; i++)
		counter_add(
			&stream->outputs[i].shards[ingress->shard].withheld[WITHHELD_MERGE_FULL],
			1);
	counter_add(&ingress->counters.merge_full, stream->nr_outputs);
	return false;
}

/* Pass on a datagram, which has `count` frames. */
static void push(struct ingress *ingress, struct frame_entry *entries, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		xsk_hand_over(ingress->xsk, entries[i].frame, OWNER_INGRESS, OWNER_QUEUE);
	if (entries->stream && entries->stream->merged) {
		if (divert(ingress, entries, count))
			return;
		entries->stream = NULL;
	}
	/* Never full: the queue has an entry for each frame. */
	for (unsigned int i = 0; i < count; i++)
		frame_queue_push(ingress->queue, &entries[i]);
}

/* Show the egress thread what was pushed, and wake it if it sleeps. */
static void publish(struct ingress *ingress)
{
	int err;

	err = ingress->feed ? feed_publish(ingress->feed) : 0;
	if (err && log_allowed(&ingress->wakeup_limit, "ingress-wakeup-failed"))
		log_error("ingress-wakeup-failed", LOG_ERROR(err));
	/* Of what is merged only the merger's thread must know. */
	if (ingress->queue->pushed ==
	    atomic_load_explicit(&ingress->queue->head, memory_order_relaxed))
		return;
	frame_queue_publish(ingress->queue);
	if (!frame_queue_must_wake(ingress->queue))
		return;
	counter_add(&ingress->counters.wakeups, 1);
	err = wakeup_send(ingress->egress_wakeup_fd);
	if (err && log_allowed(&ingress->wakeup_limit, "ingress-wakeup-failed"))
		log_error("ingress-wakeup-failed", LOG_ERROR(err));
}

/* ---- capture ---- */

/* Of `count` frames, at least one. */
static void capture_packet(struct ingress *ingress, const struct xsk_frame *frames,
			   unsigned int count, uint64_t now_ns)
{
	const struct stream *stream = NULL;
	struct iovec parts[XSK_MAX_PIECES];
	struct xmc_datagram dgram;
	const uint8_t *data = xsk_frame(ingress->xsk, frames[0].index) + frames[0].offset;
	uint32_t length = 0;

	for (unsigned int i = 0; i < count; i++) {
		parts[i].iov_base = xsk_frame(ingress->xsk, frames[i].index) + frames[i].offset;
		parts[i].iov_len = frames[i].length;
		length += frames[i].length;
	}
	if (xmc_parse_frame(data, data + frames[0].length, length, &dgram) == XMC_STEERED)
		stream = ruleset_find(ingress->ruleset, &dgram);
	capture_received(ingress->tap, stream ? &stream->rule : NULL, frames[0].index, parts, count,
			 now_ns);
}

/* A pass of its own over the packets in one frame each, so that packets cost nothing while there is
 * no capture. */
static void capture_packets(struct ingress *ingress, const struct xsk_frame *frames,
			    unsigned int count)
{
	bool more = ingress->nr_pieces;
	uint64_t now_ns = clock_ns();

	for (unsigned int i = 0; i < count; i++) {
		if (!more && !frames[i].more)
			capture_packet(ingress, &frames[i], 1, now_ns);
		more = frames[i].more;
	}
}

/* ---- packets in several frames ---- */

static uint32_t sum_lengths(const struct ingress *ingress)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < ingress->nr_pieces; i++)
		sum += ingress->pieces[i].length;
	return sum;
}

/* Queue all frames of a packet; without a stream they are only returned. */
static void push_pieces(struct ingress *ingress, const struct frame_entry *entry)
{
	uint32_t left = entry->stream ? payload_left(entry, &ingress->pieces[0]) : 0;
	struct frame_entry entries[XSK_MAX_PIECES] = {*entry};

	entries[0].pieces = (uint8_t)(ingress->nr_pieces - 1);
	for (unsigned int i = 1; i < ingress->nr_pieces; i++) {
		const struct xsk_frame *piece = &ingress->pieces[i];
		/* Behind the payload there may be padding. */
		uint32_t length = left < piece->length ? left : piece->length;

		entries[i] = (struct frame_entry){
			.kind = FRAME_PIECE,
			.frame = piece->index,
			.udp = piece->offset,
			.length = (uint16_t)length,
		};
		left -= length;
	}
	push(ingress, entries, ingress->nr_pieces);
	ingress->nr_pieces = 0;
	ingress->too_large = false;
}

static void end_packet(struct ingress *ingress)
{
	struct frame_entry entry = {.kind = FRAME_DATA, .frame = ingress->pieces[0].index};

	if (ingress->tap && !ingress->too_large)
		capture_packet(ingress, ingress->pieces, ingress->nr_pieces, clock_ns());
	if (ingress->too_large)
		counter_add(&ingress->counters.drops[INGRESS_TOO_LARGE], 1);
	else
		classify(ingress, &ingress->pieces[0], sum_lengths(ingress), &entry);
	push_pieces(ingress, &entry);
}

/* Note a frame of a packet in several ones. */
static void add_piece(struct ingress *ingress, const struct xsk_frame *frame)
{
	if (ingress->nr_pieces < XSK_MAX_PIECES) {
		ingress->pieces[ingress->nr_pieces++] = *frame;
	} else {
		struct frame_entry surplus = {.kind = FRAME_DATA, .frame = frame->index};

		ingress->too_large = true;
		push(ingress, &surplus, 1);
	}
	if (!frame->more)
		end_packet(ingress);
}

/* The thread ends: a packet whose last frame has never come is only returned. */
static void return_pieces(struct ingress *ingress)
{
	struct frame_entry entry = {.kind = FRAME_DATA, .frame = ingress->pieces[0].index};

	if (!ingress->nr_pieces)
		return;
	push_pieces(ingress, &entry);
	publish(ingress);
}

/* ---- the loop ---- */

/* How many packets end with one of these frames. */
static unsigned int count_packets(const struct xsk_frame *frames, unsigned int count)
{
	unsigned int packets = 0;

	for (unsigned int i = 0; i < count; i++)
		packets += !frames[i].more;
	return packets;
}

/* Receive some frames. Returns their number. */
static unsigned int receive(struct ingress *ingress)
{
	struct xsk_frame frames[BURST];
	struct frame_entry entry;
	unsigned int count;

	count = xsk_receive(ingress->xsk, frames, BURST);
	if (!count)
		return 0;
	counter_add(&ingress->counters.received, count_packets(frames, count));
	ingress->pass_ns = 0;
	ingress->pass_ts = TS_UNDECIDED;
	if (ingress->tap)
		capture_packets(ingress, frames, count);
	for (unsigned int i = 0; i < count; i++) {
		if (i + 1 < count)
			__builtin_prefetch(xsk_frame(ingress->xsk, frames[i + 1].index) +
					   frames[i + 1].offset);
		if (ingress->ts_offset && i + AHEAD < count)
			prefetch_packets(xsk_frame(ingress->xsk, frames[i + AHEAD].index) +
						 frames[i + AHEAD].offset,
					 ingress->ts_offset, frames[i + AHEAD].length);
		if (frames[i].more || ingress->nr_pieces) {
			add_piece(ingress, &frames[i]);
			continue;
		}
		classify(ingress, &frames[i], frames[i].length, &entry);
		push(ingress, &entry, 1);
	}
	publish(ingress);
	if (ingress->feed && feed_is_behind(ingress->feed))
		sched_yield();
	return count;
}

/* Receive what is in the RX ring now, and not what follows. */
static void receive_waiting(struct ingress *ingress)
{
	uint32_t left = xsk_waiting(ingress->xsk);
	unsigned int count = 1;

	while (left && count) {
		count = receive(ingress);
		left -= count < left ? count : left;
	}
}

/* Use the next ruleset, if there is one, and mark in the queue where it begins. */
static void change_ruleset(struct ingress *ingress)
{
	struct frame_entry marker = {.kind = FRAME_MARKER};

	if (!atomic_load_explicit(&ingress->next, memory_order_acquire))
		return;
	if (atomic_load_explicit(&ingress->flush, memory_order_relaxed))
		receive_waiting(ingress);
	marker.generation = atomic_load_explicit(&ingress->next_generation, memory_order_relaxed);
	ingress->ruleset = atomic_exchange_explicit(&ingress->next, NULL, memory_order_acq_rel);
	ingress->tap = atomic_load(&ingress->next_tap);
	ingress->feed = atomic_load(&ingress->next_feed);
	frame_queue_push(ingress->queue, &marker);
	publish(ingress);
}

/* Sleep until a packet arrives or the main thread asks for something. */
static void wait_for_work(struct ingress *ingress)
{
	struct pollfd fds[] = {
		{.fd = xsk_fd(ingress->xsk), .events = POLLIN},
		{.fd = ingress->control_fd, .events = POLLIN},
	};
	uint64_t count;

	counter_add(&ingress->counters.polls, 1);
	if (poll(fds, 2, -1) < 0)
		return; /* EINTR, ENOMEM: the loop looks again */
	if (fds[1].revents & POLLIN && read(ingress->control_fd, &count, sizeof(count)) < 0)
		return;
}

void ingress_run(struct ingress *ingress)
{
	struct spin spin;

	spin_reset(&spin, ingress->wakeup);
	for (;;) {
		/* Read before the RX ring, so that "empty" means empty after the order to stop. */
		bool stop = atomic_load_explicit(&ingress->stop, memory_order_acquire);

		counter_add(&ingress->counters.beats, 1);
		/* All frames of a packet go the same way. */
		if (stop && !ingress->nr_pieces &&
		    atomic_load_explicit(&ingress->leave, memory_order_relaxed))
			return;
		change_ruleset(ingress);
		if (receive(ingress)) {
			spin_reset(&spin, ingress->wakeup);
			continue;
		}
		if (stop) {
			return_pieces(ingress);
			return;
		}
		if (!spin_again(&spin))
			wait_for_work(ingress);
		else if (spin.rounds % SPIN_YIELD_ROUNDS == 0)
			xsk_wake_driver(ingress->xsk);
	}
}
