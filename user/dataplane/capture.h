/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture copies packets of a rule, or of an interface, into memory that a client reads
 * (base/capture_ring.h): as they came, and as they are handed to the kernel. Relaying never waits
 * for it: a packet over the capture's rate, or for which there is no free slot, is counted and not
 * copied.
 *
 * A received packet is chosen by the ingress thread, and marked by its frame; the egress thread
 * copies the datagrams of marked frames. So every packet that is taken has all its copies, and the
 * rate is about received packets.
 *
 * Each worker has a tap while a capture is about it, which both threads get by a marker, as a new
 * ruleset (worker_capture()). Without a tap a capture costs one comparison in each pass of ingress,
 * and one in each send of egress.
 *
 * Threads: the main thread creates and frees; packet threads use taps. Needs no privilege.
 */
#ifndef XMCAST_DATAPLANE_CAPTURE_H
#define XMCAST_DATAPLANE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/capture_ring.h"
#include "rules/rule.h"

struct capture;
struct capture_tap;
struct send_request;

struct capture_options {
	/* The rule whose packets are captured; empty: all rules whose packets arrive on `iface`. */
	char rule[RULE_NAME_SIZE];
	char iface[IF_NAMESIZE];
	uint32_t rate; /* received packets a second, 1..CAPTURE_RATE_MOST */
	uint32_t snap; /* CAPTURE_SNAP_LEAST..CAPTURE_SNAP_MOST */
};

/* Its memory is touched and, if the limit allows, locked, so that packet threads find it there. 0
 * or -errno. */
int capture_new(struct capture **out, const struct capture_options *options);

/* No tap of it is left. Accepts NULL. */
void capture_free(struct capture *capture);

const struct capture_options *capture_options(const struct capture *capture);

/* The memory for the client: a descriptor with which it can only be read, and where its parts are.
 */
int capture_fd(const struct capture *capture);
const struct capture_layout *capture_memory(const struct capture *capture);

/* CAPTURE_COUNTS of them. */
const struct capture_counts *capture_counts(const struct capture *capture);

/* The tap of a worker of this interface with this number of frames. NULL: no memory. */
struct capture_tap *capture_tap_new(struct capture *capture, const char *iface,
				    unsigned int frames);

/* No thread uses it. Accepts NULL. */
void capture_tap_free(struct capture_tap *tap);

/* ---- the kernel path: main thread ---- */

struct xmc_capture_tally;
struct xmc_captured;

/* A frame of this rule that the kernel path has captured. `iface`: that received it, or that output
 * `output` names. NULL: no rule has it any more, and it is lost. */
void capture_forwarded(struct capture *capture, const struct xmc_captured *packet,
		       const char *iface, const struct rule *rule, unsigned int output);

/* Add what the kernel path of this interface has counted. */
void capture_count(struct capture *capture, const char *iface,
		   const struct xmc_capture_tally *counted);

/* ---- packet threads ---- */

/* Ingress has received a packet of this rule (NULL: of none), whose first frame has this index, and
 * which consists of these parts. */
void capture_received(struct capture_tap *tap, const struct rule *rule, uint32_t frame,
		      const struct iovec *parts, unsigned int count, uint64_t now_ns);

/* Egress is about to hand over this request. */
void capture_submitted(struct capture_tap *tap, const struct send_request *request);

#endif
