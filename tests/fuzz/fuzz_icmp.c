// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on ICMP and ICMPv6 errors, which anybody can send: the first byte selects the family,
 * for ICMPv6 the next 16 are the address to which the message was sent. What the parser finds is
 * what a plain reading of the same bytes finds (RFC 792, RFC 4443).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "links/icmp_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(), which NDEBUG removes. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The ports are where the headers' lengths say, and the addresses in front of them. */
static void check_ipv4(const uint8_t *packet, size_t size, const struct icmp_error *error)
{
	size_t outer = 4UL * (packet[0] & 0xf), inner = outer + 8;
	size_t ports = inner + 4UL * (packet[inner] & 0xf);

	must(ports + 4 <= size);
	must(packet[9] == 1 && packet[inner + 9] == 17);
	must(memcmp(packet + 16, packet + inner + 12, 4) == 0);
	must(addr_is_ipv4(&error->source) && addr_is_ipv4(&error->destination));
	must(memcmp(&error->source.b[12], packet + inner + 12, 4) == 0);
	must(memcmp(&error->destination.b[12], packet + inner + 16, 4) == 0);
	must(error->source_port == (packet[ports] << 8 | packet[ports + 1]));
	must(error->destination_port == (packet[ports + 2] << 8 | packet[ports + 3]));
}

static void check_ipv6(const uint8_t *message, size_t size, const struct xmc_addr *to,
		       const struct icmp_error *error)
{
	size_t ports = message[8 + 6] == 44 ? 56 : 48;

	must(ports + 4 <= size);
	must(message[0] >= 1 && message[0] <= 3);
	must(memcmp(to->b, message + 16, 16) == 0 && memcmp(error->source.b, to->b, 16) == 0);
	must(memcmp(error->destination.b, message + 32, 16) == 0);
	must(!addr_is_ipv4(&error->destination));
	must(error->source_port == (message[ports] << 8 | message[ports + 1]));
	must(error->destination_port == (message[ports + 2] << 8 | message[ports + 3]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct icmp_error error;
	struct xmc_addr to;
	bool ipv6 = size && data[0] & 1;
	size_t skipped = ipv6 ? 1 + sizeof(to.b) : 1;
	uint8_t *copy;

	if (size < skipped)
		return 0;
	/* In memory of exactly this size, so that a read behind it is noticed. */
	copy = malloc(size - skipped + (size == skipped));
	must(copy != NULL);
	memcpy(copy, data + skipped, size - skipped);
	if (ipv6) {
		memcpy(to.b, data + 1, sizeof(to.b));
		if (icmp_parse_ipv6(copy, size - skipped, &to, &error))
			check_ipv6(copy, size - skipped, &to, &error);
	} else if (icmp_parse_ipv4(copy, size - skipped, &error)) {
		check_ipv4(copy, size - skipped, &error);
	}
	must(error.kind < ICMP_KINDS);
	free(copy);
	return 0;
}
