/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/packet_words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/addr.h"
#include "base/text.h"
#include "rules/protocol.h"
#include "rules/rule.h"

/* Of a source that says none: the first of those that hosts choose themselves (RFC 6335). */
#define SOURCE_PORT 49152

#define MAC_LENGTH  6

struct reader {
	const char *at; /* the rest of the text */
	struct errors *errors;
	unsigned int failures;
};

static const struct position nowhere = {.file = "packet"};

/* ---- words ---- */

/* The next word; '>' is one by itself. Its length is 0 at the end. */
static struct word next_word(struct reader *reader)
{
	struct word word = {.at = nowhere};

	while (byte_is_space(*reader->at))
		reader->at++;
	word.text = reader->at;
	while (*reader->at && !byte_is_space(*reader->at) &&
	       (*reader->at != '>' || reader->at == word.text)) {
		reader->at++;
		if (*word.text == '>')
			break;
	}
	word.length = (size_t)(reader->at - word.text);
	return word;
}

static bool expect(struct reader *reader, const struct word *word, bool fulfilled,
		   const char *expected)
{
	if (!fulfilled) {
		word_error(reader->errors, word, "%s%s",
			   word->length ? "expected " : "missing: ", expected);
		reader->failures++;
	}
	return fulfilled;
}

/* SOURCE or SOURCE:PORT; IPv6 with or without brackets. */
static void parse_source(struct reader *reader, struct packet_words *packet)
{
	static const struct endpoint_form form = {
		.text = "SOURCE[:PORT]", .every_port = "no port", .no_port = true};
	struct word word = next_word(reader);
	char text[ADDR_TEXT_SIZE], iface[IF_NAMESIZE];
	struct endpoint_rest rest;

	if (!expect(reader, &word, word.length,
		    "the source of the packet, SOURCE > GROUP:PORT@IFACE"))
		return;
	packet->source_port = 0;
	if (word.length < sizeof(text)) {
		memcpy(text, word.text, word.length);
		text[word.length] = '\0';
		if (addr_parse(text, &packet->source))
			return;
	}
	if (!word_parse_endpoint(&word, &form, &packet->source, &packet->source_port, &rest, iface,
				 reader->errors))
		reader->failures++;
	else
		expect(reader, &word, !*iface, "no interface at the source");
}

static void parse_destination(struct reader *reader, struct packet_words *packet)
{
	static const struct endpoint_form form = {
		.text = "GROUP:PORT@IFACE", .every_port = "a port", .protocol = true};
	struct word word = next_word(reader);
	struct endpoint_rest rest;

	if (!expect(reader, &word, word.length, "where the packet goes, GROUP:PORT@IFACE"))
		return;
	if (!word_parse_endpoint(&word, &form, &packet->destination, &packet->port, &rest,
				 packet->iface, reader->errors) ||
	    (rest.protocol.text &&
	     !protocol_parse(&rest.protocol, &packet->protocol, reader->errors))) {
		reader->failures++;
		return;
	}
	expect(reader, &word, *packet->iface,
	       "GROUP:PORT@IFACE, with the interface of its arrival");
}

/* "100" or "ad/200": another tag, inside of those before. */
static void parse_tag(struct reader *reader, const struct word *word, struct packet_words *packet)
{
	bool outer = word->length > 3 && memcmp(word->text, "ad/", 3) == 0;
	struct word id = word_part(word, outer ? 3 : 0, word->length);
	unsigned int number;

	if (!word_parse_number(&id, "VLAN", 1, 4094, &number, reader->errors))
		reader->failures++;
	else if (expect(reader, word, !(packet->tags >> 16), "at most two VLAN tags"))
		packet->tags =
			packet->tags << 16 | (outer ? XMC_TAG_8021AD : XMC_TAG_8021Q) | number;
}

/* TTL and DSCP are those of an output, but numbers. */
static void parse_field(struct reader *reader, const struct word *name, const struct word *value,
			struct packet_words *packet)
{
	const struct field *field = output_fields;
	struct rule_output output = {};

	while (field->name && !word_is(name, field->name))
		field++;
	if (!field_parse(field, value, &output, reader->errors)) {
		reader->failures++;
		return;
	}
	if (word_is(name, "ttl") && expect(reader, value, output.ttl < RULE_TTL_KEPT, "a number"))
		packet->ttl = (uint8_t)output.ttl;
	if (word_is(name, "dscp") &&
	    expect(reader, value, output.dscp < RULE_DSCP_KEPT, "a number or a name"))
		packet->dscp = output.dscp;
}

static void parse_option(struct reader *reader, const struct word *name,
			 struct packet_words *packet)
{
	struct word value;
	bool known = word_is(name, "len") || word_is(name, "ttl") || word_is(name, "dscp") ||
		     word_is(name, "vlan");

	if (!expect(reader, name, known, "one of len, ttl, dscp, vlan"))
		return;
	value = next_word(reader);
	if (!expect(reader, value.length ? &value : name, value.length, "a value behind it"))
		return;
	if (word_is(name, "vlan"))
		parse_tag(reader, &value, packet);
	else if (!word_is(name, "len"))
		parse_field(reader, name, &value, packet);
	else if (!word_parse_number(&value, "length", 0, PACKET_PAYLOAD_MAX, &packet->length,
				    reader->errors))
		reader->failures++;
}

