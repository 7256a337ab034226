/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/egress.h"

#include <errno.h>
#include <stdlib.h>

#include <xmcast/packet.h>

#include "base/log.h"
#include "base/wakeup.h"
#include "dataplane/spin.h"

/* Entries taken from the frame queue in one pass. A pass is bounded, because open requests are sent
 * only at its end, but large, so that a thousand interleaved flows still fill theirs (with 1024
 * entries a packet cost three times as much). With the default number of frames a pass can empty a
 * full queue. */
#define PASS 16384

struct egress_loop {
	struct egress *egress;
	struct in_flight flight;
	struct outbox outbox;
	bool marker_waits; /* a marker was taken; it is acknowledged when nothing is in flight */
	uint64_t marker;   /* its generation */
};

/* Take the further frames of a packet, which were queued with the first one. */
static void take_pieces(struct egress_loop *loop, struct datagram *datagram)
{
	uint32_t last = datagram->entry->frame;
	struct frame_entry piece;

	for (unsigned int i = 0; i < datagram->entry->pieces; i++) {
		if (!frame_queue_take(loop->egress->queue, &piece))
			break;
		xsk_hand_over(loop->egress->xsk, piece.frame, OWNER_QUEUE, OWNER_EGRESS);
		loop->flight.next_piece[last] = piece.frame;
		last = piece.frame;
		datagram->payloads[0].iov_len -= piece.length;
		if (piece.length)
			datagram->payloads[datagram->pieces++] = (struct iovec){
				xsk_frame(loop->egress->xsk, piece.frame) + piece.udp,
				piece.length,
			};
		loop->flight.frames++;
	}
	loop->flight.next_piece[last] = LAST_PIECE;
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
	loop->flight.frames++;
	if (loop->flight.next_piece)
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
	enum withheld result = WITHHELD_NOTHING, side;

	/* The lease first: a selection must not count datagrams that are not sent. */
	if (stream->lease && (!lease_allows(stream->lease, outbox_recent_ns(&loop->outbox)) ||
			      is_cut(stream, datagram, loop->outbox.now_ns)))
		result = WITHHELD_STANDBY;
	if (!stream->selection)
		return result;
	side = selection_admit(stream->selection, stream->rule.side, stream->nr_outputs,
			       outbox_recent_ns(&loop->outbox));
	if (result && !side)
		selection_done(&stream->selection->sides[stream->rule.side], stream->nr_outputs);
	return result ? result : side;
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
		loop->flight.sends[entry->frame] = 1;
		in_flight_release(&loop->flight, entry->frame);
		return 0;
	}
	all = judge(loop, stream, &datagram);
	/* Counted before the first send, which may complete before the last is prepared. */
	loop->flight.sends[entry->frame] = (uint16_t)stream->nr_outputs;
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
			egress_count_withheld(&egress->counters, to, withhold, 1);
			in_flight_release(&loop->flight, entry->frame);
			ended++;
		} else if (to->limit && !rate_limit_allows(to->limit, entry->length,
							   outbox_recent_ns(&loop->outbox))) {
			counter_add(&to->rate_limited, 1);
			counter_add(&egress->counters.rate_limited, 1);
			in_flight_release(&loop->flight, entry->frame);
			ended++;
		} else {
			err = outbox_add(&loop->outbox, to, &datagram, &key);
		}
	}
	if (ended && !all && stream->selection)
		selection_done(&stream->selection->sides[stream->rule.side], ended);
	return err;
}

/* ---- the loop ---- */

static struct feed *feed_of(const struct egress *egress)
{
	return atomic_load_explicit(&egress->feed, memory_order_acquire);
}

static bool take_entry(const struct egress *egress, struct frame_entry *entry)
{
	struct feed *feed;

	if (egress->merger)
		return merger_take(egress->merger, entry);
	/* First, because under load the frame queue may never be empty, and without these frames
	 * the fill ring would be. They are only returned, which costs little. */
	feed = feed_of(egress);
	if (feed && frame_queue_take(&feed->done, entry))
		return true;
	return frame_queue_take(egress->queue, entry);
}

