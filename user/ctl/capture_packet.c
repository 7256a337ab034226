/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/capture_packet.h"

#include <arpa/inet.h>
#include <string.h>

#include <xmcast/rewrite.h>

#include "base/addr.h"

/* ---- rebuilding headers ---- */

static void write_ipv4(struct xmc_ipv4 *ip, const struct capture_record *record,
		       const struct xmc_addr *source, uint32_t udp_length)
{
	__u64 sum = 0;

	*ip = (struct xmc_ipv4){
		.version_ihl = 0x45,
		.tos = record->tos,
		.total_length = htons((uint16_t)(sizeof(*ip) + udp_length)),
		.ttl = record->ttl,
		.protocol = XMC_PROTO_UDP,
		.source = source->w[3],
		.destination = record->to.w[3],
	};
	xmc_sum((const uint8_t *)ip, ip + 1, sizeof(*ip), &sum);
	ip->checksum = (__u16)~xmc_fold(sum);
}

static void write_ipv6(struct xmc_ipv6 *ip, const struct capture_record *record,
		       const struct xmc_addr *source, uint32_t udp_length)
{
	*ip = (struct xmc_ipv6){
		.version_class_label = htonl(6U << 28 | (uint32_t)record->tos << 20),
		.payload_length = htons((uint16_t)udp_length),
		.next_header = XMC_PROTO_UDP,
		.hop_limit = record->ttl,
		.source = *source,
		.destination = record->to,
	};
}

static void write_udp(struct xmc_udp *udp, const struct capture_record *record,
		      const struct xmc_addr *source, uint16_t source_port, uint32_t udp_length)
{
	__u64 sum = record->sum;

	udp->source = record->source_port ? record->source_port : htons(source_port);
	udp->destination = record->to_port;
	udp->length = htons((uint16_t)udp_length);
	udp->checksum = 0;
	if (addr_is_ipv4(&record->to))
		sum += (__u64)source->w[3] + record->to.w[3];
	for (int i = 0; i < 4 && !addr_is_ipv4(&record->to); i++)
		sum += (__u64)source->w[i] + record->to.w[i];
	sum += (__u64)udp->source + udp->destination + udp->length + xmc_sum_udp_length(udp);
	udp->checksum = xmc_udp_checksum(sum);
}

/* Returns the length of the headers. */
static uint32_t write_headers(uint8_t *room, const struct capture_record *record,
			      const struct capture_output *output)
{
	const struct xmc_addr *source =
		addr_is_any(&record->source) ? &output->source : &record->source;
	uint32_t udp_length = (uint32_t)sizeof(struct xmc_udp) + record->length;
	bool is_ipv4 = addr_is_ipv4(&record->to);
	struct xmc_eth *eth = (void *)room;
	void *ip = eth + 1;
	void *udp = (uint8_t *)ip + (is_ipv4 ? sizeof(struct xmc_ipv4) : sizeof(struct xmc_ipv6));

	memcpy(eth->destination, output->mac_to, sizeof(eth->destination));
	memcpy(eth->source, output->mac_from, sizeof(eth->source));
	eth->type = is_ipv4 ? XMC_BE16(XMC_ETH_IPV4) : XMC_BE16(XMC_ETH_IPV6);
	if (is_ipv4)
		write_ipv4(ip, record, source, udp_length);
	else
		write_ipv6(ip, record, source, udp_length);
	write_udp(udp, record, source, output->source_port, udp_length);
	return (uint32_t)((uint8_t *)udp + sizeof(struct xmc_udp) - room);
}

/* ---- reading headers ---- */

static void read_ip(struct capture_frame *frame, const uint8_t *ip)
{
	const struct xmc_ipv4 *ip4 = (const void *)ip;
	const struct xmc_ipv6 *ip6 = (const void *)ip;
	bool is_ipv4 = ip4->version_ihl >> 4 == 4;

	frame->ttl = is_ipv4 ? ip4->ttl : ip6->hop_limit;
	frame->dscp =
		is_ipv4 ? ip4->tos >> 2 : (uint8_t)(ntohl(ip6->version_class_label) >> 22 & 0x3f);
	frame->protocol = is_ipv4 ? ip4->protocol : ip6->next_header;
}

static void parse(struct capture_frame *frame)
{
	struct xmc_datagram dgram = {};
	enum xmc_reason reason =
		xmc_parse_frame(frame->data, frame->data + frame->captured, frame->length, &dgram);

	frame->parsed = reason == XMC_STEERED || (reason == XMC_NOT_UDP && dgram.protocol);
	if (!frame->parsed)
		return;
	frame->source = dgram.source;
	frame->destination = dgram.destination;
	frame->tags = dgram.tags;
	frame->payload = dgram.payload_length;
	read_ip(frame, frame->data + dgram.ip_offset);
	if (reason == XMC_STEERED) {
		const struct xmc_udp *udp = (const void *)(frame->data + dgram.udp_offset);

		frame->source_port = ntohs(udp->source);
		frame->port = ntohs(udp->destination);
	}
}

void capture_frame_make(struct capture_frame *frame, const struct capture_record *record,
			const struct capture_output *output, uint32_t snap, uint8_t *room)
{
	uint32_t headers = 0;

	*frame = (struct capture_frame){
		.data = record->data,
		.length = record->length,
		.captured = record->captured,
	};
	if (record->kind == CAPTURE_SUBMITTED) {
		headers = write_headers(room, record, output);
		memcpy(room + headers, record->data, record->captured);
		frame->data = room;
		frame->length += headers;
		frame->captured += headers;
		if (frame->captured > snap)
			frame->captured = snap;
	}
	parse(frame);
}
