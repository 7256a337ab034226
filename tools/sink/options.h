/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of xmcast-sink. */
#ifndef XMCAST_SINK_OPTIONS_H
#define XMCAST_SINK_OPTIONS_H

#include <net/if.h>

#include "args.h"
#include "track.h"

#define MAX_EXPECT 16

/* Upper bound of --flows: each needs about 5 kB of kernel memory. */
#define MAX_FLOWS 65536

/* Sockets and memberships that --verify may need. */
#define MAX_VERIFY_PORTS  1024
#define MAX_VERIFY_GROUPS 4096

enum method { METHOD_XDP, METHOD_SKB, METHOD_VERIFY };

struct options {
	char interface[IFNAMSIZ];
	enum method method;
	struct sink_filter filter;
	struct xmc_addr group; /* first address of --group; all zero: none given */
	uint32_t groups; /* number of addresses that it covers, at most MAX_VERIFY_GROUPS + 1 */
	bool has_port;
	uint64_t count;	      /* 0: no limit */
	uint64_t duration_ns; /* 0: no limit */
	uint64_t idle_ns;     /* 0: no limit */
	uint32_t flows;
	uint32_t copies; /* of each expected flow */
	const char *expect[MAX_EXPECT];
	unsigned expect_count;
	bool json;
};

/* True: continue with `options`. False: exit with *status; any message is printed. */
bool options_parse(int argc, char **argv, struct options *options, int *status);

#endif
