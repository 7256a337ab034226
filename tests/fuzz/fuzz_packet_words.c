// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the words of `xmcastctl explain`: any text. Words that are accepted make a frame in
 * which the parser of the XDP program finds what they say; words that are refused leave an error.
 */
#include <arpa/inet.h>
#include <errno.h>

#include <xmcast/packet.h>

#include "base/addr.h"
#include "ctl/packet_words.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frame(const struct packet_words *packet)
{
	uint8_t frame[PACKET_FRAME_SIZE];
	size_t length = packet_words_build(packet, frame);
	struct xmc_datagram dgram = {};
	enum xmc_reason reason;

	must(length <= sizeof(frame));
	reason = xmc_parse(frame, frame + length, &dgram);
	must(reason == (packet->protocol ? XMC_NOT_UDP : XMC_STEERED));
	must(dgram.tags == packet->tags && dgram.protocol == packet->protocol);
	must(addr_equal(&dgram.source, &packet->source));
	must(addr_equal(&dgram.destination, &packet->destination));
	must(ntohs(dgram.port) == packet->port);
	must(dgram.payload_length == packet->length);
	must(dgram.payload_offset + dgram.payload_length == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct errors errors = {0};
	struct packet_words packet;
	int err;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	err = packet_words_parse(&text, 1, &packet, &errors);
	if (err) {
		must(err == -EINVAL && errors.count > 0);
	} else {
		must(errors.count == 0 && *packet.iface && packet.length <= PACKET_PAYLOAD_MAX);
		check_frame(&packet);
	}
	errors_free(&errors);
	free(text);
	return 0;
}
