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

/* Frames per look at the RX ring: enough to spread the cost of a publish and its fence, few enough
 * to stay in the first-level cache and to let egress start early. */
#define BURST 64

/* Find the stream of a received packet, and count. */
static void classify(struct ingress *ingress, const struct xsk_frame *frame,
		     struct frame_entry *entry)
{
	const uint8_t *data = xsk_frame(ingress->xsk, frame->index) + frame->offset;
	struct xmc_datagram dgram;
	struct stream_shard *shard;

	*entry = (struct frame_entry){.kind = FRAME_DATA, .frame = frame->index};
	if (xmc_parse(data, data + frame->length, &dgram) != XMC_STEERED) {
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
	shard = &entry->stream->shards[ingress->rx_queue];
	if (counter_read(&shard->received) % STAMP_EVERY == 0)
		entry->stamp = stamp_now();
	counter_add(&shard->received, 1);
	counter_add(&shard->received_bytes, dgram.payload_length);
}

/* Show the egress thread what was pushed, and wake it if it sleeps. */
static void publish(struct ingress *ingress)
{
	int err;

	frame_queue_publish(ingress->queue);
	if (!frame_queue_must_wake(ingress->queue))
		return;
	counter_add(&ingress->counters.wakeups, 1);
	err = wakeup_send(ingress->egress_wakeup_fd);
	if (err && log_allowed(&ingress->wakeup_limit, "ingress-wakeup-failed"))
		log_error("ingress-wakeup-failed", LOG_ERROR(err));
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
	counter_add(&ingress->counters.received, count);
	for (unsigned int i = 0; i < count; i++) {
		if (i + 1 < count)
			__builtin_prefetch(xsk_frame(ingress->xsk, frames[i + 1].index) +
					   frames[i + 1].offset);
		classify(ingress, &frames[i], &entry);
		xsk_hand_over(ingress->xsk, entry.frame, OWNER_INGRESS, OWNER_QUEUE);
		/* Never full: the queue has an entry for each frame. */
		frame_queue_push(ingress->queue, &entry);
	}
	publish(ingress);
	return count;
}

/* Use the next ruleset, if there is one, and mark in the queue where it begins. */
static void change_ruleset(struct ingress *ingress)
{
	struct frame_entry marker = {.kind = FRAME_MARKER};

	if (!atomic_load_explicit(&ingress->next, memory_order_acquire))
		return;
	marker.generation = atomic_load_explicit(&ingress->next_generation, memory_order_relaxed);
	ingress->ruleset = atomic_exchange_explicit(&ingress->next, NULL, memory_order_acq_rel);
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
		change_ruleset(ingress);
		if (receive(ingress)) {
			spin_reset(&spin, ingress->wakeup);
			continue;
		}
		if (stop)
			return;
		if (!spin_again(&spin))
			wait_for_work(ingress);
		else if (spin.rounds % SPIN_YIELD_ROUNDS == 0)
			xsk_wake_driver(ingress->xsk);
	}
}
