// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on xmc_parse() and xmc_rewrite(): any bytes, as a frame. The parser must agree with the
 * reference of tests/bpf, give the same result at an odd address, and never report a payload
 * outside the frame. Rewriting changes headers only.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>
#include <xmcast/rewrite.h>

#include "../bpf/reference.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_datagram(const struct xmc_datagram *dgram, const struct reference *reference,
			   size_t size)
{
	size_t headers = dgram->ip_offset + (dgram->protocol ? 0U : 8U);

	must(dgram->ip_offset == 14 || dgram->ip_offset == 18 || dgram->ip_offset == 22);
	must(dgram->ip_offset > 14 || !dgram->tags);
	must(dgram->payload_offset == 20 + headers || dgram->payload_offset == 40 + headers);
	must(dgram->payload_offset + (size_t)dgram->payload_length <= size);
	must(dgram->payload_offset == reference->payload_offset);
	must(dgram->payload_length == reference->payload_length);
	must(dgram->ip_length == reference->ip_length);
	must(dgram->port == reference->key.port);
	must(dgram->protocol == reference->key.protocol);
	must(memcmp(&dgram->source, &reference->key.source, sizeof(dgram->source)) == 0);
	must(memcmp(&dgram->destination, &reference->key.group, sizeof(dgram->source)) == 0);
	must(xmc_addr_is_ipv4(&dgram->source) == (dgram->payload_offset == 20 + headers));
	must(xmc_addr_is_ipv4(&dgram->destination) == (dgram->payload_offset == 20 + headers));
}

/* Whatever the packet, rewriting stays inside of it, and the result is as valid as before. */
static void check_rewriting(const uint8_t *data, size_t size, const struct xmc_datagram *tagged)
{
	/* Tags are cut off before. */
	size_t tags = tagged->ip_offset - 14U;
	struct xmc_datagram untagged = *tagged, *before = &untagged;
	struct xmc_output output = {.source = before->source,
				    .destination = before->destination,
				    .source_port = 1,
				    .ttl = 9};
	struct xmc_datagram after = {};
	uint8_t *frame;

	data += tags;
	size -= tags;
	untagged.payload_offset -= tags;
	frame = malloc(size);
	must(frame != NULL);
	memcpy(frame, data, size);
	output.source.b[15]++;
	output.destination.b[15] ^= 0x55;
	must(xmc_payload_length(frame, frame + size) == before->payload_length);
	if (xmc_checksum_kind(frame, frame + size) == XMC_CHECKSUM_UNFINISHED)
		must(xmc_finish(frame, frame + size, 0) == XMC_CHECKSUM_FINISHED ||
		     before->ip_length > XMC_MAX_REWRITTEN);
	must(xmc_rewrite(frame, frame + size, &output, 1, 0) == 0);
	must(xmc_parse(frame, frame + size, &after) ==
	     (before->protocol ? XMC_NOT_UDP : XMC_STEERED));
	must(memcmp(&after.source, &output.source, sizeof(after.source)) == 0);
	must(memcmp(&after.destination, &output.destination, sizeof(after.destination)) == 0);
	must(after.port == before->port && after.protocol == before->protocol);
	must(after.payload_offset == before->payload_offset);
	must(after.payload_length == before->payload_length);
	must(memcmp(frame + after.payload_offset, data + after.payload_offset,
		    size - after.payload_offset) == 0);
	free(frame);
}

/* What is said about a refused packet is what the parser says about one that it accepts. */
static void check_description(const uint8_t *data, size_t size, const struct xmc_datagram *accepted)
{
	struct xmc_datagram dgram = {};
	int err = xmc_describe_passed(data, data + size, &dgram);

	must(err == 0 || err == -1);
	if (!accepted)
		return;
	must(!err && dgram.tags == accepted->tags && dgram.protocol == accepted->protocol);
	must(dgram.port == accepted->port);
	must(memcmp(&dgram.source, &accepted->source, sizeof(dgram.source)) == 0);
	must(memcmp(&dgram.destination, &accepted->destination, sizeof(dgram.source)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reference reference = {};
	struct xmc_datagram dgram = {}, odd_dgram = {};
	enum xmc_reason reason = xmc_parse(data, data + size, &dgram);
	uint8_t *odd = malloc(size + 1);

	must(odd != NULL);
	if (size)
		memcpy(odd + 1, data, size);
	must(xmc_parse(odd + 1, odd + 1 + size, &odd_dgram) == reason);
	free(odd);
	must(reference_parse(data, size, &reference) == reason);
	must(reference.key.tags == dgram.tags);
	must(reason != XMC_NO_SOCKET && reason != XMC_FORWARDED && reason < XMC_REASONS);
	/* A datagram to port 0. */
	must(reason != XMC_NO_RULE || (reference.payload_offset == 0 && !reference.key.port));
	must(reason != XMC_NOT_UDP || dgram.protocol == reference.key.protocol);
	if (reason != XMC_STEERED && !(reason == XMC_NOT_UDP && dgram.protocol)) {
		check_description(data, size, NULL);
		return 0;
	}
	check_description(data, size, &dgram);
	must((dgram.port != 0) == (reason == XMC_STEERED));
	check_rewriting(data, size, &dgram);
	check_datagram(&dgram, &reference, size);
	check_datagram(&odd_dgram, &reference, size);
	return 0;
}
