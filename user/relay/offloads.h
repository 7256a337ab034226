/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Features of devices (links/ethtool_features.h) that are switched off while somebody needs that
 * (`offloads: manage`), and on again when nobody does. A daemon that is killed leaves them off, and
 * notes in a file from which the next one restores them at its end: a line "NETNS IFINDEX FEATURE"
 * for each, with the inode of the network namespace.
 *
 * Main thread. Switching needs CAP_NET_ADMIN.
 */
#ifndef XMCAST_RELAY_OFFLOADS_H
#define XMCAST_RELAY_OFFLOADS_H

#include "links/ethtool_features.h"

struct offloads;

/* `notes_fd`: the file with the notes, which stays the caller's and open; -1: there is none. What a
 * killed process has noted there is adopted. 0 or -ENOMEM. */
int offloads_open(struct offloads **out, int notes_fd);

/* Restore everything and free it. Accepts NULL. */
void offloads_close(struct offloads *offloads);

/*
 * Switch a feature of a device off for `user`, any address that identifies it. May be repeated, in
 * case another tool has switched it on again. 0, also if it is off; -errno as
 * ethtool_feature_set(). Changes and failures are logged.
 */
int offloads_switch_off(struct offloads *offloads, const void *user, int ifindex,
			enum ethtool_feature feature);

/* This user needs nothing any more: restore what no other user needs off. */
void offloads_release(struct offloads *offloads, const void *user);

/* ---- for a successor of this process ---- */

/* The i-th feature that is off and was on before. False: there are no more. */
bool offloads_get(const struct offloads *offloads, unsigned int i, int *ifindex,
		  enum ethtool_feature *feature);

/* A predecessor has switched it off: it is restored at the end. 0 or -ENOMEM. */
int offloads_adopt(struct offloads *offloads, int ifindex, enum ethtool_feature feature);

/* Another process has adopted all of it, or has it still: nothing is restored, and the notes stay.
 */
void offloads_forget(struct offloads *offloads);

#endif
