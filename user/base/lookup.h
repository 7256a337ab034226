/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table of the indexes of an array's elements: open addressing, linear probing. Keys stay in
 * the array; the table only knows how to compare an element with a key. There are at least twice as
 * many slots as elements, so that probes are short. Any thread, one at a time for each table.
 */
#ifndef XMCAST_BASE_LOOKUP_H
#define XMCAST_BASE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup {
	uint32_t *slots; /* index + 1; 0: free. All 0 at first */
	uint32_t mask;	 /* slots - 1, a power of two less 1 */
	const void *array;
	/* Whether the array's element has this key. */
	bool (*has_key)(const void *array, uint32_t index, const void *key);
};

/* Not an index: no element has the key. */
#define LOOKUP_NONE UINT32_MAX

/* The hash of no bytes. */
#define LOOKUP_SEED 2166136261u

/* Continue a hash: FNV-1a, 32 bits. Whoever could craft collisions may change the rules anyway. */
uint32_t lookup_hash(uint32_t seed, const void *bytes, size_t length);

/* The hash of a string alone. */
uint32_t lookup_hash_text(const char *text);

/* Make room for `elements` elements. 0 or -ENOMEM; lookup_free() accepts the result of both, and a
 * struct of all zero. */
int lookup_init(struct lookup *lookup, size_t elements, const void *array,
		bool (*has_key)(const void *array, uint32_t index, const void *key));

void lookup_free(struct lookup *lookup);

/* The index of the element with this key, or LOOKUP_NONE. */
uint32_t lookup_find(const struct lookup *lookup, uint32_t hash, const void *key);

/* Enter an element, unless there is one with its key: then that element's index is returned. */
uint32_t lookup_add(struct lookup *lookup, uint32_t hash, const void *key, uint32_t index);

/* Enter an element, replacing the one with its key if there is one. */
void lookup_set(struct lookup *lookup, uint32_t hash, const void *key, uint32_t index);

#endif
