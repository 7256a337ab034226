/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_INGRESS
#include "dataplane/ingress.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wakeup.h"
#include "dataplane/spin.h"
#include "dataplane/stamp.h"

/* Frames per look at the RX ring: enough to spread the cost of a publish and a fence, few enough to
 * stay in the first-level cache and to let egress start early. */
#define BATCH 64

static void wake_egress(struct ingress *ingress)
{
	int err;

	counter_add(&ingress->counters.wakeups, 1);
	err = wakeup_send(ingress->egress_wakeup_fd);
	if (err && log_allowed(&ingress->wakeup_limit, "ingress-wakeup-failed"))
		log_error("ingress-wakeup-failed", LOG_ERROR(err));
}

static void drop(struct ingress *ingress, enum ingress_drop reason)
{
	counter_add(&ingress->counters.drops[reason], 1);
}

/* What to do with one received frame. */
static void classify(struct ingress *ingress, const struct xsk_frame *frame,
		     struct frame_entry *entry)
{
	const uint8_t *data = xsk_frame(ingress->xsk, frame->index) + frame->offset;
	struct xmc_datagram dgram;
	struct stream_shard *counters;
	struct stream *stream;

	entry->kind = FRAME_DATA;
	entry->stream = NULL;
	entry->frame = frame->index;
	entry->ip = entry->udp = entry->length = 0;
	entry->stamp = 0;
	if (xmc_parse(data, data + frame->length, &dgram) != XMC_STEERED) {
		drop(ingress, INGRESS_INVALID);
		return;
	}
	stream = ruleset_find(ingress->ruleset, &dgram);
	if (!stream) {
		drop(ingress, INGRESS_NO_RULE);
		return;
	}
	entry->stream = stream;
	entry->ip = (uint16_t)(frame->offset + dgram.ip_offset);
	entry->udp = (uint16_t)(frame->offset + dgram.udp_offset);
	entry->length = dgram.payload_length;
	counters = &stream->shards[ingress->rx_queue];
	if (counter_read(&counters->received) % STAMP_EVERY == 0)
		entry->stamp = stamp_now();
	counter_add(&counters->received, 1);
	counter_add(&counters->received_bytes, dgram.payload_length);
}

static void publish(struct ingress *ingress)
{
	frame_queue_publish(ingress->queue);
	if (frame_queue_must_wake(ingress->queue))
		wake_egress(ingress);
}

/* One batch. Returns the number of frames. */
static unsigned int receive_batch(struct ingress *ingress)
{
	struct xsk_frame frames[BATCH];
	struct frame_entry entry;
	unsigned int count;

	count = xsk_receive(ingress->xsk, frames, BATCH);
	if (!count)
		return 0;
	counter_add(&ingress->counters.received, count);
	for (unsigned int i = 0; i < count; i++) {
		if (i + 1 < count)
			__builtin_prefetch(xsk_frame(ingress->xsk, frames[i + 1].index) +
					   frames[i + 1].offset);
		classify(ingress, &frames[i], &entry);
		xsk_hand_over(ingress->xsk, entry.frame, OWNER_INGRESS, OWNER_QUEUE);
		/* Always room: the queue is as large as there are frames. */
		frame_queue_push(ingress->queue, &entry);
	}
	publish(ingress);
	return count;
}

/* Go over to a new ruleset if there is one, and tell egress where in the queue that happened. */
static void change_ruleset(struct ingress *ingress)
{
	const struct ruleset *next;
	struct frame_entry marker = {.kind = FRAME_MARKER};

	if (!atomic_load_explicit(&ingress->next, memory_order_acquire))
		return;
	marker.generation = atomic_load_explicit(&ingress->next_generation, memory_order_relaxed);
	next = atomic_exchange_explicit(&ingress->next, NULL, memory_order_acq_rel);
	ingress->ruleset = next;
	frame_queue_push(ingress->queue, &marker);
	publish(ingress);
}

/* Sleep until a packet comes or the main thread wants something. */
static void wait_for_work(struct ingress *ingress)
{
	struct pollfd fds[] = {
		{.fd = xsk_fd(ingress->xsk), .events = POLLIN},
		{.fd = ingress->control_fd, .events = POLLIN},
	};
	uint64_t count;

	counter_add(&ingress->counters.polls, 1);
	if (poll(fds, 2, -1) < 0)
		return; /* EINTR, ENOMEM: look again */
	if (fds[1].revents & POLLIN && read(ingress->control_fd, &count, sizeof(count)) < 0)
		return;
}

void ingress_run(struct ingress *ingress)
{
	struct spin spin;

	spin_reset(&spin, ingress->wakeup);
	for (;;) {
		/* Before the RX ring is looked at, so that "empty" means empty after the order. */
		bool stop = atomic_load_explicit(&ingress->stop, memory_order_acquire);

		counter_add(&ingress->counters.beats, 1);
		change_ruleset(ingress);
		if (receive_batch(ingress)) {
			spin_reset(&spin, ingress->wakeup);
			continue;
		}
		if (stop)
			return;
		if (!spin_again(&spin))
			wait_for_work(ingress);
	}
}
