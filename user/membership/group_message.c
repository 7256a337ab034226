/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/group_message.h"

#include <netinet/in.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/bytes.h"

#define IPV4_SIZE      20
#define IPV6_SIZE      40

#define IGMP_QUERY     0x11
#define IGMP_V1_REPORT 0x12
#define IGMP_V2_REPORT 0x16
#define IGMP_LEAVE     0x17
#define IGMP_V3_REPORT 0x22

#define MLD_QUERY      130
#define MLD_REPORT     131
#define MLD_DONE       132
#define MLD_V2_REPORT  143

/* Of IGMPv1, IGMPv2 and MLDv1, and of all headers. */
#define IGMP_SIZE 8
#define MLD_SIZE  24

/* The header of a query that has sources, and of a report that has records. */
#define IGMP_QUERY_SIZE	  12
#define MLD_QUERY_SIZE	  28
#define RECORDS_HEAD_SIZE 8
#define RECORD_HEAD_SIZE  4 /* and the group */

/* Options of IPv6 (RFC 8200, section 4.2; RFC 2711). */
#define OPTION_PAD1	    0
#define OPTION_ROUTER_ALERT 5

/* RFC 3376, section 8.3: hosts of IGMPv1 answer within 10 s. */
#define IGMP_V1_RESPONSE_MS 10000

static unsigned int width(bool ipv4)
{
	return ipv4 ? 4 : 16;
}

static struct xmc_addr read_address(const uint8_t *data, bool ipv4)
{
	struct xmc_addr addr;
	uint32_t value;

	if (ipv4) {
		memcpy(&value, data, sizeof(value));
		xmc_addr_from_ipv4(&addr, value);
	} else {
		memcpy(addr.b, data, sizeof(addr.b));
	}
	return addr;
}

/* A multicast address of the message's family: IPv4 addresses can be written as IPv6. */
static bool is_group(const struct xmc_addr *addr, bool ipv4)
{
	return addr_is_multicast(addr) && addr_is_ipv4(addr) == ipv4;
}

struct xmc_addr group_source(const struct group_sources *sources, unsigned int i)
{
	return read_address(sources->bytes + (size_t)i * width(sources->ipv4), sources->ipv4);
}

