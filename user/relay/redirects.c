/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/redirects.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "steering/transmits.h"

/* From one try to load the programs that watch devices to the next. */
#define RETRY_NS NS_PER_SECOND

/* An intake and a device to which it redirects packets. */
struct pair {
	int from;
	int to;
	bool skb;		/* packets are redirected in skb mode */
	char name[IF_NAMESIZE]; /* of the device */
	uint64_t refused;	/* packets that it had refused at the last check */
	uint64_t until_ns;	/* it counts as refusing until then; 0: it does not */
	/* Of devices that had this name before and do not exist any more. */
	struct xmc_device_counts before;
};

/* A member of a bond that is an intake. */
struct member {
	int ifindex;
	int bond;
};

struct redirects {
	struct netlink *netlink;
	struct transmits *transmits;	       /* NULL: nothing is watched, or see `error` */
	const struct transmits_adoption *from; /* of another process, or NULL */
	bool adopted;			       /* its counters go on */
	int error;			       /* of the last try to open it */
	uint64_t retry_ns;		       /* when to try again */
	unsigned int nr_links, max_links;
	struct link *links; /* as queried since redirects_look(); ifindex 0: does not exist */
	unsigned int nr_pairs, max_pairs;
	struct pair *pairs;
	unsigned int nr_members, max_members;
	struct member *members;
};

int redirects_open(struct redirects **out)
{
	struct redirects *redirects = calloc(1, sizeof(*redirects));
	int err = redirects ? netlink_open(&redirects->netlink, NETLINK_ROUTE) : -ENOMEM;

	if (err)
		free(redirects);
	else
		*out = redirects;
	return err;
}

void redirects_close(struct redirects *redirects)
{
	if (!redirects)
		return;
	transmits_close(redirects->transmits);
	netlink_close(redirects->netlink);
	free(redirects->links);
	free(redirects->pairs);
	free(redirects->members);
	free(redirects);
}

struct netlink *redirects_netlink(struct redirects *redirects)
{
	return redirects->netlink;
}

/* Make room for one more element. `list` points to the array. 0 or -ENOMEM. */
static int grow(void *list, unsigned int count, unsigned int *most, size_t size)
{
	void **array = list;
	unsigned int more = *most ? 2 * *most : 8;
	void *larger;

	if (count < *most)
		return 0;
	larger = reallocarray(*array, more, size);
	if (!larger)
		return -ENOMEM;
	*array = larger;
	*most = more;
	return 0;
}

/* ---- how they are now ---- */

void redirects_look(struct redirects *redirects)
{
	redirects->nr_links = 0;
}

int redirects_find(struct redirects *redirects, const char *name, struct link *link)
{
	int err;

	for (unsigned int i = 0; i < redirects->nr_links; i++) {
		if (strcmp(redirects->links[i].name, name) == 0) {
			*link = redirects->links[i];
			return link->ifindex ? 0 : -ENODEV;
		}
	}
	err = grow(&redirects->links, redirects->nr_links, &redirects->max_links, sizeof(*link));
	if (err)
		return err;
	err = link_query(name, link);
	if (err && err != -ENODEV)
		return err;
	if (err)
		link->ifindex = 0;
	redirects->links[redirects->nr_links++] = *link;
	return err;
}

int redirects_find_index(struct redirects *redirects, int ifindex, struct link *link)
{
	char name[IF_NAMESIZE];

	for (unsigned int i = 0; i < redirects->nr_links; i++) {
		if (redirects->links[i].ifindex == ifindex) {
			*link = redirects->links[i];
			return 0;
		}
	}
	if (!if_indextoname((unsigned int)ifindex, name))
		return errno == ENXIO ? -ENODEV : -errno;
	return redirects_find(redirects, name, link);
}

/* ---- what becomes of redirected packets ---- */

static struct pair *find_pair(const struct redirects *redirects, int from, int to)
{
	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		if (redirects->pairs[i].from == from && redirects->pairs[i].to == to)
			return &redirects->pairs[i];
	}
	return NULL;
}

static void close_transmits(struct redirects *redirects)
{
	transmits_close(redirects->transmits);
	redirects->transmits = NULL;
}

/* Load them and tell them which interfaces are members of bonds. */
static int load_transmits(struct redirects *redirects, const struct transmits_adoption *from)
{
	int err = transmits_open(&redirects->transmits, from);

	if (err)
		return err;
	for (unsigned int i = 0; !err && i < redirects->nr_members; i++)
		err = transmits_set_bond(redirects->transmits, redirects->members[i].ifindex,
					 redirects->members[i].bond);
	if (err)
		close_transmits(redirects);
	return err;
}

