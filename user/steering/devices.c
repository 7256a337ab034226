/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/devices.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xmcast/abi.h>
#include "copy.skel.h"

struct device {
	int ifindex;
	unsigned int users; /* 0: this slot is free */
};

struct set {
	int *ifindexes; /* NULL: this slot is free */
	unsigned int count;
	unsigned int users;
	int map_fd;
};

struct devices {
	const struct pins *pins;
	int all_fd;	       /* the set XMC_ALL_DEVICES; -1: not needed yet */
	struct copy_bpf *copy; /* NULL: not needed yet */
	bool copying;	       /* all devices have its program */
	unsigned int nr_devices;
	struct device devices[XMC_MAX_DEVICES]; /* the first nr_devices have been used */
	struct set sets[XMC_MAX_DEVICE_SETS];	/* by index; XMC_ALL_DEVICES is unused here */
};

int devices_open(struct devices **out, const struct pins *pins)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->pins = pins;
	(*out)->all_fd = -1;
	return 0;
}

static void free_set(struct set *set)
{
	if (!set->ifindexes)
		return;
	free(set->ifindexes);
	close(set->map_fd);
	*set = (struct set){};
}

void devices_close(struct devices *devices)
{
	if (!devices)
		return;
	for (unsigned int i = 0; i < XMC_MAX_DEVICE_SETS; i++)
		free_set(&devices->sets[i]);
	if (devices->all_fd >= 0)
		close(devices->all_fd);
	copy_bpf__destroy(devices->copy);
	free(devices);
}

static int load_copy(struct devices *devices)
{
	struct copy_bpf *copy;
	int err;

	copy = copy_bpf__open();
	if (!copy)
		return -errno;
	err = bpf_map__reuse_fd(copy->maps.outputs, devices->pins->fds[PIN_OUTPUTS]);
	if (!err)
		err = bpf_map__reuse_fd(copy->maps.tallies, devices->pins->fds[PIN_TALLIES]);
	copy->rodata->can_capture = devices->pins->captures_fd >= 0;
	if (!err && copy->rodata->can_capture)
		err = bpf_map__reuse_fd(copy->maps.captures, devices->pins->captures_fd);
	if (!err && copy->rodata->can_capture)
		err = bpf_map__reuse_fd(copy->maps.capture_tallies,
					devices->pins->capture_tallies_fd);
	if (!err)
		err = copy_bpf__load(copy);
	if (err)
		copy_bpf__destroy(copy);
	else
		devices->copy = copy;
	return err;
}

/* Write an entry of a devmap, even if it is there: the kernel removes devices that cease to exist,
 * and then an interface may get the same index again. Packets see the old entry or the new one. */
static int write_device(const struct devices *devices, int map_fd, uint32_t index, int ifindex)
{
	const struct bpf_devmap_val value = {
		.ifindex = (__u32)ifindex,
		.bpf_prog.fd = devices->copy ? bpf_program__fd(devices->copy->progs.xmcast_copy)
					     : 0, /* none */
	};
	int err = bpf_map_update_elem(map_fd, &index, &value, BPF_ANY);
	char name[IF_NAMESIZE];

	return err == -EINVAL && !if_indextoname((unsigned int)ifindex, name) ? -ENODEV : err;
}

/* An empty set of `count` devices at this index of the map. Returns its descriptor or -errno. */
static int create_map(const struct devices *devices, uint32_t index, unsigned int count)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "device_set", sizeof(__u32),
				sizeof(struct bpf_devmap_val), count, NULL);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(devices->pins->fds[PIN_DEVICE_SETS], &index, &fd, BPF_ANY);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* ---- single devices ---- */

/* The entry of this device, or a free one, or NULL. */
static struct device *find_device(struct devices *devices, int ifindex)
{
	struct device *free_slot = NULL;

	for (unsigned int i = 0; i < devices->nr_devices; i++) {
		struct device *device = &devices->devices[i];

		if (device->users && device->ifindex == ifindex)
			return device;
		if (!device->users && !free_slot)
			free_slot = device;
	}
	if (!free_slot && devices->nr_devices < XMC_MAX_DEVICES)
		free_slot = &devices->devices[devices->nr_devices++];
	return free_slot;
}

int devices_prepare(struct devices *devices)
{
	int fd;

	if (devices->all_fd >= 0)
		return 0;
	fd = create_map(devices, XMC_ALL_DEVICES, XMC_MAX_DEVICES);
	if (fd < 0)
		return fd;
	devices->all_fd = fd;
	return 0;
}

