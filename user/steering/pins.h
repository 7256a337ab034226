/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of an external steering program: an administrator loaded it with xdp-loader, which
 * pinned the maps in a bpffs, one directory per interface. They are checked before they are used:
 * who could have put them there, what they are, their version and their interface.
 *
 * Only a process with CAP_SYS_ADMIN can ask the kernel which program uses a map, and the daemon has
 * dropped that. So the program itself writes the interface of every packet into the map `about`.
 *
 * Main thread. Needs CAP_BPF, and permission to read and write the pins.
 */
#ifndef XMCAST_STEERING_PINS_H
#define XMCAST_STEERING_PINS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "rules/config.h"

/* Each interface has a directory of pins in this one, unless its section of the configuration names
 * another one. */
#define PINS_DIRECTORY "/sys/fs/bpf/xmcast"

/* Room for the reason why they cannot be used. */
#define PINS_TEXT_SIZE 192

enum pin {
	PIN_RULES,
	PIN_SHAPES,
	PIN_SOCKETS,
	PIN_MEMBERS,
	PIN_VERDICTS,
	PIN_OUTPUTS,
	PIN_TALLIES,
	PIN_DEVICE_SETS,
	PIN_PASSED,
	PIN_LEASES,
	PIN_ABOUT,
	NR_PINS
};

struct pins {
	char directory[PINS_PATH_SIZE];
	int fds[NR_PINS]; /* -1: not open */
	/* Of our own program, not pinned; -1: there is none. */
	int captures_fd;
	int capture_tallies_fd;
};

extern const struct pins pins_none;
extern const char *const pin_names[NR_PINS]; /* of the maps, and of the files in the directory */

/* The directory of an interface: the one that its section names (NULL: it has none), or the
 * default.
 */
void pins_directory(const char *name, const struct iface_config *iface,
		    char directory[PINS_PATH_SIZE]);

/* Whether any of the maps is pinned there, or the directory cannot be searched. */
bool pins_exist(const char *directory);

/* Open and check all maps. 0; -ENOENT: one is missing; -EACCES: no permission, or somebody else can
 * replace them; -EINVAL: they are not xmcast's, or of another version; -errno. On failure `text` is
 * the reason. */
int pins_open(struct pins *pins, const char *directory, char text[PINS_TEXT_SIZE]);
void pins_close(struct pins *pins);

/* 0, also if no packet has been seen yet, or `ifindex` is 0; -EXDEV: their program runs on another
 * interface, and `text` says on which. */
int pins_check_interface(const struct pins *pins, int ifindex, char text[PINS_TEXT_SIZE]);

/* The ingress interface of the last packet; 0: none since pins_forget_interface(). */
uint32_t pins_interface(const struct pins *pins);
void pins_forget_interface(const struct pins *pins);

/* Whether the directory still holds these maps. */
bool pins_are_current(const struct pins *pins);

/* Add, replace or remove a rule: as bpf_map_update_elem() and bpf_map_delete_elem(), and packets
 * see it from the next one on. */
int pins_write_rule(const struct pins *pins, const struct xmc_rule_key *key,
		    const struct xmc_rule *rule, uint64_t flags);
int pins_remove_rule(const struct pins *pins, const struct xmc_rule_key *key);

/* To be called after every change of rules by other means: the program forgets which rules it has
 * found. `about_fd` is the map about. */
void pins_count_change(int about_fd);

/* Remove all rules, then shapes and sockets: from then on the program passes all packets to the
 * stack. 0 or -errno. */
int pins_empty(const struct pins *pins);

/* Remove what rules of the kernel path have used: outputs, tallies and sets of devices. To be
 * called a grace period after pins_empty(). 0 or -errno. */
int pins_purge(const struct pins *pins);

/* Entries of the map `about`; the others are not changed. 0 or -errno. */
int pins_set_skb(const struct pins *pins, bool skb);
int pins_set_members(const struct pins *pins, bool members);
int pins_set_own(const struct pins *pins, bool own);
int pins_set_capacity(const struct pins *pins, unsigned int bytes);

/* The kernel's id of a map, as bpftool shows it; 0: unknown. pins_id() is one that stands for all.
 */
uint32_t pins_map_id(const struct pins *pins, enum pin pin);
uint32_t pins_id(const struct pins *pins);

#endif