/* RFC 1071: the sum of what has a correct checksum is 0xffff. */
static uint32_t sum(uint32_t sum, const struct bytes *bytes)
{
	for (size_t i = 0; i + 1 < bytes->length; i += 2)
		sum += bytes_read16(bytes->data + i);
	if (bytes->length & 1)
		sum += (uint32_t)bytes->data[bytes->length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A code of 8 bits, or of `mantissa` bits and three of exponent (RFC 3376, section 4.1.1; RFC 3810,
 * section 5.1.3). */
static unsigned int decode(unsigned int code, unsigned int mantissa)
{
	unsigned int one = 1U << mantissa;

	if (code < one << 3)
		return code;
	return ((code & (one - 1)) | one) << ((code >> mantissa & 7) + 3);
}

/* What follows the header of a query of IGMPv3 or MLDv2, from its flags on. */
static enum group_defect parse_sources(struct bytes bytes, struct group_message *message)
{
	unsigned int flags = bytes.data[0];

	message->suppressed = flags & 8;
	message->robustness = flags & 7;
	message->interval = decode(bytes.data[1], 4);
	message->asked =
		(struct group_sources){bytes.data + 4, bytes_read16(bytes.data + 2), message->ipv4};
	bytes_skip(&bytes, 4);
	return bytes.length < (size_t)message->asked.count * width(message->ipv4)
		       ? GROUP_MESSAGE_MALFORMED
		       : GROUP_MESSAGE_OK;
}

/* The group of a query: a multicast address, or none. */
static enum group_defect parse_asked(const uint8_t *data, struct group_message *message)
{
	static const uint8_t none[16];

	message->query = true;
	if (memcmp(data, none, width(message->ipv4)) == 0)
		return GROUP_MESSAGE_OK;
	message->group = read_address(data, message->ipv4);
	return is_group(&message->group, message->ipv4) ? GROUP_MESSAGE_OK
							: GROUP_MESSAGE_MALFORMED;
}

/* RFC 3376, section 7.1: the version of a query is in its length and its code. */
static enum group_defect parse_igmp_query(const struct bytes *bytes, struct group_message *message)
{
	enum group_defect defect = parse_asked(bytes->data + 4, message);

	message->response_ms = decode(bytes->data[1], 4) * 100;
	if (defect)
		return defect;
	if (bytes->length == IGMP_SIZE) {
		/* Only that of IGMPv3 has an exponent. */
		message->response_ms = bytes->data[1] * 100U;
		message->version = bytes->data[1] ? 2 : 1;
		if (message->version == 1)
			message->response_ms = IGMP_V1_RESPONSE_MS;
		return GROUP_MESSAGE_OK;
	}
	message->version = 3;
	if (bytes->length < IGMP_QUERY_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	return parse_sources((struct bytes){bytes->data + IGMP_SIZE, bytes->length - IGMP_SIZE},
			     message);
}

/* RFC 3810, section 8.1. */
static enum group_defect parse_mld_query(const struct bytes *bytes, struct group_message *message)
{
	enum group_defect defect = parse_asked(bytes->data + 8, message);

	message->version = bytes->length == MLD_SIZE ? 1 : 2;
	message->response_ms = message->version == 1 ? bytes_read16(bytes->data + 4)
						     : decode(bytes_read16(bytes->data + 4), 12);
	if (defect || message->version == 1)
		return defect;
	if (bytes->length < MLD_QUERY_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	return parse_sources((struct bytes){bytes->data + MLD_SIZE, bytes->length - MLD_SIZE},
			     message);
}

/* A report of a version without records: the whole message is one. */
static enum group_defect take_report(const struct bytes *bytes, unsigned int version,
				     struct group_message *message)
{
	struct xmc_addr group = read_address(bytes->data + (message->ipv4 ? 4 : 8), message->ipv4);

	message->version = version;
	message->left = 1;
	message->next = bytes->data;
	message->end = bytes->data + bytes->length;
	return is_group(&group, message->ipv4) ? GROUP_MESSAGE_OK : GROUP_MESSAGE_MALFORMED;
}

/* How long a record is, with the words of auxiliary data that nobody has defined. 0: truncated. */
static size_t record_size(const uint8_t *data, size_t length, bool ipv4)
{
	size_t size = RECORD_HEAD_SIZE + width(ipv4);

	if (length < size)
		return 0;
	size += (size_t)bytes_read16(data + 2) * width(ipv4) + 4UL * data[1];
	return size <= length ? size : 0;
}

/* Check all records before the first is used: a message counts as a whole, or not at all. */
static enum group_defect take_records(const struct bytes *bytes, struct group_message *message)
{
	struct bytes rest = *bytes;

	message->version = message->ipv4 ? 3 : 2;
	message->left = bytes_read16(bytes->data + 6);
	bytes_skip(&rest, RECORDS_HEAD_SIZE);
	message->next = rest.data;
	message->end = rest.data + rest.length;
	for (unsigned int i = 0; i < message->left; i++) {
		size_t size = record_size(rest.data, rest.length, message->ipv4);

		if (!size)
			return GROUP_MESSAGE_MALFORMED;
		bytes_skip(&rest, size);
	}
	return GROUP_MESSAGE_OK;
}

static enum group_defect parse_igmp(const struct bytes *bytes, struct group_message *message)
{
	if (bytes->length < IGMP_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	if (sum(0, bytes) != 0xffff)
		return GROUP_MESSAGE_CHECKSUM;
	switch (bytes->data[0]) {
	case IGMP_QUERY:
		return parse_igmp_query(bytes, message);
	case IGMP_V1_REPORT:
		return take_report(bytes, 1, message);
	case IGMP_V2_REPORT:
	case IGMP_LEAVE:
		return take_report(bytes, 2, message);
	case IGMP_V3_REPORT:
		return take_records(bytes, message);
	default:
		return GROUP_MESSAGE_OTHER;
	}
}

/* Do the hosts of the link receive it? Queries are sent to all hosts, or to the group that they ask
 * about; reports to groups of all kinds, by version. */
static bool is_heard(const struct group_message *message, const struct xmc_addr *to)
{
	static const struct xmc_addr all_hosts[] = {
		[false] = {.b = {0xff, 2, [15] = 1}},
		[true] = {.b = {[10] = 0xff, 0xff, 224, 0, 0, 1}},
	};

	if (!message->query)
		return addr_is_multicast(to);
	return addr_equal(to, &all_hosts[message->ipv4]) || addr_equal(to, &message->group);
}

static enum group_defect parse_ipv4(struct bytes bytes, struct group_message *message)
{
	const uint8_t *header = bytes.data;
	enum group_defect defect;
	struct xmc_addr to;
	size_t total;
	uint32_t first;

	if (bytes.length < IPV4_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	total = bytes_read16(header + 2);
	if (header[9] != IPPROTO_IGMP)
		return GROUP_MESSAGE_OTHER;
	/* A fragment: there is none of a message with TTL 1 that fits the link. */
	if (total > bytes.length || bytes_read16(header + 6) & 0x3fff)
		return GROUP_MESSAGE_MALFORMED;
	bytes.length = total;
	message->source = read_address(header + 12, true);
	if (!bytes_skip(&bytes, 4UL * (header[0] & 0xf)) || (header[0] & 0xf) < 5)
		return GROUP_MESSAGE_MALFORMED;
	first = message->source.b[12];
	if (first >= 224 || first == 127)
		return GROUP_MESSAGE_MALFORMED;
	if (header[8] != 1)
		return GROUP_MESSAGE_FORWARDED;
	defect = parse_igmp(&bytes, message);
	to = read_address(header + 16, true);
	return !defect && !is_heard(message, &to) ? GROUP_MESSAGE_FORWARDED : defect;
}

/* Skip the hop-by-hop options. False: there is no router alert for MLD among them. */
static bool skip_options(struct bytes *bytes)
{
	size_t size, at = 2;
	bool found = false;

	if (bytes->length < 8)
		return false;
	size = 8UL * (bytes->data[1] + 1UL);
	if (bytes->length < size)
		return false;
	while (at < size) {
		const uint8_t *option = bytes->data + at;

		if (option[0] == OPTION_PAD1) {
			at++;
			continue;
		}
		if (at + 2 > size || at + 2 + option[1] > size)
			return false;
		found |= option[0] == OPTION_ROUTER_ALERT && option[1] == 2 &&
			 bytes_read16(option + 2) == 0;
		at += 2UL + option[1];
	}
	return bytes_skip(bytes, size) && found;
}

static enum group_defect parse_mld(const struct bytes *bytes, struct group_message *message)
{
	if (bytes->length < RECORDS_HEAD_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	if (bytes->data[0] == MLD_V2_REPORT)
		return take_records(bytes, message);
	if (bytes->data[0] < MLD_QUERY || bytes->data[0] > MLD_DONE)
		return GROUP_MESSAGE_OTHER;
	if (bytes->length < MLD_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	return bytes->data[0] == MLD_QUERY ? parse_mld_query(bytes, message)
					   : take_report(bytes, 1, message);
}

/* RFC 3810, section 6.2 and 7.4: others than those of the link are discarded. */
static enum group_defect parse_ipv6(struct bytes bytes, struct group_message *message)
{
	const uint8_t *header = bytes.data;
	enum group_defect defect;
	struct bytes addresses;
	struct xmc_addr to;
	uint32_t pseudo;
	size_t payload;

	if (bytes.length < IPV6_SIZE)
		return GROUP_MESSAGE_MALFORMED;
	/* Every message has hop-by-hop options. */
	if (header[6] != IPPROTO_HOPOPTS)
		return GROUP_MESSAGE_OTHER;
	payload = bytes_read16(header + 4);
	bytes_skip(&bytes, IPV6_SIZE);
	if (payload > bytes.length || payload < 8)
		return GROUP_MESSAGE_MALFORMED;
	if (bytes.data[0] != IPPROTO_ICMPV6)
		return GROUP_MESSAGE_OTHER;
	bytes.length = payload;
	message->source = read_address(header + 8, false);
	if (!skip_options(&bytes))
		return GROUP_MESSAGE_MALFORMED;
	addresses = (struct bytes){header + 8, 32};
	pseudo = sum((uint32_t)bytes.length + IPPROTO_ICMPV6, &addresses);
	if (sum(pseudo, &bytes) != 0xffff)
		return GROUP_MESSAGE_CHECKSUM;
	defect = parse_mld(&bytes, message);
	to = read_address(header + 24, false);
	if (!defect &&
	    (header[7] != 1 || !is_heard(message, &to) || !addr_is_link_local(&message->source)))
		return GROUP_MESSAGE_FORWARDED;
	return defect;
}

enum group_defect group_message_parse(const void *packet, size_t length,
				      struct group_message *message)
{
	struct bytes bytes = {packet, length};

	*message = (struct group_message){.ipv4 = true};
	if (!length)
		return GROUP_MESSAGE_MALFORMED;
	switch (bytes.data[0] >> 4) {
	case 4:
		return parse_ipv4(bytes, message);
	case 6:
		message->ipv4 = false;
		return parse_ipv6(bytes, message);
	default:
		return GROUP_MESSAGE_MALFORMED;
	}
}

/* The record that a report of a version without records is. */
static void make_record(const struct group_message *message, struct group_record *record)
{
	bool ipv4 = message->ipv4, leave = *message->next == (ipv4 ? IGMP_LEAVE : MLD_DONE);

	record->kind = leave ? RECORD_TO_INCLUDE : RECORD_IS_EXCLUDE;
	record->group = read_address(message->next + (ipv4 ? 4 : 8), ipv4);
	record->sources = (struct group_sources){NULL, 0, ipv4};
}

bool group_message_next(struct group_message *message, struct group_record *record)
{
	bool ipv4 = message->ipv4;

	while (message->left) {
		const uint8_t *data = message->next;

		message->left--;
		if (message->version < (ipv4 ? 3 : 2)) {
			make_record(message, record);
			return true;
		}
		message->next += record_size(data, (size_t)(message->end - data), ipv4);
		record->kind = data[0];
		record->group = read_address(data + RECORD_HEAD_SIZE, ipv4);
		record->sources = (struct group_sources){data + RECORD_HEAD_SIZE + width(ipv4),
							 bytes_read16(data + 2), ipv4};
		if (data[0] >= RECORD_IS_INCLUDE && data[0] <= RECORD_BLOCK &&
		    is_group(&record->group, ipv4))
			return true;
	}
	return false;
}
