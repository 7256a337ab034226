/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a configuration says: rules and settings, as plain data; every setting's default is
 * justified here.
 *
 * A struct config owns all that it points to; config_free() releases it. Not thread-safe; built and
 * read by the main thread.
 */
#ifndef XMCAST_RULES_CONFIG_H
#define XMCAST_RULES_CONFIG_H

#include "base/log.h"
#include "rules/rule.h"

enum iface_mode { IFACE_MODE_AUTO, IFACE_MODE_NATIVE, IFACE_MODE_SKB };

/* What to do when another tool has removed or replaced our XDP program. */
enum lost_program { LOST_PROGRAM_REATTACH, LOST_PROGRAM_LEAVE };

/* Who attaches the steering program. AUTO: whoever did, by pinned maps that fit; else the daemon.
 */
enum iface_attach { IFACE_ATTACH_AUTO, IFACE_ATTACH_OWN, IFACE_ATTACH_EXTERNAL };

/* Bytes of the path of a folder with pinned maps, with its NUL: that of a file in it is below
 * PATH_MAX by far. */
#define PINS_PATH_SIZE 256

/* `interfaces:` of the file, one per interface named there. */
struct iface_config {
	char name[IF_NAMESIZE];
	enum iface_mode mode; /* default IFACE_MODE_AUTO */
	unsigned int queues;  /* serve the first N RX queues; 0: all (default) */
	/* Default LOST_PROGRAM_REATTACH: rules shall be at work. LEAVE: not against an admin who
	 * takes the interface away on purpose; a reload attaches it again. */
	enum lost_program lost_program;
	enum iface_attach attach; /* default IFACE_ATTACH_AUTO */
	/* Absolute path of the folder with the maps that "xdp-loader load -p" has pinned; empty:
	 * /sys/fs/bpf/xmcast/NAME (default). */
	char pins[PINS_PATH_SIZE];
};

enum egress_engine { ENGINE_IO_URING, ENGINE_SENDMMSG };
enum egress_wakeup { WAKEUP_EVENTFD, WAKEUP_HYBRID, WAKEUP_SPIN };

/* `egress:` of the file. */
struct egress_config {
	enum egress_engine engine; /* default ENGINE_IO_URING */
	unsigned int gso; /* most datagrams in one send: 1 is "off", GSO_MAX_SEGMENTS "on" */
	enum egress_wakeup wakeup; /* of both threads of a worker; default WAKEUP_EVENTFD */
	/* Bytes that an output's socket may hold back, with the kernel's book-keeping; beyond it a
	 * datagram is a counted drop. Default 4 MiB: 20 ms of a full 1 Gbit/s. */
	unsigned int send_buffer;
};

/* CPUs that `workers.cpus` may list. */
#define WORKER_CPUS_MAX 128

/* `workers:` of the file: memory, rings and CPUs of the workers. */
struct worker_config {
	/* UMEM frames, a power of two, 64..1048576. Default 16384: at 1.5 M packets/s they last
	 * 11 ms, longer than a scheduler's slice takes a thread away; 32 MiB at an MTU of 1500. */
	unsigned int frames;
	/* RX ring entries, a power of two, 64..65536. 0: as many as frames (default), so that the
	 * ring cannot be full before the frames have run out. */
	unsigned int rx_ring;
	/* Threads are bound to these in turn: ingress and egress of the first worker, of the
	 * second, and so on. None: the scheduler decides (default). */
	unsigned int nr_cpus;
	uint16_t cpus[WORKER_CPUS_MAX];
	/* Seconds without a sign of life after which a thread is stuck, and the daemon ends so that
	 * its supervisor starts it anew; 0: never; at most 3600. Default 10: no pass of a loop
	 * takes that long, and a supervisor's own watchdog is slower still. */
	unsigned int watchdog;
};

/* Longest name of a Unix group that is taken, with its NUL (useradd(8) allows 32). */
#define GROUP_NAME_SIZE 33

/* `control:` of the file. */
struct control_config {
	/* Members may connect to the control socket and read: a name or a number; empty: the
	 * daemon's own group. */
	char group[GROUP_NAME_SIZE];
	/* Members may change things, as root and the daemon's own user may; empty: nobody else. */
	char admin_group[GROUP_NAME_SIZE];
	bool save_changes; /* each change is saved to the configuration file; default off */
};

/* Bytes of a hook's path, with its NUL. */
#define HOOK_PATH_SIZE 256

/* `events:` of the file. */
struct events_config {
	unsigned int silent_after; /* seconds without a packet: 1..86400, default 3 */
	char hook[HOOK_PATH_SIZE]; /* absolute path of a program run per event; empty: none */
};

/* `metrics:` of the file: where OpenMetrics are served over HTTP. */
struct metrics_config {
	struct xmc_addr address; /* a loopback address */
	uint16_t port;		 /* host order; 0: not at all (default) */
};

/* `security:` of the file: what the daemon gives up (daemon/rights.h, base/sandbox.h). */
struct security_config {
	/* Started as root, it becomes this user and group: names or numbers. Empty: it stays who it
	 * is, without root's other capabilities; and the group is the user's own. */
	char user[GROUP_NAME_SIZE];
	char group[GROUP_NAME_SIZE];
	bool no_sandbox; /* no lists of system calls, and of the ring's operations; default off */
};

/* All that a file or a command line says. */
struct config {
	unsigned int nr_rules;
	struct rule *rules; /* in the order in which they were given */
	unsigned int nr_ifaces;
	struct iface_config *ifaces;
	struct egress_config egress;
	struct worker_config workers;
	struct control_config control;
	struct log_config logging; /* base/log.h */
	struct events_config events;
	struct metrics_config metrics;
	struct security_config security;
	unsigned int stats_interval; /* `statistics: { interval: N }` seconds between statistics
					lines in the log; 0: none; default 10, at most 86400 */
};

/* An empty configuration with every default set. */
void config_init(struct config *config);

/* Copy all of it, rules included. 0, or -ENOMEM (then *copy is empty). */
int config_copy(struct config *copy, const struct config *config);

/* Copy everything but the rules; the copy has none. 0, or -ENOMEM (then *copy is empty). */
int config_copy_settings(struct config *copy, const struct config *config);

/* Whether both say the same: rules in the same order, sections of interfaces, every setting. */
bool config_equal(const struct config *a, const struct config *b);

/* Release what it owns and leave it empty. */
void config_free(struct config *config);

/* The interface's section of the file, or NULL if it has none (then the defaults hold). */
const struct iface_config *config_iface(const struct config *config, const char *name);

#endif
