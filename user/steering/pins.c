/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xmcast/abi.h>
#include "base/trust.h"

const char *const pin_names[NR_PINS] = {
	"rules",   "shapes",	  "sockets", "members", "verdicts", "outputs",
	"tallies", "device_sets", "passed",  "leases",	"about",
};

const struct pins pins_none = {
	.fds = {[0 ... NR_PINS - 1] = -1}, .captures_fd = -1, .capture_tallies_fd = -1};

/* As in bpf/steer.bpf.c, bpf/find_rule.h, bpf/outputs.h and bpf/lease.h. */
static const struct {
	enum bpf_map_type type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int entries;
} layouts[NR_PINS] = {
	{BPF_MAP_TYPE_HASH, sizeof(struct xmc_rule_key), sizeof(struct xmc_rule),
	 2 * XMC_MAX_RULES},
	{BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct xmc_shape),
	 XMC_FAMILIES *XMC_SHAPE_SLOTS},
	{BPF_MAP_TYPE_XSKMAP, sizeof(__u32), sizeof(__u32), XMC_SOCKET_SLOTS},
	{BPF_MAP_TYPE_HASH, sizeof(__u32), sizeof(__u32), XMC_MAX_MEMBERS},
	{BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(__u64), XMC_REASONS},
	{BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(__u32), sizeof(__u32), XMC_CHUNKS},
	{BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(__u32), sizeof(__u32), XMC_CHUNKS},
	{BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(__u32), sizeof(__u32), XMC_MAX_DEVICE_SETS},
	{BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(struct xmc_passed), XMC_PASSED_NOTES},
	{BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct xmc_lease), XMC_LEASE_SLOTS},
	{BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct xmc_about), XMC_ABI_VERSION},
};

static void pin_path(const char *directory, enum pin pin, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", directory, pin_names[pin]);
}

void pins_directory(const char *name, const struct iface_config *iface,
		    char directory[PINS_PATH_SIZE])
{
	if (iface && iface->pins[0])
		memcpy(directory, iface->pins, PINS_PATH_SIZE);
	else
		snprintf(directory, PINS_PATH_SIZE, "%s/%s", PINS_DIRECTORY, name);
}

bool pins_exist(const char *directory)
{
	struct stat status;

	for (enum pin pin = 0; pin < NR_PINS; pin++) {
		char path[PATH_MAX];

		pin_path(directory, pin, path);
		/* A directory that cannot be searched most likely holds something. */
		if (lstat(path, &status) == 0 || errno == EACCES)
			return true;
	}
	return false;
}

/* ---- opening ---- */

static int explain(char text[PINS_TEXT_SIZE], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int explain(char text[PINS_TEXT_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, PINS_TEXT_SIZE, format, args);
	va_end(args);
	return err;
}

/* The pinned file itself (O_PATH), if nobody else can put another one in its place. */
static int open_trusted(const char *path, enum pin pin, char text[PINS_TEXT_SIZE])
{
	struct trust trust;
	struct stat status;
	int fd = trust_open_ours(path, O_PATH, &trust);

	if (fd == -ENOENT)
		return explain(text, fd, "the map %s is missing", pin_names[pin]);
	/* systemd mounts /sys/fs/bpf so that only root may pass. */
	if (fd == -EACCES && !trust.refused)
		return explain(text, fd,
			       "%s: %s: the daemon's user must be able to pass all directories: "
			       "chmod 711 /sys/fs/bpf",
			       pin_names[pin], strerror(-fd));
	if (fd < 0)
		return explain(text, fd, "%s: %s%s%s", pin_names[pin],
			       trust.refused ? trust.where : strerror(-fd),
			       trust.refused ? ": " : "", trust.refused ? trust.text : "");
	if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
		close(fd);
		return explain(text, -EINVAL, "%s is not a pinned map", pin_names[pin]);
	}
	return fd;
}

static int check_layout(int fd, enum pin pin, char text[PINS_TEXT_SIZE])
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return explain(text, -errno, "%s is not a pinned map: %s", pin_names[pin],
			       strerror(errno));
	/* Whatever its values look like in another version. */
	if (pin == PIN_ABOUT && info.type == layouts[pin].type &&
	    info.max_entries != layouts[pin].entries)
		return explain(
			text, -EINVAL,
			"they have ABI version %u, this xmcastd needs %u: run `xmcastctl iface "
			"detach` and load the xmcast.bpf.o of this version",
			info.max_entries, XMC_ABI_VERSION);
	if (info.type != layouts[pin].type || info.key_size != layouts[pin].key_size ||
	    info.value_size != layouts[pin].value_size)
		return explain(
			text, -EINVAL,
			"the map %s is not one of xmcast's: type %u, key %u, value %u bytes, "
			"expected %u, %u, %u",
			pin_names[pin], info.type, info.key_size, info.value_size,
			layouts[pin].type, layouts[pin].key_size, layouts[pin].value_size);
	if (info.max_entries != layouts[pin].entries)
		return explain(text, -EINVAL, "the map %s has %u entries, expected %u",
			       pin_names[pin], info.max_entries, layouts[pin].entries);
	return 0;
}

