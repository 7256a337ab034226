/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/pcapng.h"

#include <string.h>

#define BLOCK_SECTION	 0x0a0d0d0a
#define BLOCK_INTERFACE	 1
#define BLOCK_STATISTICS 5
#define BLOCK_PACKET	 6

#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define LINK_ETHERNET	 1
#define NANOSECONDS	 9 /* 10^-9 s */

#define TEXT_MOST	 1000

enum {
	OPTION_END = 0,
	SECTION_PROGRAM = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	STATISTICS_BEGIN = 2,
	STATISTICS_END = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,
	STATISTICS_DELIVERED = 8,
};

/* Bytes up to the next multiple of four. */
static uint32_t padding(uint32_t length)
{
	return -length & 3;
}

/* ---- a block whose options are gathered first, because its length stands in front ---- */

struct options {
	uint32_t length;
	uint8_t bytes[3 * (4 + TEXT_MOST + 4)];
};

/* At most three texts, or what is shorter: there is room. */
static void add_option(struct options *options, uint16_t code, const void *value, uint16_t length)
{
	const uint16_t head[] = {code, length};
	uint8_t *to = options->bytes + options->length;

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), value, length);
	memset(to + sizeof(head) + length, 0, padding(length));
	options->length += (uint32_t)sizeof(head) + length + padding(length);
}

static void add_text(struct options *options, uint16_t code, const char *text)
{
	size_t length = strlen(text);

	add_option(options, code, text, length > TEXT_MOST ? TEXT_MOST : (uint16_t)length);
}

static void add_number(struct options *options, uint16_t code, uint64_t number)
{
	if (number != PCAPNG_UNKNOWN)
		add_option(options, code, &number, sizeof(number));
}

/* The upper half of a time comes first, whatever the byte order. */
static void add_time(struct options *options, uint16_t code, uint64_t ns)
{
	const uint32_t halves[] = {(uint32_t)(ns >> 32), (uint32_t)ns};

	add_option(options, code, halves, sizeof(halves));
}

static void write_block(FILE *file, uint32_t type, const void *body, uint32_t body_length,
			const uint8_t *data, uint32_t data_length, struct options *options)
{
	static const uint8_t zeros[4];
	uint32_t length;

	add_option(options, OPTION_END, "", 0);
	length = 12 + body_length + data_length + padding(data_length) + options->length;
	fwrite(&type, sizeof(type), 1, file);
	fwrite(&length, sizeof(length), 1, file);
	fwrite(body, body_length, 1, file);
	if (data_length) {
		fwrite(data, data_length, 1, file);
		fwrite(zeros, padding(data_length), 1, file);
	}
	fwrite(options->bytes, options->length, 1, file);
	fwrite(&length, sizeof(length), 1, file);
}

/* ---- the blocks ---- */

void pcapng_begin(FILE *file, const char *program)
{
	const struct {
		uint32_t magic;
		uint16_t major;
		uint16_t minor;
		uint64_t length; /* of the section: not known */
	} body = {BYTE_ORDER_MAGIC, 1, 0, UINT64_MAX};
	struct options options = {.length = 0};

	add_text(&options, SECTION_PROGRAM, program);
	write_block(file, BLOCK_SECTION, &body, sizeof(body), NULL, 0, &options);
}

void pcapng_interface(FILE *file, const char *name, const char *description, uint32_t snap)
{
	const struct {
		uint16_t link;
		uint16_t reserved;
		uint32_t snap;
	} body = {LINK_ETHERNET, 0, snap};
	const uint8_t resolution = NANOSECONDS;
	struct options options = {.length = 0};

	add_text(&options, INTERFACE_NAME, name);
	add_text(&options, INTERFACE_DESCRIPTION, description);
	add_option(&options, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	write_block(file, BLOCK_INTERFACE, &body, sizeof(body), NULL, 0, &options);
}

void pcapng_packet(FILE *file, const struct pcapng_packet *packet)
{
	const uint32_t body[] = {packet->interface, (uint32_t)(packet->time_ns >> 32),
				 (uint32_t)packet->time_ns, packet->captured, packet->length};
	const uint32_t flags = packet->direction;
	struct options options = {.length = 0};

	add_option(&options, PACKET_FLAGS, &flags, sizeof(flags));
	write_block(file, BLOCK_PACKET, body, sizeof(body), packet->data, packet->captured,
		    &options);
}

void pcapng_statistics(FILE *file, const struct pcapng_statistics *statistics)
{
	const uint32_t body[] = {statistics->interface, (uint32_t)(statistics->end_ns >> 32),
				 (uint32_t)statistics->end_ns};
	struct options options = {.length = 0};

	add_time(&options, STATISTICS_BEGIN, statistics->begin_ns);
	add_time(&options, STATISTICS_END, statistics->end_ns);
	add_number(&options, STATISTICS_RECEIVED, statistics->received);
	add_number(&options, STATISTICS_DROPPED, statistics->dropped);
	add_number(&options, STATISTICS_DELIVERED, statistics->delivered);
	write_block(file, BLOCK_STATISTICS, body, sizeof(body), NULL, 0, &options);
}
