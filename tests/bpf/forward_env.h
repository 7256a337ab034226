/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A steering program with rules on the kernel path, for tests: in a network namespace of its own,
 * with the veths in0-far0, out0-far1 and out1-far2, which are up. far1 and far2 receive redirected
 * packets.
 *
 * One thread. Needs root, CAP_PERFMON among its capabilities.
 */
#ifndef XMCAST_TESTS_FORWARD_ENV_H
#define XMCAST_TESTS_FORWARD_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

#include "packets.h"
#include "steering/forward.h"
#include "steering/steer.h"

#define FORWARD_FAR 3

struct forward_env {
	struct steer *steer;
	struct xsk *xsk; /* in queue 0 of in0 */
	int program_fd;
	int in, out[2];	      /* interface indexes */
	int far[FORWARD_FAR]; /* packet sockets at the other ends */
};

extern struct forward_env forward_env;

/* cmocka's set-up and tear-down of a group. If a privilege is missing, forward_env_need() skips. */
int forward_env_setup(void **state);
int forward_env_teardown(void **state);
void forward_env_need(void);

/* The exit code of the test program. */
int forward_env_exit_code(int failed);

/* Open, load and fill one: addresses as text, `port` 0: kept; leaves by forward_env.out[device]. */
struct forward_output forward_env_output(unsigned int device, const char *source,
					 const char *destination, uint16_t port);

/* A forward with these outputs, used by a key. Failure fails the test. */
struct forward *forward_env_add(const struct xmc_rule_key *key,
				const struct forward_output *outputs, unsigned int count);
void forward_env_remove(const struct xmc_rule_key *key, struct forward *forward);

/* Run the steering program on the packet, which is replaced by what it made of it. Returns the
 * action; *reason is the verdict, of which there must be exactly one. */
uint32_t forward_env_run(struct packet *packet, enum xmc_reason *reason);

/* Send a frame into in0. */
void forward_env_send(const struct packet *packet);

/* The same, `count` times (at most 64) in one go: in0 has them all when it begins. */
void forward_env_burst(const struct packet *packet, unsigned int count);

/* The next frame at far end i, whatever it is. False: none came within some seconds, or, with
 * `now`, there is none yet. */
bool forward_env_receive(unsigned int i, struct packet *packet, bool now);

#endif