/* Without them no packet is redirected, so it is tried again and again, but not for each output. */
static int open_transmits(struct redirects *redirects)
{
	uint64_t now_ns = clock_ns();

	if (redirects->transmits)
		return 0;
	if (!redirects->error || now_ns >= redirects->retry_ns) {
		redirects->error = load_transmits(redirects, redirects->from);
		redirects->adopted = !redirects->error && redirects->from;
		if (redirects->error && redirects->from)
			redirects->error = load_transmits(redirects, NULL);
		redirects->retry_ns = now_ns + RETRY_NS;
	}
	return redirects->error;
}

static int add_member(struct redirects *redirects, int member, int bond)
{
	int err = grow(&redirects->members, redirects->nr_members, &redirects->max_members,
		       sizeof(*redirects->members));

	if (!err)
		redirects->members[redirects->nr_members++] = (struct member){member, bond};
	return err;
}

int redirects_set_bond(struct redirects *redirects, int member, int bond)
{
	unsigned int i = 0;
	int err = 0;

	while (i < redirects->nr_members && redirects->members[i].ifindex != member)
		i++;
	if (!bond && i < redirects->nr_members)
		redirects->members[i] = redirects->members[--redirects->nr_members];
	else if (i < redirects->nr_members)
		redirects->members[i].bond = bond;
	else if (bond)
		err = add_member(redirects, member, bond);
	if (!err && redirects->transmits)
		err = transmits_set_bond(redirects->transmits, member, bond);
	return err;
}

/* Packets are redirected in the other mode now. */
static int change_mode(const struct redirects *redirects, struct pair *pair, bool skb)
{
	int err = transmits_watch(redirects->transmits, pair->from, pair->to, skb);

	if (err)
		return err;
	transmits_unwatch(redirects->transmits, pair->from, pair->to);
	pair->skb = skb;
	return 0;
}

static void add_counts(struct xmc_device_counts *sum, const struct xmc_device_counts *counts)
{
	sum->sent += counts->sent;
	for (unsigned int i = 0; i < XMC_DEVICE_DROPS; i++)
		sum->dropped[i] += counts->dropped[i];
}

/* What the pair has counted, and its predecessors. 0 or -errno. */
static int read_pair(const struct redirects *redirects, const struct pair *pair,
		     struct xmc_device_counts *counts)
{
	int err = transmits_read(redirects->transmits, pair->from, pair->to, counts);

	if (!err)
		add_counts(counts, &pair->before);
	return err;
}

/* Remove the pairs of devices that had the same name and do not exist any more, and keep what they
 * have counted: an interface may be created again any number of times. */
static void succeed(struct redirects *redirects, struct pair *pair)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		const struct pair *other = &redirects->pairs[i];
		struct xmc_device_counts counts;
		char name[IF_NAMESIZE];

		if (other->from == pair->from && *pair->name &&
		    strcmp(other->name, pair->name) == 0 &&
		    !if_indextoname((unsigned int)other->to, name) && errno == ENXIO &&
		    !read_pair(redirects, other, &counts)) {
			add_counts(&pair->before, &counts);
			transmits_unwatch(redirects->transmits, other->from, other->to);
		} else {
			redirects->pairs[left++] = *other;
		}
	}
	redirects->nr_pairs = left;
}

int redirects_watch(struct redirects *redirects, int from, int to, bool skb)
{
	struct pair *pair = find_pair(redirects, from, to);
	struct pair fresh = {.from = from, .to = to, .skb = skb};
	struct link link = {};
	int err;

	if (pair)
		return pair->skb == skb ? 0 : change_mode(redirects, pair, skb);
	err = open_transmits(redirects);
	if (!err)
		err = grow(&redirects->pairs, redirects->nr_pairs, &redirects->max_pairs,
			   sizeof(*pair));
	if (!err)
		err = transmits_watch(redirects->transmits, from, to, skb);
	if (err)
		return err;
	/* The name by which rules know it, if it was queried. */
	redirects_find_index(redirects, to, &link);
	memcpy(fresh.name, link.name, sizeof(fresh.name));
	succeed(redirects, &fresh);
	redirects->pairs[redirects->nr_pairs++] = fresh;
	return 0;
}

void redirects_prepare(struct redirects *redirects, int from, int to, bool skb)
{
	if (redirects->nr_pairs < XMC_MAX_DEVICE_PAIRS / 2)
		redirects_watch(redirects, from, to, skb);
}

