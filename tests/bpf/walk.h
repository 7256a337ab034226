/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random walk: valid packets (packets.h), damaged with knowledge of their structure. It depends
 * only on its seed, so no expression makes two draws whose order the compiler could choose. One
 * walk at a time, one thread.
 */
#ifndef XMCAST_TESTS_WALK_H
#define XMCAST_TESTS_WALK_H

#include <stdint.h>

#include "packets.h"

void walk_begin(uint64_t seed);

/* 64 random bits. */
uint64_t walk_random(void);

/* 0..bound-1 */
uint32_t walk_below(uint32_t bound);

/* Make some mutations, or none. The packet must have an Ethernet header and keeps it, because the
 * kernel does not run the program without one. */
void walk_mutate(struct packet *packet);

#endif
