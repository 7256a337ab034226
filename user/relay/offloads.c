/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/offloads.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Room for one note, and for all: further ones are left out. */
#define NOTE_SIZE  (32 + ETHTOOL_NAME_SIZE)
#define NOTES_SIZE (128 * NOTE_SIZE)

/* A user needs this feature to be off, and it was on before. */
struct hold {
	const void *user; /* what a predecessor has left is held by the offloads themselves */
	int ifindex;
	enum ethtool_feature feature;
};

struct offloads {
	struct hold *holds;
	unsigned int count;
	int notes_fd;	     /* -1: none */
	unsigned long netns; /* inode of the network namespace */
};

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

/* ---- notes ---- */

static void adopt_note(struct offloads *offloads, const char *line)
{
	char feature_name[ETHTOOL_NAME_SIZE], device[IF_NAMESIZE];
	enum ethtool_feature feature;
	unsigned long netns;
	int ifindex;

	_Static_assert(ETHTOOL_NAME_SIZE == 32, "the width below");
	/* NOLINTNEXTLINE(cert-err34-c): this number of digits always fits */
	if (sscanf(line, "%10lu %9d %31s", &netns, &ifindex, feature_name) != 3)
		return;
	feature = ethtool_feature_find(feature_name);
	/* The kernel gives an index to no other interface of the namespace. */
	if (feature < ETHTOOL_FEATURES && netns == offloads->netns &&
	    if_indextoname((unsigned int)ifindex, device))
		offloads_adopt(offloads, ifindex, feature);
}

static void read_notes(struct offloads *offloads)
{
	char text[NOTES_SIZE];
	char *rest = text, *line;
	ssize_t n = pread(offloads->notes_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		adopt_note(offloads, line);
}

/* What is not noted is not restored after a crash; nothing else depends on it. */
static void write_notes(const struct offloads *offloads)
{
	char text[NOTES_SIZE];
	size_t length = 0;

	if (offloads->notes_fd < 0)
		return;
	for (unsigned int i = 0; i < offloads->count && length + NOTE_SIZE < sizeof(text); i++) {
		const struct hold *hold = &offloads->holds[i];

		length += (size_t)sprintf(text + length, "%lu %d %s\n", offloads->netns,
					  hold->ifindex, ethtool_feature_names[hold->feature]);
	}
	if (pwrite(offloads->notes_fd, text, length, 0) < 0 ||
	    ftruncate(offloads->notes_fd, (off_t)length))
		log_debug("offloads-not-noted", LOG_ERROR(-errno));
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
	if (!err && !held)
		write_notes(offloads);
	return err;
}

void offloads_release(struct offloads *offloads, const void *user)
{
	unsigned int i = 0, before = offloads->count;

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
	if (offloads->count != before)
		write_notes(offloads);
}

/* ---- open and close ---- */

static unsigned long own_netns(void)
{
	struct stat netns;

	return stat("/proc/self/ns/net", &netns) ? 0 : netns.st_ino;
}

int offloads_open(struct offloads **out, int notes_fd)
{
	struct offloads *offloads = calloc(1, sizeof(*offloads));

	if (!offloads)
		return -ENOMEM;
	offloads->notes_fd = notes_fd;
	offloads->netns = own_netns();
	if (notes_fd >= 0)
		read_notes(offloads);
	*out = offloads;
	return 0;
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
	int err;

	if (is_held(offloads, ifindex, feature, offloads))
		return 0;
	err = reserve(offloads);
	if (!err)
		offloads->holds[offloads->count++] = (struct hold){offloads, ifindex, feature};
	return err;
}

void offloads_forget(struct offloads *offloads)
{
	offloads->count = 0;
	offloads->notes_fd = -1;
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
