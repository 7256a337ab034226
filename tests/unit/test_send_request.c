// SPDX-License-Identifier: BSD-2-Clause
/* What of a packet's headers becomes the key of a send, and the control messages and raw headers
 * that are made from it. */
#include "watchdog.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <string.h>

#include "address.h"
#include "dataplane/send_request.h"
#include "dataplane/source_ports.h"

#define PAYLOAD 37

/* A packet with headers at odd places of a frame. */
struct packet {
	uint8_t frame[256];
	struct frame_entry entry;
};

static struct packet make_packet(const char *source, uint8_t ttl, uint8_t tos)
{
	struct packet packet = {.entry = {.ip = 15, .length = PAYLOAD}};
	struct xmc_addr from = address(source);
	bool ipv4 = addr_is_ipv4(&from);
	struct xmc_ipv4 ip4 = {.version_ihl = 0x45, .tos = tos, .ttl = ttl, .source = from.w[3]};
	struct xmc_ipv6 ip6 = {.version_class_label =
				       htonl(6U << 28 | (uint32_t)tos << 20 | 0xfffff),
			       .hop_limit = ttl,
			       .source = from};
	struct xmc_udp udp = {.source = htons(40000), .destination = htons(5000)};

	packet.entry.udp = (uint16_t)(packet.entry.ip + (ipv4 ? sizeof(ip4) : sizeof(ip6)));
	memset(packet.frame, 0xa5, sizeof(packet.frame));
	if (ipv4)
		memcpy(packet.frame + packet.entry.ip, &ip4, sizeof(ip4));
	else
		memcpy(packet.frame + packet.entry.ip, &ip6, sizeof(ip6));
	memcpy(packet.frame + packet.entry.udp, &udp, sizeof(udp));
	return packet;
}

static enum withheld make(struct send_key *key, const struct rule_output *rule,
			  const struct packet *packet)
{
	const struct output output = {.rule = *rule};
	const struct output_shard shard = {.output = &output,
					   .keeps_headers = output_keeps_headers(rule)};

	return send_key_make(key, &shard, &packet->entry, packet->frame);
}

static void test_keys(void **state)
{
	static const char *const sources[] = {"10.9.9.9", "2001:db8::9"};

	for (int i = 0; i < 2; i++) {
		struct packet packet = make_packet(sources[i], 16, 0xbb);
		struct rule_output rule = {.ttl = 8};
		struct send_key key, none = {0};
		struct xmc_addr from = address(sources[i]);

		assert_int_equal(make(&key, &rule, &packet), WITHHELD_NOTHING);
		assert_memory_equal(&key, &none, sizeof(key));
		rule.ttl = RULE_TTL_KEPT;
		assert_int_equal(make(&key, &rule, &packet), WITHHELD_NOTHING);
		assert_int_equal(key.ttl, 16);
		assert_int_equal(key.tos, 0);
		rule.ttl = RULE_TTL_DECREMENTED;
		rule.dscp = RULE_DSCP_KEPT;
		assert_int_equal(make(&key, &rule, &packet), WITHHELD_NOTHING);
		assert_int_equal(key.ttl, 15);
		assert_int_equal(key.tos, 0xb8); /* without ECN */
		assert_true(addr_is_any(&key.source));
		rule.from_kept = true;
		assert_int_equal(make(&key, &rule, &packet), WITHHELD_NOTHING);
		assert_true(addr_equal(&key.source, &from));
		assert_int_equal(key.source_port, htons(40000));
		assert_int_equal(key.port, 0);
	}
}

static void test_expired(void **state)
{
	static const struct {
		uint16_t rule;
		uint8_t ttl;
		enum withheld result;
	} cases[] = {
		{RULE_TTL_KEPT, 0, WITHHELD_TTL_EXPIRED},
		{RULE_TTL_KEPT, 1, WITHHELD_NOTHING},
		{RULE_TTL_DECREMENTED, 0, WITHHELD_TTL_EXPIRED},
		{RULE_TTL_DECREMENTED, 1, WITHHELD_TTL_EXPIRED},
		{RULE_TTL_DECREMENTED, 2, WITHHELD_NOTHING},
		{8, 0, WITHHELD_NOTHING},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet packet =
			make_packet(i % 2 ? "10.9.9.9" : "2001:db8::9", cases[i].ttl, 0);
		struct rule_output rule = {.ttl = cases[i].rule};
		struct send_key key;

		assert_int_equal(make(&key, &rule, &packet), cases[i].result);
	}
}

