/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/pcap_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LINKTYPE_ETHERNET 1

/* Classic files: in microseconds, in nanoseconds. */
#define MAGIC_US 0xa1b2c3d4
#define MAGIC_NS 0xa1b23c4d

/* Blocks of pcapng. */
#define BLOCK_SECTION	0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_SIMPLE	3
#define BLOCK_PACKET	6
#define ORDER_MAGIC	0x1a2b3c4d
#define OPTION_END	0
#define OPTION_NAME	2

/* Any other block may be longer, and is skipped. */
#define BLOCK_MAX (PCAP_PACKET_MAX + 65536)

struct interface {
	bool ethernet;
	uint32_t snap; /* most bytes of a packet that are captured; 0: all */
	char name[IF_NAMESIZE];
};

struct pcap_reader {
	FILE *stream;
	bool begun;
	bool ng;
	bool swapped; /* the file has the other byte order */
	uint64_t offset;
	unsigned int nr_interfaces;
	struct interface interfaces[PCAP_INTERFACES_MAX];
	char problem[PCAP_PROBLEM_SIZE];
	uint8_t block[BLOCK_MAX];
};

struct pcap_reader *pcap_reader_open(FILE *stream)
{
	struct pcap_reader *reader = calloc(1, sizeof(*reader));

	if (reader)
		reader->stream = stream;
	return reader;
}

void pcap_reader_close(struct pcap_reader *reader)
{
	free(reader);
}

const char *pcap_reader_problem(const struct pcap_reader *reader)
{
	return reader->problem;
}

__attribute__((format(printf, 2, 3))) static int fail(struct pcap_reader *reader,
						      const char *format, ...)
{
	int used = snprintf(reader->problem, sizeof(reader->problem),
			    "at byte %llu: ", (unsigned long long)reader->offset);
	va_list args;

	va_start(args, format);
	vsnprintf(reader->problem + used, sizeof(reader->problem) - (size_t)used, format, args);
	va_end(args);
	return -EBADMSG;
}

/* ---- bytes ---- */

static uint32_t get32(const struct pcap_reader *reader, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return reader->swapped ? __builtin_bswap32(value) : value;
}

static uint16_t get16(const struct pcap_reader *reader, const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return reader->swapped ? __builtin_bswap16(value) : value;
}

/* 1; 0: the file ends here; -EBADMSG: it ends in the middle. */
static int take(struct pcap_reader *reader, uint8_t *to, size_t length)
{
	size_t count = fread(to, 1, length, reader->stream);

	if (ferror(reader->stream))
		return fail(reader, "cannot be read");
	if (count == length) {
		reader->offset += length;
		return 1;
	}
	return count ? fail(reader, "the file is cut off") : 0;
}

/* The same where the file must go on. */
static int take_more(struct pcap_reader *reader, uint8_t *to, size_t length)
{
	int result = length ? take(reader, to, length) : 1;

	return result ? result : fail(reader, "the file is cut off");
}

/* ---- pcap ---- */

/* The rest of the header, behind the magic number. */
static int begin_classic(struct pcap_reader *reader)
{
	uint32_t link_type;
	int result = take_more(reader, reader->block, 20);

	if (result < 0)
		return result;
	/* The upper bits say whether there are checksums behind the frames. */
	link_type = get32(reader, reader->block + 16) & 0xffff;
	if (link_type != LINKTYPE_ETHERNET)
		return fail(reader, "link type %u, expected Ethernet (1)", link_type);
	return 1;
}

static int next_classic(struct pcap_reader *reader, struct pcap_packet *packet)
{
	uint8_t header[16];
	int result = take(reader, header, sizeof(header));

	if (result <= 0)
		return result;
	*packet = (struct pcap_packet){
		.data = reader->block,
		.captured = get32(reader, header + 8),
		.length = get32(reader, header + 12),
		.ethernet = true,
	};
	if (packet->captured > PCAP_PACKET_MAX || packet->captured > packet->length)
		return fail(reader, "a packet with %u of %u bytes", packet->captured,
			    packet->length);
	return take_more(reader, reader->block, packet->captured);
}

/* ---- pcapng ---- */

static void read_name(const struct pcap_reader *reader, const uint8_t *at, size_t length,
		      struct interface *interface)
{
	while (length >= 4) {
		uint16_t code = get16(reader, at), size = get16(reader, at + 2);

		at += 4;
		length -= 4;
		if (code == OPTION_END || size > length)
			return;
		if (code == OPTION_NAME && size < sizeof(interface->name)) {
			memcpy(interface->name, at, size);
			interface->name[size] = '\0';
		}
		/* Padded to four bytes. */
		size = size > UINT16_MAX - 3 ? UINT16_MAX : (uint16_t)((size + 3) & ~3);
		if (size > length)
			return;
		at += size;
		length -= size;
	}
}

static int read_interface(struct pcap_reader *reader, size_t length)
{
	struct interface *interface;

	if (length < 8)
		return fail(reader, "an interface block of %zu bytes", length);
	if (reader->nr_interfaces == PCAP_INTERFACES_MAX)
		return fail(reader, "more than %d interfaces", PCAP_INTERFACES_MAX);
	interface = &reader->interfaces[reader->nr_interfaces++];
	*interface = (struct interface){
		.ethernet = get16(reader, reader->block) == LINKTYPE_ETHERNET,
		.snap = get32(reader, reader->block + 4),
	};
	read_name(reader, reader->block + 8, length - 8, interface);
	return 1;
}

