/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/merger.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xmcast/packet.h>

#include "base/clock.h"
#include "base/wakeup.h"

/* How often the main thread looks whether the merger's thread has settled. */
#define SETTLE_MS 1000

/* For how many datagrams the rule that holds most is used, while slots are short: to look at all
 * rules that wait for each datagram would take longer the more there are. */
#define LARGEST_FOR 64

struct merger {
	struct merger_thread_side thread;
	bool runs;
	bool is_stuck;

	/* What is to be settled: written by the main thread, before `wanted`. */
	_Atomic(struct feed *) feeds[MERGER_FEEDS];
	_Atomic uint64_t wanted;
	struct merged *settle_merged;
	struct feed *settle_feed;
	uint64_t generation;

	/* The thread's own. */
	uint64_t now_ns;   /* when the last datagram arrived; once the feeds are empty, the time */
	uint64_t settling; /* the generation of `wanted` that it works on, or has settled */
	bool settled;
	struct merged *draining; /* it may have decided something */
	struct merged *waiting;	 /* those that hold something: a list */
	uint64_t earliest_ns;	 /* no deadline of these is earlier */
	struct slot *fresh;	 /* has been offered just now, and not been decided; or NULL */
	struct feed *short_of;	 /* of slots: somebody has to give up a gap; or NULL */
	struct feed *turn;	 /* the feed that has the first datagram, or NULL */
	uint64_t turn_until_ns;	 /* when that of another feed has arrived */
	uint32_t turn_left;	 /* entries that it had when the others were looked at */
};

/* ---- feeds and slots ---- */

static struct feed *feed_at(const struct merger *merger, unsigned int i)
{
	return atomic_load_explicit(&merger->feeds[i], memory_order_acquire);
}

static struct slot *slot_at(const struct merger *merger, uint32_t index)
{
	return &feed_at(merger, index / FEED_SLOTS)->slots[index % FEED_SLOTS];
}

uint8_t *merger_frame(const struct merger *merger, uint32_t slot)
{
	return slot_at(merger, slot)->data;
}

void merger_return(struct merger *merger, const uint32_t *slots, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		feed_return(feed_at(merger, slots[i] / FEED_SLOTS), slot_at(merger, slots[i]));
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);

		if (feed)
			feed_publish_done(feed);
	}
}

/* ---- deadlines ---- */

static void note_deadline(struct merger *merger, struct merged *merged)
{
	uint64_t deadline_ns = merge_deadline(merged->merge);

	if (deadline_ns == UINT64_MAX)
		return;
	if (deadline_ns < merger->earliest_ns)
		merger->earliest_ns = deadline_ns;
	if (merged->waits)
		return;
	merged->waits = true;
	merged->next_waiting = merger->waiting;
	merger->waiting = merged;
}

/* Let the time of one that is due advance. False: none is. */
static bool expire(struct merger *merger)
{
	struct merged **link = &merger->waiting;

	if (merger->now_ns < merger->earliest_ns)
		return false;
	merger->earliest_ns = UINT64_MAX;
	while (*link) {
		struct merged *merged = *link;
		uint64_t deadline_ns = merge_deadline(merged->merge);

		if (deadline_ns == UINT64_MAX) {
			merged->waits = false;
			*link = merged->next_waiting;
			continue;
		}
		if (deadline_ns <= merger->now_ns) {
			merge_advance(merged->merge, merger->now_ns);
			merger->draining = merged;
			merger->earliest_ns = merger->now_ns;
			return true;
		}
		if (deadline_ns < merger->earliest_ns)
			merger->earliest_ns = deadline_ns;
		link = &merged->next_waiting;
	}
	return false;
}

/* It will not be used any more, and holds nothing. */
static void forget(struct merger *merger, struct merged *gone)
{
	struct merged **link = &merger->waiting;

	while (*link && *link != gone)
		link = &(*link)->next_waiting;
	if (*link)
		*link = gone->next_waiting;
	gone->waits = false;
	gone->out = NULL;
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);

		if (feed)
			feed->largest_left = 0;
	}
}

uint64_t merger_deadline(const struct merger *merger)
{
	return merger->waiting ? merger->earliest_ns : UINT64_MAX;
}

/* ---- what has been decided ---- */

