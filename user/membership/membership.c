/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/membership.h"

#include <errno.h>
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct member {
	struct xmc_addr group;
	struct xmc_addr source;
	int ifindex;
};

/*
 * Sockets that hold one kind of membership; only the last may have room. One socket takes a group
 * either for any source or for some, hence a set for each, per family.
 */
struct socket_set {
	int *fds;
	unsigned int count;
};

enum set { IPV4_ANY, IPV4_SOURCE, IPV6_ANY, IPV6_SOURCE, SETS };

struct membership {
	struct socket_set sets[SETS];
	void *members; /* tsearch(3) tree of what is joined */
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct member));
}

int membership_open(struct membership **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void membership_close(struct membership *membership)
{
	if (!membership)
		return;
	for (int i = 0; i < SETS; i++) {
		/* Newest first: the kernel's list of groups has them in front, and looks for each
		 * from there. To leave 10,000 takes 0.7 s this way and 4.7 s the other. */
		while (membership->sets[i].count)
			close(membership->sets[i].fds[--membership->sets[i].count]);
		free(membership->sets[i].fds);
	}
	tdestroy(membership->members, free);
	free(membership);
}

static int add_socket(struct socket_set *set, int family)
{
	int *fds;
	int fd;

	fds = realloc(set->fds, (set->count + 1) * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	set->fds = fds;
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	set->fds[set->count++] = fd;
	return 0;
}

static int join_on(int fd, const struct member *member)
{
	int level = addr_is_ipv4(&member->group) ? IPPROTO_IP : IPPROTO_IPV6;
	struct group_source_req with_source = {.gsr_interface = (uint32_t)member->ifindex};
	struct group_req any = {.gr_interface = (uint32_t)member->ifindex};
	int err;

	if (addr_is_any(&member->source)) {
		addr_to_sockaddr(&member->group, 0, &any.gr_group);
		err = setsockopt(fd, level, MCAST_JOIN_GROUP, &any, sizeof(any));
	} else {
		addr_to_sockaddr(&member->group, 0, &with_source.gsr_group);
		addr_to_sockaddr(&member->source, 0, &with_source.gsr_source);
		err = setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &with_source,
				 sizeof(with_source));
	}
	return err ? -errno : 0;
}

/* On the last socket if that has room, else on a new one. */
static int join(struct membership *membership, const struct member *member)
{
	bool ipv4 = addr_is_ipv4(&member->group);
	bool any = addr_is_any(&member->source);
	struct socket_set *set = &membership->sets[ipv4 ? (any ? IPV4_ANY : IPV4_SOURCE)
							: (any ? IPV6_ANY : IPV6_SOURCE)];
	int err = -ENOBUFS;

	if (set->count)
		err = join_on(set->fds[set->count - 1], member);
	if (err != -ENOBUFS)
		return err;
	err = add_socket(set, addr_family(&member->group));
	return err ? err : join_on(set->fds[set->count - 1], member);
}

int membership_join(struct membership *membership, const struct xmc_addr *group,
		    const struct xmc_addr *source, int ifindex)
{
	struct member *member;
	struct member **found;
	int err;

	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	member->group = *group;
	member->source = *source;
	member->ifindex = ifindex;
	found = tsearch(member, &membership->members, compare);
	if (!found) {
		free(member);
		return -ENOMEM;
	}
	if (*found != member) { /* joined already: a rule with another port */
		free(member);
		return 0;
	}
	err = join(membership, member);
	if (err) {
		tdelete(member, &membership->members, compare);
		free(member);
	}
	return err;
}