static int hold_device(struct devices *devices, int ifindex, uint32_t *target)
{
	struct device *device = find_device(devices, ifindex);
	int err = device ? devices_prepare(devices) : -ENOSPC;

	if (err)
		return err;
	*target = (uint32_t)(device - devices->devices);
	err = write_device(devices, devices->all_fd, *target, ifindex);
	if (err)
		return err;
	device->ifindex = ifindex;
	device->users++;
	return 0;
}

static void release_device(struct devices *devices, uint32_t target)
{
	if (--devices->devices[target].users == 0)
		bpf_map_delete_elem(devices->all_fd, &target);
}

/* Before the first set is created, which takes a grace period: so all bulks that packets for sets
 * are put into have the program. A device that has gone cannot be given one, and needs none. */
static int start_copying(struct devices *devices)
{
	int err;

	if (devices->copying)
		return 0;
	err = devices->copy ? 0 : load_copy(devices);
	for (uint32_t i = 0; !err && i < devices->nr_devices; i++) {
		if (!devices->devices[i].users)
			continue;
		err = write_device(devices, devices->all_fd, i, devices->devices[i].ifindex);
		if (err == -ENODEV)
			err = 0;
	}
	devices->copying = !err;
	return err;
}

/* ---- sets ---- */

static int fill_set(const struct devices *devices, int map_fd, const int *ifindexes,
		    unsigned int count)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < count; i++)
		err = write_device(devices, map_fd, i, ifindexes[i]);
	return err;
}

static struct set *find_set(struct devices *devices, const int *ifindexes, unsigned int count)
{
	for (unsigned int i = XMC_ALL_DEVICES + 1; i < XMC_MAX_DEVICE_SETS; i++) {
		struct set *set = &devices->sets[i];

		if (set->ifindexes && set->count == count &&
		    memcmp(set->ifindexes, ifindexes, count * sizeof(*ifindexes)) == 0)
			return set;
	}
	return NULL;
}

/* A slot that is free, or that of a set that no forward uses. */
static struct set *find_place(struct devices *devices)
{
	struct set *unused = NULL;

	for (unsigned int i = XMC_ALL_DEVICES + 1; i < XMC_MAX_DEVICE_SETS; i++) {
		struct set *set = &devices->sets[i];

		if (!set->ifindexes)
			return set;
		if (!set->users && !unused)
			unused = set;
	}
	return unused;
}

/* The map has exactly as many entries as the set has devices, because the kernel goes through all
 * entries for each packet. It takes its place before it is complete: no rule uses it yet. */
static int create_set(struct devices *devices, struct set *set, const int *ifindexes,
		      unsigned int count)
{
	size_t size = count * sizeof(*ifindexes);
	int *copy = malloc(size);
	int err;

	if (!copy)
		return -ENOMEM;
	free_set(set);
	set->map_fd = create_map(devices, (uint32_t)(set - devices->sets), count);
	if (set->map_fd < 0) {
		free(copy);
		return set->map_fd;
	}
	set->ifindexes = memcpy(copy, ifindexes, size);
	set->count = count;
	err = fill_set(devices, set->map_fd, ifindexes, count);
	if (err)
		free_set(set);
	return err;
}

static int hold_set(struct devices *devices, const int *ifindexes, unsigned int count,
		    uint32_t *target)
{
	struct set *set = find_set(devices, ifindexes, count);
	int err = start_copying(devices);

	if (err)
		return err;
	if (set) {
		err = fill_set(devices, set->map_fd, ifindexes, count);
	} else {
		set = find_place(devices);
		err = set ? create_set(devices, set, ifindexes, count) : -ENOSPC;
	}
	if (err)
		return err;
	set->users++;
	*target = (uint32_t)(set - devices->sets);
	return 0;
}

/* ---- both ---- */

int devices_hold(struct devices *devices, const int *ifindexes, unsigned int count,
		 uint32_t *target)
{
	return count > 1 ? hold_set(devices, ifindexes, count, target)
			 : hold_device(devices, ifindexes[0], target);
}

static bool has_device(int map_fd, uint32_t index)
{
	struct bpf_devmap_val value;

	return bpf_map_lookup_elem(map_fd, &index, &value) != -ENOENT;
}

bool devices_are_complete(const struct devices *devices, unsigned int count, uint32_t target)
{
	if (count == 0)
		return true;
	if (count == 1)
		return has_device(devices->all_fd, target);
	for (uint32_t i = 0; i < count; i++) {
		if (!has_device(devices->sets[target].map_fd, i))
			return false;
	}
	return true;
}

void devices_release(struct devices *devices, unsigned int count, uint32_t target)
{
	if (count > 1)
		devices->sets[target].users--;
	else
		release_device(devices, target);
}