static int open_pin(const char *directory, enum pin pin, char text[PINS_TEXT_SIZE])
{
	char path[PATH_MAX];
	char link[64];
	int file, err;
	int fd;

	pin_path(directory, pin, path);
	file = open_trusted(path, pin, text);
	if (file < 0)
		return file;
	/* By the descriptor, so that it is the file that was checked. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	fd = bpf_obj_get(link);
	err = errno;
	close(file);
	if (fd < 0)
		return explain(text, -err, "the map %s cannot be opened: %s", pin_names[pin],
			       strerror(err));
	err = check_layout(fd, pin, text);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* The map with the version first, because its message is the clearest one. */
int pins_open(struct pins *pins, const char *directory, char text[PINS_TEXT_SIZE])
{
	*pins = pins_none;
	snprintf(pins->directory, sizeof(pins->directory), "%s", directory);
	for (int pin = NR_PINS - 1; pin >= 0; pin--) {
		int fd = open_pin(directory, (enum pin)pin, text);

		if (fd < 0) {
			pins_close(pins);
			return fd;
		}
		pins->fds[pin] = fd;
	}
	return 0;
}

void pins_close(struct pins *pins)
{
	for (enum pin pin = 0; pin < NR_PINS; pin++) {
		if (pins->fds[pin] >= 0)
			close(pins->fds[pin]);
		pins->fds[pin] = -1;
	}
}

/* ---- reading ---- */

static int read_about(int fd, struct xmc_about *about)
{
	__u32 first = 0;

	*about = (struct xmc_about){};
	return bpf_map_lookup_elem(fd, &first, about);
}

static int write_about(int fd, const struct xmc_about *about)
{
	__u32 first = 0;

	return bpf_map_update_elem(fd, &first, about, BPF_ANY);
}

uint32_t pins_interface(const struct pins *pins)
{
	struct xmc_about about;

	read_about(pins->fds[PIN_ABOUT], &about);
	return about.ifindex;
}

void pins_forget_interface(const struct pins *pins)
{
	struct xmc_about about;

	read_about(pins->fds[PIN_ABOUT], &about);
	about.ifindex = 0;
	write_about(pins->fds[PIN_ABOUT], &about);
}

/* Set one field to a value. */
static int set_about(const struct pins *pins, size_t field, __u32 value)
{
	struct xmc_about about;
	int err = read_about(pins->fds[PIN_ABOUT], &about);

	if (err || memcmp((char *)&about + field, &value, sizeof(value)) == 0)
		return err;
	memcpy((char *)&about + field, &value, sizeof(value));
	return write_about(pins->fds[PIN_ABOUT], &about);
}

int pins_set_skb(const struct pins *pins, bool skb)
{
	return set_about(pins, offsetof(struct xmc_about, skb), skb);
}

int pins_set_members(const struct pins *pins, bool members)
{
	return set_about(pins, offsetof(struct xmc_about, members), members);
}

int pins_set_own(const struct pins *pins, bool own)
{
	return set_about(pins, offsetof(struct xmc_about, own), own);
}

int pins_set_capacity(const struct pins *pins, unsigned int bytes)
{
	return set_about(pins, offsetof(struct xmc_about, capacity), bytes);
}

/* Entries of an array can always be written. */
void pins_count_change(int about_fd)
{
	struct xmc_about about;

	/* The program must not see the count before the change. */
	__sync_synchronize();
	read_about(about_fd, &about);
	about.changes++;
	write_about(about_fd, &about);
}

int pins_write_rule(const struct pins *pins, const struct xmc_rule_key *key,
		    const struct xmc_rule *rule, uint64_t flags)
{
	int err = bpf_map_update_elem(pins->fds[PIN_RULES], key, rule, flags);

	if (!err)
		pins_count_change(pins->fds[PIN_ABOUT]);
	return err;
}

int pins_remove_rule(const struct pins *pins, const struct xmc_rule_key *key)
{
	int err = bpf_map_delete_elem(pins->fds[PIN_RULES], key);

	if (!err)
		pins_count_change(pins->fds[PIN_ABOUT]);
	return err;
}

int pins_check_interface(const struct pins *pins, int ifindex, char text[PINS_TEXT_SIZE])
{
	uint32_t seen = pins_interface(pins);
	char name[IF_NAMESIZE];

	if (!seen || !ifindex || seen == (uint32_t)ifindex)
		return 0;
	/* That interface no longer exists: the next packet will tell. */
	if (!if_indextoname(seen, name))
		return 0;
	return explain(text, -EXDEV, "they are used by a program on another interface, %s", name);
}

uint32_t pins_map_id(const struct pins *pins, enum pin pin)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(pins->fds[pin], &info, &size) ? 0 : info.id;
}

