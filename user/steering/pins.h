/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of a steering program that somebody else attached: xdp-loader has pinned them in a
 * bpffs, one folder per interface. They are checked before they are believed: who may have put them
 * there, what they are, which version, and of which interface.
 *
 * Which program uses a map, the kernel tells only those with CAP_SYS_ADMIN, which we are not. So
 * the program tells itself: with every packet that it sees it writes its interface into the map
 * `about`.
 *
 * Main thread. Needs CAP_BPF, and to be allowed to read and write the pins (their owner, mode).
 */
#ifndef XMCAST_STEERING_PINS_H
#define XMCAST_STEERING_PINS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/config.h"

/* Where an interface's folder is, unless its section of the configuration names one. */
#define PINS_FOLDER "/sys/fs/bpf/xmcast"

/* Room for what is wrong with them. */
#define PINS_TEXT_SIZE 192

enum pin { PIN_RULES, PIN_SHAPES, PIN_SOCKETS, PIN_VERDICTS, PIN_ABOUT, NR_PINS };

struct pins {
	char folder[PINS_PATH_SIZE];
	int fds[NR_PINS]; /* -1: not open */
};

extern const struct pins pins_none;
extern const char *const pin_names[NR_PINS]; /* of the maps, and of the files in the folder */

/* The folder of an interface: the one that its section names (NULL: it has none), or the default.
 */
void pins_folder(const char *name, const struct iface_config *iface, char folder[PINS_PATH_SIZE]);

/* Is there a pin of any of the maps in it? */
bool pins_exist(const char *folder);

/* Open and check all. 0; -ENOENT: one is missing; -EACCES: no right, or not to be trusted; -EINVAL:
 * not ours, or not of this version; -errno. `text` says why. */
int pins_open(struct pins *pins, const char *folder, char text[PINS_TEXT_SIZE]);
void pins_close(struct pins *pins);

/* 0, also if no packet has told it yet; -EXDEV: their program runs on another interface, as `text`
 * says. */
int pins_check_interface(const struct pins *pins, int ifindex, char text[PINS_TEXT_SIZE]);

/* The interface by which the last packet came, 0: none since pins_forget_interface(). */
uint32_t pins_interface(const struct pins *pins);
void pins_forget_interface(const struct pins *pins);

/* Are what the folder has still these maps? */
bool pins_are_current(const struct pins *pins);

/* Take out all rules and sockets. 0 or -errno. */
int pins_empty(const struct pins *pins);

/* Ids of a map, as bpftool has them; 0: the kernel does not say. pins_id: one that stands for all.
 */
uint32_t pins_map_id(const struct pins *pins, enum pin pin);
uint32_t pins_id(const struct pins *pins);

#endif