static void parse(struct reader *reader, struct packet_words *packet)
{
	struct word word;

	parse_source(reader, packet);
	if (reader->failures)
		return;
	word = next_word(reader);
	if (!expect(reader, &word, word_is(&word, ">") || word_is(&word, "to"),
		    "\">\" or \"to\" between source and destination"))
		return;
	parse_destination(reader, packet);
	if (!reader->failures)
		expect(reader, &word,
		       addr_is_ipv4(&packet->source) == addr_is_ipv4(&packet->destination),
		       "a source and a destination of one address family");
	for (word = next_word(reader); word.length && !reader->failures; word = next_word(reader))
		parse_option(reader, &word, packet);
}

int packet_words_parse(char *const *words, int count, struct packet_words *packet,
		       struct errors *errors)
{
	struct reader reader = {.errors = errors};
	struct text text = {0};

	*packet = (struct packet_words){.ttl = 64, .length = PACKET_PAYLOAD_DEFAULT};
	text_add(&text, "");
	for (int i = 0; i < count; i++)
		text_add_format(&text, "%s ", words[i]);
	if (text.failed) {
		text_free(&text);
		return -ENOMEM;
	}
	reader.at = text.bytes;
	parse(&reader, packet);
	text_free(&text);
	if (!packet->source_port && !packet->protocol)
		packet->source_port = SOURCE_PORT;
	return reader.failures ? -EINVAL : 0;
}

/* ---- the frame ---- */

static uint8_t *put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put_address(uint8_t *at, const struct xmc_addr *address)
{
	size_t length = addr_is_ipv4(address) ? 4 : 16;

	memcpy(at, address->b + 16 - length, length);
	return at + length;
}

/* The one's complement sum of big-endian words (RFC 1071). */
static uint32_t sum(uint32_t so_far, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		so_far += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	return so_far;
}

static unsigned int fold(uint32_t value)
{
	value = (value & 0xffff) + (value >> 16);
	value = (value & 0xffff) + (value >> 16);
	return ~value & 0xffff;
}

static uint8_t *put_ethernet(const struct packet_words *packet, uint8_t *at)
{
	static const uint8_t from[MAC_LENGTH] = {2, 0, 0, 0, 0, 1},
			     host[MAC_LENGTH] = {2, 0, 0, 0, 0, 2};

	/* RFC 1112 section 6.4, RFC 2464 section 7. */
	if (addr_is_multicast(&packet->destination) && addr_is_ipv4(&packet->destination)) {
		memcpy(at, (const uint8_t[]){1, 0, 0x5e, packet->destination.b[13] & 0x7f}, 4);
		memcpy(at + 4, packet->destination.b + 14, 2);
	} else if (addr_is_multicast(&packet->destination)) {
		memset(at, 0x33, 2);
		memcpy(at + 2, packet->destination.b + 12, 4);
	} else if (addr_is_broadcast(&packet->destination))
		memset(at, 0xff, MAC_LENGTH);
	else
		memcpy(at, host, MAC_LENGTH);
	memcpy(at + MAC_LENGTH, from, MAC_LENGTH);
	at += 2UL * MAC_LENGTH;
	for (int shift = 16; shift >= 0; shift -= 16) {
		unsigned int tag = packet->tags >> shift & 0xffff;

		if (!tag)
			continue;
		at = put16(at, tag & XMC_TAG_8021AD ? XMC_ETH_QINQ : XMC_ETH_VLAN);
		at = put16(at, tag & 0xfff);
	}
	return put16(at, addr_is_ipv4(&packet->destination) ? XMC_ETH_IPV4 : XMC_ETH_IPV6);
}

static uint8_t *put_ip(const struct packet_words *packet, unsigned int protocol,
		       unsigned int payload, uint8_t *at)
{
	uint8_t *start = at;

	if (!addr_is_ipv4(&packet->destination)) {
		at = put16(at, 0x6000 | (unsigned int)packet->dscp << 6);
		at = put16(put16(at, 0), payload);
		*at++ = (uint8_t)protocol;
		*at++ = packet->ttl;
		return put_address(put_address(at, &packet->source), &packet->destination);
	}
	at = put16(at, 0x4500 | (unsigned int)packet->dscp << 2);
	at = put16(at, payload + sizeof(struct xmc_ipv4));
	at = put16(put16(at, 0), 0);
	*at++ = packet->ttl;
	*at++ = (uint8_t)protocol;
	at = put16(at, 0);
	at = put_address(put_address(at, &packet->source), &packet->destination);
	put16(start + 10, fold(sum(0, start, sizeof(struct xmc_ipv4))));
	return at;
}

size_t packet_words_build(const struct packet_words *packet, uint8_t frame[PACKET_FRAME_SIZE])
{
	unsigned int udp = packet->protocol ? 0 : sizeof(struct xmc_udp);
	unsigned int protocol = packet->protocol ? packet->protocol : XMC_PROTO_UDP;
	unsigned int payload = packet->length + udp, checksum;
	uint8_t *at = put_ip(packet, protocol, payload, put_ethernet(packet, frame));
	size_t addresses = addr_is_ipv4(&packet->source) ? 8 : 32;
	uint8_t *start = at;

	memset(at, 0, payload);
	if (udp) {
		put16(put16(put16(at, packet->source_port), packet->port), payload);
		checksum = fold(sum(protocol + payload, start - addresses, addresses + payload));
		put16(start + 6, checksum ? checksum : 0xffff);
	}
	return (size_t)(start - frame) + payload;
}
