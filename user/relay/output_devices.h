/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices by which outputs send, and what they and their queueing disciplines have dropped
 * after the kernel had reported success. Whose packets these were is not known: the counters are
 * about the packets of all programs, and include what was counted as an error of the send
 * (ENOBUFS). Main thread.
 */
#ifndef XMCAST_RELAY_OUTPUT_DEVICES_H
#define XMCAST_RELAY_OUTPUT_DEVICES_H

#include <net/if.h>

#include "links/device_stats.h"
#include "relay/counts.h"

struct relay;

struct output_device {
	struct device_counts counts; /* since the daemon uses it */
	int ifindex;
	bool used;		  /* an output sends by it now */
	bool known;		  /* `seen` is set */
	struct device_stats seen; /* its counters when they were last read */
};

/* Starts as all zero. */
struct output_devices {
	struct output_device *list;
	unsigned int count;
	unsigned int room;
};

/* An output sends by this interface, or would if it existed (0: then it keeps its counters). `name`
 * may be NULL. Without memory it is left out. */
void output_devices_use(struct output_devices *devices, int ifindex, const char *name);

/* All that are in use have been named: read their counters, and forget the others. Call it about
 * once a second. */
void output_devices_read(struct output_devices *devices, struct netlink *netlink);

void output_devices_free(struct output_devices *devices);

#endif
