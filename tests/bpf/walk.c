// SPDX-License-Identifier: BSD-2-Clause
#include "walk.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* All headers are in the first bytes of a frame: only those are worth damaging. */
#define HEADERS 80

static uint64_t rng_state;

/* splitmix64 (Steele, Lea, Flood 2014), which accepts any seed. */
uint64_t walk_random(void)
{
	uint64_t z = rng_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t walk_below(uint32_t bound)
{
	return (walk_random() >> 32) * bound >> 32;
}

void walk_begin(uint64_t seed)
{
	rng_state = seed;
}

static uint16_t interesting16(void)
{
	static const uint16_t values[] = {0,	  1,	  7,	  8,	  9,	  19,	  20,
					  21,	  27,	  28,	  29,	  39,	  40,	  41,
					  0x7f,	  0x80,	  0xff,	  0x100,  0x1fff, 0x2000, 0x3fff,
					  0x4000, 0x7fff, 0x8000, 0xfff8, 0xfffe, 0xffff};

	return walk_below(4) ? values[walk_below(COUNT(values))] : walk_random();
}

static void mutate_bit(struct packet *packet)
{
	uint32_t bit = walk_below((packet->length < HEADERS ? packet->length : HEADERS) * 8);

	packet->bytes[bit / 8] ^= 1 << bit % 8;
}

static void mutate_field(struct packet *packet)
{
	size_t offset = walk_below(HEADERS);

	if (walk_below(2))
		packet_set16(packet, offset & ~1UL, interesting16());
	else
		packet_set8(packet, offset, interesting16());
}

static void mutate_ethertype(struct packet *packet)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x9100, 0x0008};

	packet_set16(packet, ETH_TYPE, types[walk_below(COUNT(types))]);
}

static void mutate_version_ihl(struct packet *packet)
{
	uint8_t value = packet->bytes[IP_START];

	packet_set8(packet, IP_START,
		    walk_below(2) ? (value & 0xf0) | walk_below(16)
				  : (value & 0xf) | walk_below(16) << 4);
}

/* Values that are off by a little: those find mistakes. */
static void mutate_length(struct packet *packet)
{
	static const uint8_t fields[] = {IPV4_TOTAL_LENGTH, IPV4_UDP_LENGTH, IPV6_PAYLOAD_LENGTH,
					 IPV6_UDP_LENGTH};
	size_t field = fields[walk_below(COUNT(fields))];
	uint16_t value = packet_get16(packet, field);

	packet_set16(packet, field, walk_below(2) ? value + walk_below(17) - 8 : interesting16());
}

static void mutate_protocol(struct packet *packet)
{
	static const uint8_t protocols[] = {0,	1,  2,	6,  17, 17, 17, 43,
					    44, 50, 51, 58, 59, 60, 136};
	uint8_t protocol = protocols[walk_below(COUNT(protocols))];

	packet_set8(packet, walk_below(2) ? IPV4_PROTOCOL : IPV6_NEXT_HEADER, protocol);
}

static void mutate_truncate(struct packet *packet)
{
	size_t spare = packet->length - PACKET_ETH_HEADER;

	packet_resize(packet,
		      PACKET_ETH_HEADER + walk_below((spare < HEADERS ? spare : HEADERS) + 1));
}

static void mutate_shorten(struct packet *packet)
{
	size_t cut = walk_below(12);

	if (packet->length >= PACKET_ETH_HEADER + cut)
		packet->length -= cut;
}

static void mutate_extend(struct packet *packet)
{
	packet_resize(packet, packet->length + 1 + walk_below(40));
}

static void mutate_tag(struct packet *packet)
{
	static const uint16_t tpids[] = {0x8100, 0x88a8, 0x9100};
	uint16_t tpid = tpids[walk_below(COUNT(tpids))];

	packet_add_tag(packet, tpid, walk_random());
}

/* Nested tags, any of which may be cut off or have another type. */
static void mutate_tags(struct packet *packet)
{
	for (unsigned int left = 1 + walk_below(3); left > 0; left--)
		mutate_tag(packet);
}

static void mutate_options(struct packet *packet)
{
	static const uint8_t kinds[] = {0, 43, 44, 51, 60};
	uint8_t kind = kinds[walk_below(COUNT(kinds))];

	if (packet_get16(packet, ETH_TYPE) == 0x86dd)
		packet_add_ipv6_extension(packet, kind, walk_below(4));
	else
		packet_add_ipv4_options(packet, 1 + walk_below(10));
}

/* A chain of extension headers, in any order, cut anywhere. */
static void mutate_chain(struct packet *packet)
{
	static const uint8_t kinds[] = {0, 43, 44, 51, 60, 135};
	size_t before = packet->length;

	if (packet_get16(packet, ETH_TYPE) != 0x86dd)
		return;
	for (unsigned int left = 1 + walk_below(4); left > 0; left--) {
		uint8_t kind = kinds[walk_below(COUNT(kinds))];

		packet_add_ipv6_extension(packet, kind, walk_below(3));
	}
	if (walk_below(2) && packet->length > before)
		packet->length = before + walk_below(packet->length - before + 1);
}

static void mutate_fragment(struct packet *packet)
{
	packet_set16(packet, IPV4_FRAGMENT, walk_below(2) ? interesting16() : 1 << walk_below(16));
}

static void mutate_mapped(struct packet *packet)
{
	size_t at = walk_below(2) ? IPV6_SOURCE : IPV6_DESTINATION;
	size_t spoil = at + walk_below(48); /* one time in four: nearly mapped */

	for (size_t i = 0; i < 12; i++)
		packet_set8(packet, at + i, i < 10 ? 0 : 0xff);
	if (spoil < at + 12)
		packet_set8(packet, spoil, walk_below(256));
}

/* Make all lengths agree with the frame, so that a mutation reaches deeper checks. */
static void mend_lengths(struct packet *packet)
{
	bool ipv4 = packet_get16(packet, ETH_TYPE) == 0x0800;
	size_t udp = ipv4 ? IPV4_UDP_PORT - 2 : IPV6_UDP_PORT - 2;

	if (packet->length < udp + PACKET_UDP_HEADER)
		return;
	packet_set16(packet, ipv4 ? IPV4_UDP_LENGTH : IPV6_UDP_LENGTH, packet->length - udp);
	if (ipv4)
		packet_set16(packet, IPV4_TOTAL_LENGTH, packet->length - IP_START);
	else
		packet_set16(packet, IPV6_PAYLOAD_LENGTH, packet->length - udp);
}

void walk_mutate(struct packet *packet)
{
	static void (*const mutations[])(struct packet *) = {
		mutate_bit,	mutate_field,  mutate_ethertype, mutate_version_ihl,
		mutate_length,	mutate_length, mutate_protocol,	 mutate_truncate,
		mutate_shorten, mutate_extend, mutate_tag,	 mutate_tags,
		mutate_options, mutate_chain,  mutate_fragment,	 mutate_mapped,
		mend_lengths,
	};

	for (unsigned int left = walk_below(5); left > 0; left--)
		mutations[walk_below(COUNT(mutations))](packet);
	/* Usually, because otherwise nothing gets past the checksum. */
	if (walk_below(4) && packet_get16(packet, ETH_TYPE) == 0x0800)
		packet_fix_ipv4_checksum(packet);
}
