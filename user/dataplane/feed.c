/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xmcast/packet.h>

#include "base/wakeup.h"
#include "dataplane/stream.h"

/* How many datagrams before its turn a slot is fetched into the cache. */
#define AHEAD 4

/* Untouched pages cost nothing. */
static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

struct feed *feed_new(unsigned int number, uint32_t capacity)
{
	struct feed *feed = aligned_alloc(CACHE_LINE, sizeof(*feed));

	if (!feed)
		return NULL;
	memset(feed, 0, sizeof(*feed));
	feed->number = number;
	feed->wakeup_fd = -1;
	feed->capacity = capacity;
	feed->slot_size = (sizeof(struct slot) + feed->capacity + 63) / 64 * 64;
	feed->memory = map(FEED_SLOTS * feed->slot_size);
	feed->free = calloc(FEED_SLOTS, sizeof(*feed->free));
	feed->ring = calloc(FEED_SLOTS, sizeof(*feed->ring));
	if (!feed->memory || !feed->free || !feed->ring ||
	    frame_queue_init(&feed->queue, FEED_SLOTS)) {
		feed_free(feed);
		return NULL;
	}
	for (uint32_t i = 0; i < FEED_SLOTS; i++)
		feed->free[i] = FEED_SLOTS - 1 - i;
	feed->nr_free = FEED_SLOTS;
	/* The merger's thread may already sleep, and knows nothing of this feed. */
	atomic_store(&feed->queue.sleeping, true);
	return feed;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	frame_queue_destroy(&feed->queue);
	if (feed->memory)
		munmap(feed->memory, FEED_SLOTS * feed->slot_size);
	free(feed->free);
	free(feed->ring);
	free(feed);
}

static void reclaim(struct feed *feed)
{
	uint32_t returned = atomic_load_explicit(&feed->returned, memory_order_acquire);

	while (feed->reclaimed != returned)
		feed->free[feed->nr_free++] = feed->ring[feed->reclaimed++ % FEED_SLOTS];
}

bool feed_push(struct feed *feed, const struct frame_entry *entry, uint64_t arrived_ns,
	       struct merge_skipped skipped, const uint8_t *frame, const struct iovec *parts,
	       unsigned int count)
{
	uint32_t headers = entry->udp - entry->ip + (uint32_t)sizeof(struct xmc_udp);
	uint32_t left = headers + entry->length;
	struct frame_entry queued = {.kind = FRAME_DATA, .arrived_ns = arrived_ns};
	struct slot *slot;
	uint8_t *to;

	reclaim(feed);
	if (!feed->nr_free || left > feed->capacity)
		return false;
	queued.frame = feed->free[--feed->nr_free];
	if (feed->nr_free > AHEAD)
		feed_prefetch(feed, feed->free[feed->nr_free - AHEAD]);
	slot = feed_slot(feed, queued.frame);
	slot->merged = entry->stream->merged;
	slot->stream = entry->stream;
	slot->skipped = skipped;
	slot->index = feed->number * FEED_SLOTS + queued.frame;
	slot->stamp = entry->stamp;
	slot->udp = (uint16_t)(entry->udp - entry->ip);
	slot->length = entry->length;
	to = slot->data;
	for (unsigned int i = 0; i < count && left; i++) {
		const uint8_t *from = parts[i].iov_base;
		uint32_t size = (uint32_t)parts[i].iov_len;

		if (!i) {
			size -= (uint32_t)(frame + entry->ip - from);
			from = frame + entry->ip;
		}
		if (size > left)
			size = left;
		memcpy(to, from, size);
		to += size;
		left -= size;
	}
	feed->pushed = true;
	return frame_queue_push(&feed->queue, &queued);
}

int feed_publish(struct feed *feed)
{
	if (!feed->pushed)
		return 0;
	feed->pushed = false;
	frame_queue_publish(&feed->queue);
	return frame_queue_must_wake(&feed->queue) ? wakeup_send(feed->wakeup_fd) : 0;
}
