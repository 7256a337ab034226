// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the payload of watched rules, which anybody can send. The first byte says what is
 * watched; then come datagrams: a source, a time in ms, two bytes of length, and the payload. The
 * highest bit of the length: transport streams are not checked. No
 * counter ever falls, each datagram is counted once for each kind, and what is counted stays within
 * what can have been lost.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/health.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MS 1000000ULL

static void look(struct health *health, const uint8_t *head, const uint8_t *payload, size_t length,
		 uint64_t now_ns)
{
	/* In memory of exactly this size, so that a read behind it is noticed. */
	uint8_t *copy = malloc(length + !length);
	struct xmc_addr source = {.b = {[15] = head[0] & 0xf}};
	struct health_datagram datagram = {
		.source = &source,
		.source_port = head[0] >> 4 & 3,
		.payload = copy,
		.readable = (uint32_t)length,
		/* One bit: it continues in another frame. */
		.length = (uint32_t)length + (head[0] >> 6 & 1 ? 100 : 0),
		.now_ns = now_ns,
		.skip_ts = head[2] >> 7,
	};

	must(copy != NULL);
	memcpy(copy, payload, length);
	health_look(health, head[0] >> 7, &datagram);
	free(copy);
}

static void check(const struct health *health, uint8_t watch, uint64_t datagrams,
		  struct health_counts *before)
{
	struct health_counts now = {};
	const uint64_t *figures = now.figures;
	struct health_source sources[16];
	uint64_t unwatched;

	health_read(health, &now);
	for (unsigned int i = 0; i < HEALTH_FIGURES; i++)
		must(figures[i] >= before->figures[i]);
	unwatched = figures[HEALTH_UNWATCHED];
	if (watch == WATCH_RTP)
		must(figures[HEALTH_RTP_PACKETS] + figures[HEALTH_RTP_INVALID] + unwatched ==
		     datagrams);
	if (watch == WATCH_MOLD64)
		must(figures[HEALTH_MOLD64_PACKETS] + figures[HEALTH_MOLD64_INVALID] + unwatched ==
		     datagrams);
	must(figures[HEALTH_RTP_LOST] <= figures[HEALTH_RTP_PACKETS] * 16384);
	must(figures[HEALTH_MOLD64_LOST] <= figures[HEALTH_MOLD64_PACKETS] << 33);
	must(figures[HEALTH_MOLD64_DUPLICATE] + figures[HEALTH_MOLD64_REORDERED] <=
	     figures[HEALTH_MOLD64_MESSAGES]);
	must(figures[HEALTH_TS_FIRST + TS_CONTINUITY] <= figures[HEALTH_TS_FIRST + TS_PACKETS]);
	must(health_sources(health, UINT64_MAX, sources, 16) <= 2 * HEALTH_FLOWS_RTP);
	*before = now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule rule = {.watch_clock = 90000};
	struct health_counts before = {};
	uint64_t now_ns = 1000 * MS, datagrams = 0;
	struct health *health;

	if (!size)
		return 0;
	rule.watch = data[0] % 8;
	health = health_new(&rule, 2);
	must(health != NULL);
	data++;
	size--;
	while (size >= 4) {
		size_t length = (size_t)((data[2] & 0x7f) << 8 | data[3]) % 1500;

		length = length < size - 4 ? length : size - 4;
		now_ns += data[1] * MS;
		look(health, data, data + 4, length, now_ns);
		datagrams++;
		check(health, rule.watch, datagrams, &before);
		data += 4 + length;
		size -= 4 + length;
	}
	health_free(health);
	return 0;
}
