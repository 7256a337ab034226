/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lookup_init(struct lookup *lookup, size_t elements, const void *keys, size_t stride,
		size_t key_size)
{
	size_t slots = 2;

	while (slots < 2 * elements)
		slots *= 2;
	*lookup = (struct lookup){
		.slots = calloc(slots, sizeof(*lookup->slots)),
		.mask = (uint32_t)(slots - 1),
		.keys = keys,
		.stride = stride,
		.key_size = key_size,
	};
	return lookup->slots ? 0 : -ENOMEM;
}

void lookup_free(struct lookup *lookup)
{
	free(lookup->slots);
	lookup->slots = NULL;
}

/* Four bytes at a time, because most keys are made of words. */
uint32_t lookup_hash(const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	uint32_t hash = 2166136261u, word;
	size_t i = 0;

	for (; i + sizeof(word) <= length; i += sizeof(word)) {
		memcpy(&word, byte + i, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b1u;
		hash ^= hash >> 15;
	}
	for (; i < length; i++)
		hash = (hash ^ byte[i]) * 16777619u;
	return hash ^ hash >> 16;
}

static const char *key_of(const struct lookup *lookup, uint32_t index)
{
	return (const char *)lookup->keys + index * lookup->stride;
}

/* The slot of the element with this key, or the free one where it would be. */
static uint32_t *find_slot(const struct lookup *lookup, const char *key)
{
	size_t length = lookup->key_size ? lookup->key_size : strlen(key);
	uint32_t slot = lookup_hash(key, length) & lookup->mask;

	while (lookup->slots[slot]) {
		const char *other = key_of(lookup, lookup->slots[slot] - 1);

		if (lookup->key_size ? memcmp(other, key, length) == 0 : strcmp(other, key) == 0)
			break;
		slot = (slot + 1) & lookup->mask;
	}
	return &lookup->slots[slot];
}

uint32_t lookup_find(const struct lookup *lookup, const void *key)
{
	/* Of a free slot: 0 - 1 is LOOKUP_NONE. */
	return *find_slot(lookup, key) - 1;
}

uint32_t lookup_add(struct lookup *lookup, uint32_t index)
{
	uint32_t *slot = find_slot(lookup, key_of(lookup, index)), before = *slot - 1;

	if (before == LOOKUP_NONE)
		*slot = index + 1;
	return before;
}
