/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel path (relay/kernel_path.h) of one rule with two outputs, on a network and a steering
 * program that the tests make up: the functions of both that the kernel path calls are defined
 * here.
 *
 * A test runs between set_up() and tear_down(), and starts the rule. A test program includes
 * kernel_path_env.c.
 */
#ifndef XMCAST_TESTS_KERNEL_PATH_ENV_H
#define XMCAST_TESTS_KERNEL_PATH_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "links/next_hop.h"
#include "relay/kernel_path.h"
#include "steering/forward.h"

#define MAX 8

/* ---- the network ---- */

extern struct link links[MAX]; /* by index, from 1 on; ifindex 0: does not exist */
extern int query_error;
extern struct next_hop hops[MAX]; /* of the host or group whose last byte this is */
extern bool resolved;
extern uint8_t neighbour_mac[MAC_LENGTH];
extern unsigned int used; /* calls of neighbour_use() */
extern bool refuses;
extern unsigned int watched;

/* ---- the steering program ---- */

struct forward {
	bool open;
	bool user; /* forward_set_user() was the last call */
	uint16_t lease;
	unsigned int nr_outputs;
	struct forward_output outputs[MAX];
	struct xmc_tally rule;
	struct xmc_tally sent[MAX];
};

extern struct forward forwards[MAX];
/* Packets that are received while a forward is set, and sent later. */
extern unsigned int on_its_way;
extern const char *cannot_forward;
extern int forward_error;
/* What has been left in the maps: steer_wait(), which is counted, ends `forward_error` with it. */
extern unsigned int retired, waits;
extern struct key_value in_map; /* of the only key; KEY_NONE: it is not there */

/* ---- the rule under test ---- */

#define GROUP 1 /* the first output: 239.0.0.1 by link 1 */
#define HOST  2 /* the second one: 10.0.0.2 by link 2 */

extern struct rule_output outputs[2];
extern struct rule rule;
extern struct kernel_path *kernel;
extern struct total_counts totals;
extern struct kernel_side side, other_side;

/* Nothing is in the way. */
void clear_the_way(void);

int set_up(void **state);
int tear_down(void **state);

/* The rule joins the line-up, and its key is added to the XDP map. */
void start_as(enum rule_path wanted, uint16_t lease);
void start(bool strict);

struct reading {
	struct rule_counts rule;
	struct output_counts outputs[2];
};

struct reading read_now(void);

#endif
