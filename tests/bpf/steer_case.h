/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for the steering program: a packet, and the reason that it must be counted under. For
 * cmocka tests between steer_env_setup() and steer_env_teardown(); each begins with begin().
 */
#ifndef XMCAST_TESTS_STEER_CASE_H
#define XMCAST_TESTS_STEER_CASE_H

#include <stddef.h>
#include <stdint.h>

#include "require.h"
#include "steer_env.h"

/* The flows that begin() makes rules for, and a source of each family. */
#define SOURCE4 "10.9.9.9"
#define GROUP4	"239.1.1.1"
#define SOURCE6 "2001:db8::9"
#define GROUP6	"ff3e::1"
#define PORT	5000

extern struct steer_env *env; /* since begin() */

/* What every test starts from: a socket on queue 0, and one (*,G) rule of each family. */
void begin(void);

/* As text, with a port in host order; `source` NULL is any. Assert that it can be done. */
void add_rule(const char *source, const char *group, uint16_t port);
void remove_rule(const char *source, const char *group, uint16_t port);

/* A packet of begin()'s flows with `payload` bytes of payload. */
void build4(struct packet *packet, size_t payload);
void build6(struct packet *packet, size_t payload);

/*
 * The packet must get the reason's verdict and move its counter, that one alone, by one; and come
 * back as it went in. A failure's message has the line.
 */
void expect_at(const struct packet *packet, enum xmc_reason reason, int line);
#define expect(packet, reason) expect_at(packet, reason, __LINE__)

#endif
