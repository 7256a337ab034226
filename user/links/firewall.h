/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does this host filter what it sends itself? Chains of nftables at the hooks that a sent packet
 * passes, and tables of the old iptables. What their rules do is not looked at. Main thread.
 * CAP_NET_ADMIN.
 */
#ifndef XMCAST_LINKS_FIREWALL_H
#define XMCAST_LINKS_FIREWALL_H

#include "links/firewall_parse.h"

/* `ipv4`: of the packets. Loads no kernel module. 0 or -errno. */
int firewall_query(bool ipv4, struct firewall *firewall);

#endif
