/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counters of what runs, as plain numbers, and their sums: what a snapshot (books.h) consists
 * of. Every other unit of user/relay may include this. Main thread.
 */
#ifndef XMCAST_RELAY_COUNTS_H
#define XMCAST_RELAY_COUNTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "base/histogram.h"
#include "dataplane/send_error.h"
#include "dataplane/withheld.h"
#include "dataplane/worker.h"
#include "links/icmp_parse.h"
#include "relay/reason.h"
#include "rules/rule.h"

/* Names, rules and reasons in these belong to the relay and are valid until its next change. */

struct output_counts {
	const struct rule_output *rule;
	const char *reason; /* why nothing can leave by it now, or NULL */
	bool unwanted;	    /* `when joined`: no receiver has joined */
	uint64_t submitted; /* datagrams handed to the kernel; = sent + all errors if none is in
			       flight */
	uint64_t sent;
	uint64_t sent_bytes; /* UDP payload */
	uint64_t errors[SEND_ERRORS];
	uint64_t rate_limited;		     /* datagrams not submitted: above the output's limit */
	uint64_t withheld[WITHHELD_REASONS]; /* not submitted: they could not have left */
	uint64_t icmp[ICMP_KINDS]; /* what others report about what was sent; can be forged */
	uint64_t not_copied; /* kernel path: packets of which the kernel made no copy for it */
	unsigned int gso_segments; /* most datagrams in one send now; 1: none are gathered */
	unsigned int gso_max_size; /* largest datagrams that are still gathered, in bytes */
	uint64_t gso_refused;	   /* batches that the kernel refused; they were sent singly */
};

/* What a rule that merges its inputs has counted of one of them (dataplane/merge.h). */
struct merged_side {
	uint64_t used;
	uint64_t duplicate;
	uint64_t late;
	uint64_t foreign;
	uint64_t missing; /* numbers */
	uint64_t lag_ns;
	uint64_t most_lag_ns;
};

/* And of all together. */
struct merged_counts {
	uint64_t missing; /* numbers that were given up */
	uint64_t restarts;
	uint64_t forced;
	uint64_t held;	 /* datagrams now */
	uint64_t memory; /* bytes now */
};

/* One of several inputs of a rule. Of a rule with `select`, what is not relayed counts as
 * `inactive_side` or `side_change` for each output. */
struct side_counts {
	const char *state;  /* "selected", "ready", "silent", "pending" or "disabled"; `merge`:
			     "flowing"  instead of the first two */
	const char *reason; /* why it is pending, or NULL */
	bool selected;
	uint64_t received;
	uint64_t received_bytes;
	uint64_t used; /* of the received: relayed, whatever has become of them at the outputs */
	uint64_t inactive; /* of the received: another side was selected */
	uint64_t changing; /* of the received: datagrams of the side before were still being sent */
	struct merged_side merged;
	const char *interface;		  /* where its packets are received; NULL: disabled */
	struct health_counts health;	  /* of a rule with `watch` */
	const struct health *live_health; /* with its sources, or NULL */
	const struct health_counts *carried_health; /* of these, by another process, or NULL */
};

struct rule_counts {
	/* Of the rule as it is defined now: greater than that of every rule before it. A rule that
	 * is replaced, or removed and added again, gets another one, and new counters. */
	uint64_t id;
	uint64_t since_ns; /* CLOCK_MONOTONIC: when it was defined, with counters at 0 */
	const struct rule *rule;
	const char *state;	 /* "active", "standby", "idle", "pending" or "disabled" */
	const char *reason;	 /* why it is pending, or NULL */
	const char *path;	 /* which path carries its packets: "user" or "kernel" */
	const char *path_reason; /* why not the kernel path, or what that waits for, or NULL */
	const char *interface;	 /* as interfaces are listed: where its packets are received; NULL:
				    disabled */
	const char *vlan_base;	 /* the interface at which the packets of a VLAN are received, */
	uint32_t
		tags; /* with these tags (struct xmc_rule_key); NULL and 0: no VLAN, or by itself */
	const char *vlan_reason;     /* why it is received by itself, or NULL */
	unsigned int groups;	     /* of a prefix: that are relayed. Of one group: sources of
					it that receivers name, with streams of their own */
	unsigned int refused_groups; /* or sources, that are wanted as well, but above a limit */
	unsigned int over_share;     /* of these: only hosts want them that report too many */
	uint64_t received;
	uint64_t received_bytes;		    /* UDP payload */
	struct health_counts health;		    /* of a rule with `watch` */
	const struct health *live_health;	    /* with its sources, or NULL */
	const struct health_counts *carried_health; /* of these, by another process, or NULL */
	uint64_t standby;  /* of the received: dropped by the XDP program, the lease was not held */
	bool has_sequence; /* of the last datagram, if the rule has one: */
	uint32_t sequence;
	/* Live counters, one histogram for each shard. They are summed up where they are needed,
	 * because few readers need them. */
	const struct histogram *latency[RULE_SIDES_MAX];
	unsigned int nr_latency[RULE_SIDES_MAX];
	const struct histogram *carried_latency; /* of another process, or NULL */
	struct side_counts *sides; /* of several inputs, owned by the books; NULL: it has one */
	struct merged_counts merged;
	uint64_t switches;	   /* `select`: how often another side was selected */
	unsigned int first_output; /* its outputs, in the rule's order, among the books' outputs */
};

