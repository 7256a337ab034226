/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the packets of a capture file: pcap, or pcapng with any number of interfaces, of either
 * byte order. The file may contain anything: every length is checked, and memory is bounded. One
 * thread.
 *
 * Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 */
#ifndef XMCAST_CTL_PCAP_READER_H
#define XMCAST_CTL_PCAP_READER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The longest packet (tcpdump's own limit), and interfaces of one section. */
#define PCAP_PACKET_MAX	    262144
#define PCAP_INTERFACES_MAX 256

#define PCAP_PROBLEM_SIZE   128

struct pcap_packet {
	const uint8_t *data; /* valid until the next call */
	uint32_t captured;   /* bytes of data */
	uint32_t length;     /* of the packet on the wire, at least as many */
	bool ethernet;	     /* the interface has Ethernet frames */
	const char *iface;   /* its name as the file has it, or NULL */
};

struct pcap_reader;

/* `stream` stays the caller's. NULL: no memory. */
struct pcap_reader *pcap_reader_open(FILE *stream);
void pcap_reader_close(struct pcap_reader *reader); /* accepts NULL */

/* The next packet. 1; 0: the end; -EBADMSG: the file is not a capture, or broken here, and
 * pcap_reader_problem() says how. */
int pcap_reader_next(struct pcap_reader *reader, struct pcap_packet *packet);
const char *pcap_reader_problem(const struct pcap_reader *reader);

#endif