/* A datagram is not sent. */
static void drop(struct merger *merger, struct slot *slot, enum withheld reason)
{
	const struct stream *stream = slot->stream;

	for (unsigned int i = 0; i < stream->nr_outputs; i++)
		counter_add(&stream->outputs[i].shards[stream->nr_shards - 1].withheld[reason], 1);
	counter_add(reason == WITHHELD_NO_NUMBER ? merger->thread.withheld : merger->thread.unused,
		    stream->nr_outputs);
	feed_return(feed_at(merger, slot->index / FEED_SLOTS), slot);
}

/* The stream by which the rule's datagrams leave. It stays the same until it is closed, so that
 * there are no requests of two streams at the same time. */
static struct stream *choose_stream(struct merged *merged, struct stream *otherwise)
{
	for (unsigned int i = 0; !merged->out && i < merged->as.nr_sides; i++)
		merged->out = atomic_load_explicit(&merged->streams[i], memory_order_acquire);
	return merged->out ? merged->out : otherwise;
}

static void describe(struct slot *slot, struct frame_entry *entry)
{
	uint8_t *payload = slot->data + slot->udp + sizeof(struct xmc_udp);
	uint32_t length = slot->length;
	uint32_t begin = merged_cut(payload, &length, &slot->item);

	/* The UDP header stays directly in front of the payload. */
	if (begin) {
		memmove(slot->data + slot->udp + begin, slot->data + slot->udp,
			sizeof(struct xmc_udp));
		slot->udp = (uint16_t)(slot->udp + begin);
	}
	*entry = (struct frame_entry){
		.kind = FRAME_DATA,
		.stream = choose_stream(slot->merged, slot->stream),
		.frame = slot->index,
		.ip = slot->ip,
		.udp = slot->udp,
		.length = (uint16_t)length,
		.stamp = slot->stamp,
	};
}

/* The next datagram to send of the one that may have decided something. */
static bool drain(struct merger *merger, struct frame_entry *entry)
{
	static const enum withheld reasons[] = {
		[MERGE_DUPLICATE] = WITHHELD_DUPLICATE,
		[MERGE_LATE] = WITHHELD_LATE,
		[MERGE_FOREIGN] = WITHHELD_FOREIGN,
	};
	struct merged *merged = merger->draining;
	struct merge_item *item;

	while (merged && (item = merge_take(merged->merge))) {
		struct slot *slot = (struct slot *)item;

		if (slot == merger->fresh)
			merger->fresh = NULL;
		merged->undecided[slot->index / FEED_SLOTS]--;
		if (item->verdict == MERGE_SEND) {
			describe(slot, entry);
			return true;
		}
		drop(merger, slot, reasons[item->verdict]);
	}
	if (merged)
		note_deadline(merger, merged);
	if (merger->fresh)
		feed_keep(feed_at(merger, merger->fresh->index / FEED_SLOTS), merger->fresh);
	merger->fresh = NULL;
	merger->draining = NULL;
	return false;
}

/* ---- what arrives ---- */

static void offer(struct merger *merger, struct feed *feed, struct slot *slot,
		  struct merge_skipped skipped)
{
	struct merged *merged = slot->merged;
	struct merge_datagram datagram;

	if (skipped.count)
		merge_skip(merged->merge, slot->stream->rule.side, skipped);
	if (!merged_read(merged, slot->data + slot->udp + sizeof(struct xmc_udp), slot->length,
			 &datagram)) {
		drop(merger, slot, WITHHELD_NO_NUMBER);
		return;
	}
	merged->undecided[feed->number]++;
	merge_offer(merged->merge, &slot->item, slot->stream->rule.side, &datagram, merger->now_ns);
	if (feed_taken(feed) > FEED_MANY_TAKEN)
		merger->short_of = feed;
	merger->draining = merged;
	merger->fresh = slot;
}

/* Find the feed whose first datagram is the oldest. False: they are empty. */
static bool begin_turn(struct merger *merger)
{
	uint64_t first_ns = UINT64_MAX;

	merger->turn = NULL;
	merger->turn_until_ns = UINT64_MAX;
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);
		uint64_t arrived_ns;

		if (!feed || !frame_queue_peek(&feed->queue))
			continue;
		arrived_ns = feed_note(feed)->arrived_ns;
		if (arrived_ns < first_ns) {
			merger->turn_until_ns = first_ns;
			merger->turn = feed;
			merger->turn_left = frame_queue_seen(&feed->queue);
			first_ns = arrived_ns;
		} else if (arrived_ns < merger->turn_until_ns) {
			merger->turn_until_ns = arrived_ns;
		}
	}
	return merger->turn;
}

