/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where captured packets are written: a pcapng file with an interface for each place at which they
 * were taken, or one line for each, as text or JSON. One thread.
 */
#ifndef XMCAST_CTL_CAPTURE_FILE_H
#define XMCAST_CTL_CAPTURE_FILE_H

#include "ctl/capture_packet.h"
#include "ctl/screen.h"

/* Places at which packets are taken: inputs, and outputs of rules. */
#define CAPTURE_PLACES 65536

/* One place. */
struct capture_place {
	enum capture_kind kind;
	uint16_t output;	       /* of an output: its index in the rule */
	uint32_t serial;	       /* of CAPTURE_SUBMITTED, as in the record */
	char rule[CAPTURE_NAME_SIZE];  /* of an output */
	char iface[IF_NAMESIZE];       /* that receives or sends; empty: unknown */
	char to[80];		       /* of an output: its address, as in the rule */
	struct capture_output headers; /* of CAPTURE_SUBMITTED */
	uint64_t seen;		       /* packets from there */
	uint64_t packets;	       /* of these: written */
};

enum capture_format { CAPTURE_PCAPNG, CAPTURE_LINES, CAPTURE_JSON };

struct capture_file {
	enum capture_format format;
	FILE *stream;
	const struct screen *screen; /* of CAPTURE_LINES */
	uint32_t snap;
	uint64_t offset_ns; /* from CLOCK_MONOTONIC to CLOCK_REALTIME */
	uint64_t begin_ns;  /* CLOCK_REALTIME */
	uint32_t count;
	struct capture_place *places;
};

/* What a place is called: "eth0 (in)", "eth1 (out cam1)". Returns `text`. */
#define CAPTURE_PLACE_TEXT 256
const char *capture_place_name(const struct capture_place *place, char text[CAPTURE_PLACE_TEXT]);

/* The head of a pcapng file. */
void capture_file_begin(struct capture_file *file, const char *program);

/* The place of a record, or NULL: it is the first from there. */
struct capture_place *capture_file_find(struct capture_file *file,
					const struct capture_record *record);

/* Add that place, with what is known of it. NULL: no memory, or CAPTURE_PLACES are there. */
struct capture_place *capture_file_add(struct capture_file *file,
				       const struct capture_place *place);

/* Write a packet. Whether that was possible, ferror(3) of the stream shows. */
void capture_file_write(struct capture_file *file, struct capture_place *place,
			const struct capture_record *record, const struct capture_frame *frame);

/* The counters, at the end of a pcapng file. */
void capture_file_end(struct capture_file *file, const struct capture_counts *counts);

void capture_file_free(struct capture_file *file);

#endif
