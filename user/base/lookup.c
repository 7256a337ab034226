/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FNV_PRIME 16777619u

uint32_t lookup_hash(uint32_t seed, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < length; i++)
		seed = (seed ^ byte[i]) * FNV_PRIME;
	return seed;
}

uint32_t lookup_hash_text(const char *text)
{
	return lookup_hash(LOOKUP_SEED, text, strlen(text));
}

int lookup_init(struct lookup *lookup, size_t elements, const void *array,
		bool (*has_key)(const void *array, uint32_t index, const void *key))
{
	size_t slots = 2;

	while (slots < 2 * elements)
		slots *= 2;
	*lookup =
		(struct lookup){.mask = (uint32_t)(slots - 1), .array = array, .has_key = has_key};
	lookup->slots = calloc(slots, sizeof(*lookup->slots));
	return lookup->slots ? 0 : -ENOMEM;
}

void lookup_free(struct lookup *lookup)
{
	free(lookup->slots);
	lookup->slots = NULL;
}

/* The slot of the element with this key, or the free slot where it would be. */
static uint32_t *find_slot(const struct lookup *lookup, uint32_t hash, const void *key)
{
	/* The low bits of FNV alone are its weakest. */
	uint32_t slot = (hash ^ hash >> 16) & lookup->mask;

	while (lookup->slots[slot] && !lookup->has_key(lookup->array, lookup->slots[slot] - 1, key))
		slot = (slot + 1) & lookup->mask;
	return &lookup->slots[slot];
}

uint32_t lookup_find(const struct lookup *lookup, uint32_t hash, const void *key)
{
	/* A free slot gives 0 - 1, which is LOOKUP_NONE. */
	return *find_slot(lookup, hash, key) - 1;
}

uint32_t lookup_add(struct lookup *lookup, uint32_t hash, const void *key, uint32_t index)
{
	uint32_t *slot = find_slot(lookup, hash, key), before = *slot - 1;

	if (before == LOOKUP_NONE)
		*slot = index + 1;
	return before;
}

void lookup_set(struct lookup *lookup, uint32_t hash, const void *key, uint32_t index)
{
	*find_slot(lookup, hash, key) = index + 1;
}