static bool is_empty(const struct egress *egress)
{
	struct feed *feed = feed_of(egress);

	if (egress->merger)
		return merger_empty(egress->merger);
	return frame_queue_empty(egress->queue) && (!feed || frame_queue_empty(&feed->done));
}

/* As frame_queue_sleep(). */
static bool announce_sleep(const struct egress *egress)
{
	struct feed *feed = feed_of(egress);

	if (egress->merger)
		return merger_sleep(egress->merger);
	return frame_queue_sleep(egress->queue) && (!feed || frame_queue_sleep(&feed->done));
}

static void announce_awake(const struct egress *egress)
{
	struct feed *feed = feed_of(egress);

	if (egress->merger) {
		merger_awake(egress->merger);
		return;
	}
	frame_queue_awake(egress->queue);
	if (feed)
		frame_queue_awake(&feed->done);
}

/* Take what is queued and prepare its sends; stop at a marker. Returns entries taken or -errno. */
static int take_entries(struct egress_loop *loop)
{
	struct frame_entry entry;
	int taken = 0;
	int err = 0;

	loop->outbox.clock_uses = 0;
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
		err = outbox_flush(&loop->outbox);
	return err ? err : taken;
}

/* All frames in front of the marker are done: nothing uses the rulesets before it any more. */
static void acknowledge(struct egress_loop *loop)
{
	int err;

	loop->marker_waits = false;
	loop->outbox.tap = atomic_load(&loop->egress->next_tap);
	atomic_store(&loop->egress->acknowledged, loop->marker);
	err = wakeup_send(loop->egress->notify_fd);
	if (err)
		log_error("egress-notify-failed", LOG_ERROR(err));
}

/* Nothing was taken: may the loop wait for an event? */
static bool may_sleep(struct egress_loop *loop, struct spin *spin)
{
	if (loop->outbox.shutdown && !loop->outbox.unfinished)
		return false;
	if (loop->marker_waits)
		return true; /* for sends in flight; the queue may hold more */
	if (spin_again(spin))
		return false;
	return announce_sleep(loop->egress);
}

int egress_loop_run(struct egress_loop *loop)
{
	struct egress *egress = loop->egress;
	struct spin spin;
	int taken;
	int err;

	spin_reset(&spin, egress->wakeup);
	for (;;) {
		if (loop->marker_waits && !loop->outbox.unfinished)
			acknowledge(loop);
		taken = take_entries(loop);
		if (taken < 0)
			return taken;
		in_flight_return(&loop->flight);
		if (taken)
			spin_reset(&spin, egress->wakeup);
		/* Ingress ended before the command stream was closed, so empty stays empty. */
		else if (loop->outbox.shutdown && !loop->outbox.unfinished && is_empty(egress))
			return 0;
		if (loop->marker_waits && !loop->outbox.unfinished)
			continue;
		err = outbox_push(&loop->outbox, !taken && may_sleep(loop, &spin),
				  egress->merger ? merger_deadline(egress->merger) : UINT64_MAX);
		announce_awake(egress);
		if (err)
			return err;
	}
}

/* ---- open and close ---- */

int egress_loop_open(struct egress_loop **out, struct egress *egress)
{
	struct egress_loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	loop->egress = egress;
	loop->flight.xsk = egress->xsk;
	loop->flight.merger = egress->merger;
	loop->flight.gauge = &egress->counters.in_flight;
	loop->outbox.flight = &loop->flight;
	loop->outbox.counters = &egress->counters;
	loop->outbox.notify_fd = egress->notify_fd;
	err = in_flight_open(&loop->flight);
	if (!err)
		err = outbox_open(&loop->outbox, egress->engine, egress->wakeup_fd,
				  egress->command_fd);
	if (err) {
		egress_loop_close(loop);
		return err;
	}
	*out = loop;
	return 0;
}

const char *egress_loop_engine(const struct egress_loop *loop)
{
	return loop->outbox.engine->text;
}

void egress_loop_close(struct egress_loop *loop)
{
	if (!loop)
		return;
	outbox_close(&loop->outbox);
	in_flight_close(&loop->flight);
	free(loop);
}
