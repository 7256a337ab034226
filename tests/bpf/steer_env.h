/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steering program for tests: loaded but not attached, and given one packet at a time by
 * BPF_PROG_TEST_RUN. To the program every packet arrives on queue 0 of the loopback interface.
 *
 * Opening it moves the calling process into its own network namespace and pins it to one CPU. One
 * thread. Needs CAP_SYS_ADMIN (the namespace), CAP_BPF, CAP_NET_ADMIN and, for the AF_XDP sockets,
 * CAP_NET_RAW.
 */
#ifndef XMCAST_TESTS_STEER_ENV_H
#define XMCAST_TESTS_STEER_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

#include "packets.h"

struct steer_env;

/* The outcome for one packet. */
struct steer_result {
	uint32_t action;	/* enum xdp_action */
	enum xmc_reason reason; /* the counter that moved; XMC_REASONS if none did */
	uint64_t counted;	/* sum of the changes of all counters: 1 if correct */
	bool unchanged;		/* every byte of the packet is as before */
	bool same;		/* the program for the user path only does the same with it */
};

/*
 * cmocka's set-up and tear-down for a group of tests. The set-up succeeds even if a privilege or a
 * feature is missing; then steer_env_get() skips each test.
 */
int steer_env_setup(void **state);
int steer_env_teardown(void **state);

/*
 * The opened program, with an AF_XDP socket in the slot of queue 0. If it could not be opened, the
 * calling test is skipped (require.h).
 */
struct steer_env *steer_env_get(void);

/* The exit code of the test program: `failed` of cmocka's group, or EXIT_SKIPPED if all tests were
 * skipped. */
int steer_env_exit_code(int failed);

/* As steer_add_rule() and steer_remove_rule(), for the user path, but with a number by which
 * steer_env_find() tells the rules apart. */
int steer_env_add_rule(struct steer_env *env, const struct xmc_rule_key *key, uint32_t number);
int steer_env_remove_rule(struct steer_env *env, const struct xmc_rule_key *key);
void steer_env_remove_rules(struct steer_env *env);

/* How many slots of a family's shape map are in this state. */
unsigned int steer_env_shapes(struct steer_env *env, enum xmc_family family,
			      enum xmc_shape_state state);

/* Put an AF_XDP socket, bound to the loopback interface, into the slot of a queue, or empty it. */
int steer_env_add_socket(struct steer_env *env, uint32_t queue);
int steer_env_remove_socket(struct steer_env *env, uint32_t queue);

/* As steer_set_capacity(). */
int steer_env_set_capacity(struct steer_env *env, uint32_t bytes);

/* The program runs on the members of a bond; the loopback interface is the one with this value in
 * the map members, or with XMC_SOCKET_SLOTS is none. false: it runs on an interface itself. */
int steer_env_set_member(struct steer_env *env, bool members, uint32_t value);

/* Run the program on the packet. 0; -errno: the kernel refused. */
int steer_env_run(struct steer_env *env, const struct packet *packet, struct steer_result *result);

/* The notes about passed packets (bpf/passed.h), at most `most`, and forget them. Their
 * number, or -errno. */
int steer_env_passed(struct steer_env *env, struct xmc_passed *notes, unsigned int most);

/* Which rule the program finds for the packet. 1: *number is the rule's; 0: none; -errno. */
int steer_env_find(struct steer_env *env, const struct packet *packet, uint32_t *number);

const char *steer_reason_name(enum xmc_reason reason);

#endif
