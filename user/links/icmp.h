/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receives what hosts and routers report about UDP datagrams of this network namespace: ICMP and
 * ICMPv6 errors, on raw sockets of their own, so that no report can become the result of a send
 * (dataplane/output_socket.h). Anybody can forge a report: it is a hint, and never a reason to do
 * anything. Main thread. CAP_NET_RAW to open.
 *
 * Sources: raw(7), icmp(7), RFC 3542.
 */
#ifndef XMCAST_LINKS_ICMP_H
#define XMCAST_LINKS_ICMP_H

#include "links/icmp_parse.h"

struct icmp;

/* 0 or -errno. Without IPv6 in the kernel: IPv4 alone. */
int icmp_open(struct icmp **out);
void icmp_close(struct icmp *icmp); /* accepts NULL */

typedef void icmp_handler(void *context, const struct icmp_error *error);

/*
 * Call `handler` for the reports that have arrived, for `most` messages of each family at most.
 * Further ones wait; the kernel drops those for which there is no room. Never blocks.
 */
void icmp_read(struct icmp *icmp, unsigned int most, icmp_handler *handler, void *context);

#endif
