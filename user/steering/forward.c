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
#include "steering/slots.h"

/* What the maps hold for one state of a forward. It never changes; a new state has other slots. */
struct generation {
	struct generation *next; /* among the retired ones */
	struct xmc_rule rule;	 /* without its seal */
	unsigned int count;	 /* usable outputs, from slot rule.output on */
};

struct forward {
	struct forwards *forwards;
	struct forward *next; /* among the closed ones */
	struct xmc_rule_key key;
	bool in_use;	/* by `key` */
	uint32_t tally; /* slot of output 0, and of the rule; those of the others follow */
	uint16_t lease; /* slot; 0: none */
	struct generation *now;
	unsigned int nr_outputs;
	struct forward_output outputs[]; /* as set, with their tallies */
};

struct forwards {
	const struct pins *pins;
	struct devices *devices;
	struct slots outputs;
	struct slots tallies;
	bool skb;
	unsigned int nr_retired; /* in both lists */
	struct generation *retired;
	struct forward *closed;
	void *by_tally; /* the forwards that a key uses, see tsearch(3) */
	int nr_cpus;
	struct xmc_tally *per_cpu; /* scratch for one tally */
};

int forwards_open(struct forwards **out, const struct pins *pins, bool shared)
{
	struct forwards *forwards = calloc(1, sizeof(*forwards));
	int err;

	if (!forwards)
		return -ENOMEM;
	forwards->pins = pins;
	slots_init(&forwards->outputs, pins->fds[PIN_OUTPUTS], BPF_MAP_TYPE_ARRAY,
		   sizeof(struct xmc_output));
	slots_init(&forwards->tallies, pins->fds[PIN_TALLIES], BPF_MAP_TYPE_PERCPU_ARRAY,
		   sizeof(struct xmc_tally));
	if (shared) {
		slots_share(&forwards->outputs);
		slots_share(&forwards->tallies);
	}
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

void forwards_drop_shared(struct forwards *forwards)
{
	slots_drop_foreign(&forwards->outputs);
	slots_drop_foreign(&forwards->tallies);
}

static int prepare_slots(struct slots *slots)
{
	uint32_t slot;
	int err = slots_take(slots, 1, &slot);

	if (!err)
		slots_release(slots, slot, 1);
	return err;
}

int forwards_prepare(struct forwards *forwards)
{
	int err = prepare_slots(&forwards->outputs);

	if (!err)
		err = prepare_slots(&forwards->tallies);
	return err ? err : devices_prepare(forwards->devices);
}

/* For tdestroy(3): the forwards belong to the caller. */
static void keep(void *forward)
{
}

void forwards_close(struct forwards *forwards)
{
	if (!forwards)
		return;
	forwards_reap(forwards);
	tdestroy(forwards->by_tally, keep);
	devices_close(forwards->devices);
	slots_free(&forwards->outputs);
	slots_free(&forwards->tallies);
	free(forwards->per_cpu);
	free(forwards);
}

void forwards_set_skb(struct forwards *forwards, bool skb)
{
	forwards->skb = skb;
}

/* ---- generations ---- */

/* The usable outputs of a rule, those on one interface one after the other. */
struct selection {
	const struct forward_output *outputs[XMC_MAX_COPIES];
	unsigned int count;
	unsigned int mtu;
};

static int compare_interfaces(const void *a, const void *b)
{
	const struct forward_output *const *left = a, *const *right = b;

	if ((*left)->ifindex != (*right)->ifindex)
		return (*left)->ifindex < (*right)->ifindex ? -1 : 1;
	return *left < *right ? -1 : *left > *right; /* as they were given */
}

static void select_usable(struct selection *selection, const struct forward_output *outputs,
			  unsigned int nr_outputs)
{
	*selection = (struct selection){.mtu = XMC_MAX_REWRITTEN};
	for (unsigned int i = 0; i < nr_outputs; i++) {
		if (!outputs[i].ifindex)
			continue;
		selection->outputs[selection->count++] = &outputs[i];
		if (outputs[i].mtu < selection->mtu)
			selection->mtu = outputs[i].mtu;
	}
	qsort(selection->outputs, selection->count, sizeof(selection->outputs[0]),
	      compare_interfaces);
}

/* Nobody reads these slots yet. */
static int write_outputs(struct forwards *forwards, const struct selection *selection,
			 uint32_t first)
{
	const struct forward_output *const *outputs = selection->outputs;
	uint8_t same = 0; /* as in struct xmc_output */
	int err = 0;

	for (unsigned int i = selection->count; !err && i-- > 0;) {
		struct xmc_output output = outputs[i]->header;
		bool last = i + 1 == selection->count;

		same = !last && outputs[i]->ifindex == outputs[i + 1]->ifindex ? same + 1 : 1;
		output.same = same;
		output.more = i + same < selection->count;
		output.ifindex = (__u32)outputs[i]->ifindex;
		err = slots_write(&forwards->outputs, first + i, &output);
	}
	return err;
}

static int hold_devices(struct forwards *forwards, const struct selection *selection,
			uint32_t *target)
{
	int ifindexes[XMC_MAX_COPIES];

	for (unsigned int i = 0; i < selection->count; i++)
		ifindexes[i] = selection->outputs[i]->ifindex;
	return devices_hold(forwards->devices, ifindexes, selection->count, target);
}

static int fill_generation(struct forwards *forwards, struct generation *generation,
			   const struct selection *selection)
{
	struct xmc_rule *rule = &generation->rule;
	int err = slots_take(&forwards->outputs, selection->count, &rule->output);
	uint32_t target = 0;

	if (err)
		return err;
	err = write_outputs(forwards, selection, rule->output);
	if (!err)
		err = hold_devices(forwards, selection, &target);
	rule->target = (__u16)target;
	if (err)
		slots_release(&forwards->outputs, rule->output, selection->count);
	return err;
}

/* `outputs` NULL: the user path. */
static int new_generation(struct generation **out, const struct forward *forward,
			  const struct forward_output *outputs)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	struct selection selection;
	int err = 0;

	if (!generation)
		return -ENOMEM;
	select_usable(&selection, outputs, outputs ? forward->nr_outputs : 0);
	generation->count = selection.count;
	generation->rule = (struct xmc_rule){
		.lease = forward->lease,
		.tally = forward->tally,
		.mtu = (__u16)selection.mtu,
		.kind = selection.count > 1   ? XMC_TO_DEVICES
			: selection.count > 0 ? XMC_TO_DEVICE
			: !outputs	      ? XMC_TO_USER
					      : XMC_TO_NOTHING,
	};
	if (selection.count)
		err = fill_generation(forward->forwards, generation, &selection);
	if (err)
		free(generation);
	else
		*out = generation;
	return err;
}