/* Packets that one interface's XDP program redirected to one device, by what became of them. */
struct redirect_counts {
	const char *device;
	uint64_t sent; /* the device accepted them */
	uint64_t dropped[XMC_DEVICE_DROPS];
};

/* What a device by which outputs send has done with the packets of all programs. */
enum device_drop {
	DEVICE_QUEUE,	/* dropped by its queueing discipline */
	DEVICE_DROPPED, /* by the device: no carrier, no room, nobody behind it */
	DEVICE_ERRORS,	/* not transmitted because of an error */
	DEVICE_DROPS,
};

/* Their names, a contract. */
#define DEVICE_DROP_NAMES                                                                          \
	{                                                                                          \
		"queue", "tx_dropped", "tx_errors"                                                 \
	}

struct device_counts {
	char name[IF_NAMESIZE];
	uint64_t sent; /* tx_packets */
	uint64_t drops[DEVICE_DROPS];
};

struct interface_counts {
	const char *name;
	const char *state;  /* "active", "impaired" or "failed" */
	const char *reason; /* why it is not active, or NULL */
	const char *hint;   /* what an administrator should know although it relays, or NULL */
	const char *mode;   /* "native", "skb", or NULL: not open */
	bool zero_copy;
	uint64_t verdicts[XMC_REASONS];
	/* Of the steered, since the rule was added: arrived nowhere, for certain. */
	uint64_t missing;
	/* Its ports are members of a bond: their names, in the order of the workers. */
	unsigned int nr_members;
	const char *members[XMC_MAX_MEMBERS];
	bool inactive[XMC_MAX_MEMBERS]; /* the bond does not use it now */
	unsigned int first_worker;	/* its workers, one for each RX queue, among all workers */
	unsigned int nr_workers;
	struct redirect_counts *redirects; /* one for each device; owned by the books */
	unsigned int nr_redirects;
	const char **vlans; /* the VLANs whose packets it receives; the list is the books' */
	unsigned int nr_vlans;
};

struct worker_counts {
	const char *iface;
	const char *member; /* of the bond `iface`, to which the queue belongs; NULL: of none */
	unsigned int queue;
	struct worker_state state;
	const struct worker *worker; /* for its engine, CPUs and memory */
	bool ended; /* the sum of those whose member has left the bond: no queue, no worker */
};

struct total_counts {
	uint64_t steered;   /* to either path, or dropped as `standby` */
	uint64_t received;  /* read from RX rings, on the kernel path, or dropped as `standby` */
	uint64_t submitted; /* datagrams handed to the kernel, over all outputs */
	uint64_t sent;
	uint64_t sent_bytes;
	uint64_t send_errors;
	uint64_t rate_limited;	   /* datagrams above the limit of an output, not submitted */
	uint64_t withheld;	   /* datagrams that could not have left, not submitted */
	uint64_t unwanted;	   /* datagrams that no receiver has joined, not submitted */
	uint64_t inactive_side;	   /* datagrams of inputs that are not selected, not submitted */
	uint64_t dropped;	   /* steered, but dropped by the kernel or by an ingress thread */
	uint64_t buffer_exhausted; /* of these: because no UMEM frame was free */
};

/* Add up the latency of a rule. */
void rule_latency(const struct rule_counts *rule, struct histogram_counts *sum);

/* Add the counters of one to another; not latencies. */
void rule_counts_add(struct rule_counts *sum, const struct rule_counts *counts);
void output_counts_add(struct output_counts *sum, const struct output_counts *counts);

/* What a change of the configuration did to the rules. */
struct relay_change {
	unsigned int added;
	unsigned int removed;
	unsigned int replaced;
	unsigned int pending; /* of those added and replaced */
};

/* Packets that the kernel dropped on a worker's socket, each counted once. */
uint64_t kernel_drops(const struct worker_state *state);

/* Add what a steering program has counted. What the rules on the kernel path have sent is in the
 * totals already (kernel_path_read()). */
void totals_add_steered(struct total_counts *totals, const uint64_t verdicts[XMC_REASONS]);

/* Add what a worker has counted. */
void totals_add_worker(struct total_counts *totals, const struct worker_state *state);

/* Add what kernel paths have sent since *before, which becomes *now. */
void totals_advance(struct total_counts *totals, struct total_counts *before,
		    const struct total_counts *now);

#endif
