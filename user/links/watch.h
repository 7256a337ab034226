/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A watch reports changes of the network of our namespace: interfaces, addresses, routes (with
 * the rules that select them) and, if it is asked to, neighbours of IPv4 and IPv6 (rtnetlink(7)),
 * and the XDP features of devices (generic netlink family "netdev", if the kernel has it). A report
 * is a hint to look again: the state may have changed once more since, and changes that come faster
 * than they are read are lost, which is reported as well.
 *
 * Main thread. No privilege; CAP_NET_ADMIN for a receive buffer above net.core.rmem_max.
 */
#ifndef XMCAST_LINKS_WATCH_H
#define XMCAST_LINKS_WATCH_H

#include "links/link_parse.h"

struct link_watch;

/* Start to watch. Query the state after this call, so that no change is missed. 0 or -errno. */
int link_watch_open(struct link_watch **out);
void link_watch_close(struct link_watch *watch); /* accepts NULL */

/*
 * Report neighbours as well, or no longer. Off at first: in a large network they change all the
 * time, and any host of a link can make them change. Query them after this call. 0 or -errno.
 */
int link_watch_neighbours(struct link_watch *watch, bool on);

/* Readable when link_watch_read() has something to report. */
int link_watch_fd(const struct link_watch *watch);

typedef void link_handler(void *context, const struct link_event *event);

/*
 * Call `handler` for the changes that have been announced, up to a limit, so that others have their
 * turn. Never blocks. 0; -ENOBUFS: changes were lost, query everything; other -errno: the same, and
 * it may fail again.
 */
int link_watch_read(struct link_watch *watch, link_handler *handler, void *context);

#endif
