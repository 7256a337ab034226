/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions of people who look for packets. Of a packet: where it arrives, what the steering
 * program would do with it (steering/trial.h), which rule gets it, and how each output would send
 * it now. Of a rule: how its input and its outputs are now, and which packets arrive that are
 * almost its own. Nothing is sent, counted or changed, except that an output without a source port
 * gets one. Main thread.
 */
#ifndef XMCAST_RELAY_INSPECT_H
#define XMCAST_RELAY_INSPECT_H

#include "links/firewall.h"
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

/* Packets that no rule takes, which a rule may have been meant to take (bpf/passed.h). */
struct passed_packets {
	struct xmc_passed note; /* of all CPUs */
	const char *iface;	/* where they arrive */
	unsigned int differs;	/* NEAR_…; 0: only in what the note's reason says */
	bool at_bridge_port; /* the rule's input is the bridge: they should arrive there as well */
};

/* How many kinds of them are kept. */
#define PASSED_PACKETS 16

struct inspected_rule {
	const struct rule *rule; /* as this input sees it */
	unsigned int side;	 /* which of its inputs */
	const char *iface;	 /* where its packets are received; NULL: the rule is disabled */
	const char *reason;	 /* why that does not receive, or NULL */
	struct link input; /* the interface that the rule names; ifindex 0: it does not exist */
	uint32_t tags;	   /* that its packets have where they are received */
	bool joined;	   /* the kernel is a member of the group for it */
	const struct rule *winner; /* a more specific rule that gets some of its packets, or NULL */
	bool querier_seen;	   /* a multicast router has asked who is a member: the last one, */
	struct xmc_addr querier;
	uint64_t querier_ns; /* and when (CLOCK_MONOTONIC) */
	uint64_t now_ns;
	struct firewall firewall; /* all zero if it could not be queried */
	unsigned int nr_passed;	  /* the most frequent first */
	struct passed_packets passed[PASSED_PACKETS];
	struct xmc_passed other_group; /* to its port and another group; no packets: none */
	struct inspected_output *outputs;
};

/* Inspect the rule with this index in the configuration, as it is at one of its inputs: `side` is 0
 * if it has one. 0, then inspected_rule_free(); -ENOMEM. */
int relay_inspect_rule(struct relay *relay, unsigned int index, unsigned int side,
		       struct inspected_rule *inspected);
void inspected_rule_free(struct inspected_rule *inspected);

#endif
