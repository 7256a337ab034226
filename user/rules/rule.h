/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rule model: what the user asked for, as plain data. No descriptors, no interface indexes, no
 * state; those belong to the modules that act on a rule. Family-agnostic throughout.
 *
 * A struct config owns all that it points to; config_free() releases it. Not thread-safe; built and
 * read by the main thread.
 */
#ifndef XMCAST_RULES_RULE_H
#define XMCAST_RULES_RULE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Longest rule name, with its NUL. A derived name ("SOURCE>GROUP:PORT@IFACE") always fits. */
#define RULE_NAME_SIZE 128

/* One destination of a rule. */
struct rule_output {
	struct xmc_addr to;
	uint16_t port;		 /* host order, never 0 */
	uint8_t ttl;		 /* 1..255; by default 1 to a group, 64 to a host */
	uint8_t dscp;		 /* 0..63 */
	uint8_t gso;		 /* most datagrams in one send; 0: as the egress section says */
	char iface[IF_NAMESIZE]; /* empty: routed (unicast only) */
};

/* One input and its outputs. */
struct rule {
	char name[RULE_NAME_SIZE];
	struct xmc_addr source; /* all zero: any source */
	struct xmc_addr group;	/* destination of the incoming packets: a group or a host address */
	uint16_t port;		/* host order, never 0 */
	char iface[IF_NAMESIZE];
	unsigned int nr_outputs; /* 1..XMC_MAX_OUTPUTS */
	struct rule_output *outputs;
};

enum iface_mode { IFACE_MODE_AUTO, IFACE_MODE_NATIVE, IFACE_MODE_SKB };

/* `interfaces:` of the file, one per interface named there. */
struct iface_config {
	char name[IF_NAMESIZE];
	enum iface_mode mode; /* default IFACE_MODE_AUTO */
	unsigned int queues;  /* serve the first N RX queues; 0: all (default) */
};

enum egress_engine { ENGINE_IO_URING, ENGINE_SENDMMSG };
enum egress_wakeup { WAKEUP_EVENTFD, WAKEUP_HYBRID, WAKEUP_SPIN };

/* Datagrams that one send may carry (UDP_SEGMENT); the kernel's own UDP_MAX_SEGMENTS is 64 before
 * Linux 6.9. */
#define GSO_MAX_SEGMENTS 64

/* `egress:` of the file. */
struct egress_config {
	enum egress_engine engine; /* default ENGINE_IO_URING */
	unsigned int gso; /* most datagrams in one send: 1 is "off", GSO_MAX_SEGMENTS "on" */
	enum egress_wakeup wakeup; /* of both threads of a worker; default WAKEUP_EVENTFD */
	/* Bytes that an output's socket may hold back, with the kernel's book-keeping; beyond it a
	 * datagram is a counted drop. Default 4 MiB: 20 ms of a full 1 Gbit/s. */
	unsigned int send_buffer;
};

/* CPUs that `workers.cpus` may list. */
#define WORKER_CPUS_MAX 128

/* `workers:` of the file: memory, rings and CPUs of the workers. */
struct worker_config {
	/* UMEM frames, a power of two, 64..1048576. Default 16384: at 1.5 M packets/s they last
	 * 11 ms, longer than a scheduler's slice takes a thread away; 32 MiB at an MTU of 1500. */
	unsigned int frames;
	/* RX ring entries, a power of two, 64..65536. 0: as many as frames (default), so that the
	 * ring cannot be full before the frames have run out. */
	unsigned int rx_ring;
	/* Threads are bound to these in turn: ingress and egress of the first worker, of the
	 * second, and so on. None: the scheduler decides (default). */
	unsigned int nr_cpus;
	uint16_t cpus[WORKER_CPUS_MAX];
};

/* All that a file or a command line says. */
struct config {
	unsigned int nr_rules;
	struct rule *rules; /* in the order in which they were given */
	unsigned int nr_ifaces;
	struct iface_config *ifaces;
	struct egress_config egress;
	struct worker_config workers;
	unsigned int stats_interval; /* `statistics: { interval: N }` seconds between statistics
					lines in the log; 0: none; default 10, at most 86400 */
};

/* An empty configuration with every default set. */
void config_init(struct config *config);

/* Release what it owns and leave it empty. */
void config_free(struct config *config);

/* The interface's section of the file, or NULL if it has none (then the defaults hold). */
const struct iface_config *config_iface(const struct config *config, const char *name);

/* Release what the rule owns and leave it all zero. */
void rule_free(struct rule *rule);

/* Whether both say the same: name, input, and the same outputs in the same order. */
bool rule_equal(const struct rule *a, const struct rule *b);

/* Set the name that a rule without one gets: "GROUP:PORT@IFACE" or "SOURCE>GROUP:PORT@IFACE". The
 * few bytes that an interface may have and a name may not (quotes, backslash) become '_'. */
void rule_derive_name(struct rule *rule);

/* The default TTL of an output to this address: 1 to a group, 64 to a host. */
uint8_t rule_default_ttl(const struct xmc_addr *to);

/* Write the rule in the grammar, NAME first, every word that is not a default: parsing it gives
 * the same rule. Returns a malloc()ed string, or NULL without memory. */
char *rule_format(const struct rule *rule);

#endif
