/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What xmcastctl capture reads: the first byte selects whether the rest is a filter, as words, or
 * the memory of a ring, as a daemon that means harm could fill it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/capture_ring.h"
#include "ctl/capture_filter.h"
#include "ctl/capture_packet.h"
#include "ctl/pcapng.h"
#include "must.h"

#define WORDS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_filter(const uint8_t *data, size_t size)
{
	struct capture_frame frame = {.parsed = true, .port = 5000, .payload = 100};
	struct capture_filter_error error = {};
	struct capture_filter filter;
	char *text = malloc(size + 1);
	char *words[WORDS];
	char *rest = NULL;
	int count = 0;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *word = strtok_r(text, " ", &rest); word && count < WORDS;
	     word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	if (capture_filter_parse(&filter, words, count, &error)) {
		must(filter.count <= CAPTURE_CONDITIONS && (filter.count || !count));
		for (unsigned int i = 0; i < filter.count; i++)
			must(filter.conditions[i].least <= filter.conditions[i].most);
		/* The same filter, the other way round, matches the opposite. */
		if (filter.count == 1) {
			bool matched = capture_filter_matches(&filter, &frame, true);

			filter.conditions[0].negated ^= true;
			must(capture_filter_matches(&filter, &frame, true) != matched);
		}
	} else {
		must(error.expected != NULL);
	}
	free(text);
}

static void check_ring(const uint8_t *data, size_t size)
{
	static const struct capture_output output = {.source_port = 1};
	struct capture_layout layout;
	struct capture_reader reader;
	struct capture_record *record;
	struct capture_frame frame;
	uint8_t *memory;
	uint8_t *room;

	must(capture_layout(&layout, CAPTURE_SNAP_LEAST));
	/* Few slots, so that the whole ring is the input's. */
	layout.slots = 4;
	layout.size = CAPTURE_PAGE + layout.slots * layout.slot_size;
	memory = aligned_alloc(CAPTURE_PAGE, 2 * CAPTURE_PAGE);
	record = malloc(sizeof(*record) + layout.snap);
	room = malloc(CAPTURE_HEADERS + layout.snap);
	must(memory && record && room && layout.size <= 2 * CAPTURE_PAGE);
	memset(memory, 0, 2 * CAPTURE_PAGE);
	if (size > layout.size - CAPTURE_PAGE)
		size = layout.size - CAPTURE_PAGE;
	memcpy(memory + CAPTURE_PAGE, data, size);
	capture_reader_init(&reader, memory, &layout);
	for (unsigned int i = 0; i < 10; i++) {
		if (!capture_reader_next(&reader, record, i, i % 2))
			continue;
		must(record->captured <= layout.snap && record->captured <= record->length);
		capture_frame_make(&frame, record, &output, layout.snap, room);
		must(frame.captured <= layout.snap && frame.captured <= frame.length);
	}
	free(room);
	free(record);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] % 2)
		check_filter(data + 1, size - 1);
	else if (size)
		check_ring(data + 1, size - 1);
	return 0;
}
