/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data plane without privileges: flows of numbered packets for a fake AF_XDP socket
 * (fake_xsk.h), and sinks, which are UDP sockets that know what has to arrive.
 *
 * Flow N goes from 10.9.9.9 to 239.1.1.N, port 5000. Flow, number and length of a datagram
 * determine its bytes, its number determines its length.
 *
 * A test program includes lab.c.
 */
#ifndef XMCAST_TESTS_LAB_H
#define XMCAST_TESTS_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ruleset.h"
#include "dataplane/xsk.h"

#define LAB_MTU	 1500
#define LAB_PORT 5000

/* The largest payload that a frame of 2,048 bytes holds. */
#define LAB_MAX_PAYLOAD (2048 - 256 - 42)

/* Payload bytes of the n-th datagram. */
typedef uint32_t (*lab_lengths)(uint32_t number);

/*
 * Enter a network namespace of our own, where lo has LAB_MTU, and multicast and unreachable
 * addresses are what they should be. False: that is not allowed here, and lo is the host's.
 */
bool lab_enter(void);

/* Run a command of the shell. True: exit code 0. */
bool lab_run(const char *command);

struct sink {
	int fd;
	struct rule_output to; /* an output that leads here */
	unsigned int flow;
	lab_lengths lengths;
	uint32_t next;		     /* number of the datagram that has to arrive next */
	unsigned long backlog_drops; /* of the machine when it was opened */
	unsigned int room;	     /* datagrams that fit its receive buffer */
};

/* Listen on a free port of `address`; a group is joined on lo. */
void sink_open(struct sink *sink, const char *address, unsigned int flow, lab_lengths lengths);
void sink_close(struct sink *sink);

/* Wait for `count` datagrams: the next ones of the flow, in order, byte for byte. */
void sink_expect(struct sink *sink, uint32_t count);

/* Is nothing waiting to be received? */
bool sink_is_empty(const struct sink *sink);

/* A stream of this flow to these outputs; of any port if the first output keeps it. */
struct stream *lab_stream(unsigned int flow, const struct rule_output *outputs, unsigned int count,
			  unsigned int gso);

/* The n-th packet of a flow arrives. As fake_xsk_deliver(). */
bool lab_deliver(struct xsk *xsk, unsigned int flow, uint32_t number, lab_lengths lengths);

/* The same, in frames with `piece` bytes each. */
bool lab_deliver_pieces(struct xsk *xsk, unsigned int flow, uint32_t number, lab_lengths lengths,
			size_t piece);

/* Abort with a message, in any thread: cmocka's assertions belong to the main thread. */
void lab_must(bool holds, const char *what);

uint32_t lab_equal(uint32_t number); /* all 500 bytes */
uint32_t lab_mixed(uint32_t number); /* 0 to LAB_MTU - 28 bytes, with runs of equal ones */

#endif
