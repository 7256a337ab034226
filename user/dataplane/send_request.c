/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/send_request.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <string.h>

#include <xmcast/rewrite.h>

#include "dataplane/source_ports.h"

/* ---- the key ---- */

/* Headers of a packet, of either family. */
struct headers {
	struct xmc_addr source;
	uint8_t ttl;
	uint8_t tos;
};

static void read_headers(struct headers *headers, const uint8_t *ip)
{
	const struct xmc_ipv4 *ip4 = (const void *)ip;
	const struct xmc_ipv6 *ip6 = (const void *)ip;

	if (ip4->version_ihl >> 4 == 4) {
		xmc_addr_from_ipv4(&headers->source, ip4->source);
		headers->ttl = ip4->ttl;
		headers->tos = ip4->tos;
	} else {
		headers->source = ip6->source;
		headers->ttl = ip6->hop_limit;
		headers->tos = (uint8_t)(ntohl(ip6->version_class_label) >> 20);
	}
}

/* The kernel would take "no address" as the order to choose one. */
static bool is_unspecified(const struct xmc_addr *addr)
{
	return addr_is_any(addr) || (addr_is_ipv4(addr) && addr->w[3] == INADDR_ANY);
}

enum withheld send_key_keep(struct send_key *key, const struct rule_output *rule,
			    const struct frame_entry *entry, const uint8_t *frame)
{
	struct headers headers;

	read_headers(&headers, frame + entry->ip);
	if (rule->ttl > UINT8_MAX) {
		if (headers.ttl <= (rule->ttl == RULE_TTL_DECREMENTED))
			return WITHHELD_TTL_EXPIRED;
		key->ttl = headers.ttl - (rule->ttl == RULE_TTL_DECREMENTED);
	}
	/* The other two bits are those of ECN: each hop's own, and the kernel's here. */
	if (rule->dscp == RULE_DSCP_KEPT)
		key->tos = headers.tos & 0xfc;
	if (!rule->from_kept)
		return WITHHELD_NOTHING;
	if (is_unspecified(&headers.source))
		return WITHHELD_NO_SOURCE;
	key->source = headers.source;
	key->source_port = ((const struct xmc_udp *)(frame + entry->udp))->source;
	return WITHHELD_NOTHING;
}

/* ---- the message ---- */

const struct xmc_addr *send_request_source(const struct send_request *request)
{
	const struct rule_output *rule = &request->to->output->rule;

	return rule->from_kept ? &request->key.source : &rule->from;
}

static void add_control(struct msghdr *message, int level, int type, const void *data, size_t size)
{
	struct cmsghdr *cmsg =
		(struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(cmsg), data, size);
	message->msg_controllen += CMSG_SPACE(size);
}

static void add_source(struct msghdr *message, const struct xmc_addr *source)
{
	struct in_pktinfo info4 = {.ipi_spec_dst.s_addr = source->w[3]};
	struct in6_pktinfo info6 = {.ipi6_ifindex = 0};

	if (addr_is_ipv4(source)) {
		add_control(message, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
		return;
	}
	memcpy(&info6.ipi6_addr, source, sizeof(info6.ipi6_addr));
	add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
}

static void add_number(struct msghdr *message, bool is_ipv4, int type4, int type6, int number)
{
	add_control(message, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6, is_ipv4 ? type4 : type6, &number,
		    sizeof(number));
}

/* The control messages of all datagrams, and the one of a batch behind them. */
static void write_control(struct send_request *request)
{
	const struct rule_output *rule = &request->to->output->rule;
	const struct xmc_addr *source = send_request_source(request);
	struct msghdr *message = &request->send.message;
	uint16_t segment = (uint16_t)request->segment_size;
	bool is_ipv4 = addr_is_ipv4(&rule->to);

	message->msg_control = request->control;
	if (!addr_is_any(source))
		add_source(message, source);
	if (rule->ttl > UINT8_MAX)
		add_number(message, is_ipv4, IP_TTL, IPV6_HOPLIMIT, request->key.ttl);
	if (rule->dscp == RULE_DSCP_KEPT)
		add_number(message, is_ipv4, IP_TOS, IPV6_TCLASS, request->key.tos);
	request->single_control = message->msg_controllen;
	if (request->count > 1)
		add_control(message, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (!message->msg_controllen)
		message->msg_control = NULL;
}

in_port_t send_request_port(const struct send_request *request)
{
	return request->key.port ? request->key.port
				 : ((const struct sockaddr_in *)&request->to->output->to)->sin_port;
}

/* A piece that begins at an odd byte has its bytes in the other
 * halves of the words (RFC 1071 section 2 B). */
__u64 send_payload_sum(const struct iovec *pieces, unsigned int count)
{
	bool odd = false;
	__u64 sum = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct iovec *piece = &pieces[i];
		const uint8_t *bytes = piece->iov_base;
		__u64 part = 0;

		/* Cannot fail: UDP is no longer than XMC_MAX_REWRITTEN here. */
		xmc_sum(bytes, bytes + piece->iov_len, (__u32)piece->iov_len, &part);
		sum += odd ? __builtin_bswap16(xmc_fold(part)) : part;
		odd ^= piece->iov_len & 1;
	}
	return sum;
}

/* Over IPv6 the kernel writes the checksum (output_socket.c). */
static void write_header(struct send_request *request)
{
	const struct output *output = request->to->output;
	struct xmc_udp *header = &request->header;
	__u64 sum;

	header->source = send_source_port(output, &request->key);
	header->destination = send_request_port(request);
	header->length = htons((uint16_t)(sizeof(*header) + request->bytes));
	header->checksum = 0;
	if (!addr_is_ipv4(&output->rule.to))
		return;
	sum = send_payload_sum(request->payloads, request->pieces ? request->pieces : 1);
	sum += (__u64)send_request_source(request)->w[3] + output->rule.to.w[3] + header->source +
	       header->destination + header->length + xmc_sum_udp_length(header);
	header->checksum = xmc_udp_checksum(sum);
}

void send_request_write(struct send_request *request)
{
	const struct output *output = request->to->output;
	struct msghdr *message = &request->send.message;

	request->send.fd = request->slot == NO_SLOT ? output->fd
						    : source_ports_fd(output->ports, request->slot);
	*message = (struct msghdr){
		.msg_name = (void *)&output->to,
		.msg_namelen = output->to_length,
		.msg_iov = request->payloads,
		.msg_iovlen = request->pieces ? request->pieces : request->count,
	};
	if (request->key.port || request->raw) {
		memcpy(&request->address, &output->to, sizeof(request->address));
		/* To a raw socket of IPv6 it would be an IP protocol. */
		request->address.sin6_port = request->raw ? 0 : request->key.port;
		message->msg_name = &request->address;
	}
	write_control(request);
	if (!request->raw)
		return;
	write_header(request);
	request->header_iov = (struct iovec){&request->header, sizeof(request->header)};
	message->msg_iov = &request->header_iov;
	message->msg_iovlen++;
}

struct msghdr send_request_single(struct send_request *request, unsigned int i)
{
	struct msghdr message = request->send.message;

	message.msg_controllen = request->single_control;
	if (!message.msg_controllen)
		message.msg_control = NULL;
	message.msg_iov = &request->payloads[i];
	message.msg_iovlen = 1;
	return message;
}

const char *send_request_to(const struct send_request *request, char text[ENDPOINT_TEXT_SIZE])
{
	const struct rule_output *rule = &request->to->output->rule;

	return endpoint_format(&rule->to, ntohs(send_request_port(request)), rule->iface, text);
}
