/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules of the packets that this CPU has seen last, in front of find_rule(): the packets of a
 * stream find their rule with one comparison, whatever rules and shapes there are.
 *
 * An entry is valid until user space changes any rule: it then increments xmc_about.changes. The
 * entries are of this CPU alone, so they need no lock.
 */
#ifndef XMCAST_FLOWS_H
#define XMCAST_FLOWS_H

#include "find_rule.h"
#include "trial.h"

#define FLOW_BITS 10

struct flow {
	struct xmc_addr source;
	struct xmc_addr destination;
	__be16 port;
	__u8 protocol; /* as in struct xmc_datagram: if it and the port are 0, no packet is in here
			*/
	__u8 pad;
	__u32 tags;
	__u32 changes; /* xmc_about.changes when the rule was found */
	struct xmc_rule rule;
};

_Static_assert(sizeof(struct flow) == 64, "a flow fits a cache line");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << FLOW_BITS);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

/* The only entry that the packet can be in. */
static __always_inline struct flow *flow_of(const struct xmc_datagram *dgram)
{
	__u64 hash = dgram->source.w[3] * 0xd6e8feb86659fd93ULL +
		     dgram->destination.w[3] * 0xa0761d6478bd642fULL +
		     (dgram->port | dgram->protocol << 16 | (__u64)dgram->tags << 32) *
			     0xe7037ed1a0b428dbULL;
	__u32 index = hash >> (64 - FLOW_BITS);

	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline bool flow_is(const struct flow *flow, const struct xmc_datagram *dgram)
{
	__u32 differ = (flow->port ^ dgram->port) | (flow->protocol ^ dgram->protocol) |
		       (flow->tags ^ dgram->tags);

	for (int i = 0; i < 4; i++)
		differ |= (flow->source.w[i] ^ dgram->source.w[i]) |
			  (flow->destination.w[i] ^ dgram->destination.w[i]);
	return !differ;
}

/* The rule, if what was read is the rule of this packet, whole. Otherwise the user path takes the
 * packet: it finds the rule, and looks at its lease, by itself. */
static __always_inline void read_rule(const struct found *found, const struct xmc_datagram *dgram,
				      struct xmc_rule *rule)
{
	struct xmc_rule_key key;

	*rule = *found->rule;
	/* From here on only the copy counts: memory of the map is not read again. */
	asm volatile("" ::: "memory");
	xmc_shape_key(found->shape, dgram, &key);
	if ((rule->kind != XMC_TO_USER || rule->lease) && rule->seal != xmc_seal(&key, rule)) {
		rule->kind = XMC_TO_USER;
		rule->lease = 0;
	}
}

/*
 * Find the rule of a packet and keep it in its flow. Returns 0 if there is none. `changes` is
 * xmc_about.changes, read before.
 *
 * A function of its own, which the verifier checks once and apart from what calls it: otherwise it
 * would check the long search again for each kind of packet that the parser can describe.
 */
__noinline int find_flow(const struct xmc_datagram *dgram, __u32 changes)
{
	struct found found;
	struct flow *flow;

	if (!dgram)
		return 0;
	flow = flow_of(dgram);
	found = find_rule(dgram);
	if (!flow || !found.rule)
		return 0;
	if (trial)
		trial_found(found.shape, dgram);
	read_rule(&found, dgram, &flow->rule);
	flow->source = dgram->source;
	flow->destination = dgram->destination;
	flow->port = dgram->port;
	flow->protocol = dgram->protocol;
	flow->tags = dgram->tags;
	flow->changes = changes;
	return 1;
}

/* The most specific rule of a packet, or NULL. It does not change until the program ends. */
static __always_inline const struct xmc_rule *rule_of(const struct xmc_datagram *dgram,
						      __u32 changes)
{
	struct flow *flow = flow_of(dgram);

	if (!flow)
		return NULL;
	if (!trial && flow->changes == changes && flow_is(flow, dgram))
		return &flow->rule;
	/* A full memory barrier: `changes` must have been read before the rule. It writes into what
	 * is not read again. */
	__sync_lock_test_and_set(&flow->rule.seal, 0);
	return find_flow(dgram, changes) ? &flow->rule : NULL;
}

#endif
