/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table over an array: it finds an element's index by the element's key. The keys are read
 * where they are, so the array must stay in place. Open addressing with linear probing; at least
 * twice as many slots as elements, so that probes are short. Any thread, one at a time for each
 * table.
 */
#ifndef XMCAST_BASE_LOOKUP_H
#define XMCAST_BASE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

struct lookup {
	uint32_t *slots;  /* index + 1; 0: free */
	uint32_t mask;	  /* number of slots, a power of two, less 1 */
	const void *keys; /* the key of element 0 */
	size_t stride;	  /* bytes from one key to the next */
	size_t key_size;  /* bytes of a key; 0: keys are strings */
};

/* Not an index: no element has the key. */
#define LOOKUP_NONE UINT32_MAX

/* Make room for `elements` elements. 0 or -ENOMEM; lookup_free() accepts the result of both, and a
 * struct of all zero. */
int lookup_init(struct lookup *lookup, size_t elements, const void *keys, size_t stride,
		size_t key_size);

void lookup_free(struct lookup *lookup);

/* The index of the element with this key, or LOOKUP_NONE. */
uint32_t lookup_find(const struct lookup *lookup, const void *key);

/* Enter an element, unless there is one with an equal key: then that element's index is returned,
 * otherwise LOOKUP_NONE. */
uint32_t lookup_add(struct lookup *lookup, uint32_t index);

/* The hash of any bytes. A user who could craft collisions may change the rules anyway. */
uint32_t lookup_hash(const void *bytes, size_t length);

#endif
