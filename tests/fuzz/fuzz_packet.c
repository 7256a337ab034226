// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on xmc_parse(): any bytes, as a frame. It must agree with the reference of tests/bpf,
 * give the same result at an odd address, and never report a payload outside the frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "../bpf/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() would be disabled by NDEBUG. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_datagram(const struct xmc_datagram *dgram, const struct reference *reference,
			   size_t size)
{
	must(dgram->payload_offset == 42 || dgram->payload_offset == 62);
	must(dgram->payload_offset + (size_t)dgram->payload_length <= size);
	must(dgram->payload_offset == reference->payload_offset);
	must(dgram->payload_length == reference->payload_length);
	must(dgram->port == reference->key.port);
	must(memcmp(&dgram->source, &reference->key.source, sizeof(dgram->source)) == 0);
	must(memcmp(&dgram->destination, &reference->key.group, sizeof(dgram->source)) == 0);
	must(xmc_addr_is_ipv4(&dgram->source) == (dgram->payload_offset == 42));
	must(xmc_addr_is_ipv4(&dgram->destination) == (dgram->payload_offset == 42));
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
	must(reason != XMC_NO_SOCKET && reason < XMC_REASONS);
	/* A datagram to port 0. */
	must(reason != XMC_NO_RULE || (reference.payload_offset == 0 && !reference.key.port));
	if (reason != XMC_STEERED)
		return 0;
	must(dgram.port != 0);
	check_datagram(&dgram, &reference, size);
	check_datagram(&odd_dgram, &reference, size);
	return 0;
}
