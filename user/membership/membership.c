/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_MEMBERSHIP
#include "membership/membership.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct member {
	struct membership_entry what; /* first, for compare() */
	unsigned int joins;	      /* that have not been undone */
	bool adopted;		      /* another process has joined it, and it was not used since */
	struct holder *holder;
};

/* A socket that holds memberships. */
struct holder {
	int fd;
	unsigned int members;
	bool full; /* a join was refused, and no membership has been left since */
};

/*
 * Sockets that hold one kind of membership. A socket can join a group either for any source or for
 * some sources, so each family has a set for either.
 */
struct socket_set {
	struct holder **holders;
	unsigned int count;
};

enum set { IPV4_ANY, IPV4_SOURCE, IPV6_ANY, IPV6_SOURCE, SETS };

struct membership {
	struct socket_set sets[SETS];
	void *members; /* tsearch(3) tree of struct member */
	unsigned int count;
	bool shared; /* with another process, so nothing may be left */
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct membership_entry));
}

int membership_open(struct membership **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

static void close_holder(struct holder *holder)
{
	close(holder->fd);
	free(holder);
}

void membership_close(struct membership *membership)
{
	if (!membership)
		return;
	for (int i = 0; i < SETS; i++) {
		/* Newest first: the kernel searches its list of groups from the newest on. Leaving
		 * 10,000 takes 0.7 s in this order and 4.7 s in the other. */
		while (membership->sets[i].count)
			close_holder(membership->sets[i].holders[--membership->sets[i].count]);
		free(membership->sets[i].holders);
	}
	tdestroy(membership->members, free);
	free(membership);
}

static int add_holder(struct socket_set *set, int family)
{
	struct holder **holders;
	struct holder *holder;

	holders = realloc(set->holders, (set->count + 1) * sizeof(*holders));
	if (!holders)
		return -ENOMEM;
	set->holders = holders;
	holder = calloc(1, sizeof(*holder));
	if (!holder)
		return -ENOMEM;
	holder->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (holder->fd < 0) {
		int err = -errno;

		free(holder);
		return err;
	}
	set->holders[set->count++] = holder;
	return 0;
}

/* Close a socket without memberships, because it costs a descriptor. */
static void remove_holder(struct socket_set *set, struct holder *holder)
{
	for (unsigned int i = 0; i < set->count; i++) {
		if (set->holders[i] != holder)
			continue;
		close_holder(holder);
		memmove(&set->holders[i], &set->holders[i + 1],
			(--set->count - i) * sizeof(set->holders[0]));
		return;
	}
}

/* MCAST_JOIN_GROUP and MCAST_JOIN_SOURCE_GROUP, or their opposites. */
static int change(int fd, const struct membership_entry *what, bool join)
{
	int level = addr_is_ipv4(&what->group) ? IPPROTO_IP : IPPROTO_IPV6;
	struct group_source_req with_source = {.gsr_interface = (uint32_t)what->ifindex};
	struct group_req any = {.gr_interface = (uint32_t)what->ifindex};
	int err;

	if (addr_is_any(&what->source)) {
		addr_to_sockaddr(&what->group, 0, &any.gr_group);
		err = setsockopt(fd, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &any,
				 sizeof(any));
	} else {
		addr_to_sockaddr(&what->group, 0, &with_source.gsr_group);
		addr_to_sockaddr(&what->source, 0, &with_source.gsr_source);
		err = setsockopt(fd, level,
				 join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP,
				 &with_source, sizeof(with_source));
	}
	return err ? -errno : 0;
}

static struct socket_set *set_of(struct membership *membership, const struct membership_entry *what)
{
	bool any = addr_is_any(&what->source);

	if (addr_is_ipv4(&what->group))
		return &membership->sets[any ? IPV4_ANY : IPV4_SOURCE];
	return &membership->sets[any ? IPV6_ANY : IPV6_SOURCE];
}

static int join_at(struct holder *holder, struct member *member)
{
	int err = change(holder->fd, &member->what, true);

	/* The socket still has this membership: the interface was in another namespace when we left
	 * it, and has come back with the same index. It does not work any more, so renew it. */
	if (err == -EADDRINUSE || err == -EADDRNOTAVAIL) {
		change(holder->fd, &member->what, false);
		err = change(holder->fd, &member->what, true);
	}
	/* IPv6 reports a full socket (net.core.optmem_max) as ENOMEM. */
	if (err == -ENOMEM && holder->members)
		err = -ENOBUFS;
	if (err == -ENOBUFS)
		holder->full = true;
	if (err)
		return err;
	holder->members++;
	member->holder = holder;
	return 0;
}

/* The socket of an adopted membership has it in fact: then the kernel refuses another join. */
static int check_adopted(struct member *member)
{
	int err = change(member->holder->fd, &member->what, true);

	if (err && err != -EADDRINUSE && err != -EADDRNOTAVAIL)
		return err;
	member->adopted = false;
	return 0;
}

/* Join on a socket that has room, or on a new one. */
static int join(struct membership *membership, struct member *member)
{
	struct socket_set *set = set_of(membership, &member->what);
	int err;

	for (unsigned int i = set->count; i > 0; i--) {
		if (set->holders[i - 1]->full)
			continue;
		err = join_at(set->holders[i - 1], member);
		if (err != -ENOBUFS)
			return err;
	}
	err = add_holder(set, addr_family(&member->what.group));
	if (err)
		return err;
	err = join_at(set->holders[set->count - 1], member);
	if (err)
		remove_holder(set, set->holders[set->count - 1]);
	return err;
}

/* compare() looks at all bytes, so the padding must be zero. */
static void describe(struct membership_entry *what, const struct xmc_addr *group,
		     const struct xmc_addr *source, int ifindex)
{
	memset(what, 0, sizeof(*what));
	what->group = *group;
	what->source = *source;
	what->ifindex = ifindex;
}

static void log_change(const char *event, const struct membership_entry *what)
{
	char group[ADDR_TEXT_SIZE], source[ADDR_TEXT_SIZE];

	log_debug(event, LOG_NAME("group", addr_format(&what->group, group)),
		  addr_is_any(&what->source)
			  ? LOG_NONE
			  : LOG_NAME("source", addr_format(&what->source, source)),
		  LOG_INT("ifindex", what->ifindex));
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
	describe(&member->what, group, source, ifindex);
	found = tsearch(member, &membership->members, compare);
	if (!found) {
		free(member);
		return -ENOMEM;
	}
	if (*found != member) { /* joined already, by a rule with another port */
		free(member);
		err = (*found)->adopted ? check_adopted(*found) : 0;
		(*found)->joins += !err;
		return err;
	}
	err = join(membership, member);
	if (err) {
		tdelete(member, &membership->members, compare);
		free(member);
		return err;
	}
	member->joins = 1;
	membership->count++;
	log_change("group-joined", &member->what);
	return 0;
}

/* Whether IPv4 memberships are disabled: the errno is the same as without option memory. */
static bool groups_disabled(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/igmp_max_memberships", "re");
	char line[16] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	fclose(file);
	return strcmp(line, "0\n") == 0;
}

const char *membership_limit(int err, const struct xmc_addr *group)
{
	switch (-err) {
	case EMFILE:
		return "the limit of file descriptors (ulimit -n)";
	case ENFILE:
		return "sysctl fs.file-max";
	case ENOBUFS:
	case ENOMEM:
		if (addr_is_ipv4(group) && groups_disabled())
			return "sysctl net.ipv4.igmp_max_memberships";
		return "sysctl net.core.optmem_max";
	default:
		return NULL;
	}
}

static void drop(struct membership *membership, struct member *member)
{
	struct holder *holder = member->holder;

	log_change("group-left", &member->what);
	/* Fails if the interface is gone; join_at() copes with what that leaves behind. */
	change(holder->fd, &member->what, false);
	holder->full = false;
	if (--holder->members == 0)
		remove_holder(set_of(membership, &member->what), holder);
	tdelete(member, &membership->members, compare);
	free(member);
	membership->count--;
}

void membership_leave(struct membership *membership, const struct xmc_addr *group,
		      const struct xmc_addr *source, int ifindex)
{
	struct membership_entry what;
	struct member **found;

	describe(&what, group, source, ifindex);
	found = tfind(&what, &membership->members, compare);
	if (!found || --(*found)->joins || membership->shared)
		return;
	drop(membership, *found);
}

struct lister {
	struct membership_entry *list;
	int count;
};

static void list_member(const void *node, VISIT visit, void *closure)
{
	struct lister *lister = closure;

	if (visit == postorder || visit == leaf)
		lister->list[lister->count++] = (*(struct member *const *)node)->what;
}

int membership_list(const struct membership *membership, struct membership_entry **list)
{
	struct lister lister = {calloc(membership->count + 1, sizeof(**list)), 0};

	if (!lister.list)
		return -ENOMEM;
	twalk_r(membership->members, list_member, &lister);
	*list = lister.list;
	return lister.count;
}

/* ---- from one process to the next ---- */

struct describer {
	struct membership_held *list;
	int count;
};

static void describe_member(const void *node, VISIT visit, void *closure)
{
	const struct member *member = *(struct member *const *)node;
	struct describer *describer = closure;

	if (visit == postorder || visit == leaf)
		describer->list[describer->count++] =
			(struct membership_held){member->what, member->holder->fd};
}

int membership_describe(const struct membership *membership, struct membership_held **list)
{
	struct describer describer = {calloc(membership->count + 1, sizeof(**list)), 0};

	if (!describer.list)
		return -ENOMEM;
	twalk_r(membership->members, describe_member, &describer);
	*list = describer.list;
	return describer.count;
}

static bool has_family(int fd, int family)
{
	int domain = 0;
	socklen_t length = sizeof(domain);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) && domain == family;
}