static void test_no_source(void **state)
{
	static const char *const none[] = {"0.0.0.0", "::"};

	for (int i = 0; i < 2; i++) {
		struct packet packet = make_packet(none[i], 16, 0);
		struct rule_output rule = {.ttl = 8, .from_kept = true};
		struct send_key key;

		assert_int_equal(make(&key, &rule, &packet), WITHHELD_NO_SOURCE);
		rule.from_kept = false;
		assert_int_equal(make(&key, &rule, &packet), WITHHELD_NOTHING);
	}
}

/* ---- messages ---- */

static uint8_t payload[3][1500];

struct rig {
	struct source_ports ports;
	struct output output;
	struct output_shard shard;
	struct send_request request;
};

static struct rig *new_rig(const char *to)
{
	struct rig *rig = aligned_alloc(CACHE_LINE, sizeof(*rig));

	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	memset(&rig->request, 0xa5, sizeof(rig->request));
	rig->output.rule.to = address(to);
	rig->output.rule.ttl = 8;
	rig->output.to_length = addr_to_sockaddr(&rig->output.rule.to, 6000, &rig->output.to);
	rig->output.fd = 77;
	rig->shard.output = &rig->output;
	rig->request.to = &rig->shard;
	rig->request.key = (struct send_key){0};
	rig->request.slot = NO_SLOT;
	rig->request.raw = false;
	rig->request.pieces = 0;
	return rig;
}

static void fill(struct rig *rig, unsigned int count, uint32_t length)
{
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < sizeof(payload[i]); j++)
			payload[i][j] = (uint8_t)(j * 31 + j / 256 + i);
	}
	for (unsigned int i = 0; i < count; i++)
		rig->request.payloads[i] = (struct iovec){payload[i], length};
	rig->request.count = count;
	rig->request.bytes = count * length;
	rig->request.segment_size = length;
	send_request_write(&rig->request);
}

/* The next control message is exactly this. Returns the one behind it. */
static struct cmsghdr *expect(struct msghdr *message, struct cmsghdr *cmsg, int level, int type,
			      const void *data, size_t size)
{
	assert_non_null(cmsg);
	assert_int_equal(cmsg->cmsg_level, level);
	assert_int_equal(cmsg->cmsg_type, type);
	assert_int_equal(cmsg->cmsg_len, CMSG_LEN(size));
	assert_memory_equal(CMSG_DATA(cmsg), data, size);
	return CMSG_NXTHDR(message, cmsg);
}

