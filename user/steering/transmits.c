/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/transmits.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "transmit.skel.h"

struct pair {
	struct xmc_device_key key;
	bool skb;
	unsigned int users;
};

/* The programs, and how many pairs need them. */
enum part { PART_BULK, PART_ERROR, PART_REFUSED, PART_PACKET, NR_PARTS };

struct transmits {
	struct transmit_bpf *skel;
	struct bpf_link *links[NR_PARTS]; /* NULL: not attached */
	struct pair *pairs;
	size_t nr_pairs;
	int nr_cpus;
	struct xmc_device_counts *per_cpu; /* scratch for one entry */
};

/* ---- open and close ---- */

static int load(struct transmits *transmits)
{
	struct stat status;

	if (stat("/proc/self/ns/net", &status))
		return -errno;
	transmits->skel = transmit_bpf__open();
	if (!transmits->skel)
		return -errno;
	transmits->skel->rodata->netns = (__u32)status.st_ino;
	return transmit_bpf__load(transmits->skel);
}

int transmits_open(struct transmits **out)
{
	struct transmits *transmits = calloc(1, sizeof(*transmits));
	int err;

	if (!transmits)
		return -ENOMEM;
	transmits->nr_cpus = libbpf_num_possible_cpus();
	err = transmits->nr_cpus < 0 ? transmits->nr_cpus : 0;
	if (!err)
		transmits->per_cpu =
			calloc((size_t)transmits->nr_cpus, sizeof(*transmits->per_cpu));
	if (!err && !transmits->per_cpu)
		err = -ENOMEM;
	if (!err)
		err = load(transmits);
	if (err)
		transmits_close(transmits);
	else
		*out = transmits;
	return err;
}

static void detach(struct transmits *transmits, enum part part)
{
	bpf_link__destroy(transmits->links[part]);
	transmits->links[part] = NULL;
}

void transmits_close(struct transmits *transmits)
{
	if (!transmits)
		return;
	for (enum part part = 0; part < NR_PARTS; part++)
		detach(transmits, part);
	transmit_bpf__destroy(transmits->skel);
	free(transmits->pairs);
	free(transmits->per_cpu);
	free(transmits);
}

/* ---- watching ---- */

static struct pair *find(const struct transmits *transmits, int from, int to)
{
	for (size_t i = 0; i < transmits->nr_pairs; i++) {
		struct pair *pair = &transmits->pairs[i];

		if (pair->key.from == (__u32)from && pair->key.to == (__u32)to)
			return pair;
	}
	return NULL;
}

static const struct bpf_program *program_of(const struct transmits *transmits, enum part part)
{
	switch (part) {
	case PART_BULK:
		return transmits->skel->progs.count_bulk;
	case PART_ERROR:
		return transmits->skel->progs.count_error;
	case PART_REFUSED:
		return transmits->skel->progs.note_refused;
	default:
		return transmits->skel->progs.count_packet;
	}
}

/* Attach what the pairs need, and detach the rest: a tracepoint with a program costs every packet
 * of the machine that passes it. */
static int attach(struct transmits *transmits)
{
	bool needed[NR_PARTS] = {};

	for (size_t i = 0; i < transmits->nr_pairs; i++) {
		needed[PART_ERROR] = true;
		if (transmits->pairs[i].skb)
			needed[PART_REFUSED] = needed[PART_PACKET] = true;
		else
			needed[PART_BULK] = true;
	}
	for (enum part part = 0; part < NR_PARTS; part++) {
		if (!needed[part])
			detach(transmits, part);
		if (!needed[part] || transmits->links[part])
			continue;
		transmits->links[part] = bpf_program__attach(program_of(transmits, part));
		if (!transmits->links[part])
			return -errno;
	}
	return 0;
}

static int set_mode(struct transmits *transmits, struct pair *pair, bool skb)
{
	int fd = bpf_map__fd(transmits->skel->maps.skb_pairs);
	const __u32 yes = 1;
	int err;

	err = skb ? bpf_map_update_elem(fd, &pair->key, &yes, BPF_ANY)
		  : bpf_map_delete_elem(fd, &pair->key);
	if (err && err != -ENOENT)
		return err;
	pair->skb = skb;
	return attach(transmits);
}

static int add_entry(struct transmits *transmits, const struct pair *pair)
{
	memset(transmits->per_cpu, 0, (size_t)transmits->nr_cpus * sizeof(*transmits->per_cpu));
	return bpf_map_update_elem(bpf_map__fd(transmits->skel->maps.pairs), &pair->key,
				   transmits->per_cpu, BPF_NOEXIST);
}

static void remove_pair(struct transmits *transmits, struct pair *pair)
{
	bpf_map_delete_elem(bpf_map__fd(transmits->skel->maps.skb_pairs), &pair->key);
	bpf_map_delete_elem(bpf_map__fd(transmits->skel->maps.pairs), &pair->key);
	*pair = transmits->pairs[--transmits->nr_pairs];
	/* Only detaches, which cannot fail. */
	attach(transmits);
}

static int add_pair(struct transmits *transmits, int from, int to, bool skb)
{
	struct pair *pairs =
		realloc(transmits->pairs, (transmits->nr_pairs + 1) * sizeof(*transmits->pairs));
	struct pair *pair;
	int err;

	if (!pairs)
		return -ENOMEM;
	transmits->pairs = pairs;
	pair = &pairs[transmits->nr_pairs++];
	*pair = (struct pair){.key = {.from = (__u32)from, .to = (__u32)to}, .users = 1};
	err = add_entry(transmits, pair);
	if (!err)
		err = set_mode(transmits, pair, skb);
	if (err)
		remove_pair(transmits, pair);
	return err;
}

int transmits_watch(struct transmits *transmits, int from, int to, bool skb)
{
	struct pair *pair = find(transmits, from, to);

	if (!pair)
		return add_pair(transmits, from, to, skb);
	pair->users++;
	if (pair->skb == skb)
		return 0;
	return set_mode(transmits, pair, skb);
}

void transmits_unwatch(struct transmits *transmits, int from, int to)
{
	struct pair *pair = find(transmits, from, to);

	if (!pair || --pair->users)
		return;
	remove_pair(transmits, pair);
}

int transmits_read(const struct transmits *transmits, int from, int to,
		   struct xmc_device_counts *counts)
{
	const struct pair *pair = find(transmits, from, to);
	int err;

	if (!pair)
		return -ENOENT;
	err = bpf_map_lookup_elem(bpf_map__fd(transmits->skel->maps.pairs), &pair->key,
				  transmits->per_cpu);
	if (err)
		return err;
	*counts = (struct xmc_device_counts){};
	for (int cpu = 0; cpu < transmits->nr_cpus; cpu++) {
		counts->sent += transmits->per_cpu[cpu].sent;
		for (unsigned int i = 0; i < XMC_DEVICE_DROPS; i++)
			counts->dropped[i] += transmits->per_cpu[cpu].dropped[i];
	}
	return 0;
}
