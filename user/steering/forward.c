/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/forward.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>
#include <xmcast/rewrite.h>
#include "steering/devices.h"

/* What the maps hold for one state of a forward. It never changes; a new state has a new number. */
struct generation {
	struct generation *next; /* among the retired ones */
	struct xmc_rule rule;	 /* without its seal */
	unsigned int count;	 /* usable outputs */
	struct xmc_output_key keys[];
};

struct forward {
	struct forwards *forwards;
	struct forward *next; /* among the closed ones */
	struct xmc_rule_key key;
	bool in_use;	/* by `key` */
	uint32_t tally; /* of the rule, and of its first output */
	struct generation *now;
	unsigned int nr_outputs;
	struct forward_output outputs[]; /* as set; with tally and same */
};

struct forwards {
	const struct pins *pins;
	struct devices *devices;
	bool skb;
	uint32_t last_number; /* of a generation */
	uint32_t last_tally;
	struct generation *retired;
	struct forward *closed;
	void *by_tally; /* the forwards that a key uses, see tsearch(3) */
	int nr_cpus;
	struct xmc_tally *per_cpu; /* scratch for reading and creating tallies */
};

int forwards_open(struct forwards **out, const struct pins *pins)
{
	struct forwards *forwards = calloc(1, sizeof(*forwards));
	int err;

	if (!forwards)
		return -ENOMEM;
	forwards->pins = pins;
	forwards->nr_cpus = libbpf_num_possible_cpus();
	err = forwards->nr_cpus < 0 ? forwards->nr_cpus : 0;
	if (!err)
		forwards->per_cpu = calloc((size_t)forwards->nr_cpus, sizeof(*forwards->per_cpu));
	if (!err && !forwards->per_cpu)
		err = -ENOMEM;
	if (!err)
		err = devices_open(&forwards->devices, pins);
	if (err)
		forwards_close(forwards);
	else
		*out = forwards;
	return err;
}

void forwards_close(struct forwards *forwards)
{
	if (!forwards)
		return;
	forwards_reap(forwards);
	devices_close(forwards->devices);
	free(forwards->per_cpu);
	free(forwards);
}

void forwards_set_skb(struct forwards *forwards, bool skb)
{
	forwards->skb = skb;
}

/* ---- generations ---- */

static void remove_outputs(const struct forwards *forwards, const struct generation *generation,
			   unsigned int count)
{
	while (count-- > 0)
		bpf_map_delete_elem(forwards->pins->fds[PIN_OUTPUTS], &generation->keys[count]);
}

/* Write the outputs under a number that no other generation has. -EEXIST: this one has it. */
static int add_outputs(struct forwards *forwards, struct generation *generation,
		       const struct forward_output *outputs, unsigned int nr_outputs)
{
	int fd = forwards->pins->fds[PIN_OUTPUTS];
	unsigned int count = 0;
	int err = 0;

	generation->rule.forward = ++forwards->last_number;
	for (unsigned int i = 0; !err && i < nr_outputs; i++) {
		struct xmc_output_key *key = &generation->keys[count];

		if (!outputs[i].ifindex)
			continue;
		*key = (struct xmc_output_key){.forward = generation->rule.forward,
					       .ifindex = (__u32)outputs[i].ifindex};
		for (unsigned int j = 0; j < count; j++)
			key->index += generation->keys[j].ifindex == key->ifindex;
		err = bpf_map_update_elem(fd, key, &outputs[i].header, BPF_NOEXIST);
		if (!err)
			count++;
	}
	if (err)
		remove_outputs(forwards, generation, count);
	return err;
}