static void expect_all(struct msghdr *message, bool ipv4, const char *source, int ttl, int tos,
		       uint16_t segment)
{
	struct xmc_addr from = address(source);
	struct in_pktinfo info4 = {.ipi_spec_dst.s_addr = from.w[3]};
	struct in6_pktinfo info6 = {.ipi6_ifindex = 0};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
	int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;

	memcpy(&info6.ipi6_addr, &from, sizeof(from));
	cmsg = ipv4 ? expect(message, cmsg, level, IP_PKTINFO, &info4, sizeof(info4))
		    : expect(message, cmsg, level, IPV6_PKTINFO, &info6, sizeof(info6));
	if (ttl)
		cmsg = expect(message, cmsg, level, ipv4 ? IP_TTL : IPV6_HOPLIMIT, &ttl,
			      sizeof(ttl));
	if (tos >= 0)
		cmsg = expect(message, cmsg, level, ipv4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	if (segment)
		cmsg = expect(message, cmsg, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	assert_null(cmsg);
}

/* A datagram of a refused batch has all of them but the last. */
static void test_control(void **state)
{
	for (int ipv4 = 0; ipv4 < 2; ipv4++) {
		struct rig *rig = new_rig(ipv4 ? "10.2.0.2" : "fd02::2");
		const char *own = ipv4 ? "10.2.0.1" : "fd02::1";
		const char *kept = ipv4 ? "10.9.9.9" : "2001:db8::9";
		struct msghdr single;

		rig->output.rule.from = address(own);
		fill(rig, 3, 100);
		assert_int_equal(rig->request.send.fd, 77);
		expect_all(&rig->request.send.message, ipv4, own, 0, -1, 100);
		single = send_request_single(&rig->request, 1);
		expect_all(&single, ipv4, own, 0, -1, 0);
		assert_int_equal(single.msg_iovlen, 1);
		assert_ptr_equal(single.msg_iov[0].iov_base, payload[1]);
		rig->output.rule.from = (struct xmc_addr){0};
		rig->output.rule.from_kept = true;
		rig->output.rule.ttl = RULE_TTL_DECREMENTED;
		rig->output.rule.dscp = RULE_DSCP_KEPT;
		rig->request.key = (struct send_key){.source = address(kept), .ttl = 5, .tos = 0};
		fill(rig, 2, 100);
		expect_all(&rig->request.send.message, ipv4, kept, 5, 0, 100);
		single = send_request_single(&rig->request, 0);
		expect_all(&single, ipv4, kept, 5, 0, 0);
		fill(rig, 1, 100);
		expect_all(&rig->request.send.message, ipv4, kept, 5, 0, 0);
		free(rig);
	}
}

static void test_slot(void **state)
{
	struct rig *rig = new_rig("10.2.0.2");

	source_ports_init(&rig->ports);
	source_ports_put(&rig->ports, 9, htons(7), 55);
	rig->output.ports = &rig->ports;
	rig->output.rule.from_kept = true;
	rig->request.key.source = address("10.9.9.9");
	rig->request.slot = 9;
	fill(rig, 2, 100);
	assert_int_equal(rig->request.send.fd, 55);
	assert_int_equal(rig->request.send.message.msg_iovlen, 2);
	free(rig);
}

/* The sum of a datagram with its pseudo-header, byte by byte (RFC 768): 0xffff if it is right. */
static unsigned int sum_datagram(const struct xmc_addr *from, const struct xmc_addr *to,
				 const struct msghdr *message)
{
	uint8_t bytes[4096] = {0};
	unsigned int sum = 0;
	size_t used = 12, length = 0;

	memcpy(bytes, &from->w[3], 4);
	memcpy(bytes + 4, &to->w[3], 4);
	bytes[9] = IPPROTO_UDP;
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		memcpy(bytes + used + length, message->msg_iov[i].iov_base,
		       message->msg_iov[i].iov_len);
		length += message->msg_iov[i].iov_len;
	}
	bytes[10] = (uint8_t)(length >> 8);
	bytes[11] = (uint8_t)length;
	for (size_t i = 0; i < used + length; i += 2)
		sum += (unsigned int)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of every length, and in pieces of odd lengths. */
static void test_raw(void **state)
{
	struct rig *rig = new_rig("10.2.0.2");
	struct xmc_addr from = address("10.9.9.9");
	struct msghdr *message = &rig->request.send.message;

	rig->output.rule.from_kept = true;
	rig->request.key = (struct send_key){.source = from, .source_port = htons(53)};
	rig->request.raw = true;
	for (uint32_t length = 0; length <= 1400; length++) {
		fill(rig, 1, length);
		assert_int_equal(message->msg_iovlen, 2);
		assert_int_equal(((struct sockaddr_in *)message->msg_name)->sin_port, 0);
		assert_int_equal(rig->request.header.source, htons(53));
		assert_int_equal(rig->request.header.destination, htons(6000));
		assert_int_equal(rig->request.header.length, htons((uint16_t)(8 + length)));
		assert_int_equal(sum_datagram(&from, &rig->output.rule.to, message), 0xffff);
	}
	for (uint32_t first = 1; first < 60; first++) {
		fill(rig, 1, 1300);
		rig->request.pieces = 3;
		for (int i = 0; i < 3; i++)
			rig->request.payloads[i] = (struct iovec){payload[i], 100 + i * first};
		rig->request.bytes = 300 + 3 * first;
		send_request_write(&rig->request);
		assert_int_equal(message->msg_iovlen, 4);
		assert_int_equal(sum_datagram(&from, &rig->output.rule.to, message), 0xffff);
		rig->request.pieces = 0;
	}
	free(rig);
}

/* The kernel writes the checksum, and a port in the address would be a protocol. */
static void test_raw_ipv6(void **state)
{
	struct rig *rig = new_rig("fd02::2");
	struct msghdr *message = &rig->request.send.message;

	rig->output.rule.from = address("fd02::1");
	rig->output.rule.from_port = 7000;
	rig->request.key.port = htons(5000);
	rig->request.raw = true;
	fill(rig, 1, 100);
	assert_int_equal(rig->request.header.source, htons(7000));
	assert_int_equal(rig->request.header.destination, htons(5000));
	assert_int_equal(rig->request.header.checksum, 0);
	assert_int_equal(((struct sockaddr_in6 *)message->msg_name)->sin6_port, 0);
	free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	  cmocka_unit_test(test_expired),
		cmocka_unit_test(test_no_source), cmocka_unit_test(test_control),
		cmocka_unit_test(test_slot),	  cmocka_unit_test(test_raw),
		cmocka_unit_test(test_raw_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
