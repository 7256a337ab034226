/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule of a packet, in BPF: the maps that hold the rules of one ingress interface, and the
 * look-up. Any number of rules costs the same; what counts is how many shapes they have (abi.h).
 */
#ifndef XMCAST_FIND_RULE_H
#define XMCAST_FIND_RULE_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>
#include <xmcast/packet.h>

#include "pinned.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	/* Twice the rules: while all of them are replaced, it holds old and new keys. */
	__uint(max_entries, 2 * XMC_MAX_RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xmc_rule_key);
	__type(value, struct xmc_rule);
	PINNED;
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_FAMILIES *XMC_SHAPE_SLOTS);
	__type(key, __u32);
	__type(value, struct xmc_shape);
	PINNED;
} shapes SEC(".maps");

/* A rule that was found. The value stays valid memory until the program ends, but once its key is
 * removed or gets another value, another rule may be written in its place: see xmc_seal(). */
struct found {
	const struct xmc_rule *rule; /* NULL: none */
	const struct xmc_shape *shape;
};

/*
 * The most specific rule of a packet. The slots of the shape map are in no order, so all used ones
 * are visited, but keys are looked up only of shapes that are more specific than the best match so
 * far.
 *
 * Unrolled, because that keeps the verifier's work small.
 */
static __always_inline struct found find_rule(const struct xmc_datagram *dgram)
{
	__u32 first = xmc_family_of(&dgram->destination) * XMC_SHAPE_SLOTS;
	unsigned int best_number = XMC_SHAPES;
	struct found best = {};

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < XMC_SHAPE_SLOTS; i++) {
		__u32 slot = first + i;
		const struct xmc_shape *shape = bpf_map_lookup_elem(&shapes, &slot);
		const struct xmc_rule *rule;
		struct xmc_rule_key key __attribute__((aligned(8))); /* see xmc_shape_key() */
		unsigned int number;

		if (!shape || shape->state == XMC_SHAPE_END)
			break;
		number = xmc_shape_number(shape);
		if (shape->state != XMC_SHAPE_USED || (best.rule && number >= best_number) ||
		    !xmc_shape_fits(shape, dgram))
			continue;
		xmc_shape_key(shape, dgram, &key);
		rule = bpf_map_lookup_elem(&rules, &key);
		if (rule) {
			best.rule = rule;
			best.shape = shape;
			best_number = number;
		}
	}
	return best;
}

#endif
