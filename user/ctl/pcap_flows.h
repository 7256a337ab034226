/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The different kinds of packets in a capture: by interface, addresses, port, protocol, VLAN tags,
 * and what the parser of the XDP program says about them. The longest packet of each stands for it.
 * One thread.
 */
#ifndef XMCAST_CTL_PCAP_FLOWS_H
#define XMCAST_CTL_PCAP_FLOWS_H

#include <xmcast/packet.h>

#include "ctl/pcap_reader.h"

/* Kinds that are kept; packets of further ones are only counted. */
#define PCAP_FLOWS_MAX 1000

/* Bytes of a frame that are kept; no interface receives longer ones by XDP. */
#define PCAP_FRAME_MAX 9208

struct pcap_flow {
	char iface[IF_NAMESIZE]; /* as the capture names it; may be empty */
	enum xmc_reason parsed;
	struct xmc_datagram what; /* as xmc_describe_passed() sets it, or all zero */
	uint64_t packets;
	size_t length; /* of the longest frame, cut to PCAP_FRAME_MAX; what was not captured is 0 */
	uint8_t *frame;
};

struct pcap_flows {
	unsigned int count;
	struct pcap_flow list[PCAP_FLOWS_MAX];
	uint64_t packets;
	uint64_t not_ethernet; /* of these: not looked at */
	uint64_t beyond;       /* likewise: of flows for which there was no room */
};

/* Read them all. Starts as all zero. 0; -EBADMSG: as pcap_reader_next(), and those before are kept;
 * -ENOMEM. */
int pcap_flows_read(struct pcap_flows *flows, struct pcap_reader *reader);
void pcap_flows_free(struct pcap_flows *flows);

#endif