/* Does the feed whose turn it was have the first datagram? */
static bool continues(const struct merger *merger)
{
	return merger->turn && merger->turn_left &&
	       feed_note(merger->turn)->arrived_ns <= merger->turn_until_ns;
}

/* Take the datagram that has arrived first. False: the feeds are empty. */
static bool take_first(struct merger *merger)
{
	struct feed *feed;
	struct feed_note note;
	uint32_t before;

	if (!continues(merger) && !begin_turn(merger))
		return false;
	feed = merger->turn;
	if (!feed->nr_free)
		return false;
	note = *feed_note(feed);
	before = frame_queue_seen(&feed->queue);
	if (note.arrived_ns > merger->now_ns)
		merger->now_ns = note.arrived_ns;
	offer(merger, feed, feed_take(feed), note.skipped);
	merger->turn_left -= before - frame_queue_seen(&feed->queue);
	return true;
}

/* False: nothing has arrived until now. */
static bool take_next(struct merger *merger)
{
	uint64_t now_ns;

	if (take_first(merger))
		return true;
	/* Before the second look, so that what was in a feed by then is taken before its time has
	 * passed. A datagram that an ingress thread is about to push may be a little older. */
	now_ns = clock_ns();
	if (take_first(merger))
		return true;
	/* All of its slots are taken by what is being sent: the time stays where it is. */
	if (merger->turn)
		return false;
	merger->now_ns = now_ns;
	return false;
}

/* The rule that holds most of the feed's slots, or NULL. */
static struct merged *find_largest(const struct merger *merger, struct feed *feed)
{
	struct merged *most = NULL;

	if (feed->largest_left) {
		feed->largest_left--;
		return feed->largest;
	}
	for (struct merged *merged = merger->waiting; merged; merged = merged->next_waiting) {
		if (!most || merged->undecided[feed->number] > most->undecided[feed->number])
			most = merged;
	}
	feed->largest = most;
	feed->largest_left = LARGEST_FOR - 1;
	return most;
}

/* Slots are short: the rule that holds most of the feed's gives some of them up (merge_give_up()).
 * False: they are not. */
static bool relieve(struct merger *merger)
{
	struct feed *feed = merger->short_of;
	struct merged *most;

	merger->short_of = NULL;
	if (!feed)
		return false;
	most = find_largest(merger, feed);
	if (!most || !most->undecided[feed->number])
		return false;
	merge_give_up(most->merge);
	merger->draining = most;
	return true;
}

/* ---- settling ---- */

/* Note how far each feed was filled when the main thread asked. From now on no feed is used that
 * was removed. */
static void begin_settling(struct merger *merger, uint64_t wanted)
{
	merger->turn = NULL;
	merger->settling = wanted;
	merger->settled = false;
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);

		if (feed)
			feed->settle_at = atomic_load(&feed->queue.head);
	}
}

static bool reached(const struct merger *merger)
{
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		const struct feed *feed = feed_at(merger, i);

		if (feed && (int32_t)(atomic_load(&feed->queue.tail) - feed->settle_at) < 0)
			return false;
	}
	return true;
}

/* A rule that holds a datagram of the feed, or NULL. */
static struct merged *find_undecided(const struct merger *merger, const struct feed *feed)
{
	struct merged *merged = merger->waiting;

	while (merged && !merged->undecided[feed->number])
		merged = merged->next_waiting;
	return merged;
}

/* True: something was flushed, or *entry is the marker: all is settled once nothing is in flight.
 */
