/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/output_devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output_device *find(const struct output_devices *devices, int ifindex)
{
	for (unsigned int i = 0; i < devices->count; i++) {
		if (devices->list[i].ifindex == ifindex)
			return &devices->list[i];
	}
	return NULL;
}

static struct output_device *find_name(const struct output_devices *devices, const char *name)
{
	for (unsigned int i = 0; i < devices->count; i++) {
		if (strcmp(devices->list[i].counts.name, name) == 0)
			return &devices->list[i];
	}
	return NULL;
}

static struct output_device *add(struct output_devices *devices)
{
	unsigned int room = devices->room ? 2 * devices->room : 8;
	struct output_device *larger;

	if (devices->count == devices->room) {
		larger = reallocarray(devices->list, room, sizeof(*larger));
		if (!larger)
			return NULL;
		devices->list = larger;
		devices->room = room;
	}
	larger = &devices->list[devices->count++];
	*larger = (struct output_device){};
	return larger;
}

/* Another interface has the name now. One that was created again has counted from 0; if the former
 * one still exists under another name, so may this one have, and its counters are those of others.
 */
static void succeed(struct output_device *device)
{
	char name[IF_NAMESIZE];

	device->seen = (struct device_stats){};
	if (if_indextoname((unsigned int)device->ifindex, name))
		device->known = false;
}

void output_devices_use(struct output_devices *devices, int ifindex, const char *name)
{
	struct output_device *device =
		ifindex ? find(devices, ifindex) : find_name(devices, name ? name : "");
	char found[IF_NAMESIZE];

	if (!device && !ifindex)
		return;
	if (!device) {
		if (!name)
			name = if_indextoname((unsigned int)ifindex, found);
		if (!name)
			return;
		device = find_name(devices, name);
		if (device)
			succeed(device);
		else
			device = add(devices);
		if (!device)
			return;
		snprintf(device->counts.name, sizeof(device->counts.name), "%s", name);
		device->ifindex = ifindex;
	}
	device->used = true;
}

static void read_device(struct output_device *device, struct netlink *netlink)
{
	struct device_counts *counts = &device->counts;
	const struct device_stats *seen = &device->seen;
	struct device_stats now;

	if (device_stats_query(netlink, device->ifindex, &now))
		return;
	/* Less than before: a driver has reset them. */
	if (device->known && now.tx_packets >= seen->tx_packets &&
	    now.tx_dropped >= seen->tx_dropped && now.tx_errors >= seen->tx_errors) {
		counts->sent += now.tx_packets - seen->tx_packets;
		counts->drops[DEVICE_DROPPED] += now.tx_dropped - seen->tx_dropped;
		counts->drops[DEVICE_ERRORS] += now.tx_errors - seen->tx_errors;
	}
	/* Another discipline counts from 0. */
	if (device->known)
		counts->drops[DEVICE_QUEUE] += now.queue_drops >= seen->queue_drops
						       ? now.queue_drops - seen->queue_drops
						       : now.queue_drops;
	device->seen = now;
	device->known = true;
}

void output_devices_read(struct output_devices *devices, struct netlink *netlink)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < devices->count; i++) {
		struct output_device *device = &devices->list[i];

		if (!device->used)
			continue;
		read_device(device, netlink);
		device->used = false;
		devices->list[left++] = *device;
	}
	devices->count = left;
}

void output_devices_free(struct output_devices *devices)
{
	free(devices->list);
	*devices = (struct output_devices){};
}
