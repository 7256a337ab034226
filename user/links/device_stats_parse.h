/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing the counters of devices and of queueing disciplines: a message in, numbers out, no I/O,
 * no state. The message is one that message_next() has found. Any thread.
 *
 * Source: rtnetlink(7), linux/if_link.h, linux/gen_stats.h.
 */
#ifndef XMCAST_LINKS_DEVICE_STATS_PARSE_H
#define XMCAST_LINKS_DEVICE_STATS_PARSE_H

#include <stdint.h>

struct nlmsghdr;

struct device_stats {
	uint64_t tx_packets;
	uint64_t tx_errors;
	uint64_t tx_dropped;
	uint32_t queue_drops; /* of the queueing discipline; starts again from 0 after 2^32 */
};

/* Parse RTM_NEWSTATS about this device into the first three. 0; -EPROTO: another message; -EBADMSG:
 * wrong lengths, or no counters. */
int device_stats_parse(const struct nlmsghdr *message, int ifindex, struct device_stats *stats);

/* Parse RTM_NEWQDISC about this device into queue_drops. As above. */
int device_stats_parse_queue(const struct nlmsghdr *message, int ifindex,
			     struct device_stats *stats);

#endif
