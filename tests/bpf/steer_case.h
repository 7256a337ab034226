/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for the steering program: a packet, and the reason under which it must be counted. For
 * cmocka tests with steer_env_setup() and steer_env_teardown(); each starts with begin().
 */
#ifndef XMCAST_TESTS_STEER_CASE_H
#define XMCAST_TESTS_STEER_CASE_H

#include <stddef.h>
#include <stdint.h>

#include "require.h"
#include "steer_env.h"

/* The flows for which begin() adds rules, and a source of each family. */
#define SOURCE4 "10.9.9.9"
#define GROUP4	"239.1.1.1"
#define SOURCE6 "2001:db8::9"
#define GROUP6	"ff3e::1"
#define PORT	5000

extern struct steer_env *env; /* set by begin() */

/* The initial state of every test: a socket on queue 0, and one (*,G) rule of each family. */
void begin(void);

/* The addresses as text, the port in host order; `source` NULL: any. Failure fails the test. */
void add_rule(const char *source, const char *group, uint16_t port);
void remove_rule(const char *source, const char *group, uint16_t port);

/* A packet of begin()'s flows with `payload` bytes of payload. */
void build4(struct packet *packet, size_t payload);
void build6(struct packet *packet, size_t payload);

/*
 * The packet must get the verdict of this reason, be counted once under it and under no other, and
 * stay unchanged. The message of a failure has the line.
 */
void expect_at(const struct packet *packet, enum xmc_reason reason, int line);
#define expect(packet, reason) expect_at(packet, reason, __LINE__)

#endif
