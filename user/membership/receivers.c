/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/receivers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "membership/receivers_table.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- reports ---- */

static bool has_left(const struct group_record *record)
{
	return record->kind == RECORD_BLOCK || record->kind == RECORD_TO_INCLUDE;
}

static void note_version(struct group *group, unsigned int version, uint64_t until_ns)
{
	if (version == 1)
		group->v1_until_ns = until_ns;
	else if (version == 2)
		group->v2_until_ns = until_ns;
}

/* The hosts that suppress reports: one may have answered for others, which have to answer now. */
static void shorten_old(struct receivers *receivers, struct group *group, uint64_t until_ns,
			uint64_t now_ns)
{
	/* None is left, if all end at once. */
	if (until_ns <= now_ns)
		group->v2_until_ns = 0;
	group->leaving_until_ns = until_ns;
	for (struct member *member = group->members; member; member = member->next) {
		if (member->version >= 3)
			continue;
		host_filter_shorten(&member->filter, until_ns);
		group->due_ns = least(group->due_ns, until_ns);
	}
	table_tidy_group(receivers, group, now_ns);
}

/* Do others of the group suppress their reports, so that this leave may be one of several hosts? */
static bool is_for_many(const struct group *group, const struct group_record *record,
			uint64_t now_ns)
{
	return group->v2_until_ns > now_ns && record->kind == RECORD_TO_INCLUDE;
}

static bool ends_at_once(const struct receivers_rules *rules, bool for_many)
{
	return rules->leave == LEAVE_FAST || (rules->leave == LEAVE_TRACKED && !for_many);
}

/* Hosts of IGMPv1 suppress reports, and do not answer for a group alone. And if nobody asks, those
 * that a leaving host has hidden would never be heard. */
static bool leave_is_ignored(const struct receivers_rules *rules, const struct group *group,
			     const struct group_record *record, uint64_t now_ns)
{
	bool for_many = is_for_many(group, record, now_ns);

	return group->v1_until_ns > now_ns ||
	       (for_many && !rules->asked && !ends_at_once(rules, for_many));
}

/* A host has left a group, or some sources of it. It may not be known (NULL), and still be the one
 * that has answered for others. */
static enum receivers_result leave(struct receivers *receivers, const struct receivers_rules *rules,
				   struct group *group, struct member *member,
				   const struct group_record *record, uint64_t now_ns)
{
	bool for_many = is_for_many(group, record, now_ns);
	bool at_once = ends_at_once(rules, for_many);
	/* A host that blocks sources speaks for itself alone. */
	bool waits = rules->waits && !at_once && record->kind != RECORD_BLOCK;
	uint64_t until_ns = at_once ? now_ns : waits ? UINT64_MAX : now_ns + rules->last_member_ns;
	/* As RFC 2236, section 7: further leaves do not start it again. Each looks at all members,
	 * and one packet can have hundreds. */
	bool starts = for_many && !waits && group->leaving_until_ns <= now_ns;
	bool asks = member || starts;

	if (member && record->kind == RECORD_BLOCK) {
		receivers->changes +=
			host_filter_block(&member->filter, &record->sources, until_ns, now_ns);
	} else if (member) {
		host_filter_shorten(&member->filter, until_ns);
		receivers->changes += host_filter_allow(&member->filter, &record->sources,
							now_ns + rules->membership_ns, now_ns);
	}
	if (starts)
		shorten_old(receivers, group, until_ns, now_ns);
	else if (member)
		table_settle(receivers, group, member, now_ns);
	/* Also if it ends at once: any host can say that another one has left, whose answer then
	 * brings the stream back. */
	return asks ? RECEIVERS_ASK : RECEIVERS_DONE;
}

/* Would its sources be above the limit of members? Those that a host names again are there. */
static bool has_no_room(const struct receivers *receivers, const struct receivers_rules *rules,
			const struct member *member, const struct group_record *record)
{
	unsigned int more = record->sources.count;

	if (record->kind == RECORD_BLOCK || (member && more <= member->filter.nr_sources))
		return false;
	return more && receivers->nr_members + receivers->nr_sources / RECEIVERS_PER_MEMBER >=
			       rules->most_members;
}

/* So one host cannot keep out the groups of all others. */
static bool is_over_share(const struct receivers *receivers, const struct receivers_rules *rules,
			  const struct receiver_host *host)
{
	const struct reporter *reporter = table_reporter(receivers, host);
	uint64_t most = rules->most_groups, count = receivers->nr_groups;

	return reporter && count < most && reporter->wants >= RECEIVERS_SHARE * (most - count);
}

/* The host's entry, or a new one. NULL: a limit. The first member of a group is not counted against
 * that of members, so that many members of other groups do not keep a stream from everybody. */
