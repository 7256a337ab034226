/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration says: rules and settings, as plain data. The names of the settings, their
 * limits and their defaults, with the reasons, are in settings.c.
 */
#ifndef XMCAST_RULES_MODEL_H
#define XMCAST_RULES_MODEL_H

#include "base/log.h"
#include "rules/rule.h"

enum iface_mode { IFACE_MODE_AUTO, IFACE_MODE_NATIVE, IFACE_MODE_SKB };

/* What to do when another tool has removed or replaced our XDP program. */
enum lost_program { LOST_PROGRAM_REATTACH, LOST_PROGRAM_LEAVE };

/* Who attaches the steering program. AUTO: an administrator, if maps that fit are pinned; otherwise
 * the daemon. */
enum iface_attach { IFACE_ATTACH_AUTO, IFACE_ATTACH_OWN, IFACE_ATTACH_EXTERNAL };

/* What to do about features of devices that change packets before XDP sees them
 * (links/ethtool_features.h). */
enum iface_offloads { OFFLOADS_REPORT, OFFLOADS_MANAGE };

/* What `demand.querier` and `demand.leave` say, unless the interface has something else. */
enum iface_querier { IFACE_QUERIER_DEFAULT, IFACE_QUERIER_AUTO, IFACE_QUERIER_OFF };
enum iface_leave {
	IFACE_LEAVE_DEFAULT,
	IFACE_LEAVE_QUERY, /* these as enum demand_leave, and one */
	IFACE_LEAVE_TRACKED,
	IFACE_LEAVE_FAST,
};

/* Path of a directory with pinned maps, with its NUL. A file name still fits behind it in PATH_MAX
 * bytes. */
#define PINS_PATH_SIZE 256

/* `interfaces:` of the file, one per interface named there. */
struct iface_config {
	char name[IF_NAMESIZE];
	enum iface_mode mode;
	unsigned int queues; /* serve the first N RX queues; 0: all */
	enum lost_program lost_program;
	enum iface_attach attach;
	char pins[PINS_PATH_SIZE]; /* absolute; empty: /sys/fs/bpf/xmcast/NAME */
	enum iface_offloads offloads;
	enum iface_querier querier;
	enum iface_leave leave;
	uint16_t file; /* as of a rule */
};

/* A file of conf.d. */
struct config_part {
	char *path;
	bool changed; /* its rules differ from what was read or saved */
};

/* `relay:` of the file. */
struct relay_config {
	enum rule_path path; /* of rules that do not name one; never RULE_PATH_DEFAULT */
};

enum egress_engine { ENGINE_IO_URING, ENGINE_SENDMMSG };
enum egress_wakeup { WAKEUP_EVENTFD, WAKEUP_HYBRID, WAKEUP_SPIN };

/* `egress:` of the file. */
struct egress_config {
	enum egress_engine engine;
	unsigned int gso; /* most datagrams in one send: 1 is "off", GSO_MAX_SEGMENTS "on" */
	enum egress_wakeup wakeup; /* of both threads of a worker */
	unsigned int send_buffer;  /* bytes (SO_SNDBUF) that the socket of an output may hold */
};

/* CPUs that `workers.cpus` may list. */
#define WORKER_CPUS_MAX 128

/* `workers:` of the file: memory, rings and CPUs of the workers. */
struct worker_config {
	unsigned int frames;  /* UMEM frames, a power of two */
	unsigned int rx_ring; /* RX ring entries, a power of two; 0: as many as frames */
	/* Threads are bound to these in turn: ingress and egress of the first worker, of the
	 * second, and so on. None: the scheduler decides. */
	unsigned int nr_cpus;
	uint16_t cpus[WORKER_CPUS_MAX];
	unsigned int watchdog; /* seconds without a heartbeat before a thread is stuck; 0: never */
};

/* Longest name of a Unix user or group, with its NUL (useradd(8) allows 32). */
#define GROUP_NAME_SIZE 33

/* `control:` of the file. Groups are names or numbers. */
struct control_config {
	char group[GROUP_NAME_SIZE];	   /* may connect and read; empty: the daemon's own group */
	char admin_group[GROUP_NAME_SIZE]; /* may change everything; empty: no group */
	bool save_changes;		   /* save each change to the configuration file */
};

/* How a leave ends what a receiver wanted (membership/receivers.h). */
enum demand_leave { DEMAND_LEAVE_QUERY, DEMAND_LEAVE_TRACKED, DEMAND_LEAVE_FAST };

/* `demand:` of the file: outputs with `when joined`, and the receivers on their interfaces. Times
 * are in ms. */
struct demand_config {
	bool querier;	     /* send queries where nobody else does */
	unsigned int linger; /* from the last receiver until an input `on demand` is left */
	enum demand_leave leave;
	unsigned int query_interval;
	unsigned int response_time; /* in which hosts answer a query of all groups */
	unsigned int last_member_interval;
	unsigned int robustness;
	unsigned int max_groups;
	unsigned int max_members;
	unsigned int max_streams; /* of one rule: groups of a prefix, and sources that are named */
};

/* `events:` of the file. */
struct events_config {
	unsigned int silent_after; /* seconds without a packet until a rule counts as silent */
	unsigned int
		unheld_after; /* seconds until a lease without a holder is reported; 0: never */
	bool double_source;   /* listen for other hosts that send to the groups of leases */
};

/* `security:` of the file: what the daemon gives up (daemon/rights.h, base/sandbox.h). */
struct security_config {
	/* Started as root, it becomes this user and group: names or numbers. Empty: it stays the
	 * user that it is, without root's other capabilities; and the group is the user's own. */
	char user[GROUP_NAME_SIZE];
	char group[GROUP_NAME_SIZE];
	bool sandbox; /* restrict threads to the system calls that they need */
};

/* What rules of the file have in common (rules/groups.h). */
struct rule_group {
	char name[RULE_NAME_SIZE];
	char lease[LEASE_NAME_SIZE];
	uint16_t lease_shards;
	uint16_t file; /* as of rules */
};

#define RULE_GROUPS_MAX 1024

/* All that a file or a command line says. */
struct config {
	unsigned int nr_rules;
	struct rule *rules; /* in the order in which they were given */
	unsigned int nr_groups;
	struct rule_group *groups; /* rules name them by index + 1 */
	unsigned int nr_ifaces;
	struct iface_config *ifaces;
	unsigned int nr_parts;
	struct config_part *parts; /* rules and interfaces name them by index + 1 */
	struct default_config defaults;
	struct relay_config relay;
	struct egress_config egress;
	struct worker_config workers;
	struct control_config control;
	struct log_config logging; /* base/log.h */
	struct events_config events;
	struct demand_config demand;
	struct security_config security;
	unsigned int stats_interval; /* seconds between statistics lines in the log; 0: none */
};

#endif
