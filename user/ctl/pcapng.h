/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing a pcapng file (draft-ietf-opsawg-pcapng): one section, in this machine's byte order, with
 * times in nanoseconds. All interfaces are Ethernet and have the same snap length, because libpcap
 * reads no file in which they differ.
 *
 * Nothing is reported by these functions: ferror(3) of the stream shows whether all could be
 * written. One thread.
 */
#ifndef XMCAST_CTL_PCAPNG_H
#define XMCAST_CTL_PCAPNG_H

#include <stdint.h>
#include <stdio.h>

/* The direction of a packet, as its flags have it. */
enum pcapng_direction { PCAPNG_IN = 1, PCAPNG_OUT = 2 };

/* Numbers that are not known. */
#define PCAPNG_UNKNOWN UINT64_MAX

struct pcapng_packet {
	uint32_t interface; /* the number of its block, counted from 0 */
	enum pcapng_direction direction;
	uint64_t time_ns; /* since 1970 */
	uint32_t length;
	uint32_t captured;
	const uint8_t *data;
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t begin_ns; /* since 1970 */
	uint64_t end_ns;
	uint64_t received;  /* packets, or PCAPNG_UNKNOWN */
	uint64_t dropped;   /* of these: not captured; or PCAPNG_UNKNOWN */
	uint64_t delivered; /* of these: in the file */
};

/* The section header; first. `program`: what writes the file. */
void pcapng_begin(FILE *file, const char *program);

/* The next interface, before its first packet. Texts longer than 1,000 bytes are cut. */
void pcapng_interface(FILE *file, const char *name, const char *description, uint32_t snap);

void pcapng_packet(FILE *file, const struct pcapng_packet *packet);
void pcapng_statistics(FILE *file, const struct pcapng_statistics *statistics);

#endif
