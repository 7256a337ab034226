// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on merging: any numbers, counts, senders and sides at any time. The input begins with
 * options and is a series of 8 bytes: side and sender, how much time passes, how the number moves,
 * the count. Every datagram is decided once, ordered numbers leave in order and once, and what is
 * remembered stays within its limit.
 */
#include "must.h"

#include "dataplane/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 4096

struct run {
	struct merge *merge;
	struct merge_options options;
	struct merge_item items[MOST];
	bool decided[MOST];
	unsigned int offered;
	uint64_t restarts;
	uint64_t left; /* positions before it have */
};

static void take_all(struct run *run)
{
	const struct merge_counters *counters = merge_counters(run->merge);
	struct merge_item *item;

	while ((item = merge_take(run->merge))) {
		size_t index = (size_t)(item - run->items);

		must(index < run->offered && !run->decided[index]);
		run->decided[index] = true;
		if (item->verdict != MERGE_SEND)
			continue;
		must(item->cut + item->kept <= item->datagram.count);
		must(item->kept || !item->datagram.count);
		/* In front of a restart the positions are those of the old stream. */
		if (run->options.ordered && run->restarts == counter_read(&counters->restarts)) {
			must(item->position + item->cut >= run->left);
			run->left = item->position + item->cut + item->kept;
		}
	}
	if (run->restarts != counter_read(&counters->restarts))
		run->left = 0;
	run->restarts = counter_read(&counters->restarts);
	must(counter_read(&counters->memory) <= MERGE_MOST_NUMBERS * 16ULL);
	must(counter_read(&counters->held) <= run->options.most_held);
}

static void offer(struct run *run, const uint8_t *data, uint64_t *number, uint64_t *now_ns)
{
	static const uint64_t steps[] = {0, 1, 1 << 14, 1 << 15, 1ULL << 31, 1ULL << 40};
	struct merge_datagram datagram = {.sender = {data[0] >> 4 & 3, 0}};
	uint64_t mask = run->options.bits == 64 ? UINT64_MAX : (1ULL << run->options.bits) - 1;

	*now_ns += (uint64_t)data[1] * data[1] * 1000000;
	*number += steps[data[2] % 6] + (uint64_t)(int8_t)data[3];
	datagram.first = *number & mask;
	datagram.count = data[4] & 0x80 ? (uint32_t)data[5] << 8 | data[6] : data[4] & 7;
	if (datagram.first > UINT64_MAX - datagram.count)
		return;
	merge_offer(run->merge, &run->items[run->offered++], data[0] % run->options.nr_sides,
		    &datagram, *now_ns);
	take_all(run);
	if (data[7] & 1 && merge_deadline(run->merge) != UINT64_MAX &&
	    merge_deadline(run->merge) > *now_ns) {
		*now_ns = merge_deadline(run->merge);
		merge_advance(run->merge, *now_ns);
		take_all(run);
		must(merge_deadline(run->merge) > *now_ns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned int bits[] = {16, 32, 64, 64};
	static struct run run;
	uint64_t now_ns = 1000000000;
	uint64_t number = 60000;

	if (size < 2)
		return 0;
	run = (struct run){
		.options = {.nr_sides = 2 + (data[0] >> 4) % 7,
			    .bits = bits[data[0] & 3],
			    .ordered = data[0] & 4,
			    .skew_ns = (10 + data[1]) * 1000000ULL,
			    .most_held = data[0] & 8 ? MERGE_CONFIRMED : MOST},
	};
	must(merge_new(&run.merge, &run.options) == 0);
	for (data += 2, size -= 2; size >= 8 && run.offered < 64; data += 8, size -= 8)
		offer(&run, data, &number, &now_ns);
	merge_flush(run.merge);
	take_all(&run);
	for (unsigned int i = 0; i < run.offered; i++)
		must(run.decided[i]);
	must(merge_deadline(run.merge) == UINT64_MAX);
	merge_free(run.merge);
	return 0;
}
