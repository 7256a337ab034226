/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which captured packets are wanted, in words: all of
 *
 *     src ADDR[/BITS]   dst ADDR[/BITS]   host ADDR[/BITS] (either)
 *     port N            src port N        dst port N
 *     len N[-M]         bytes of UDP payload
 *     in   out          received, or sent
 *
 * "not" in front of one of these, and "and" between them. Pure. Any thread.
 */
#ifndef XMCAST_CTL_CAPTURE_FILTER_H
#define XMCAST_CTL_CAPTURE_FILTER_H

#include <stdbool.h>

#include "ctl/capture_packet.h"

/* Conditions in one filter: more than anybody types. */
#define CAPTURE_CONDITIONS 16

enum capture_subject {
	CAPTURE_SOURCE,
	CAPTURE_DESTINATION,
	CAPTURE_HOST,
	CAPTURE_PORT,
	CAPTURE_SOURCE_PORT,
	CAPTURE_DESTINATION_PORT,
	CAPTURE_LENGTH,
	CAPTURE_IN,
	CAPTURE_OUT,
};

struct capture_condition {
	enum capture_subject subject;
	bool negated;
	struct xmc_addr address; /* its host bits are 0 */
	struct xmc_addr mask;
	bool is_ipv4;	/* ::/0 matches no IPv4 address */
	uint32_t least; /* port or length */
	uint32_t most;
};

struct capture_filter {
	unsigned int count; /* 0: every packet is wanted */
	struct capture_condition conditions[CAPTURE_CONDITIONS];
};

/* What is wrong with the words. */
struct capture_filter_error {
	const char *word;     /* one of them; NULL: behind the last one */
	const char *expected; /* constant text */
};

/* False: *error says why. */
bool capture_filter_parse(struct capture_filter *filter, char *const *words, int count,
			  struct capture_filter_error *error);

/* `in`: it was received. A packet whose headers could not be read matches nothing but "in" and
 * "out". */
bool capture_filter_matches(const struct capture_filter *filter, const struct capture_frame *frame,
			    bool in);

#endif
