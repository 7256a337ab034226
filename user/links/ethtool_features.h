/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Features of network devices that change packets before XDP sees them, read and set as
 * "ethtool -k" and "ethtool -K" do. Main thread. Reading needs no privilege, setting needs
 * CAP_NET_ADMIN.
 *
 * A feature belongs to a device, not to a process: another tool may change it at any time. The
 * kernel announces changes as RTM_NEWLINK.
 *
 * Source: linux/ethtool.h (SIOCETHTOOL); the names are those of net/ethtool/common.c.
 */
#ifndef XMCAST_LINKS_ETHTOOL_FEATURES_H
#define XMCAST_LINKS_ETHTOOL_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

enum ethtool_feature {
	ETHTOOL_RX_VLAN,	    /* the device removes tags of 802.1Q */
	ETHTOOL_RX_VLAN_STAG,	    /* and those of 802.1ad */
	ETHTOOL_GRO,		    /* received packets are merged; UDP only with one of these: */
	ETHTOOL_GRO_LIST,	    /* datagrams are chained behind the first one */
	ETHTOOL_UDP_GRO_FORWARDING, /* datagrams become one large datagram */
	ETHTOOL_FEATURES,
};

/* The kernel's names, which "ethtool -K DEVICE NAME on|off" accepts. */
extern const char *const ethtool_feature_names[ETHTOOL_FEATURES];

/* The feature with this name; ETHTOOL_FEATURES: none. */
enum ethtool_feature ethtool_feature_find(const char *name);

/* Sets of features, as bits 1 << enum ethtool_feature. */
struct ethtool_features {
	uint32_t known;	     /* this kernel has them */
	uint32_t active;     /* they are on */
	uint32_t changeable; /* they can be switched; a driver may still refuse it */
};

static inline bool ethtool_feature_is(uint32_t set, enum ethtool_feature feature)
{
	return set >> feature & 1;
}

/* Read the features of a device. 0; -ENODEV: no such device; other -errno. On failure *features is
 * empty. */
int ethtool_features_read(const char *device, struct ethtool_features *features);

/* Switch a feature on or off, and see whether that has worked. 0; -EOPNOTSUPP: this kernel does not
 * have it, or this device cannot change it; -EPERM; -ENODEV; other -errno. */
int ethtool_feature_set(const char *device, enum ethtool_feature feature, bool on);

/* ---- for tests ---- */

/* The names of all features of a kernel, as ETHTOOL_GSTRINGS returns them: the n-th is the name of
 * bit n. Find the bits of ours; -1: there is no such name. Pure. */
#define ETHTOOL_NAME_SIZE 32 /* ETH_GSTRING_LEN */
void ethtool_features_find(const char *strings, unsigned int count, int bits[ETHTOOL_FEATURES]);

#endif
