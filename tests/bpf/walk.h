/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random walk through the packets that there are: whole ones (packets.h), damaged in ways that
 * know their structure. It depends on its seed alone; so no two draws stand where the compiler may
 * choose which comes first. One walk at a time, one thread.
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

/* Some mutations, or none, of a packet that has an Ethernet header at least; which it keeps, since
 * the kernel would not run the program on less. */
void walk_mutate(struct packet *packet);

#endif
