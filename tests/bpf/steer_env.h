/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steering program by itself, for tests: loaded, attached to nothing, fed one packet at a time
 * by BPF_PROG_TEST_RUN. It sees every packet as having come by queue 0 of the loopback interface.
 *
 * Opening it moves the calling process into a network namespace of its own and pins it to one CPU:
 * one process, one thread. Needs CAP_SYS_ADMIN (the namespace), CAP_BPF, CAP_NET_ADMIN and, for the
 * AF_XDP sockets, CAP_NET_RAW.
 */
#ifndef XMCAST_TESTS_STEER_ENV_H
#define XMCAST_TESTS_STEER_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

#include "packets.h"

struct steer_env;

/* What became of one packet. */
struct steer_result {
	uint32_t action;	/* enum xdp_action */
	enum xmc_reason reason; /* the counter that moved; XMC_REASONS if none did */
	uint64_t counted;	/* how far all counters moved together: 1 if all is well */
	bool unchanged;		/* the packet came back as it went in, byte for byte */
};

/*
 * cmocka's set-up and tear-down of a program's one group of tests: open it, and close it. The
 * set-up does not fail where the machine lacks something; then each test skips, in steer_env_get().
 */
int steer_env_setup(void **state);
int steer_env_teardown(void **state);

/*
 * What the set-up has opened, with an AF_XDP socket in the slot of queue 0. Where the machine
 * cannot have it, the test that calls this ends as skipped (require.h).
 */
struct steer_env *steer_env_get(void);

/* The program's exit code: `failed` of cmocka's group, or EXIT_SKIPPED if nothing could be tested.
 */
int steer_env_exit_code(int failed);

int steer_env_add_rule(struct steer_env *env, const struct xmc_rule_key *key, uint32_t number);
int steer_env_remove_rule(struct steer_env *env, const struct xmc_rule_key *key);
void steer_env_remove_rules(struct steer_env *env);

/* How many slots of the shape map of a family are in this state. */
unsigned int steer_env_shapes(struct steer_env *env, enum xmc_family family,
			      enum xmc_shape_state state);

/* Put an AF_XDP socket, bound to the loopback interface, into the slot of a queue, or empty it. */
int steer_env_add_socket(struct steer_env *env, uint32_t queue);
int steer_env_remove_socket(struct steer_env *env, uint32_t queue);

/* Run the packet through the program. -errno if the kernel refused to. */
int steer_env_run(struct steer_env *env, const struct packet *packet, struct steer_result *result);

/* Which rule the program finds for the packet: 1, and its number; 0: none; -errno. */
int steer_env_find(struct steer_env *env, const struct packet *packet, uint32_t *number);

const char *steer_reason_name(enum xmc_reason reason);

#endif
