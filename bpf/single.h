/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps with one entry. */
#ifndef XMCAST_SINGLE_H
#define XMCAST_SINGLE_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* Type of a map with one value. */
#define SINGLE(map_type, value_type)                                                               \
	struct {                                                                                   \
		__uint(type, map_type);                                                            \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	}

static __always_inline void *only_value(void *map)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(map, &first);
}

#endif
