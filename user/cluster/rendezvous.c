/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/rendezvous.h"

#include <stddef.h>

/* FNV-1a. */
#define HASH_BASIS 0xcbf29ce484222325ULL
#define HASH_PRIME 0x100000001b3ULL

/* The increment and the finalizer of splitmix64: every bit of the input changes half of the output.
 */
#define TICKET_STEP 0x9e3779b97f4a7c15ULL

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

uint64_t name_hash(const char *name)
{
	uint64_t hash = HASH_BASIS;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * HASH_PRIME;
	return hash;
}

uint64_t lease_hash(const char *name, unsigned int shards)
{
	return mix(name_hash(name) + shards * TICKET_STEP);
}

uint64_t rendezvous_score(uint64_t node, unsigned int weight, uint64_t lease, unsigned int shard)
{
	uint64_t base = mix(node ^ mix(lease + shard));
	uint64_t best = 0;

	for (unsigned int i = 1; i <= weight; i++) {
		uint64_t ticket = mix(base + i * TICKET_STEP);

		if (ticket > best)
			best = ticket;
	}
	return best;
}
