/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A watch tells what changes in the network of our namespace, as the kernel announces it to all who
 * listen (rtnetlink(7)): interfaces, IPv4 addresses, IPv4 routes. It is a hint to look again, not a
 * mirror: what was announced may have changed once more, and what comes faster than it is read is
 * lost; then it says so, and whoever listens looks at everything anew.
 *
 * Main thread. No privilege; CAP_NET_ADMIN for a receive buffer above net.core.rmem_max.
 */
#ifndef XMCAST_LINKS_WATCH_H
#define XMCAST_LINKS_WATCH_H

#include "links/link_parse.h"

struct link_watch;

/* Begin to listen. What changes from here on is told; look at what is only afterwards. 0 or
 * -errno. */
int link_watch_open(struct link_watch **out);
void link_watch_close(struct link_watch *watch); /* takes NULL */

/* Readable when there is something to read. */
int link_watch_fd(const struct link_watch *watch);

typedef void link_handler(void *context, const struct link_event *event);

/*
 * Read what has come, so much that others have their turn, and call `handler` for each event. Never
 * blocks. 0; -ENOBUFS: something was lost, look at everything; other -errno: as this, and it may
 * happen again.
 */
int link_watch_read(struct link_watch *watch, link_handler *handler, void *context);

#endif