void redirects_forget(struct redirects *redirects, int from)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		const struct pair *pair = &redirects->pairs[i];

		if (pair->from == from)
			transmits_unwatch(redirects->transmits, from, pair->to);
		else
			redirects->pairs[left++] = *pair;
	}
	redirects->nr_pairs = left;
	/* Its program sees every redirect of the machine: it must not outlive its use. */
	if (!left)
		close_transmits(redirects);
}

bool redirects_use(const struct redirects *redirects, int to)
{
	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		if (redirects->pairs[i].to == to)
			return true;
	}
	return false;
}

bool redirects_refuse(const struct redirects *redirects, int from, int to)
{
	const struct pair *pair = find_pair(redirects, from, to);

	return pair && pair->until_ns;
}

void redirects_forgive(struct redirects *redirects, int to)
{
	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		if (redirects->pairs[i].to == to)
			redirects->pairs[i].until_ns = 0;
	}
}

static bool check_pair(struct redirects *redirects, struct pair *pair, uint64_t now_ns)
{
	bool before = pair->until_ns != 0;
	struct xmc_device_counts counts;
	uint64_t refused;

	if (transmits_read(redirects->transmits, pair->from, pair->to, &counts))
		return false;
	refused = counts.dropped[XMC_DEVICE_ENXIO] + counts.dropped[XMC_DEVICE_EOPNOTSUPP];
	if (refused > pair->refused)
		pair->until_ns = now_ns + REFUSED_NS;
	else if (now_ns >= pair->until_ns)
		pair->until_ns = 0;
	pair->refused = refused;
	return (pair->until_ns != 0) != before;
}

bool redirects_check(struct redirects *redirects, uint64_t now_ns)
{
	bool changed = false;

	for (unsigned int i = 0; i < redirects->nr_pairs; i++)
		changed |= check_pair(redirects, &redirects->pairs[i], now_ns);
	return changed;
}

struct redirect_counts *redirects_counts(const struct redirects *redirects, int from,
					 unsigned int *count)
{
	struct redirect_counts *list = calloc(redirects->nr_pairs + 1UL, sizeof(*list));

	*count = 0;
	for (unsigned int i = 0; list && i < redirects->nr_pairs; i++) {
		const struct pair *pair = &redirects->pairs[i];
		struct xmc_device_counts counts;
		unsigned int j = 0;

		if (pair->from != from || read_pair(redirects, pair, &counts))
			continue;
		/* An interface that was created again has the same name, and another index. */
		while (j < *count && strcmp(list[j].device, pair->name) != 0)
			j++;
		*count += j == *count;
		list[j].device = pair->name;
		list[j].sent += counts.sent;
		for (unsigned int k = 0; k < XMC_DEVICE_DROPS; k++)
			list[j].dropped[k] += counts.dropped[k];
	}
	if (*count)
		return list;
	free(list);
	return NULL;
}

/* ---- from one process to the next ---- */

bool redirects_describe(const struct redirects *redirects, struct transmits_adoption *as)
{
	if (redirects->transmits)
		transmits_describe(redirects->transmits, as);
	return redirects->transmits != NULL;
}

void redirects_adopt(struct redirects *redirects, const struct transmits_adoption *from)
{
	redirects->from = from;
}

void redirects_set_owner(struct redirects *redirects, bool owner)
{
	redirects->from = NULL;
	if (redirects->transmits)
		transmits_set_owner(redirects->transmits, owner);
}

static struct pair *find_device(const struct redirects *redirects, int from, const char *device)
{
	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		if (redirects->pairs[i].from == from &&
		    strcmp(redirects->pairs[i].name, device) == 0)
			return &redirects->pairs[i];
	}
	return NULL;
}

void redirects_carry(struct redirects *redirects, int from, const char *device,
		     const struct xmc_device_counts *all, const struct xmc_device_counts *before)
{
	struct pair *pair = find_device(redirects, from, device);

	if (pair)
		add_counts(&pair->before, redirects->adopted ? before : all);
}

void redirects_forget_counters(struct redirects *redirects)
{
	for (unsigned int i = 0; redirects->adopted && i < redirects->nr_pairs; i++) {
		struct pair *pair = &redirects->pairs[i];
		struct xmc_device_counts counts;

		pair->before = (struct xmc_device_counts){};
		if (read_pair(redirects, pair, &counts))
			continue;
		pair->before.sent = 0 - counts.sent;
		for (unsigned int j = 0; j < XMC_DEVICE_DROPS; j++)
			pair->before.dropped[j] = 0 - counts.dropped[j];
	}
}

void redirects_before(const struct redirects *redirects, int from, const char *device,
		      struct xmc_device_counts *before)
{
	const struct pair *pair = find_device(redirects, from, device);

	*before = pair ? pair->before : (struct xmc_device_counts){};
}
