/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xmcast/packet.h>

#include "base/log.h"
#include "base/wakeup.h"
#include "dataplane/stream.h"
#include "dataplane/xsk.h"

/* How many datagrams before its turn a frame is fetched into the cache. */
#define AHEAD 4

/* The egress thread is shown frames that are done at least this often, and woken for this part of
 * all frames. */
#define MOST_HIDDEN 64
#define WAKE_PART   8

/* Untouched pages cost nothing. */
static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

struct feed *feed_new(unsigned int number, const struct feed_frames *frames)
{
	struct feed *feed = aligned_alloc(CACHE_LINE, sizeof(*feed));

	if (!feed)
		return NULL;
	memset(feed, 0, sizeof(*feed));
	feed->number = number;
	feed->wakeup_fd = -1;
	feed->frames = *frames;
	feed->most = frames->count / 4 * 3;
	feed->slot_size = (frames->capacity + 63) / 64 * 64;
	feed->memory = map(FEED_SLOTS * feed->slot_size);
	feed->slots = map(FEED_SLOTS * sizeof(*feed->slots));
	feed->free = calloc(FEED_SLOTS, sizeof(*feed->free));
	if (!feed->memory || !feed->slots || !feed->free ||
	    frame_queue_init(&feed->queue, frames->count) ||
	    frame_queue_init(&feed->done, frames->count)) {
		feed_free(feed);
		return NULL;
	}
	feed->notes = calloc(feed->queue.mask + 1, sizeof(*feed->notes));
	if (!feed->notes) {
		feed_free(feed);
		return NULL;
	}
	for (uint32_t i = 0; i < FEED_SLOTS; i++)
		feed->free[i] = FEED_SLOTS - 1 - i;
	feed->nr_free = FEED_SLOTS;
	/* Both threads may already sleep, and know nothing of this feed. */
	atomic_store(&feed->queue.sleeping, true);
	atomic_store(&feed->done.sleeping, true);
	return feed;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	frame_queue_destroy(&feed->queue);
	frame_queue_destroy(&feed->done);
	if (feed->memory)
		munmap(feed->memory, FEED_SLOTS * feed->slot_size);
	if (feed->slots)
		munmap(feed->slots, FEED_SLOTS * sizeof(*feed->slots));
	free(feed->notes);
	free(feed->free);
	free(feed);
}

/* ---- the ingress thread ---- */

static bool has_room(struct feed *feed, unsigned int count)
{
	if (feed->queue.pushed - feed->seen_done + count <= feed->most)
		return true;
	/* Acquire: the merger's thread has read the notes that are overwritten now. */
	feed->seen_done = atomic_load_explicit(&feed->done.head, memory_order_acquire);
	return feed->queue.pushed - feed->seen_done + count <= feed->most;
}

bool feed_push(struct feed *feed, const struct frame_entry *entries, unsigned int count,
	       uint64_t arrived_ns, struct merge_skipped skipped)
{
	uint32_t headers = entries->udp - entries->ip + (uint32_t)sizeof(struct xmc_udp);

	if (headers + entries->length > feed->frames.capacity || !has_room(feed, count))
		return false;
	feed->notes[feed->queue.pushed & feed->queue.mask] = (struct feed_note){
		.arrived_ns = arrived_ns,
		.skipped = skipped,
	};
	/* Never full: it has an entry for each frame. */
	for (unsigned int i = 0; i < count; i++)
		frame_queue_push(&feed->queue, &entries[i]);
	feed->pushed = true;
	return true;
}

int feed_publish(struct feed *feed)
{
	if (!feed->pushed)
		return 0;
	feed->pushed = false;
	frame_queue_publish(&feed->queue);
	return frame_queue_must_wake(&feed->queue) ? wakeup_send(feed->wakeup_fd) : 0;
}

/* ---- the merger's thread ---- */

static uint8_t *frame_at(const struct feed *feed, uint32_t frame)
{
	return feed->frames.memory + frame * feed->frames.size;
}