static bool settle(struct merger *merger, struct frame_entry *entry, bool *marked)
{
	uint64_t wanted = atomic_load_explicit(&merger->wanted, memory_order_acquire);
	struct merged *merged = NULL;

	if (wanted != merger->settling)
		begin_settling(merger, wanted);
	if (merger->settled || !reached(merger))
		return false;
	if (merger->settle_feed)
		merged = find_undecided(merger, merger->settle_feed);
	if (!merged && merger->settle_merged) {
		merged = merger->settle_merged;
		merger->settle_merged = NULL;
		merge_flush(merged->merge);
		merger->draining = merged;
		forget(merger, merged);
		return true;
	}
	if (merged) {
		merge_flush(merged->merge);
		merger->draining = merged;
		return true;
	}
	merger->settled = true;
	*entry = (struct frame_entry){.kind = FRAME_MARKER, .generation = wanted};
	*marked = true;
	return true;
}

bool merger_take(struct merger *merger, struct frame_entry *entry)
{
	bool marked = false;

	for (;;) {
		if (drain(merger, entry))
			return true;
		if (relieve(merger) || expire(merger))
			continue;
		if (settle(merger, entry, &marked)) {
			if (marked)
				return true;
			continue;
		}
		if (!take_next(merger) && !expire(merger))
			return false;
	}
}

bool merger_empty(const struct merger *merger)
{
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		const struct feed *feed = feed_at(merger, i);

		if (feed && !frame_queue_empty(&feed->queue))
			return false;
	}
	return true;
}

bool merger_sleep(struct merger *merger)
{
	bool sleeps = true;

	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);

		if (feed && !frame_queue_sleep(&feed->queue))
			sleeps = false;
	}
	return sleeps && atomic_load(&merger->wanted) == merger->settling;
}

void merger_awake(struct merger *merger)
{
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);

		if (feed)
			frame_queue_awake(&feed->queue);
	}
}

/* ---- the main thread ---- */

struct merger *merger_get(void)
{
	static struct merger *merger;

	if (!merger) {
		merger = calloc(1, sizeof(*merger));
		/* Nothing is wanted yet: the thread must not look at what is to be settled. */
		if (merger)
			merger->settled = true;
	}
	if (merger && !merger->runs)
		merger->earliest_ns = UINT64_MAX;
	return merger;
}

bool merger_runs(const struct merger *merger)
{
	return merger->runs;
}

void merger_attach(struct merger *merger, const struct merger_thread_side *thread)
{
	merger->runs = thread;
	if (!thread)
		return;
	merger->thread = *thread;
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed = feed_at(merger, i);

		if (feed)
			feed->wakeup_fd = thread->wakeup_fd;
	}
}

bool merger_settle(struct merger *merger, struct merged *merged, struct feed *feed)
{
	struct pollfd fd = {.fd = merger->thread.notify_fd, .events = POLLIN};
	unsigned int looks = 0;
	uint64_t count;

	if (!merger->runs || atomic_load(merger->thread.failed))
		return true;
	if (merger->is_stuck)
		return false;
	merger->settle_merged = merged;
	merger->settle_feed = feed;
	atomic_store(&merger->wanted, ++merger->generation);
	wakeup_send(merger->thread.wakeup_fd);
	while (atomic_load(merger->thread.acknowledged) != merger->generation &&
	       !atomic_load(merger->thread.failed)) {
		int n = poll(&fd, 1, SETTLE_MS);

		if (n > 0 && read(fd.fd, &count, sizeof(count)) < 0)
			continue;
		if (n == 0 && !merger->thread.check(++looks)) {
			merger->is_stuck = true;
			return false;
		}
	}
	return true;
}

struct feed *merger_add_feed(struct merger *merger, const struct feed_frames *frames)
{
	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		struct feed *feed;

		if (feed_at(merger, i))
			continue;
		feed = feed_new(i, frames);
		if (feed && merger->runs)
			feed->wakeup_fd = merger->thread.wakeup_fd;
		atomic_store(&merger->feeds[i], feed);
		return feed;
	}
	return NULL;
}

bool merger_remove_feed(struct merger *merger, struct feed *feed)
{
	if (!feed)
		return true;
	if (!merger_settle(merger, NULL, feed))
		return false;
	atomic_store(&merger->feeds[feed->number], NULL);
	/* The thread may be looking at it right now. */
	if (!merger_settle(merger, NULL, NULL))
		return false;
	feed_free(feed);
	return true;
}

uint32_t merger_queued(const struct merger *merger)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < MERGER_FEEDS; i++) {
		const struct feed *feed = feed_at(merger, i);

		sum += feed ? frame_queue_length(&feed->queue) : 0;
	}
	return sum;
}
