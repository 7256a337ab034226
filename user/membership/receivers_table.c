/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/receivers_table.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct key) == sizeof(struct xmc_addr) + sizeof(int), "no padding");
_Static_assert(sizeof(struct receiver_host) == 24, "no padding");

static int compare_groups(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

static int compare_members(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct receiver_host));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct group *table_group(const struct receivers *receivers, int ifindex,
			  const struct xmc_addr *group)
{
	const struct key key = {*group, ifindex};
	struct group **found = tfind(&key, &receivers->tree, compare_groups);

	return found ? *found : NULL;
}

struct group *table_add_group(struct receivers *receivers, int ifindex,
			      const struct xmc_addr *address)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->key = (struct key){*address, ifindex};
	group->due_ns = UINT64_MAX;
	if (!tsearch(group, &receivers->tree, compare_groups)) {
		free(group);
		return NULL;
	}
	group->next = receivers->groups;
	if (group->next)
		group->next->before = group;
	receivers->groups = group;
	receivers->nr_groups++;
	return group;
}

struct reporter *table_reporter(const struct receivers *receivers, const struct receiver_host *host)
{
	struct reporter **found = tfind(host, &receivers->reporters, compare_members);

	return found ? *found : NULL;
}

static struct reporter *take_reporter(struct receivers *receivers, const struct receiver_host *host)
{
	struct reporter *reporter = table_reporter(receivers, host);

	if (!reporter) {
		reporter = calloc(1, sizeof(*reporter));
		if (!reporter)
			return NULL;
		reporter->host = *host;
		if (!tsearch(reporter, &receivers->reporters, compare_members)) {
			free(reporter);
			return NULL;
		}
	}
	reporter->nr_members++;
	return reporter;
}

static void put_reporter(struct receivers *receivers, struct reporter *reporter)
{
	if (--reporter->nr_members)
		return;
	tdelete(reporter, &receivers->reporters, compare_members);
	free(reporter);
}

static void note_excluding(struct group *group, struct member *member, bool excludes)
{
	group->nr_excluding += excludes;
	group->nr_excluding -= member->excludes;
	member->excludes = excludes;
}

static bool is_naming(const struct group *group, const struct member *member)
{
	return group->naming == member || member->before_naming;
}

static void note_naming(struct group *group, struct member *member, bool names)
{
	if (names == is_naming(group, member))
		return;
	if (names) {
		member->next_naming = group->naming;
		if (group->naming)
			group->naming->before_naming = member;
		group->naming = member;
		return;
	}
	if (member->next_naming)
		member->next_naming->before_naming = member->before_naming;
	if (member->before_naming)
		member->before_naming->next_naming = member->next_naming;
	else
		group->naming = member->next_naming;
	member->next_naming = member->before_naming = NULL;
}

static void table_remove_member(struct receivers *receivers, struct group *group,
				struct member *member)
{
	note_excluding(group, member, false);
	note_naming(group, member, false);
	tdelete(member, &group->tree, compare_members);
	if (member->next)
		member->next->before = member->before;
	if (member->before)
		member->before->next = member->next;
	else
		group->members = member->next;
	host_filter_free(&member->filter);
	receivers->nr_sources -= member->counted;
	member->reporter->wants -= 1 + member->counted;
	put_reporter(receivers, member->reporter);
	free(member);
	group->nr_members--;
	receivers->nr_members--;
	receivers->changes++;
}

void table_remove_group(struct receivers *receivers, struct group *group)
{
	while (group->members)
		table_remove_member(receivers, group, group->members);
	tdelete(group, &receivers->tree, compare_groups);
	if (group->next)
		group->next->before = group->before;
	if (group->before)
		group->before->next = group->next;
	else
		receivers->groups = group->next;
	free(group);
	receivers->nr_groups--;
	receivers->changes++;
}

struct member *table_member(const struct group *group, const struct receiver_host *host)
{
	struct member **found = tfind(host, &group->tree, compare_members);

	return found ? *found : NULL;
}

struct member *table_add_member(struct receivers *receivers, struct group *group,
				const struct receiver_host *host, uint64_t now_ns)
{
	struct member *member = calloc(1, sizeof(*member));

	if (!member)
		return NULL;
	member->host = *host;
	member->since_ns = now_ns;
	member->reporter = take_reporter(receivers, host);
	if (!member->reporter || !tsearch(member, &group->tree, compare_members)) {
		if (member->reporter)
			put_reporter(receivers, member->reporter);
		free(member);
		return NULL;
	}
	member->reporter->wants++;
	member->next = group->members;
	if (member->next)
		member->next->before = member;
	group->members = member;
	group->nr_members++;
	receivers->nr_members++;
	receivers->changes++;
	return member;
}

/* ---- what ends ---- */

/* Remove what has ended of a member, or the member. */
static void settle_member(struct receivers *receivers, struct group *group, struct member *member,
			  uint64_t now_ns)
{
	bool empty;

	receivers->changes += host_filter_tidy(&member->filter, now_ns, &empty);
	receivers->nr_sources += member->filter.nr_sources;
	receivers->nr_sources -= member->counted;
	member->reporter->wants += member->filter.nr_sources;
	member->reporter->wants -= member->counted;
	member->counted = member->filter.nr_sources;
	note_excluding(group, member, member->filter.exclude_until_ns);
	note_naming(group, member, member->counted);
	if (empty)
		table_remove_member(receivers, group, member);
	else
		group->due_ns = least(group->due_ns, host_filter_due_ns(&member->filter));
}

void table_tidy_group(struct receivers *receivers, struct group *group, uint64_t now_ns)
{
	struct member *next;

	group->due_ns = UINT64_MAX;
	for (struct member *member = group->members; member; member = next) {
		next = member->next;
		settle_member(receivers, group, member, now_ns);
	}
	if (!group->members)
		table_remove_group(receivers, group);
	else
		receivers->due_ns = least(receivers->due_ns, group->due_ns);
}

/* As table_tidy_group() if only this member has changed: a group may have thousands. */
void table_settle(struct receivers *receivers, struct group *group, struct member *member,
		  uint64_t now_ns)
{
	settle_member(receivers, group, member, now_ns);
	if (!group->members)
		table_remove_group(receivers, group);
	else
		receivers->due_ns = least(receivers->due_ns, group->due_ns);
}
