/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/transmits.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	struct bpf_link *links[NR_PARTS]; /* NULL: not attached, or by another process: */
	int adopted_fds[NR_PARTS];	  /* its link; -1: none */
	bool shared;			  /* the maps are another process's, too */
	struct pair *pairs;
	size_t nr_pairs;
	int nr_cpus;
	struct xmc_device_counts *per_cpu; /* scratch for one entry */
};

/* ---- open and close ---- */

/* The programs of another process are attached already; ours are loaded as well, for the
 * tracepoints that it has not needed. */
static int adopt(struct transmits *transmits, const struct transmits_adoption *from)
{
	int err = bpf_map__reuse_fd(transmits->skel->maps.pairs, from->pairs_fd);

	if (!err)
		err = bpf_map__reuse_fd(transmits->skel->maps.skb_pairs, from->skb_pairs_fd);
	if (!err)
		err = bpf_map__reuse_fd(transmits->skel->maps.bonds, from->bonds_fd);
	for (enum part part = 0; !err && part < NR_PARTS; part++) {
		if (from->link_fds[part] < 0)
			continue;
		transmits->adopted_fds[part] = fcntl(from->link_fds[part], F_DUPFD_CLOEXEC, 0);
		err = transmits->adopted_fds[part] < 0 ? -errno : 0;
	}
	transmits->shared = true;
	return err;
}

static int load(struct transmits *transmits, const struct transmits_adoption *from)
{
	struct stat status;
	int err;

	if (stat("/proc/self/ns/net", &status))
		return -errno;
	transmits->skel = transmit_bpf__open();
	if (!transmits->skel)
		return -errno;
	transmits->skel->rodata->netns = (__u32)status.st_ino;
	err = from ? adopt(transmits, from) : 0;
	return err ? err : transmit_bpf__load(transmits->skel);
}

int transmits_open(struct transmits **out, const struct transmits_adoption *from)
{
	struct transmits *transmits = calloc(1, sizeof(*transmits));
	int err;

	if (!transmits)
		return -ENOMEM;
	memset(transmits->adopted_fds, 0xff, sizeof(transmits->adopted_fds));
	transmits->nr_cpus = libbpf_num_possible_cpus();
	err = transmits->nr_cpus < 0 ? transmits->nr_cpus : 0;
	if (!err)
		transmits->per_cpu =
			calloc((size_t)transmits->nr_cpus, sizeof(*transmits->per_cpu));
	if (!err && !transmits->per_cpu)
		err = -ENOMEM;
	if (!err)
		err = load(transmits, from);
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
	if (transmits->adopted_fds[part] >= 0)
		close(transmits->adopted_fds[part]);
	transmits->adopted_fds[part] = -1;
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
		if (!needed[part] || transmits->links[part] || transmits->adopted_fds[part] >= 0)
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

/* The counters of another process go on. */
static int add_entry(struct transmits *transmits, const struct pair *pair)
{
	int err;

	memset(transmits->per_cpu, 0, (size_t)transmits->nr_cpus * sizeof(*transmits->per_cpu));
	err = bpf_map_update_elem(bpf_map__fd(transmits->skel->maps.pairs), &pair->key,
				  transmits->per_cpu, BPF_NOEXIST);
	return err == -EEXIST && transmits->shared ? 0 : err;
}

static void forget(const struct transmits *transmits, const struct xmc_device_key *key)
{
	bpf_map_delete_elem(bpf_map__fd(transmits->skel->maps.skb_pairs), key);
	bpf_map_delete_elem(bpf_map__fd(transmits->skel->maps.pairs), key);
}

static void remove_pair(struct transmits *transmits, struct pair *pair)
{
	if (!transmits->shared)
		forget(transmits, &pair->key);
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

int transmits_set_bond(struct transmits *transmits, int member, int bond)
{
	int fd = bpf_map__fd(transmits->skel->maps.bonds);
	__u32 key = (__u32)member, value = (__u32)bond;

	if (bond)
		return bpf_map_update_elem(fd, &key, &value, BPF_ANY);
	/* Another process's programs still need the entry. */
	if (!transmits->shared)
		bpf_map_delete_elem(fd, &key);
	return 0;
}

void transmits_unwatch(struct transmits *transmits, int from, int to)
{
	struct pair *pair = find(transmits, from, to);

	if (!pair || --pair->users)
		return;
	remove_pair(transmits, pair);
}

/* ---- from one process to the next ---- */

void transmits_describe(const struct transmits *transmits, struct transmits_adoption *as)
{
	_Static_assert((int)TRANSMITS_PARTS == (int)NR_PARTS, "a link for each program");
	as->pairs_fd = bpf_map__fd(transmits->skel->maps.pairs);
	as->skb_pairs_fd = bpf_map__fd(transmits->skel->maps.skb_pairs);
	as->bonds_fd = bpf_map__fd(transmits->skel->maps.bonds);
	for (enum part part = 0; part < NR_PARTS; part++)
		as->link_fds[part] = transmits->links[part] ? bpf_link__fd(transmits->links[part])
							    : transmits->adopted_fds[part];
}

void transmits_set_owner(struct transmits *transmits, bool owner)
{
	int fd = bpf_map__fd(transmits->skel->maps.pairs);
	struct xmc_device_key key, next;
	const struct xmc_device_key *at = NULL;

	transmits->shared = !owner;
	while (owner && !bpf_map_get_next_key(fd, at, &next)) {
		if (find(transmits, (int)next.from, (int)next.to)) {
			key = next;
			at = &key;
		} else {
			forget(transmits, &next);
		}
	}
	if (owner)
		attach(transmits);
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
