/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/merging.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

/* By these, if it does GRO at all. */
static const enum ethtool_feature merging[] = {ETHTOOL_GRO_LIST, ETHTOOL_UDP_GRO_FORWARDING};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Before Linux 6.3, which reports what a driver can do. */
static bool has_native(const char *kind)
{
	static const char *const without[] = {"bridge",	 "vlan",   "macvlan",
					      "macvtap", "ipvlan", "ipvtap"};

	for (size_t i = 0; i < COUNT(without); i++) {
		if (strcmp(kind, without[i]) == 0)
			return false;
	}
	return true;
}

bool merging_is_possible(const struct link *link, enum iface_mode mode)
{
	if (mode == IFACE_MODE_SKB)
		return true;
	return link->features_known ? !(link->xdp_features & LINK_XDP_BASIC)
				    : !has_native(link->kind);
}

static bool merges_by(const struct ethtool_features *features, enum ethtool_feature feature)
{
	return ethtool_feature_is(features->active, ETHTOOL_GRO) &&
	       ethtool_feature_is(features->active, feature);
}

/* `device` merges datagrams, see merging_prevent(). */
static int refuse(const char *device, const struct ethtool_features *features, const char *name,
		  char reason[REASON_SIZE])
{
	char words[2 * (ETHTOOL_NAME_SIZE + sizeof(" off"))] = "";

	for (size_t i = 0; i < COUNT(merging); i++) {
		if (!merges_by(features, merging[i]))
			continue;
		strcat(words, " ");
		strcat(words, ethtool_feature_names[merging[i]]);
		strcat(words, " off");
	}
	return explain(reason, -EOPNOTSUPP,
		       "datagrams arrive merged on %s, because %s below it merges them: run "
		       "\"ethtool -K %s%s\", or set `offloads: manage`",
		       name, device, device, words);
}

static int switch_off(int ifindex, const char *device, const struct ethtool_features *features,
		      struct offloads *switched, const void *user, char reason[REASON_SIZE])
{
	for (size_t i = 0; i < COUNT(merging); i++) {
		int err = merges_by(features, merging[i])
				  ? offloads_switch_off(switched, user, ifindex, merging[i])
				  : 0;

		if (err)
			return explain(reason, err,
				       "%s of %s, which merges datagrams, cannot be "
				       "switched off",
				       ethtool_feature_names[merging[i]], device);
	}
	return 0;
}

int merging_prevent(const struct below *below, const char *name, enum iface_offloads offloads,
		    struct offloads *switched, const void *user, char reason[REASON_SIZE])
{
	int err = 0;

	for (unsigned int i = 0; !err && i < below->count; i++) {
		int ifindex = below->devices[i].ifindex;
		struct ethtool_features features;
		char device[IF_NAMESIZE];

		/* Only the lowest devices receive, and they may be gone meanwhile. */
		if (!below->devices[i].lowest || !if_indextoname((unsigned int)ifindex, device) ||
		    ethtool_features_read(device, &features) ||
		    (!merges_by(&features, ETHTOOL_GRO_LIST) &&
		     !merges_by(&features, ETHTOOL_UDP_GRO_FORWARDING)))
			continue;
		err = offloads == OFFLOADS_MANAGE
			      ? switch_off(ifindex, device, &features, switched, user, reason)
			      : refuse(device, &features, name, reason);
	}
	return err;
}
