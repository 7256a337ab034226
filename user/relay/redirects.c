/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/redirects.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* An intake and a device to which it redirects packets. */
struct pair {
	int from;
	int to;
	char name[IF_NAMESIZE]; /* of the device */
	uint64_t refused;	/* packets that it had refused at the last check */
	uint64_t until_ns;	/* it counts as refusing until then; 0: it does not */
};

struct redirects {
	struct netlink *netlink;
	unsigned int nr_links, max_links;
	struct link *links; /* as queried since redirects_look(); ifindex 0: does not exist */
	unsigned int nr_pairs, max_pairs;
	struct pair *pairs;
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
	netlink_close(redirects->netlink);
	free(redirects->links);
	free(redirects->pairs);
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

int redirects_watch(struct redirects *redirects, int from, int to, bool skb)
{
	struct link link = {};
	struct pair *pair;
	int err;

	if (find_pair(redirects, from, to))
		return 0;
	err = grow(&redirects->pairs, redirects->nr_pairs, &redirects->max_pairs, sizeof(*pair));
	if (err)
		return err;
	pair = &redirects->pairs[redirects->nr_pairs++];
	*pair = (struct pair){.from = from, .to = to};
	/* The name by which rules know it, if it was queried. */
	redirects_find_index(redirects, to, &link);
	memcpy(pair->name, link.name, sizeof(pair->name));
	return 0;
}

void redirects_forget(struct redirects *redirects, int from)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < redirects->nr_pairs; i++) {
		const struct pair *pair = &redirects->pairs[i];

		if (pair->from != from)
			redirects->pairs[left++] = *pair;
	}
	redirects->nr_pairs = left;
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

bool redirects_check(struct redirects *redirects, uint64_t now_ns)
{
	return false;
}

struct redirect_counts *redirects_counts(const struct redirects *redirects, int from,
					 unsigned int *count)
{
	*count = 0;
	return NULL;
}
