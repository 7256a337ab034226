// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the headers of numbered datagrams, which any sender can forge: RTP and MoldUDP64.
 * What is read lies in the packet, and each cut of a MoldUDP64 packet is one with the other
 * messages.
 */
#include "must.h"

#include "dataplane/mold64.h"
#include "dataplane/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_rtp(const uint8_t *packet, uint32_t length)
{
	struct rtp_header header;

	if (!rtp_parse(packet, length, &header))
		return;
	must(header.size >= RTP_HEADER_SIZE && header.size <= length);
	must(header.type < 128);
}

static void run_mold64(const uint8_t *packet, uint32_t length)
{
	struct mold64_header header;
	unsigned int messages;

	if (!mold64_parse_whole(packet, length, &header))
		return;
	messages = mold64_messages(&header);
	must(mold64_skip(packet, length, messages) <= length);
	for (unsigned int cut = 0; cut < messages; cut++) {
		struct mold64_header rest = header;
		struct mold64_header again;
		uint8_t *copy = malloc(length);
		uint32_t begin;

		must(copy != NULL);
		memcpy(copy, packet, length);
		begin = mold64_cut(copy, length, &rest, cut);
		must(mold64_parse_whole(copy + begin, length - begin, &again));
		must(again.sequence == header.sequence + cut && again.count == messages - cut);
		must(memcmp(copy + begin + MOLD64_HEADER_SIZE, packet + begin + MOLD64_HEADER_SIZE,
			    length - begin - MOLD64_HEADER_SIZE) == 0);
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* In memory of exactly this size, so that a read behind it is noticed. */
	uint8_t *packet = malloc(size + !size);

	must(packet != NULL);
	memcpy(packet, data, size);
	if (size <= UINT16_MAX) {
		run_rtp(packet, (uint32_t)size);
		run_mold64(packet, (uint32_t)size);
	}
	free(packet);
	return 0;
}
