/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets for tests: build a valid Ethernet + IP + UDP frame, then damage or extend it.
 *
 * A packet is plain data with room to grow; nothing here allocates. Offsets count bytes from the
 * start of the frame. A change that would exceed PACKET_MAX or reach outside the packet does
 * nothing, so that a random walk needs no checks.
 */
#ifndef XMCAST_TESTS_PACKETS_H
#define XMCAST_TESTS_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>

/* Above any frame with a 1,500 byte MTU, and below what BPF_PROG_TEST_RUN takes (3,520 bytes). */
#define PACKET_MAX	   12288

#define PACKET_ETH_HEADER  14
#define PACKET_IPV4_HEADER 20
#define PACKET_IPV6_HEADER 40
#define PACKET_UDP_HEADER  8

/* Where the fields are in a frame without tags, options and extension headers. */
enum packet_field {
	ETH_TYPE = 12,
	IP_START = 14,
	IPV4_VERSION_IHL = 14,
	IPV4_TOTAL_LENGTH = 16,
	IPV4_FRAGMENT = 20,
	IPV4_TTL = 22,
	IPV4_PROTOCOL = 23,
	IPV4_CHECKSUM = 24,
	IPV4_SOURCE = 26,
	IPV4_DESTINATION = 30,
	IPV4_UDP_PORT = 36,
	IPV4_UDP_LENGTH = 38,
	IPV4_PAYLOAD = 42,
	IPV6_VERSION = 14,
	IPV6_PAYLOAD_LENGTH = 18,
	IPV6_NEXT_HEADER = 20,
	IPV6_SOURCE = 22,
	IPV6_DESTINATION = 38,
	IPV6_UDP_PORT = 56,
	IPV6_UDP_LENGTH = 58,
	IPV6_PAYLOAD = 62,
};

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT  0x4000
#define IPV4_RESERVED_FLAG  0x8000

struct packet {
	size_t length;
	uint8_t bytes[PACKET_MAX];
};

/* The rule key of a flow, from text: "10.9.9.9" or "fe80::1" (IPv4 becomes IPv4-mapped), port in
 * host order. `source` NULL: any source. Aborts on anything that is not an address. */
struct xmc_rule_key packet_flow(const char *source, const char *group, uint16_t port);

/* Is the flow's destination an IPv4-mapped address? */
bool packet_flow_is_ipv4(const struct xmc_rule_key *flow);

/* A valid frame of this flow with `payload` bytes of payload, its family that of the group. */
void packet_build(struct packet *packet, const struct xmc_rule_key *flow, size_t payload);

/* As packet_build(), with the addresses as text; the source must not be NULL. */
void packet_build_text(struct packet *packet, const char *source, const char *group, uint16_t port,
		       size_t payload);

void packet_set8(struct packet *packet, size_t offset, uint8_t value);
void packet_set16(struct packet *packet, size_t offset, uint16_t value); /* in network order */
uint16_t packet_get16(const struct packet *packet, size_t offset);

/* Cut or extend (with zeros) the frame, without changing any length field. */
void packet_resize(struct packet *packet, size_t length);

/* Insert `count` zero bytes before `offset`. */
void packet_insert(struct packet *packet, size_t offset, size_t count);

/* Write the correct checksum into the IPv4 header of 20 bytes, or of the length in its IHL. */
void packet_fix_ipv4_checksum(struct packet *packet);

/* Set the IPv4 total length, and the header checksum accordingly. */
void packet_set_ipv4_total(struct packet *packet, uint16_t total);

/* Insert a VLAN tag with this TPID after the addresses. */
void packet_add_tag(struct packet *packet, uint16_t tpid, uint16_t vlan);

/* Remove everything between the Ethernet addresses and the last Ethernet type, which is two bytes
 * before `ip`. */
void packet_cut_tags(struct packet *packet, size_t ip);

/* Insert `words` times four bytes of options (NOPs) into an IPv4 header, with correct lengths. */
void packet_add_ipv4_options(struct packet *packet, unsigned int words);

/* Insert an extension header of (units + 1) * 8 bytes after the IPv6 header. */
void packet_add_ipv6_extension(struct packet *packet, uint8_t kind, unsigned int units);

/* Hexdump to stderr. */
void packet_dump(const struct packet *packet);

#endif
