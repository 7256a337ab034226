/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/capture_ring.h"

#include <string.h>

#include "base/clock.h"

/* How long a reader waits for a record whose successors are complete: its writer was interrupted,
 * or found no free slot. */
#define LATE_NS	  (100 * NS_PER_MS)

#define ALIGNMENT 64

/* No packet is as long. */
#define LENGTH_MOST (1U << 20)

struct slot {
	_Atomic uint64_t state;
	struct capture_record record;
};

bool capture_layout(struct capture_layout *layout, uint32_t snap)
{
	size_t size = sizeof(struct slot) + snap;

	if (snap < CAPTURE_SNAP_LEAST || snap > CAPTURE_SNAP_MOST)
		return false;
	layout->snap = snap;
	layout->slot_size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	layout->slots = (uint32_t)(CAPTURE_RING_BYTES / layout->slot_size);
	layout->size = CAPTURE_PAGE + layout->slots * layout->slot_size;
	return true;
}

/* ---- writing ---- */

void capture_ring_init(struct capture_ring *ring, void *memory, const struct capture_layout *layout)
{
	ring->page = memory;
	ring->slots = (uint8_t *)memory + CAPTURE_PAGE;
	ring->layout = *layout;
	atomic_init(&ring->head, 0);
}

struct capture_record *capture_ring_begin(struct capture_ring *ring, uint64_t *position)
{
	uint64_t mine = atomic_fetch_add_explicit(&ring->head, 1, memory_order_relaxed);
	struct slot *slot =
		(void *)(ring->slots + mine % ring->layout.slots * ring->layout.slot_size);
	uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

	/* The writer of an earlier record has not finished, or a later one was here already. */
	if (state % 2 || state > 2 * mine ||
	    !atomic_compare_exchange_strong_explicit(&slot->state, &state, 2 * mine + 1,
						     memory_order_acquire, memory_order_relaxed))
		return NULL;
	/* The reader sees the state before anything of the record. */
	atomic_thread_fence(memory_order_release);
	*position = mine;
	return &slot->record;
}

void capture_ring_end(struct capture_ring *ring, struct capture_record *record, uint64_t position)
{
	struct slot *slot = (void *)((uint8_t *)record - offsetof(struct slot, record));

	atomic_store_explicit(&slot->state, 2 * position + 2, memory_order_release);
}

/* ---- reading ---- */

void capture_reader_init(struct capture_reader *reader, const void *memory,
			 const struct capture_layout *layout)
{
	*reader = (struct capture_reader){
		.page = memory,
		.slots = (const uint8_t *)memory + CAPTURE_PAGE,
		.layout = *layout,
	};
}

static const struct slot *slot_at(const struct capture_reader *reader, uint64_t position)
{
	return (const void *)(reader->slots +
			      position % reader->layout.slots * reader->layout.slot_size);
}

static uint64_t state_at(const struct capture_reader *reader, uint64_t position)
{
	return atomic_load_explicit(&slot_at(reader, position)->state, memory_order_acquire);
}

static bool is_sound(struct capture_record *record, uint32_t snap)
{
	record->iface[sizeof(record->iface) - 1] = '\0';
	record->rule[sizeof(record->rule) - 1] = '\0';
	return record->captured <= snap && record->captured <= record->length &&
	       record->length <= LENGTH_MOST && record->kind < CAPTURE_KINDS;
}

/* The slot has this state, so its record is complete. False: it was overwritten meanwhile. */
static bool copy_record(const struct capture_reader *reader, const struct slot *slot,
			uint64_t state, struct capture_record *copy)
{
	uint32_t captured;

	memcpy(copy, &slot->record, sizeof(*copy));
	captured = copy->captured;
	if (captured <= reader->layout.snap)
		memcpy(copy->data, slot->record.data, captured);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&slot->state, memory_order_relaxed) == state;
}

static void skip_to(struct capture_reader *reader, uint64_t position)
{
	reader->lost += position - reader->next;
	reader->next = position;
	reader->waiting_ns = 0;
}

/* The next record is not complete. True: go on behind it. */
static bool give_up(struct capture_reader *reader, uint64_t now_ns, bool last)
{
	uint32_t ahead = 1;

	/* Several writers may be interrupted at once. */
	while (ahead < reader->layout.slots && ahead < 64 &&
	       state_at(reader, reader->next + ahead) < 2 * (reader->next + ahead) + 2)
		ahead++;
	if (ahead == 64 || ahead == reader->layout.slots) {
		reader->waiting_ns = 0;
		return false;
	}
	if (!reader->waiting_ns)
		reader->waiting_ns = now_ns;
	if (!last && now_ns - reader->waiting_ns < LATE_NS)
		return false;
	skip_to(reader, reader->next + 1);
	return true;
}

/* The slot has a later record. Go on in the middle of what is there, so that the writers do not
 * catch up at once. */
static void skip_overwritten(struct capture_reader *reader, uint64_t position)
{
	uint32_t slots = reader->layout.slots;

	if (position % slots == reader->next % slots && position >= reader->next + slots)
		skip_to(reader, position - slots / 2);
	else
		skip_to(reader, reader->next + 1); /* no writer does that */
}

bool capture_reader_next(struct capture_reader *reader, struct capture_record *copy,
			 uint64_t now_ns, bool last)
{
	/* Bounded, whatever the states are. */
	for (uint32_t i = 0; i <= reader->layout.slots; i++) {
		const struct slot *slot = slot_at(reader, reader->next);
		uint64_t state = state_at(reader, reader->next);
		uint64_t wanted = 2 * reader->next + 2;

		if (state < wanted) {
			if (!give_up(reader, now_ns, last))
				return false;
		} else if (state > wanted) {
			skip_overwritten(reader, (state - 1) / 2);
		} else if (copy_record(reader, slot, state, copy)) {
			reader->next++;
			reader->waiting_ns = 0;
			if (is_sound(copy, reader->layout.snap))
				return true;
			reader->lost++;
		}
	}
	return false;
}