static int adopt_socket(struct membership *membership, const struct membership_held *held,
			struct holder **holder)
{
	struct socket_set *set = set_of(membership, &held->what);
	int err = has_family(held->fd, addr_family(&held->what.group)) ? 0 : -ENOTSOCK;

	if (!err)
		err = add_holder(set, addr_family(&held->what.group));
	if (err)
		return err;
	*holder = set->holders[set->count - 1];
	if (dup3(held->fd, (*holder)->fd, O_CLOEXEC) >= 0)
		return 0;
	err = -errno;
	remove_holder(set, *holder);
	return err;
}

static int adopt_member(struct membership *membership, const struct membership_entry *what,
			struct holder *holder)
{
	struct member *member = calloc(1, sizeof(*member));
	struct member **found;

	if (!member)
		return -ENOMEM;
	member->what = *what;
	member->adopted = true;
	member->holder = holder;
	found = tsearch(member, &membership->members, compare);
	if (!found || *found != member) {
		free(member);
		return found ? 0 : -ENOMEM;
	}
	holder->members++;
	membership->count++;
	return 0;
}

/* The holder that has adopted the descriptor of list[i], or NULL. */
static struct holder *find_adopted(const struct membership_held *list, struct holder *const *owners,
				   unsigned int i)
{
	for (unsigned int j = i; j-- > 0;) {
		if (list[j].fd == list[i].fd)
			return owners[j];
	}
	return NULL;
}

