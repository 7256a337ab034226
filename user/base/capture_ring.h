/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory through which a daemon shows a client the packets that a capture has copied: a page of
 * counters, then a ring of slots of one size, each with one record.
 *
 * Many threads write, one process reads, and the writers never wait: a reader that is too slow
 * finds its slots overwritten, and counts what it has lost. The reader maps the memory read-only
 * (the daemon seals it), and the writers read none of it but the states of the slots: nothing that
 * a reader does has any effect on a writer.
 *
 * A record has a position, counted from 0; it is in slot `position % slots`. The state of a slot is
 * 2 * position + 1 while that record is being written, and 2 * position + 2 once it is complete.
 */
#ifndef XMCAST_BASE_CAPTURE_RING_H
#define XMCAST_BASE_CAPTURE_RING_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>

#include "base/counter.h"

/* Bytes of a packet that are kept: the least holds all headers, the default a frame of an MTU of
 * 9,000 with two VLAN tags. */
#define CAPTURE_SNAP_LEAST   128
#define CAPTURE_SNAP_DEFAULT 9216
#define CAPTURE_SNAP_MOST    65535

/* Bytes of all slots: some two seconds of packets of the default size at the default rate. */
#define CAPTURE_RING_BYTES (16U << 20)

/* Received packets in a second, each of them with its copies. */
#define CAPTURE_RATE_DEFAULT 1000
#define CAPTURE_RATE_MOST    1000000

/* Bytes of a rule's name, NUL included. */
#define CAPTURE_NAME_SIZE 128

enum capture_kind {
	CAPTURE_RECEIVED,  /* a frame as it came */
	CAPTURE_REWRITTEN, /* a frame as the kernel path sends it */
	CAPTURE_SUBMITTED, /* the payload of a datagram that was handed to the kernel */
	CAPTURE_KINDS,
};

struct capture_record {
	uint64_t time_ns;  /* CLOCK_MONOTONIC */
	uint32_t length;   /* of the frame or payload */
	uint32_t captured; /* bytes of it that are in `data` */
	uint8_t kind;	   /* enum capture_kind */

	/* Of CAPTURE_SUBMITTED: what is known of the headers with which it leaves. */
	uint8_t ttl;
	uint8_t tos;
	uint8_t pad;
	uint16_t sum;		/* of the words of the payload, not complemented */
	in_port_t source_port;	/* network order; 0: that of the output's socket */
	in_port_t to_port;	/* network order */
	uint16_t output;	/* index in the rule; of CAPTURE_REWRITTEN, too */
	uint32_t serial;	/* another one of each change of the rule */
	struct xmc_addr source; /* all zero: the kernel chooses */
	struct xmc_addr to;

	char iface[IF_NAMESIZE]; /* that received the frame, or that the output names; or empty */
	char rule[CAPTURE_NAME_SIZE];
	uint8_t data[];
};

/* What was counted at one interface that receives, or (the first) of all that is sent. For each,
 * matched = taken + limited + lost. Written by several threads. */
struct capture_counts {
	char iface[IF_NAMESIZE];  /* empty: not used */
	_Atomic uint64_t matched; /* packets that the capture is about */
	_Atomic uint64_t taken;	  /* of these: in the ring */
	_Atomic uint64_t limited; /* not taken: over the rate */
	_Atomic uint64_t lost;	  /* not taken: no free slot, or no room before that */
};

#define CAPTURE_SENT   0 /* its index; its name is "-" */
#define CAPTURE_COUNTS 16

/* The first page. */
#define CAPTURE_PAGE 4096
struct capture_page {
	struct capture_counts counts[CAPTURE_COUNTS];
};

_Static_assert(sizeof(struct capture_page) <= CAPTURE_PAGE, "the counters fit a page");

/* Where the parts are. */
struct capture_layout {
	uint32_t snap;
	uint32_t slots;
	size_t slot_size;
	size_t size; /* of all */
};

/* For this snap length; at least two slots. False: that is not CAPTURE_SNAP_LEAST to _MOST. */
bool capture_layout(struct capture_layout *layout, uint32_t snap);

/* ---- writing: any thread ---- */

struct capture_ring {
	struct capture_page *page;
	uint8_t *slots;
	struct capture_layout layout;
	alignas(CACHE_LINE) _Atomic uint64_t head; /* positions given out */
};

/* `memory`: layout->size bytes, all zero, aligned to a page. */
void capture_ring_init(struct capture_ring *ring, void *memory,
		       const struct capture_layout *layout);

/* The next record, to be filled in, but for `captured` and `data`; *position is for the next call.
 * NULL: its slot is still being written, by a thread that was interrupted. */
struct capture_record *capture_ring_begin(struct capture_ring *ring, uint64_t *position);

/* It is complete. */
void capture_ring_end(struct capture_ring *ring, struct capture_record *record, uint64_t position);

/* ---- reading: one thread ---- */

struct capture_reader {
	const struct capture_page *page;
	const uint8_t *slots;
	struct capture_layout layout;
	uint64_t next;	     /* position */
	uint64_t lost;	     /* records that were overwritten, or not completed */
	uint64_t waiting_ns; /* since when `next` has been missing although later ones are there; 0
			      */
};

void capture_reader_init(struct capture_reader *reader, const void *memory,
			 const struct capture_layout *layout);

/*
 * Copy the next record into `copy`, which has room for it and layout.snap bytes. True: it is there,
 * and all its fields are within their bounds. False: there is none now. `now_ns`: clock_ns();
 * `last`: nothing is written any more.
 */
bool capture_reader_next(struct capture_reader *reader, struct capture_record *copy,
			 uint64_t now_ns, bool last);

#endif
