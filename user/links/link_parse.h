/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of rtnetlink messages: bytes in, a struct out; no I/O, no state. What the kernel sends
 * is checked as if anybody had sent it: every length, every attribute's type. Any thread.
 *
 * Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h.
 */
#ifndef XMCAST_LINKS_LINK_PARSE_H
#define XMCAST_LINKS_LINK_PARSE_H

#include <stddef.h>

#include "links/link.h"

enum link_event_kind {
	LINK_EVENT_OTHER,   /* nothing that we look at */
	LINK_EVENT_CHANGED, /* RTM_NEWLINK: the interface is there; `link` says how */
	LINK_EVENT_GONE,    /* RTM_DELLINK: it is not any more, here */
	LINK_EVENT_ADDRESS, /* an address has come or gone; of `link` only ifindex is set */
	LINK_EVENT_ROUTE,   /* a route has; nothing of `link` is set */
	LINK_EVENT_ERROR,   /* NLMSG_ERROR: `error` */
	LINK_EVENT_OVERRUN, /* NLMSG_OVERRUN: messages were lost */
};

struct link_event {
	enum link_event_kind kind;
	int error; /* LINK_EVENT_ERROR: 0 (an acknowledgement) or -errno */
	/* What the message tells; a name, MTU or number of queues that it does not have is empty
	 * or 0. Never vlan_offload. */
	struct link link;
};

/*
 * Take the next message off *data, which is aligned to 4 bytes and has *length; both are moved on.
 * 1: *event is it; 0: that was all; -EBADMSG: the rest is no netlink message, or the message lies
 * about its lengths (then *length is 0: read no further).
 */
int link_parse(const void **data, size_t *length, struct link_event *event);

#endif
