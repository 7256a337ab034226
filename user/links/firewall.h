/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does this host filter what it sends itself? Chains of nftables at the hooks that a sent packet
 * passes, and tables of the old iptables. What their rules do is not looked at. Main thread.
 * CAP_NET_ADMIN.
 */
#ifndef XMCAST_LINKS_FIREWALL_H
#define XMCAST_LINKS_FIREWALL_H

#include <stdbool.h>

/* The name of a chain with its table, for people. */
#define FIREWALL_NAME_SIZE 80

struct firewall {
	unsigned int chains;	       /* with rules, or that drop by default */
	bool drops;		       /* one of them drops by default: */
	char name[FIREWALL_NAME_SIZE]; /* the first of those, otherwise the first of all */
	bool iptables;		       /* the old iptables has tables */
};

/* `ipv4`: of the packets. Loads no kernel module. 0 or -errno. */
int firewall_query(bool ipv4, struct firewall *firewall);

#endif