static int compare_ints(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static int hold_devices(struct forwards *forwards, struct generation *generation)
{
	int ifindexes[XMC_MAX_COPIES];

	for (unsigned int i = 0; i < generation->count; i++)
		ifindexes[i] = (int)generation->keys[i].ifindex;
	qsort(ifindexes, generation->count, sizeof(ifindexes[0]), compare_ints);
	return devices_hold(forwards->devices, ifindexes, generation->count,
			    &generation->rule.target);
}

static void summarize(struct generation *generation, const struct forward_output *outputs,
		      unsigned int nr_outputs)
{
	unsigned int mtu = XMC_MAX_REWRITTEN;

	for (unsigned int i = 0; i < nr_outputs; i++) {
		if (!outputs[i].ifindex)
			continue;
		generation->count++;
		if (outputs[i].mtu < mtu)
			mtu = outputs[i].mtu;
	}
	generation->rule.mtu = (__u16)mtu;
	generation->rule.kind = generation->count > 1	? XMC_TO_DEVICES
				: generation->count > 0 ? XMC_TO_DEVICE
							: XMC_TO_NOTHING;
}

static int new_generation(struct generation **out, struct forwards *forwards,
			  const struct forward_output *outputs, unsigned int nr_outputs)
{
	struct generation *generation =
		calloc(1, sizeof(*generation) + nr_outputs * sizeof(generation->keys[0]));
	int err;

	if (!generation)
		return -ENOMEM;
	summarize(generation, outputs, nr_outputs);
	generation->rule.tally = outputs[0].header.tally;
	do
		err = add_outputs(forwards, generation, outputs, nr_outputs);
	while (err == -EEXIST);
	if (!err && generation->count) {
		err = hold_devices(forwards, generation);
		if (err)
			remove_outputs(forwards, generation, generation->count);
	}
	if (err)
		free(generation);
	else
		*out = generation;
	return err;
}

/* No packet can read it any more. */
static void free_generation(struct forwards *forwards, struct generation *generation)
{
	remove_outputs(forwards, generation, generation->count);
	devices_release(forwards->devices, generation->count, generation->rule.target);
	free(generation);
}

static void retire(struct forwards *forwards, struct generation *generation)
{
	generation->next = forwards->retired;
	forwards->retired = generation;
}

/* ---- tallies ---- */

static void remove_tallies(struct forward *forward, unsigned int count)
{
	while (count-- > 0)
		bpf_map_delete_elem(forward->forwards->pins->fds[PIN_TALLIES],
				    &forward->outputs[count].header.tally);
}

static int add_tallies(struct forward *forward)
{
	struct forwards *forwards = forward->forwards;

	memset(forwards->per_cpu, 0, (size_t)forwards->nr_cpus * sizeof(*forwards->per_cpu));
	for (unsigned int i = 0; i < forward->nr_outputs; i++) {
		uint32_t *tally = &forward->outputs[i].header.tally;
		int err;

		/* Until there is a number that is not in use. */
		do {
			*tally = ++forwards->last_tally;
			err = bpf_map_update_elem(forwards->pins->fds[PIN_TALLIES], tally,
						  forwards->per_cpu, BPF_NOEXIST);
		} while (err == -EEXIST);
		if (err) {
			remove_tallies(forward, i);
			return err;
		}
	}
	return 0;
}

void tally_add(struct xmc_tally *sum, const struct xmc_tally *tally)
{
	sum->received += tally->received;
	sum->received_bytes += tally->received_bytes;
	sum->too_large += tally->too_large;
	sum->sent += tally->sent;
	sum->sent_bytes += tally->sent_bytes;
}

static void read_tally(const struct forward *forward, uint32_t tally, struct xmc_tally *sum)
{
	const struct forwards *forwards = forward->forwards;

	*sum = (struct xmc_tally){};
	if (bpf_map_lookup_elem(forwards->pins->fds[PIN_TALLIES], &tally, forwards->per_cpu))
		return;
	for (int cpu = 0; cpu < forwards->nr_cpus; cpu++)
		tally_add(sum, &forwards->per_cpu[cpu]);
}

void forward_read_rule(const struct forward *forward, struct xmc_tally *sum)
{
	read_tally(forward, forward->tally, sum);
	sum->sent = sum->sent_bytes = 0;
}

void forward_read_output(const struct forward *forward, unsigned int i, struct xmc_tally *sum)
{
	read_tally(forward, forward->outputs[i].header.tally, sum);
	sum->received = sum->received_bytes = sum->too_large = 0;
}

/* ---- forwards ---- */

int forward_open(struct forward **out, struct forwards *forwards, unsigned int nr_outputs)
{
	struct forward *forward;
	int err;

	if (nr_outputs == 0 || nr_outputs > XMC_MAX_COPIES)
		return -EINVAL;
	forward = calloc(1, sizeof(*forward) + nr_outputs * sizeof(forward->outputs[0]));
	if (!forward)
		return -ENOMEM;
	forward->forwards = forwards;
	forward->nr_outputs = nr_outputs;
	err = add_tallies(forward);
	if (err)
		goto out_free;
	forward->tally = forward->outputs[0].header.tally;
	err = new_generation(&forward->now, forwards, forward->outputs, nr_outputs);
	if (err)
		goto out_tallies;
	*out = forward;
	return 0;
out_tallies:
	remove_tallies(forward, nr_outputs);
out_free:
	free(forward);
	return err;
}

/* The outputs as they are written into the map: with what only this file knows. */
static void complete(const struct forward *forward, const struct forward_output *outputs,
		     struct forward_output *completed)
{
	memcpy(completed, outputs, forward->nr_outputs * sizeof(*completed));
	for (unsigned int i = 0; i < forward->nr_outputs; i++) {
		completed[i].header.tally = forward->outputs[i].header.tally;
		completed[i].header.same = completed[i].header.pad = 0;
		for (unsigned int j = 0; outputs[i].ifindex && j < forward->nr_outputs; j++)
			completed[i].header.same += outputs[j].ifindex == outputs[i].ifindex;
	}
}

/* A rule has one family, so all its outputs have. */
static int check(const struct forward *forward, const struct forward_output *outputs)
{
	const struct xmc_output *first = NULL;
	unsigned int usable = 0;

	for (unsigned int i = 0; i < forward->nr_outputs; i++) {
		const struct xmc_output *header = &outputs[i].header;

		if (!outputs[i].ifindex)
			continue;
		if (!first)
			first = header;
		if (xmc_family_of(&header->source) != xmc_family_of(&header->destination) ||
		    xmc_family_of(&header->source) != xmc_family_of(&first->source))
			return -EINVAL;
		usable++;
	}
	return forward->forwards->skb && usable > 1 ? -EOPNOTSUPP : 0;
}

static int write_rule(const struct forward *forward, const struct generation *generation)
{
	struct xmc_rule rule = generation->rule;

	if (!forward->in_use)
		return 0;
	rule.seal = xmc_seal(&forward->key, &rule);
	return bpf_map_update_elem(forward->forwards->pins->fds[PIN_RULES], &forward->key, &rule,
				   BPF_EXIST);
}

int forward_set(struct forward *forward, const struct forward_output *outputs)
{
	size_t size = forward->nr_outputs * sizeof(*outputs);
	struct forward_output completed[XMC_MAX_COPIES];
	struct generation *generation;
	int err = check(forward, outputs);

	if (err)
		return err;
	complete(forward, outputs, completed);
	if (memcmp(completed, forward->outputs, size) == 0)
		return 0;
	err = new_generation(&generation, forward->forwards, completed, forward->nr_outputs);
	if (err)
		return err;
	err = write_rule(forward, generation);
	if (err) {
		/* No packet has seen it. */
		free_generation(forward->forwards, generation);
		return err;
	}
	retire(forward->forwards, forward->now);
	forward->now = generation;
	memcpy(forward->outputs, completed, size);
	return 0;
}

void forward_close(struct forward *forward)
{
	if (!forward)
		return;
	retire(forward->forwards, forward->now);
	forward->next = forward->forwards->closed;
	forward->forwards->closed = forward;
}

void forwards_reap(struct forwards *forwards)
{
	while (forwards->retired) {
		struct generation *generation = forwards->retired;

		forwards->retired = generation->next;
		free_generation(forwards, generation);
	}
	while (forwards->closed) {
		struct forward *forward = forwards->closed;

		forwards->closed = forward->next;
		remove_tallies(forward, forward->nr_outputs);
		free(forward);
	}
}

bool forwards_have_retired(const struct forwards *forwards)
{
	return forwards->retired || forwards->closed;
}

/* ---- keys ---- */

static int compare_tallies(const void *a, const void *b)
{
	const struct forward *left = a, *right = b;

	return (left->tally > right->tally) - (left->tally < right->tally);
}

int forward_use(struct forward *forward, const struct xmc_rule_key *key, struct xmc_rule *rule)
{
	if (forward->in_use)
		return -EBUSY;
	if (!tsearch(forward, &forward->forwards->by_tally, compare_tallies))
		return -ENOMEM;
	forward->key = *key;
	forward->in_use = true;
	*rule = forward->now->rule;
	rule->seal = xmc_seal(key, rule);
	return 0;
}

void forward_unuse(struct forward *forward)
{
	tdelete(forward, &forward->forwards->by_tally, compare_tallies);
	forward->in_use = false;
}

struct forward *forwards_find(const struct forwards *forwards, const struct xmc_rule *rule)
{
	const struct forward wanted = {.tally = rule->tally};
	struct forward **found = rule->kind == XMC_TO_USER
					 ? NULL
					 : tfind(&wanted, &forwards->by_tally, compare_tallies);

	return found ? *found : NULL;
}
