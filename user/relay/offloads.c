/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/offloads.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include "base/log.h"

/* A user needs this feature to be off, and it was on before. */
struct hold {
	const void *user; /* what a predecessor has left is held by the offloads themselves */
	int ifindex;
	enum ethtool_feature feature;
};

struct offloads {
	struct hold *holds;
	unsigned int count;
};

int offloads_open(struct offloads **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

static bool is_held(const struct offloads *offloads, int ifindex, enum ethtool_feature feature,
		    const void *user)
{
	for (unsigned int i = 0; i < offloads->count; i++) {
		const struct hold *hold = &offloads->holds[i];

		if (hold->ifindex == ifindex && hold->feature == feature &&
		    (!user || hold->user == user))
			return true;
	}
	return false;
}

static int reserve(struct offloads *offloads)
{
	struct hold *holds = realloc(offloads->holds, (offloads->count + 1UL) * sizeof(*holds));

	if (!holds)
		return -ENOMEM;
	offloads->holds = holds;
	return 0;
}

static int switch_feature(const char *device, enum ethtool_feature feature, bool on)
{
	int err = ethtool_feature_set(device, feature, on);

	if (err)
		log_warning("offload-failed", LOG_IFACE(device),
			    LOG_NAME("feature", ethtool_feature_names[feature]),
			    LOG_NAME("to", on ? "on" : "off"), LOG_ERROR(err));
	else
		log_info("offload-switched", LOG_IFACE(device),
			 LOG_NAME("feature", ethtool_feature_names[feature]),
			 LOG_NAME("to", on ? "on" : "off"));
	return err;
}

int offloads_switch_off(struct offloads *offloads, const void *user, int ifindex,
			enum ethtool_feature feature)
{
	struct ethtool_features now;
	char device[IF_NAMESIZE];
	bool held = is_held(offloads, ifindex, feature, NULL);
	int err;

	if (!if_indextoname((unsigned int)ifindex, device))
		return -errno;
	err = ethtool_features_read(device, &now);
	if (err)
		return err;
	/* What was off before is not switched on at the end. */
	if (!ethtool_feature_is(now.active, feature) && !held)
		return 0;
	if (!is_held(offloads, ifindex, feature, user)) {
		err = reserve(offloads);
		if (err)
			return err;
	}
	if (ethtool_feature_is(now.active, feature))
		err = switch_feature(device, feature, false);
	if (!err && !is_held(offloads, ifindex, feature, user))
		offloads->holds[offloads->count++] = (struct hold){user, ifindex, feature};
	return err;
}

void offloads_release(struct offloads *offloads, const void *user)
{
	unsigned int i = 0;

	while (i < offloads->count) {
		struct hold hold = offloads->holds[i];
		char device[IF_NAMESIZE];

		if (hold.user != user) {
			i++;
			continue;
		}
		offloads->holds[i] = offloads->holds[--offloads->count];
		if (!is_held(offloads, hold.ifindex, hold.feature, NULL) &&
		    if_indextoname((unsigned int)hold.ifindex, device))
			switch_feature(device, hold.feature, true);
	}
}

bool offloads_get(const struct offloads *offloads, unsigned int i, int *ifindex,
		  enum ethtool_feature *feature)
{
	if (i >= offloads->count)
		return false;
	*ifindex = offloads->holds[i].ifindex;
	*feature = offloads->holds[i].feature;
	return true;
}

int offloads_adopt(struct offloads *offloads, int ifindex, enum ethtool_feature feature)
{
	int err = is_held(offloads, ifindex, feature, offloads) ? 0 : reserve(offloads);

	if (!err && !is_held(offloads, ifindex, feature, offloads))
		offloads->holds[offloads->count++] = (struct hold){offloads, ifindex, feature};
	return err;
}

void offloads_forget(struct offloads *offloads)
{
	offloads->count = 0;
}

void offloads_close(struct offloads *offloads)
{
	if (!offloads)
		return;
	while (offloads->count)
		offloads_release(offloads, offloads->holds[0].user);
	free(offloads->holds);
	free(offloads);
}