static struct member *take_member(struct receivers *receivers, const struct receivers_rules *rules,
				  int ifindex, const struct receiver_host *host,
				  const struct xmc_addr *address, struct group **group,
				  uint64_t now_ns)
{
	struct member *member = *group ? table_member(*group, host) : NULL;

	if (member)
		return member;
	if (*group ? receivers->nr_members >= rules->most_members
		   : receivers->nr_groups >= rules->most_groups)
		return NULL;
	if (!*group)
		*group = table_add_group(receivers, ifindex, address);
	member = *group ? table_add_member(receivers, *group, host, now_ns) : NULL;
	if (*group && !(*group)->members)
		table_remove_group(receivers, *group);
	return member;
}

enum receivers_result receivers_report(struct receivers *receivers,
				       const struct receivers_rules *rules, int ifindex,
				       const struct receiver_host *host, unsigned int version,
				       const struct group_record *record, uint64_t now_ns)
{
	struct group *group = table_group(receivers, ifindex, &record->group);
	uint64_t until_ns = now_ns + rules->membership_ns;
	struct member *member = group ? table_member(group, host) : NULL;
	bool names_nothing = !record->sources.count && record->kind != RECORD_IS_EXCLUDE &&
			     record->kind != RECORD_TO_EXCLUDE;

	if (group && has_left(record) && leave_is_ignored(rules, group, record, now_ns))
		return RECEIVERS_DONE;
	if (!member && (names_nothing || record->kind == RECORD_BLOCK))
		return group && has_left(record)
			       ? leave(receivers, rules, group, NULL, record, now_ns)
			       : RECEIVERS_DONE;
	if (has_no_room(receivers, rules, member, record))
		return RECEIVERS_FULL;
	if (!group && is_over_share(receivers, rules, host))
		return RECEIVERS_OVER_SHARE;
	member = take_member(receivers, rules, ifindex, host, &record->group, &group, now_ns);
	if (!member)
		return RECEIVERS_FULL;
	member->version = version;
	member->seen_ns = now_ns;
	if (has_left(record))
		return leave(receivers, rules, group, member, record, now_ns);
	note_version(group, version, until_ns);
	if (record->kind == RECORD_IS_EXCLUDE || record->kind == RECORD_TO_EXCLUDE)
		receivers->changes +=
			host_filter_exclude(&member->filter, &record->sources, until_ns);
	else
		receivers->changes +=
			host_filter_allow(&member->filter, &record->sources, until_ns, now_ns);
	table_settle(receivers, group, member, now_ns);
	return RECEIVERS_DONE;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xmc_addr));
}

/* Sorted: one packet can have hundreds of sources, and a group thousands of members that name
 * others. Without memory the query is ignored, and what they want ends later. */
static void shorten_sources(struct group *group, const struct group_sources *sources,
			    uint64_t until_ns)
{
	struct xmc_addr *sorted = calloc(sources->count, sizeof(*sorted));

	if (!sorted)
		return;
	for (unsigned int i = 0; i < sources->count; i++)
		sorted[i] = group_source(sources, i);
	qsort(sorted, sources->count, sizeof(*sorted), compare_addresses);
	for (struct member *member = group->naming; member; member = member->next_naming) {
		for (unsigned int i = 0; i < member->filter.nr_sources; i++) {
			struct host_source *source = &member->filter.sources[i];

			if (bsearch(&source->address, sorted, sources->count, sizeof(*sorted),
				    compare_addresses))
				source->until_ns = least(source->until_ns, until_ns);
		}
	}
	free(sorted);
}

void receivers_asked(struct receivers *receivers, int ifindex, const struct xmc_addr *address,
		     const struct group_sources *sources, uint64_t until_ns, uint64_t now_ns)
{
	struct group *group = table_group(receivers, ifindex, address);

	/* Hosts of IGMPv1 do not answer for a group alone. */
	if (!group || group->v1_until_ns > now_ns)
		return;
	if (sources->count)
		shorten_sources(group, sources, until_ns);
	for (struct member *member = group->members; member && !sources->count;
	     member = member->next)
		host_filter_shorten(&member->filter, until_ns);
	group->due_ns = least(group->due_ns, until_ns);
	receivers->due_ns = least(receivers->due_ns, until_ns);
}

/* ---- the rest ---- */

int receivers_new(struct receivers **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->due_ns = UINT64_MAX;
	return 0;
}

void receivers_free(struct receivers *receivers)
{
	if (!receivers)
		return;
	while (receivers->groups)
		table_remove_group(receivers, receivers->groups);
	free(receivers);
}

void receivers_forget(struct receivers *receivers, int ifindex)
{
	struct group *next;

	for (struct group *group = receivers->groups; group; group = next) {
		next = group->next;
		if (group->key.ifindex == ifindex)
			table_remove_group(receivers, group);
	}
}

uint64_t receivers_next_ns(const struct receivers *receivers)
{
	return receivers->due_ns;
}

void receivers_expire(struct receivers *receivers, uint64_t now_ns)
{
	struct group *next;

	if (receivers->due_ns > now_ns)
		return;
	receivers->due_ns = UINT64_MAX;
	for (struct group *group = receivers->groups; group; group = next) {
		next = group->next;
		if (group->due_ns <= now_ns)
			table_tidy_group(receivers, group, now_ns);
		else
			receivers->due_ns = least(receivers->due_ns, group->due_ns);
	}
}