/* No packet can read it any more. */
static void free_generation(struct forwards *forwards, struct generation *generation)
{
	if (generation->count) {
		slots_release(&forwards->outputs, generation->rule.output, generation->count);
		devices_release(forwards->devices, generation->count, generation->rule.target);
	}
	free(generation);
}

static void retire(struct forwards *forwards, struct generation *generation)
{
	generation->next = forwards->retired;
	forwards->retired = generation;
	forwards->nr_retired++;
}

/* ---- tallies ---- */

static int add_tallies(struct forward *forward)
{
	struct forwards *forwards = forward->forwards;
	int err = slots_take(&forwards->tallies, forward->nr_outputs, &forward->tally);

	if (err)
		return err;
	memset(forwards->per_cpu, 0, (size_t)forwards->nr_cpus * sizeof(*forwards->per_cpu));
	for (unsigned int i = 0; !err && i < forward->nr_outputs; i++) {
		forward->outputs[i].header.tally = forward->tally + i;
		err = slots_write(&forwards->tallies, forward->tally + i, forwards->per_cpu);
	}
	if (err)
		slots_release(&forwards->tallies, forward->tally, forward->nr_outputs);
	return err;
}

static void read_tally(const struct forward *forward, uint32_t tally, struct xmc_tally *sum)
{
	const struct forwards *forwards = forward->forwards;

	*sum = (struct xmc_tally){};
	if (slots_read(&forwards->tallies, tally, forwards->per_cpu))
		return;
	for (int cpu = 0; cpu < forwards->nr_cpus; cpu++)
		tally_add(sum, &forwards->per_cpu[cpu]);
}