static int give(struct pcap_reader *reader, uint32_t number, const uint8_t *data, size_t room,
		struct pcap_packet *packet)
{
	const struct interface *interface;

	if (number >= reader->nr_interfaces)
		return fail(reader, "a packet of interface %u, of which there is no block", number);
	if (packet->captured > PCAP_PACKET_MAX || packet->captured > packet->length ||
	    packet->captured > room)
		return fail(reader, "a packet with %u of %u bytes", packet->captured,
			    packet->length);
	interface = &reader->interfaces[number];
	packet->data = data;
	packet->ethernet = interface->ethernet;
	packet->iface = *interface->name ? interface->name : NULL;
	return 1;
}

static int read_packet(struct pcap_reader *reader, size_t length, struct pcap_packet *packet)
{
	const uint8_t *block = reader->block;

	if (length < 20)
		return fail(reader, "a packet block of %zu bytes", length);
	packet->captured = get32(reader, block + 12);
	packet->length = get32(reader, block + 16);
	return give(reader, get32(reader, block), block + 20, length - 20, packet);
}

static int read_simple(struct pcap_reader *reader, size_t length, struct pcap_packet *packet)
{
	uint32_t snap = reader->interfaces[0].snap;

	if (length < 4)
		return fail(reader, "a packet block of %zu bytes", length);
	packet->length = get32(reader, reader->block);
	packet->captured = snap && snap < packet->length ? snap : packet->length;
	return give(reader, 0, reader->block + 4, length - 4, packet);
}

/* Behind the type and the length of a section block comes its byte order. */
static int begin_section(struct pcap_reader *reader)
{
	uint8_t length[4], order[4] = {};
	uint32_t magic, size;
	int result = take_more(reader, length, sizeof(length));

	if (result > 0)
		result = take_more(reader, order, sizeof(order));
	if (result < 0)
		return result;
	memcpy(&magic, order, sizeof(magic));
	if (magic != ORDER_MAGIC && __builtin_bswap32(magic) != ORDER_MAGIC)
		return fail(reader, "not a capture in pcap or pcapng");
	reader->swapped = magic != ORDER_MAGIC;
	reader->nr_interfaces = 0;
	size = get32(reader, length);
	if (size < 28 || size % 4 || size > BLOCK_MAX)
		return fail(reader, "a section block of %u bytes", size);
	return take_more(reader, reader->block, size - 12);
}

/* Blocks of other kinds: read on behind it. */
static int skip(struct pcap_reader *reader, uint32_t length)
{
	while (length) {
		uint32_t part = length < BLOCK_MAX ? length : BLOCK_MAX;
		int result = take_more(reader, reader->block, part);

		if (result < 0)
			return result;
		length -= part;
	}
	return 1;
}

/* One block. 1: *packet; 2: it has none; 0, -EBADMSG as above. */
static int next_block(struct pcap_reader *reader, struct pcap_packet *packet)
{
	uint8_t header[8];
	uint32_t type, length;
	int result = take(reader, header, 4);

	if (result <= 0)
		return result;
	type = get32(reader, header);
	if (type == BLOCK_SECTION) {
		result = begin_section(reader);
		return result < 0 ? result : 2;
	}
	result = take_more(reader, header + 4, 4);
	if (result < 0)
		return result;
	length = get32(reader, header + 4);
	if (length < 12 || length % 4)
		return fail(reader, "a block of %u bytes", length);
	length -= 8;
	if (type != BLOCK_INTERFACE && type != BLOCK_PACKET && type != BLOCK_SIMPLE)
		result = skip(reader, length);
	else if (length > BLOCK_MAX)
		return fail(reader, "a block of %u bytes", length);
	else
		result = take_more(reader, reader->block, length);
	if (result < 0)
		return result;
	/* The length again, at the end. */
	length -= 4;
	if (type == BLOCK_PACKET)
		return read_packet(reader, length, packet);
	if (type == BLOCK_SIMPLE)
		return read_simple(reader, length, packet);
	if (type == BLOCK_INTERFACE)
		result = read_interface(reader, length);
	return result < 0 ? result : 2;
}

/* ---- either ---- */

static int begin(struct pcap_reader *reader)
{
	uint8_t header[4];
	uint32_t magic;
	int result = take(reader, header, sizeof(header));

	if (result < 0)
		return result;
	if (!result)
		return fail(reader, "the file is empty");
	memcpy(&magic, header, sizeof(magic));
	reader->begun = true;
	reader->ng = magic == BLOCK_SECTION; /* the same in both byte orders */
	if (reader->ng)
		return begin_section(reader);
	reader->swapped =
		__builtin_bswap32(magic) == MAGIC_US || __builtin_bswap32(magic) == MAGIC_NS;
	if (!reader->swapped && magic != MAGIC_US && magic != MAGIC_NS)
		return fail(reader, "not a capture in pcap or pcapng");
	return begin_classic(reader);
}

int pcap_reader_next(struct pcap_reader *reader, struct pcap_packet *packet)
{
	int result = reader->begun ? 1 : begin(reader);

	*packet = (struct pcap_packet){};
	if (result <= 0)
		return result;
	if (!reader->ng)
		return next_classic(reader, packet);
	do {
		result = next_block(reader, packet);
	} while (result == 2);
	return result;
}