void feed_publish_done(struct feed *feed)
{
	int err = 0;

	if (feed->done.pushed == atomic_load_explicit(&feed->done.head, memory_order_relaxed))
		return;
	frame_queue_publish(&feed->done);
	if (frame_queue_length(&feed->done) >= feed->frames.count / WAKE_PART &&
	    frame_queue_must_wake(&feed->done))
		err = wakeup_send(feed->frames.wakeup_fd);
	if (err)
		log_error("egress-notify-failed", LOG_ERROR(err));
}

static void return_frame(struct feed *feed, uint32_t frame)
{
	const struct frame_entry entry = {.kind = FRAME_DATA, .frame = frame};

	/* Never full: it has an entry for each frame. */
	frame_queue_push(&feed->done, &entry);
	if (feed->done.pushed - atomic_load_explicit(&feed->done.head, memory_order_relaxed) >=
	    MOST_HIDDEN)
		feed_publish_done(feed);
}

/* Copy the datagram up to the end of what is in its first frame. Returns where the rest belongs. */
static uint8_t *copy_first(struct feed *feed, struct slot *slot, uint32_t length)
{
	uint8_t *to = feed->memory + slot->index % FEED_SLOTS * feed->slot_size;
	uint32_t headers = slot->udp - slot->ip + (uint32_t)sizeof(struct xmc_udp);

	memcpy(to, slot->data + slot->ip, headers + length);
	slot->data = to;
	slot->udp = (uint16_t)(slot->udp - slot->ip);
	slot->ip = 0;
	return_frame(feed, slot->frame);
	slot->frame = FEED_NO_FRAME;
	return to + headers + length;
}

void feed_keep(struct feed *feed, struct slot *slot)
{
	if (slot->frame != FEED_NO_FRAME)
		copy_first(feed, slot, slot->length);
}

/* A datagram in several frames is made whole. */
static void gather(struct feed *feed, struct slot *slot, unsigned int pieces)
{
	struct frame_entry more[XSK_MAX_PIECES] = {};
	uint32_t length = slot->length;
	uint8_t *to;

	for (unsigned int i = 0; i < pieces; i++) {
		frame_queue_take(&feed->queue, &more[i]);
		length -= more[i].length;
	}
	to = copy_first(feed, slot, length);
	for (unsigned int i = 0; i < pieces; i++) {
		memcpy(to, frame_at(feed, more[i].frame) + more[i].udp, more[i].length);
		to += more[i].length;
		return_frame(feed, more[i].frame);
	}
}

/* Fetch the headers of what comes later, and the first bytes of its payload. */
static void prefetch(const struct feed *feed)
{
	const struct frame_entry *ahead = frame_queue_ahead(&feed->queue, AHEAD);

	if (!ahead)
		return;
	__builtin_prefetch(frame_at(feed, ahead->frame) + ahead->udp);
	__builtin_prefetch(frame_at(feed, ahead->frame) + ahead->udp + CACHE_LINE);
}

struct slot *feed_take(struct feed *feed)
{
	uint32_t i = feed->free[--feed->nr_free];
	struct slot *slot = &feed->slots[i];
	struct frame_entry entry = {};

	frame_queue_take(&feed->queue, &entry);
	prefetch(feed);
	slot->merged = entry.stream->merged;
	slot->stream = entry.stream;
	slot->data = frame_at(feed, entry.frame);
	slot->index = feed->number * FEED_SLOTS + i;
	slot->frame = entry.frame;
	slot->stamp = entry.stamp;
	slot->ip = entry.ip;
	slot->udp = entry.udp;
	slot->length = entry.length;
	if (entry.pieces)
		gather(feed, slot, entry.pieces);
	return slot;
}

void feed_return(struct feed *feed, struct slot *slot)
{
	if (slot->frame != FEED_NO_FRAME)
		return_frame(feed, slot->frame);
	feed->free[feed->nr_free++] = slot->index % FEED_SLOTS;
}
