/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What would happen to a packet, step by step, for people: where it arrives, what the steering
 * program would do with it (steering/trial.h), which rule gets it, and how each output would send
 * it now. Nothing is sent, counted or changed, except that an output without a source port gets
 * one. Main thread.
 */
#ifndef XMCAST_RELAY_INSPECT_H
#define XMCAST_RELAY_INSPECT_H

#include "links/link.h"
#include "links/next_hop.h"
#include "relay/books.h"
#include "steering/trial.h"

struct relay;

/* How an output would send. */
struct inspected_output {
	int error; /* 0, or -errno: that could not be found out */
	struct next_hop hop;
	struct link device; /* ifindex 0: none */
	uint8_t mac[MAC_LENGTH];
	bool mac_known;
	uint16_t source_port; /* host order; 0: that of each packet, or there are no ports */
};

/* Rules that almost match: what a packet would have to have otherwise. */
#define NEAR_SOURCE   0x1
#define NEAR_PORT     0x2
#define NEAR_TAGS     0x4
#define NEAR_IFACE    0x8
#define NEAR_SPECIFIC 0x10 /* it matches, but the rule that was found is more specific */

/* How many are named. */
#define NEAR_RULES 8

struct near_rule {
	const struct rule *rule;
	unsigned int differs; /* NEAR_… */
};

/* Names, rules and reasons belong to the relay and are valid until its next change. */
struct inspected_packet {
	const char *arrival;	/* the name by which rules know the interface */
	const char *iface;	/* the interface at which it is received, */
	char port[IF_NAMESIZE]; /* and the device: a member of a bond, otherwise the same */
	uint32_t tags;		/* VLAN tags that it has there because of the arrival */
	unsigned int mtu;
	const char *mode;	   /* "native" or "skb"; NULL: the interface is not open, */
	const char *reason;	   /* why; or NULL */
	bool too_long;		   /* for the MTU of the interface: it cannot arrive */
	size_t length;		   /* of the frame with these tags */
	struct xmc_datagram dgram; /* see `described` */
	bool described;		   /* addresses, port and protocol are known */
	struct trial_verdict verdict;
	const uint8_t *frame; /* after the program has run; valid until the next inspection */
	struct books *books;  /* of the rule that was found, or NULL */
	struct inspected_output *outputs; /* its outputs */
	unsigned int nr_near;
	struct near_rule near[NEAR_RULES];
};

/*
 * Inspect a frame that arrives at this interface, which may be a VLAN: then the frame is without
 * its tags. 0, then inspected_packet_free(); -ENODEV: no rule has an input there; -EMSGSIZE: the
 * frame is too short or too long for any interface; -ENOMEM; other -errno: the kernel has refused
 * the trial. On failure `reason` is set.
 */
int relay_inspect_packet(struct relay *relay, const char *iface, const void *frame, size_t length,
			 struct inspected_packet *packet, char reason[REASON_SIZE]);
void inspected_packet_free(struct inspected_packet *packet);

#endif
