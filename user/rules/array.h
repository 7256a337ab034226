/* SPDX-License-Identifier: BSD-2-Clause */
/* Arrays that grow by doubling. */
#ifndef XMCAST_RULES_ARRAY_H
#define XMCAST_RULES_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

/*
 * Room for one more element behind the `used` first ones. The size of the array is always the next
 * power of two (0 for an empty one), so that it need not be stored. Returns the array, maybe
 * elsewhere, or NULL without memory; then the old one is still the caller's.
 */
static inline void *array_grow(void *array, unsigned int used, size_t element_size)
{
	if (used & (used - 1))
		return array;
	return reallocarray(array, used ? used * 2UL : 1, element_size);
}

#endif
