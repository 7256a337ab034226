/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/ethtool_features.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Linux 6.18 has 62 features, in blocks of 32. */
#define MAX_BLOCKS 8
#define MAX_BITS   (32 * MAX_BLOCKS)

_Static_assert(ETHTOOL_NAME_SIZE == ETH_GSTRING_LEN, "a name as the kernel writes it");

const char *const ethtool_feature_names[ETHTOOL_FEATURES] = {
	[ETHTOOL_RX_VLAN] = "rx-vlan-hw-parse",
	[ETHTOOL_RX_VLAN_STAG] = "rx-vlan-stag-hw-parse",
	[ETHTOOL_GRO] = "rx-gro",
	[ETHTOOL_GRO_LIST] = "rx-gro-list",
	[ETHTOOL_UDP_GRO_FORWARDING] = "rx-udp-gro-forwarding",
};

enum ethtool_feature ethtool_feature_find(const char *name)
{
	enum ethtool_feature feature = 0;

	while (feature < ETHTOOL_FEATURES && strcmp(name, ethtool_feature_names[feature]) != 0)
		feature++;
	return feature;
}

void ethtool_features_find(const char *strings, unsigned int count, int bits[ETHTOOL_FEATURES])
{
	for (int feature = 0; feature < ETHTOOL_FEATURES; feature++) {
		bits[feature] = -1;
		for (unsigned int i = 0; i < count && i < MAX_BITS; i++) {
			if (strncmp(strings + i * ETHTOOL_NAME_SIZE, ethtool_feature_names[feature],
				    ETHTOOL_NAME_SIZE) == 0)
				bits[feature] = (int)i;
		}
	}
}

/* Returns what the ioctl returns, which is above 0 for some commands, or -errno. */
static int command(int fd, const char *device, void *data)
{
	struct ifreq request = {.ifr_data = data};
	int result;

	if (strlen(device) >= sizeof(request.ifr_name))
		return -ENODEV;
	strcpy(request.ifr_name, device);
	result = ioctl(fd, SIOCETHTOOL, &request);
	return result < 0 ? -errno : result;
}

/* The number of features that this kernel has, or -errno. */
static int query_count(int fd, const char *device)
{
	union {
		struct ethtool_sset_info info;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} request = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};
	int err = command(fd, device, &request);

	if (err < 0)
		return err;
	if (!request.info.sset_mask || request.info.data[0] > MAX_BITS)
		return -EOPNOTSUPP;
	return (int)request.info.data[0];
}

static int query_bits(int fd, const char *device, int bits[ETHTOOL_FEATURES])
{
	int count = query_count(fd, device);
	struct ethtool_gstrings *request;
	int err;

	if (count < 0)
		return count;
	request = calloc(1, sizeof(*request) + (size_t)count * ETH_GSTRING_LEN);
	if (!request)
		return -ENOMEM;
	request->cmd = ETHTOOL_GSTRINGS;
	request->string_set = ETH_SS_FEATURES;
	request->len = (uint32_t)count;
	err = command(fd, device, request);
	if (err >= 0 && request->len > (uint32_t)count)
		err = -EPROTO;
	if (err >= 0)
		ethtool_features_find((const char *)request->data, request->len, bits);
	free(request);
	return err < 0 ? err : 0;
}

/* The bits of our features, which are the same for all devices: queried until there is an answer.
 */
static int find_bits(int fd, const char *device, const int **out)
{
	static int bits[ETHTOOL_FEATURES];
	static bool known;
	int err = known ? 0 : query_bits(fd, device, bits);

	known = !err;
	*out = bits;
	return err;
}

static uint32_t bit_in(const struct ethtool_get_features_block *block, int bit, bool *changeable)
{
	uint32_t mask = 1U << (bit % 32);

	*changeable = (block->available & mask) && !(block->never_changed & mask);
	return block->active & mask;
}

static int read_features(int fd, const char *device, struct ethtool_features *features)
{
	union {
		struct ethtool_gfeatures head;
		uint8_t room[sizeof(struct ethtool_gfeatures) +
			     MAX_BLOCKS * sizeof(struct ethtool_get_features_block)];
	} request = {.head = {.cmd = ETHTOOL_GFEATURES, .size = MAX_BLOCKS}};
	const int *bits;
	int err = find_bits(fd, device, &bits);

	if (!err)
		err = command(fd, device, &request);
	if (err < 0)
		return err;
	for (int i = 0; i < ETHTOOL_FEATURES; i++) {
		bool changeable;

		if (bits[i] < 0 || bits[i] / 32 >= (int)request.head.size)
			continue;
		features->known |= 1U << i;
		if (bit_in(&request.head.features[bits[i] / 32], bits[i], &changeable))
			features->active |= 1U << i;
		if (changeable)
			features->changeable |= 1U << i;
	}
	return 0;
}

static int write_feature(int fd, const char *device, enum ethtool_feature feature, bool on)
{
	union {
		struct ethtool_sfeatures head;
		uint8_t room[sizeof(struct ethtool_sfeatures) +
			     MAX_BLOCKS * sizeof(struct ethtool_set_features_block)];
	} request = {.room = {0}};
	struct ethtool_set_features_block *block;
	const int *bits;
	int count = query_count(fd, device);
	int err = count < 0 ? count : find_bits(fd, device, &bits);

	if (err)
		return err;
	if (bits[feature] < 0 || bits[feature] >= count)
		return -EOPNOTSUPP;
	/* The kernel accepts all of its blocks or none. */
	request.head.cmd = ETHTOOL_SFEATURES;
	request.head.size = ((uint32_t)count + 31) / 32;
	block = &request.head.features[bits[feature] / 32];
	block->valid = 1U << (bits[feature] % 32);
	block->requested = on ? block->valid : 0;
	/* A positive result means "done, or noted": what holds now is read afterwards. */
	err = command(fd, device, &request);
	return err < 0 ? err : 0;
}

int ethtool_features_read(const char *device, struct ethtool_features *features)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	memset(features, 0, sizeof(*features));
	if (fd < 0)
		return -errno;
	err = read_features(fd, device, features);
	close(fd);
	return err;
}

int ethtool_feature_set(const char *device, enum ethtool_feature feature, bool on)
{
	struct ethtool_features now = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = read_features(fd, device, &now);
	if (!err && ethtool_feature_is(now.active, feature) != on) {
		err = write_feature(fd, device, feature, on);
		now = (struct ethtool_features){0};
		if (!err)
			err = read_features(fd, device, &now);
	}
	close(fd);
	if (!err && (!ethtool_feature_is(now.known, feature) ||
		     ethtool_feature_is(now.active, feature) != on))
		err = -EOPNOTSUPP;
	return err;
}
