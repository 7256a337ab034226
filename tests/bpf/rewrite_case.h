/* SPDX-License-Identifier: BSD-2-Clause */
/* A rule with one output on the kernel path, and what has to become of the packets that it gets. */
#ifndef XMCAST_TESTS_REWRITE_CASE_H
#define XMCAST_TESTS_REWRITE_CASE_H

#include "forward_env.h"
#include "rewritten.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define FAMILIES     2
#define PORT	     5000

/* The same for both families. */
struct family {
	const char *source, *group; /* of the rule and its packets */
	const char *from, *to;	    /* of the output */
};

extern const struct family families[FAMILIES];

struct fixture {
	unsigned int family;
	struct xmc_rule_key key;
	struct forward_output output;
	struct forward *forward;
	uint16_t sent; /* as the program counts: the identification of the next IPv4 packet */
};

struct fixture rewrite_begin(unsigned int family, const struct xmc_rule_key *key, uint16_t port);
void rewrite_end(struct fixture *fixture);

/* Any source, to the group of the family. */
struct xmc_rule_key key_of(unsigned int family, uint16_t port);

void build(struct packet *packet, unsigned int family, size_t payload, enum written written);

void expect_equal(const struct packet *packet, const struct packet *wanted, const char *what);

/* The packet must leave, rewritten as expected. */
void expect_forwarded(struct fixture *fixture, const struct packet *packet, const char *what);

void expect_dropped(const struct packet *packet);
void expect_passed(const struct packet *packet, enum xmc_reason wanted);

#endif
