/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/pcap_flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

/* Shorter frames are none. */
#define ETHERNET_HEADER 14

static void describe(const struct pcap_packet *packet, struct pcap_flow *flow)
{
	const uint8_t *end = packet->data + packet->captured;
	struct xmc_datagram parsed = {}, seen = {};

	if (packet->iface)
		snprintf(flow->iface, sizeof(flow->iface), "%s", packet->iface);
	flow->parsed = xmc_parse_frame(packet->data, end, packet->length, &parsed);
	/* Only what it sets. */
	if (!xmc_describe_passed(packet->data, end, &seen)) {
		flow->what.source = seen.source;
		flow->what.destination = seen.destination;
		flow->what.port = seen.port;
		flow->what.protocol = seen.protocol;
		flow->what.tags = seen.tags;
	}
}

static bool is_same(const struct pcap_flow *a, const struct pcap_flow *b)
{
	return a->parsed == b->parsed && a->what.port == b->what.port &&
	       a->what.protocol == b->what.protocol && a->what.tags == b->what.tags &&
	       addr_equal(&a->what.source, &b->what.source) &&
	       addr_equal(&a->what.destination, &b->what.destination) &&
	       strcmp(a->iface, b->iface) == 0;
}

/* The flow of such packets, or a new one. NULL: there is no room. */
static struct pcap_flow *find(struct pcap_flows *flows, const struct pcap_flow *like)
{
	for (unsigned int i = 0; i < flows->count; i++) {
		if (is_same(&flows->list[i], like))
			return &flows->list[i];
	}
	if (flows->count == PCAP_FLOWS_MAX)
		return NULL;
	flows->list[flows->count] = *like;
	return &flows->list[flows->count++];
}

static int keep(struct pcap_flow *flow, const struct pcap_packet *packet)
{
	size_t length = packet->length < PCAP_FRAME_MAX ? packet->length : PCAP_FRAME_MAX;
	size_t captured = packet->captured < length ? packet->captured : length;
	uint8_t *frame;

	flow->packets++;
	if (length <= flow->length)
		return 0;
	frame = realloc(flow->frame, length);
	if (!frame)
		return -ENOMEM;
	memcpy(frame, packet->data, captured);
	memset(frame + captured, 0, length - captured);
	flow->frame = frame;
	flow->length = length;
	return 0;
}

int pcap_flows_read(struct pcap_flows *flows, struct pcap_reader *reader)
{
	struct pcap_packet packet;
	int result;

	while ((result = pcap_reader_next(reader, &packet)) > 0) {
		struct pcap_flow like = {};
		struct pcap_flow *flow;

		flows->packets++;
		if (!packet.ethernet || packet.captured < ETHERNET_HEADER) {
			flows->not_ethernet++;
			continue;
		}
		describe(&packet, &like);
		flow = find(flows, &like);
		if (!flow)
			flows->beyond++;
		else if (keep(flow, &packet))
			return -ENOMEM;
	}
	return result;
}

void pcap_flows_free(struct pcap_flows *flows)
{
	for (unsigned int i = 0; i < flows->count; i++)
		free(flows->list[i].frame);
	flows->count = 0;
}
