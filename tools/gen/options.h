/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of xmcast-gen. */
#ifndef XMCAST_GEN_OPTIONS_H
#define XMCAST_GEN_OPTIONS_H

#include <net/if.h>

#include "args.h"
#include "gen.h"

struct options {
	char interface[IFNAMSIZ];
	char also[IFNAMSIZ]; /* by which odd flows leave; empty: the same */
	struct xmc_addr group, source;
	uint16_t port, source_port; /* host order */
	uint8_t destination_mac[6];
	bool has_mac;
	uint32_t sizes[GEN_MAX_SIZES];
	unsigned sizes_count;
	uint32_t size_span;   /* not 0: a random size for each packet, from sizes[0] on */
	bool size_by_flow;    /* each flow has one of the sizes; otherwise each packet has the next
				 size */
	uint64_t count;	      /* 0: no limit */
	uint64_t duration_ns; /* 0: no limit */
	uint64_t rate_pps;    /* 0: flat out */
	uint32_t flows, burst;
	uint32_t sides;			   /* successive flows carry the same payloads */
	bool by_port, by_group, by_source; /* what differs between flows */
	uint8_t ttl, dscp;
	uint16_t vlan; /* 0: untagged */
	uint64_t first_sequence;
	bool ts; /* behind the probe is a transport stream */
	bool json;
};

/* True: continue with `options`. False: exit with *status; any message is printed. */
bool options_parse(int argc, char **argv, struct options *options, int *status);

#endif
