/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices to which one steering program redirects: its map `device_sets`
 * (bpf/steer.bpf.c), and the program xmcast_copy, which is loaded when the first set is needed and
 * from then on is the program of all entries. Devices and sets are shared by the forwards that use
 * them, and counted.
 *
 * Creating a set waits for a grace period, because that is how the kernel updates a map of maps. So
 * sets that no forward uses are kept for the next one that needs the same, until their place is
 * needed.
 *
 * Main thread. Needs CAP_BPF and CAP_NET_ADMIN.
 */
#ifndef XMCAST_STEERING_DEVICES_H
#define XMCAST_STEERING_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "steering/pins.h"

struct devices;

/* `pins` must stay valid. 0; -ENOMEM. */
int devices_open(struct devices **out, const struct pins *pins);

/* Unloads xmcast_copy once no map has it any more. Accepts NULL. */
void devices_close(struct devices *devices);

/* Create what the first device needs, which takes a grace period. 0 or -errno. */
int devices_prepare(struct devices *devices);

/*
 * Make sure that packets can be redirected to these devices. `ifindexes` is sorted, with at most
 * XMC_MAX_COPIES entries; a device is in it once for each copy. *target is what struct xmc_rule
 * needs: of one device its index in the map, of several that of their set.
 *
 * 0; -ENODEV: one does not exist; -ENOSPC: too many devices or sets; -errno.
 */
int devices_hold(struct devices *devices, const int *ifindexes, unsigned int count,
		 uint32_t *target);

/* Of what was held: does the kernel still have all of it? It forgets devices that cease to exist or
 * leave the network namespace, even if they come back with the same index. Then hold it again. */
bool devices_are_complete(const struct devices *devices, unsigned int count, uint32_t target);

/* Of what was held; no packet may use it any more. */
void devices_release(struct devices *devices, unsigned int count, uint32_t target);

#endif