uint64_t receivers_changes(const struct receivers *receivers)
{
	return receivers->changes;
}

bool receivers_want(const struct receivers *receivers, int ifindex, const struct xmc_addr *address,
		    const struct xmc_addr *source, uint64_t now_ns)
{
	const struct group *group = table_group(receivers, ifindex, address);

	/* Who wants nothing is no member. */
	if (!group || !source)
		return group;
	for (const struct member *member = group->members; member; member = member->next) {
		if (host_filter_wants(&member->filter, source, now_ns))
			return true;
	}
	return false;
}

/* What a predecessor had is nobody's: then the host is all zero. */
static bool wants_few(const struct reporter *reporter, uint64_t most)
{
	static const struct receiver_host nobody;

	return reporter->wants < most || !memcmp(&reporter->host, &nobody, sizeof(nobody));
}

bool receivers_want_of_few(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *address, const struct xmc_addr *source,
			   uint64_t most, uint64_t now_ns)
{
	const struct group *group = table_group(receivers, ifindex, address);

	for (const struct member *member = group ? group->members : NULL; member;
	     member = member->next) {
		if (wants_few(member->reporter, most) &&
		    (!source || host_filter_wants(&member->filter, source, now_ns)))
			return true;
	}
	return false;
}

bool receivers_want_others(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *address)
{
	const struct group *group = table_group(receivers, ifindex, address);

	return group && group->nr_excluding;
}

/* Of one that excludes: those that it does not want. */
static bool is_named(const struct host_source *source, bool excludes, uint64_t now_ns)
{
	return excludes ? !source->until_ns : source->until_ns > now_ns;
}

void receivers_visit_named(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *address, receivers_source_visitor *visitor,
			   void *context, uint64_t now_ns)
{
	const struct group *group = table_group(receivers, ifindex, address);

	for (const struct member *member = group ? group->naming : NULL; member;
	     member = member->next_naming) {
		bool excludes = host_filter_excludes(&member->filter, now_ns);

		for (unsigned int i = 0; i < member->filter.nr_sources; i++) {
			if (is_named(&member->filter.sources[i], excludes, now_ns))
				visitor(context, &member->filter.sources[i].address);
		}
	}
}

static void add_source(struct receivers_sources *sources, const struct xmc_addr *source)
{
	for (unsigned int i = 0; i < sources->count; i++) {
		if (addr_equal(&sources->list[i], source))
			return;
	}
	if (sources->count == RECEIVERS_SOURCES)
		sources->more = true;
	else
		sources->list[sources->count++] = *source;
}

void receivers_add_sources(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *address, uint64_t now_ns,
			   struct receivers_sources *sources)
{
	const struct group *group = table_group(receivers, ifindex, address);

	sources->others |= group && group->nr_excluding;
	for (const struct member *member = group ? group->naming : NULL; member && !sources->more;
	     member = member->next_naming) {
		bool excludes = host_filter_excludes(&member->filter, now_ns);

		for (unsigned int i = 0; i < member->filter.nr_sources && !sources->more; i++) {
			const struct host_source *source = &member->filter.sources[i];

			if (is_named(source, excludes, now_ns))
				add_source(sources, &source->address);
		}
	}
}

unsigned int receivers_groups(const struct receivers *receivers)
{
	return receivers->nr_groups;
}

unsigned int receivers_members(const struct receivers *receivers)
{
	return receivers->nr_members;
}

/* ---- listing ---- */

static void describe(const struct group *group, const struct member *member, uint64_t now_ns,
		     struct receiver *receiver)
{
	*receiver = (struct receiver){
		.ifindex = group->key.ifindex,
		.group = group->key.group,
		.host = member->host,
		.version = member->version,
		.since_ns = member->since_ns,
		.seen_ns = member->seen_ns,
		.until_ns = member->filter.exclude_until_ns,
		.excludes = host_filter_excludes(&member->filter, now_ns),
	};
	for (unsigned int i = 0; i < member->filter.nr_sources; i++) {
		const struct host_source *source = &member->filter.sources[i];

		if (source->until_ns > receiver->until_ns)
			receiver->until_ns = source->until_ns;
		if (receiver->excludes == !source->until_ns)
			receiver->sources[receiver->nr_sources++] = source->address;
	}
}

void receivers_visit(const struct receivers *receivers, size_t first, size_t most,
		     receivers_visitor *visitor, void *context, uint64_t now_ns)
{
	struct receiver receiver;

	for (const struct group *group = receivers->groups; group && most; group = group->next) {
		if (first >= group->nr_members) {
			first -= group->nr_members;
			continue;
		}
		for (const struct member *member = group->members; member && most;
		     member = member->next) {
			if (first) {
				first--;
				continue;
			}
			describe(group, member, now_ns, &receiver);
			visitor(context, &receiver);
			most--;
		}
	}
}

void receivers_visit_groups(const struct receivers *receivers, receivers_group_visitor *visitor,
			    void *context)
{
	for (const struct group *group = receivers->groups; group; group = group->next)
		visitor(context, group->key.ifindex, &group->key.group);
}
