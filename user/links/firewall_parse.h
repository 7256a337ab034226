/* SPDX-License-Identifier: BSD-2-Clause */
/* Parsing the chains of nftables: a message in, a struct out, no I/O, no state. Any thread. Source:
 * linux/netfilter/nf_tables.h, nf_tables_fill_chain_info() in net/netfilter/nf_tables_api.c. */
#ifndef XMCAST_LINKS_FIREWALL_PARSE_H
#define XMCAST_LINKS_FIREWALL_PARSE_H

#include <stdbool.h>

struct nlmsghdr;

/* The name of a chain with its table, for people. */
#define FIREWALL_NAME_SIZE 80

struct firewall {
	unsigned int chains;	       /* with rules, or that drop by default */
	bool drops;		       /* one of them drops by default: */
	char name[FIREWALL_NAME_SIZE]; /* the first of those, otherwise the first of all */
	bool iptables;		       /* the old iptables has tables */
};

/* NFT_MSG_NEWCHAIN: count the chain if a sent packet of this family passes it. 0; -EBADMSG: wrong
 * lengths. */
int firewall_parse_chain(const struct nlmsghdr *message, bool ipv4, struct firewall *firewall);

#endif