int membership_adopt(struct membership *membership, const struct membership_held *list,
		     unsigned int count)
{
	struct holder **owners = calloc(count + 1UL, sizeof(*owners));
	int err = owners ? 0 : -ENOMEM;

	membership->shared = true;
	for (unsigned int i = 0; !err && i < count; i++) {
		owners[i] = find_adopted(list, owners, i);
		if (!owners[i])
			err = adopt_socket(membership, &list[i], &owners[i]);
		if (!err)
			err = adopt_member(membership, &list[i].what, owners[i]);
	}
	free(owners);
	return err;
}

struct unused {
	struct member **list;
	unsigned int count;
};

static void note_unused(const void *node, VISIT visit, void *closure)
{
	struct member *member = *(struct member *const *)node;
	struct unused *unused = closure;

	if ((visit == postorder || visit == leaf) && !member->joins)
		unused->list[unused->count++] = member;
}

void membership_settle(struct membership *membership)
{
	struct unused unused = {calloc(membership->count + 1, sizeof(*unused.list)), 0};

	membership->shared = false;
	if (!unused.list)
		return; /* they stay joined, until the process ends */
	twalk_r(membership->members, note_unused, &unused);
	for (unsigned int i = 0; i < unused.count; i++)
		drop(membership, unused.list[i]);
	free(unused.list);
}