void forwards_describe(const struct forwards *forwards, int tally_fds[XMC_CHUNKS])
{
	memcpy(tally_fds, forwards->tallies.chunk_fds, sizeof(forwards->tallies.chunk_fds));
}

uint32_t forward_slot(const struct forward *forward)
{
	return forward->tally;
}

bool forwards_read_foreign(const struct forwards *forwards, const int tally_fds[XMC_CHUNKS],
			   uint32_t slot, struct xmc_tally *sum)
{
	*sum = (struct xmc_tally){};
	if (slots_read_foreign(&forwards->tallies, tally_fds, slot, forwards->per_cpu))
		return false;
	for (int cpu = 0; cpu < forwards->nr_cpus; cpu++)
		tally_add(sum, &forwards->per_cpu[cpu]);
	return true;
}

void forward_read_rule(const struct forward *forward, struct xmc_tally *sum)
{
	read_tally(forward, forward->tally, sum);
	sum->sent = sum->sent_bytes = 0;
}

void forward_read_output(const struct forward *forward, unsigned int i, struct xmc_tally *sum)
{
	*sum = (struct xmc_tally){};
	if (i >= forward->nr_outputs)
		return;
	read_tally(forward, forward->tally + i, sum);
	sum->received = sum->received_bytes = sum->too_large = sum->standby = 0;
}

/* ---- forwards ---- */

int forward_open(struct forward **out, struct forwards *forwards, unsigned int nr_outputs,
		 uint16_t lease)
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
	forward->lease = lease;
	err = add_tallies(forward);
	if (err)
		goto out_free;
	err = new_generation(&forward->now, forward, forward->outputs);
	if (err)
		goto out_tallies;
	*out = forward;
	return 0;
out_tallies:
	slots_release(&forwards->tallies, forward->tally, nr_outputs);
out_free:
	free(forward);
	return err;
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
		if (xmc_family_of(&header->destination) != xmc_family_of(&first->destination))
			return -EINVAL;
		if (!(header->flags & XMC_KEEP_SOURCE) &&
		    xmc_family_of(&header->source) != xmc_family_of(&header->destination))
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
	return pins_write_rule(forward->forwards->pins, &forward->key, &rule, BPF_EXIST);
}

/* From one generation to the next. `outputs`: as new_generation(). */
static int replace(struct forward *forward, const struct forward_output *outputs)
{
	struct generation *generation;
	int err = new_generation(&generation, forward, outputs);

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
	return 0;
}

int forward_set(struct forward *forward, const struct forward_output *outputs)
{
	size_t size = forward->nr_outputs * sizeof(*outputs);
	struct forward_output completed[XMC_MAX_COPIES];
	int err = check(forward, outputs);

	if (err)
		return err;
	memcpy(completed, outputs, size);
	for (unsigned int i = 0; i < forward->nr_outputs; i++)
		completed[i].header.tally = forward->tally + i;
	if (forward->now->rule.kind != XMC_TO_USER &&
	    memcmp(completed, forward->outputs, size) == 0 &&
	    devices_are_complete(forward->forwards->devices, forward->now->count,
				 forward->now->rule.target))
		return 0;
	err = replace(forward, completed);
	if (!err)
		memcpy(forward->outputs, completed, size);
	return err;
}

int forward_set_user(struct forward *forward)
{
	return forward->now->rule.kind == XMC_TO_USER ? 0 : replace(forward, NULL);
}

void forward_close(struct forward *forward)
{
	if (!forward)
		return;
	retire(forward->forwards, forward->now);
	forward->next = forward->forwards->closed;
	forward->forwards->closed = forward;
	forward->forwards->nr_retired++;
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
		slots_release(&forwards->tallies, forward->tally, forward->nr_outputs);
		free(forward);
	}
	forwards->nr_retired = 0;
}

unsigned int forwards_retired(const struct forwards *forwards)
{
	return forwards->nr_retired;
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
	struct forward **found = rule->kind == XMC_TO_USER && !rule->lease
					 ? NULL
					 : tfind(&wanted, &forwards->by_tally, compare_tallies);

	return found ? *found : NULL;
}