uint32_t pins_id(const struct pins *pins)
{
	return pins_map_id(pins, PIN_RULES);
}

bool pins_are_current(const struct pins *pins)
{
	struct pins now;
	char text[PINS_TEXT_SIZE];
	bool same = true;

	if (pins_open(&now, pins->directory, text))
		return false;
	for (enum pin pin = 0; pin < NR_PINS && same; pin++)
		same = pins_map_id(pins, pin) == pins_map_id(&now, pin);
	pins_close(&now);
	return same;
}

/* ---- emptying ---- */

/* Each key is removed only after the next one has been found. Starting from the beginning each time
 * would take time that grows with the square of their number. */
static int empty_rules(int fd)
{
	struct xmc_rule_key keys[2];
	unsigned int now = 0;
	int err;

	if (bpf_map_get_next_key(fd, NULL, &keys[now]))
		return errno == ENOENT ? 0 : -errno;
	for (unsigned int i = 0; i < 2 * XMC_MAX_RULES; i++) {
		bool last = bpf_map_get_next_key(fd, &keys[now], &keys[!now]) != 0;

		err = last && errno != ENOENT ? -errno : 0;
		if (bpf_map_delete_elem(fd, &keys[now]) && errno != ENOENT)
			err = -errno;
		if (err || last)
			return err;
		now = !now;
	}
	return -ELOOP; /* another process keeps adding rules */
}

/* After the rules, so that there is no rule without its shape. */
static int empty_shapes(int fd)
{
	const struct xmc_shape end = {.state = XMC_SHAPE_END};
	int err = 0;

	for (__u32 slot = 0; !err && slot < XMC_FAMILIES * XMC_SHAPE_SLOTS; slot++)
		err = bpf_map_update_elem(fd, &slot, &end, BPF_ANY);
	return err;
}

/* The map may be full of members of a bond that is gone. */
static int empty_members(int fd)
{
	__u32 ifindex;

	for (unsigned int i = 0; i < XMC_MAX_MEMBERS; i++) {
		if (bpf_map_get_next_key(fd, NULL, &ifindex))
			return errno == ENOENT ? 0 : -errno;
		if (bpf_map_delete_elem(fd, &ifindex) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int pins_empty(const struct pins *pins)
{
	int err = empty_rules(pins->fds[PIN_RULES]);

	if (!err)
		err = empty_shapes(pins->fds[PIN_SHAPES]);
	pins_count_change(pins->fds[PIN_ABOUT]);
	for (__u32 slot = 0; slot < XMC_SOCKET_SLOTS; slot++) {
		if (bpf_map_delete_elem(pins->fds[PIN_SOCKETS], &slot) && errno != ENOENT &&
		    errno != EINVAL)
			err = -errno;
	}
	if (!err)
		err = empty_members(pins->fds[PIN_MEMBERS]);
	if (!err)
		err = pins_set_members(pins, false);
	return err ? err : pins_set_capacity(pins, 0);
}

/* Only entries that are there, because removing one takes a grace period. */
static int empty_maps(const struct pins *pins, enum pin pin)
{
	int fd = pins->fds[pin];
	int err = 0;

	for (__u32 i = 0; !err && i < layouts[pin].entries; i++) {
		__u32 id;

		if (bpf_map_lookup_elem(fd, &i, &id) == 0)
			err = bpf_map_delete_elem(fd, &i);
	}
	return err;
}

int pins_purge(const struct pins *pins)
{
	int err = empty_maps(pins, PIN_DEVICE_SETS);

	if (!err)
		err = empty_maps(pins, PIN_OUTPUTS);
	return err ? err : empty_maps(pins, PIN_TALLIES);
}
