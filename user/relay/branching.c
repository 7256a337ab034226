/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/branching.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lookup.h"
#include "membership/receivers.h"
#include "relay/demand.h"
#include "rules/config.h"
#include "rules/range.h"

/* New branches of one change, so that it stays short: a branch takes some tenths of a millisecond.
 */
#define BRANCHES_AT_ONCE 64

_Static_assert(sizeof(struct wanted) == 4 + 2 * sizeof(struct xmc_addr), "no padding");

/* ---- stems ---- */

static bool is_prefix(const struct rule *rule)
{
	return rule->group_host_bits && !rule->disabled;
}

/* Do receivers choose the sources that leave by this output? */
static bool is_by_source(const struct rule_output *output)
{
	return output->from_kept && output->when == OUTPUT_WHEN_JOINED;
}

/* Of one group, and a receiver may want only some of its sources. What has state for the whole rule
 * is not split: a position of a shard, a sequence number, the health of a stream, several inputs.
 */
static bool is_of_sources(const struct rule *rule)
{
	if (rule->group_host_bits || rule->disabled || !rule_host_bits(rule) || rule->nr_sides ||
	    rule->lease_shards || rule->sequence_bits || rule->watch)
		return false;
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		if (is_by_source(&rule->outputs[i]))
			return true;
	}
	return false;
}

/* The group that an output of the stem sends, of what arrives for `group`. */
static const struct xmc_addr *group_of(const struct stem *stem, unsigned int output,
				       const struct xmc_addr *group)
{
	return stem->rule->group_host_bits ? group : &stem->rule->outputs[output].to;
}

/* Does another rule have the packets? */
static bool is_claimed(const struct branching *branching, const struct wanted *wanted)
{
	const struct rule *stem = branching->stems[wanted->stem].rule;
	bool named = !addr_is_any(&wanted->source);

	return branch_claims_have(&branching->claims, stem, &wanted->group,
				  named ? &wanted->source : &stem->source,
				  named ? 0 : rule_host_bits(stem));
}

static int add_stem(struct branching *branching, const struct demand *demand, uint32_t index)
{
	struct stem *stem = &branching->stems[branching->nr_stems];

	*stem = (struct stem){.rule = &branching->config->rules[index], .index = index};
	stem->ifindexes = calloc(stem->rule->nr_outputs, sizeof(*stem->ifindexes));
	if (!stem->ifindexes)
		return -ENOMEM;
	branching->places[index] = ++branching->nr_stems;
	/* A stem with one source has no other. */
	stem->by_source = rule_host_bits(stem->rule) != 0;
	for (unsigned int i = 0; i < stem->rule->nr_outputs; i++) {
		const struct rule_output *output = &stem->rule->outputs[i];

		if (output->when == OUTPUT_WHEN_JOINED)
			stem->ifindexes[i] = demand_ifindex(demand, output->iface);
		if (stem->rule->group_host_bits)
			stem->by_source &= output->from_kept;
	}
	return 0;
}

static int find_stems(struct branching *branching, const struct demand *demand)
{
	const struct config *config = branching->config;
	int err = 0;

	branching->stems = calloc(config->nr_rules + 1UL, sizeof(*branching->stems));
	branching->places = calloc(config->nr_rules + 1UL, sizeof(*branching->places));
	if (!branching->stems || !branching->places)
		return -ENOMEM;
	for (unsigned int i = 0; !err && i < config->nr_rules; i++) {
		if (is_prefix(&config->rules[i]))
			err = add_stem(branching, demand, i);
	}
	branching->nr_prefixes = branching->nr_stems;
	for (unsigned int i = 0; !err && i < config->nr_rules; i++) {
		if (is_of_sources(&config->rules[i]))
			err = add_stem(branching, demand, i);
	}
	return err;
}

void branching_free(struct branching *branching)
{
	for (unsigned int i = 0; i < branching->nr_stems; i++)
		free(branching->stems[i].ifindexes);
	free(branching->stems);
	branch_claims_free(&branching->claims);
	free(branching->places);
	free(branching->wanted);
	free(branching->crowded);
	free(branching->unwanted);
	free(branching->chosen);
}

/* ---- what is wanted ---- */

/* Append to a list. */
static void append(struct branching *branching, struct wanted **list, size_t *count, size_t *room,
		   const struct wanted *wanted)
{
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct wanted *longer = reallocarray(*list, more, sizeof(**list));

		if (!longer) {
			branching->no_memory = true;
			return;
		}
		*list = longer;
		*room = more;
	}
	(*list)[(*count)++] = *wanted;
}

static void add_wanted(struct branching *branching, const struct wanted *wanted)
{
	append(branching, &branching->wanted, &branching->count, &branching->room, wanted);
}

/* Any host can name what is none: that is joined for nobody. */
static bool is_source(const struct stem *stem, const struct xmc_addr *source)
{
	bool ipv4 = addr_is_ipv4(source);

	return !addr_is_any(source) && !addr_is_multicast(source) && !addr_is_broadcast(source) &&
	       ipv4 == addr_is_ipv4(&stem->rule->group) && !(ipv4 && !source->b[12]) &&
	       rule_covers_source(stem->rule, source, 0);
}

static void find_sources(const struct branching *branching, const struct stem *stem,
			 const struct xmc_addr *group, struct receivers_sources *sources)
{
	*sources = (struct receivers_sources){.count = 0};
	for (unsigned int i = 0; stem->by_source && i < stem->rule->nr_outputs; i++) {
		if (is_by_source(&stem->rule->outputs[i]))
			receivers_add_sources(branching->receivers, stem->ifindexes[i],
					      group_of(stem, i, group), branching->now_ns, sources);
	}
}

/* A group that receivers on some interfaces of the stem want: all of it, or by source. */
static void add_group(struct branching *branching, uint32_t index, const struct xmc_addr *group)
{
	struct stem *stem = &branching->stems[index];
	struct wanted wanted = {.stem = index, .group = *group};
	struct receivers_sources sources;

	find_sources(branching, stem, group, &sources);
	stem->more = sources.more;
	stem->joins = !stem->rule->on_demand || sources.more || sources.others;
	if (stem->rule->group_host_bits && (!sources.count || sources.more || sources.others))
		add_wanted(branching, &wanted);
	if (stem->rule->group_host_bits && sources.more)
		append(branching, &branching->crowded, &branching->nr_crowded,
		       &branching->crowded_room, &wanted);
	for (unsigned int i = 0; i < sources.count && !sources.more; i++) {
		wanted.source = sources.list[i];
		if (is_source(stem, &wanted.source))
			add_wanted(branching, &wanted);
	}
}

static bool has_output(const struct stem *stem, int ifindex)
{
	for (unsigned int i = 0; i < stem->rule->nr_outputs; i++) {
		if (stem->ifindexes[i] == ifindex)
			return true;
	}
	return false;
}

static void note_group(void *context, int ifindex, const struct xmc_addr *group)
{
	struct branching *branching = context;

	if (prefix_is_link_local(group, 0))
		return;
	for (uint32_t i = 0; i < branching->nr_prefixes; i++) {
		const struct rule *rule = branching->stems[i].rule;

		if (prefix_has(&rule->group, rule->group_host_bits, group) &&
		    has_output(&branching->stems[i], ifindex))
			add_group(branching, i, group);
	}
}

static int compare_wanted(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wanted));
}

static int compare_group(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct wanted, source));
}

/* Sorted, each once: a group may be wanted on several interfaces. Without what other rules take. */
static void sort_wanted(struct branching *branching)
{
	struct wanted last;
	size_t left = 0;

	if (branching->count)
		qsort(branching->wanted, branching->count, sizeof(struct wanted), compare_wanted);
	for (size_t i = 0; i < branching->count; i++) {
		const struct wanted *wanted = &branching->wanted[i];

		if (i && !compare_wanted(&last, wanted))
			continue;
		last = *wanted;
		if (!is_claimed(branching, wanted))
			branching->wanted[left++] = last;
	}
	branching->count = left;
}

/* ---- which of them there shall be ---- */

/* The stem of a running branch in the configuration, which may be another one. */
static uint32_t find_stem(const struct branching *branching, const struct route *branch)
{
	const struct route *stem = branch->stem;
	uint32_t index = branch->rule->stem - 1;

	if (stem && index < branching->config->nr_rules && branching->places[index] &&
	    strcmp(branching->config->rules[index].name, stem->rule->name) == 0)
		return branching->places[index] - 1;
	for (uint32_t i = 0; stem && i < branching->nr_stems; i++) {
		if (strcmp(branching->stems[i].rule->name, stem->rule->name) == 0)
			return i;
	}
	return LOOKUP_NONE;
}

static const struct wanted *find_wanted(const struct branching *branching,
					const struct wanted *wanted)
{
	return branching->count ? bsearch(wanted, branching->wanted, branching->count,
					  sizeof(*wanted), compare_wanted)
				: NULL;
}

static void choose(struct branching *branching, const struct wanted *wanted)
{
	branching->chosen[branching->nr_chosen++].what = *wanted;
	branching->stems[wanted->stem].branches++;
}

/* Does the group's branch, or the stem of one group, have what a source's branch leaves? */
static bool group_is_joined(const struct branching *branching, const struct route *route,
			    const struct wanted *whole)
{
	return branching->stems[whole->stem].rule->group_host_bits
		       ? find_wanted(branching, whole) != NULL
		       : branching->stems[whole->stem].joins || route->stem->joined;
}

/* Is the branch, which runs as `wanted`, still one of the stem, whose rule may have changed? */
static bool is_branch_of(const struct stem *stem, const struct rule *branch,
			 const struct wanted *wanted)
{
	if (!prefix_has(&stem->rule->group, stem->rule->group_host_bits, &wanted->group))
		return false;
	if (!addr_is_any(&wanted->source))
		return is_source(stem, &wanted->source);
	return stem->rule->group_host_bits &&
	       rule_host_bits(branch) == rule_host_bits(stem->rule) &&
	       addr_equal(&branch->source, &stem->rule->source);
}

/* What a running branch is for. The stem may be LOOKUP_NONE: it is not there any more. */
static struct wanted running_as(const struct branching *branching, const struct route *route)
{
	struct wanted wanted = {.stem = find_stem(branching, route), .group = route->rule->group};

	if (wanted.stem != LOOKUP_NONE && branching->stems[wanted.stem].by_source &&
	    !rule_host_bits(route->rule))
		wanted.source = route->rule->source;
	return wanted;
}

static struct unwanted *find_unwanted(const struct branching *branching,
				      const struct wanted *wanted)
{
	return bsearch(wanted, branching->unwanted, branching->nr_unwanted, sizeof(struct unwanted),
		       compare_wanted);
}

static void note_named(void *context, const struct xmc_addr *source)
{
	struct branching *branching = context;
	struct unwanted *unwanted;

	branching->looked_at.source = *source;
	unwanted = find_unwanted(branching, &branching->looked_at);
	if (unwanted)
		unwanted->named = true;
}

/* Find the running branches of sources that are not wanted for themselves, and which of them
 * receivers name. A group can have thousands of members: they are looked at once for all of its
 * branches. 0 or -ENOMEM. */
static int find_named(struct branching *branching, const struct relay *relay)
{
	unsigned int first = relay->config.nr_rules - relay->nr_branches;

	branching->unwanted = calloc(relay->nr_branches + 1UL, sizeof(*branching->unwanted));
	if (!branching->unwanted)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->nr_branches; i++) {
		const struct wanted wanted = running_as(branching, relay->routes[first + i]);

		if (wanted.stem != LOOKUP_NONE && !addr_is_any(&wanted.source) &&
		    !find_wanted(branching, &wanted))
			branching->unwanted[branching->nr_unwanted++].what = wanted;
	}
	qsort(branching->unwanted, branching->nr_unwanted, sizeof(struct unwanted), compare_wanted);
	for (size_t i = 0; i < branching->nr_unwanted; i++) {
		const struct wanted *what = &branching->unwanted[i].what;
		const struct stem *stem = &branching->stems[what->stem];

		if (i && !compare_group(&branching->unwanted[i - 1], what))
			continue;
		branching->looked_at = *what;
		for (unsigned int j = 0; j < stem->rule->nr_outputs; j++) {
			if (is_by_source(&stem->rule->outputs[j]))
				receivers_visit_named(branching->receivers, stem->ifindexes[j],
						      group_of(stem, j, &what->group), note_named,
						      branching, branching->now_ns);
		}
	}
	return 0;
}

/* A branch that runs stays while it is wanted, and while its group is joined; that of a source only
 * until that of its group takes its packets. While it is named it stays also if there are too many
 * names: otherwise one report with many could end the streams of all, because upstream routers join
 * the groups of SSM for sources alone. */
static void keep(struct branching *branching, const struct route *route, bool *kept)
{
	const struct wanted wanted = running_as(branching, route);
	const struct wanted whole = {.stem = wanted.stem, .group = wanted.group};
	const struct unwanted *unwanted = find_unwanted(branching, &wanted);
	const struct wanted *found = find_wanted(branching, &wanted);
	bool stays;

	if (wanted.stem == LOOKUP_NONE)
		return;
	/* Several branches of sources are one branch of their group if its rule does not ask for
	 * sources any more. */
	if (found ? kept[found - branching->wanted]
		  : !is_branch_of(&branching->stems[wanted.stem], route->rule, &wanted))
		return;
	if (found)
		kept[found - branching->wanted] = true;
	stays = found ||
		(route->joined && !is_claimed(branching, &wanted) &&
		 (addr_is_any(&wanted.source) || !group_is_joined(branching, route, &whole) ||
		  (unwanted && unwanted->named)));
	branching->ended |= !stays;
	if (stays || branching->keeps_ended)
		choose(branching, &wanted);
}

/* So that one host cannot have all streams of a rule: what is left is for hosts that report less
 * than some times as much. */
static bool is_over_share(const struct branching *branching, const struct wanted *wanted)
{
	const struct stem *stem = &branching->stems[wanted->stem];
	uint64_t most = RECEIVERS_SHARE *
			(uint64_t)(branching->config->demand.max_streams - stem->branches);

	if (stem->branches < most)
		return false;
	for (unsigned int i = 0; i < stem->rule->nr_outputs; i++) {
		if (receivers_want_of_few(branching->receivers, stem->ifindexes[i],
					  group_of(stem, i, &wanted->group),
					  addr_is_any(&wanted->source) ? NULL : &wanted->source,
					  most, branching->now_ns))
			return false;
	}
	return true;
}

/* What is deferred takes the place of what was looked at. */
static void choose_new(struct branching *branching, const struct wanted *wanted)
{
	const struct config *config = branching->config;
	struct stem *stem = &branching->stems[wanted->stem];

	if (stem->branches >= config->demand.max_streams ||
	    config->nr_rules + branching->nr_chosen >= XMC_MAX_RULES) {
		stem->refused++;
	} else if (is_over_share(branching, wanted)) {
		stem->refused++;
		stem->over_share++;
	} else if (branching->nr_new >= BRANCHES_AT_ONCE) {
		branching->wanted[branching->nr_deferred++] = *wanted;
	} else {
		branching->nr_new++;
		choose(branching, wanted);
	}
}

/* Do branches of the group's sources wait, so that its own has to serve these as well? */
static bool is_deferred(const struct branching *branching, const struct wanted *whole)
{
	return branching->nr_deferred && bsearch(whole, branching->wanted, branching->nr_deferred,
						 sizeof(*whole), compare_group);
}

/* Are there more names than can have branches? */
static bool is_crowded(const struct branching *branching, const struct wanted *whole)
{
	return branching->nr_crowded && bsearch(whole, branching->crowded, branching->nr_crowded,
						sizeof(*whole), compare_wanted);
}

/* Find the branches of groups, and the stems of one group, of which sources have branches of their
 * own. 0 or -ENOMEM. */
static int find_others(struct branching *branching)
{
	size_t count = branching->nr_chosen;
	struct wanted *sorted = calloc(count + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	if (branching->nr_crowded)
		qsort(branching->crowded, branching->nr_crowded, sizeof(struct wanted),
		      compare_wanted);
	for (size_t i = 0; i < count; i++)
		sorted[i] = branching->chosen[i].what;
	qsort(sorted, count, sizeof(*sorted), compare_wanted);
	for (size_t i = 0; i < count; i++) {
		struct chosen *chosen = &branching->chosen[i];
		const struct wanted *next;

		if (!addr_is_any(&chosen->what.source))
			continue;
		next = (const struct wanted *)bsearch(&chosen->what, sorted, count, sizeof(*sorted),
						      compare_wanted) +
		       1;
		chosen->others = next < sorted + count && next->stem == chosen->what.stem &&
				 addr_equal(&next->group, &chosen->what.group) &&
				 !is_deferred(branching, &chosen->what) &&
				 !is_crowded(branching, &chosen->what);
	}
	free(sorted);
	for (uint32_t i = branching->nr_prefixes; i < branching->nr_stems; i++) {
		struct stem *stem = &branching->stems[i];
		const struct wanted whole = {.stem = i, .group = stem->rule->group};

		stem->others = stem->branches && !stem->more && !is_deferred(branching, &whole);
	}
	return 0;
}

/* 0 or -ENOMEM; the caller frees the branching in both cases. */
int branching_select(struct branching *branching, const struct relay *relay)
{
	unsigned int running = relay->nr_branches;
	unsigned int first = relay->config.nr_rules - running;
	int err = find_stems(branching, relay->demand);
	bool *kept;

	if (err || !branching->nr_stems)
		return err;
	err = branch_claims_collect(&branching->claims, branching->config);
	if (err)
		return err;
	branching->receivers = demand_receivers(relay->demand);
	branching->now_ns = clock_ns();
	if (branching->nr_prefixes)
		receivers_visit_groups(branching->receivers, note_group, branching);
	for (uint32_t i = branching->nr_prefixes; i < branching->nr_stems; i++)
		add_group(branching, i, &branching->stems[i].rule->group);
	if (branching->no_memory)
		return -ENOMEM;
	sort_wanted(branching);
	kept = calloc(branching->count + 1, sizeof(*kept));
	branching->chosen = calloc(branching->count + running + 1, sizeof(*branching->chosen));
	if (!kept || !branching->chosen || find_named(branching, relay)) {
		free(kept);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < running; i++)
		keep(branching, relay->routes[first + i], kept);
	for (size_t i = 0; i < branching->count; i++) {
		if (!kept[i])
			choose_new(branching, &branching->wanted[i]);
	}
	branching->count = branching->nr_deferred;
	free(kept);
	return branching->no_memory ? -ENOMEM : find_others(branching);
}

/* ---- making them ---- */

static void set_name(struct rule *branch, const char *stem, const struct wanted *wanted)
{
	char group[ADDR_TEXT_SIZE], source[ADDR_TEXT_SIZE] = "";
	char begin[BRANCH_BEGIN_SIZE];

	addr_format(&wanted->group, group);
	if (!addr_is_any(&wanted->source))
		addr_format(&wanted->source, source);
	/* An address has 39 bytes at most. */
	snprintf(branch->name, sizeof(branch->name), "%s%.39s%s%.39s",
		 rule_branch_begin(stem, begin), source, *source ? ">" : "", group);
}

static int make_branch(const struct stem *stem, const struct chosen *chosen, struct rule *branch)
{
	const struct wanted *wanted = &chosen->what;
	int err = rule_copy(branch, stem->rule);

	if (err)
		return err;
	range_put(branch->range);
	branch->range = NULL;
	branch->stem = stem->index + 1;
	branch->group = wanted->group;
	branch->group_host_bits = 0;
	branch->on_demand = true;
	branch->others = chosen->others;
	if (!addr_is_any(&wanted->source)) {
		branch->source = wanted->source;
		branch->source_host_bits = 0;
	}
	for (unsigned int i = 0; i < branch->nr_outputs; i++) {
		branch->outputs[i].to = *group_of(stem, i, &wanted->group);
		branch->outputs[i].same = false;
	}
	set_name(branch, stem->rule->name, wanted);
	return 0;
}

static void cut(struct config *config, size_t count)
{
	while (count--)
		rule_free(&config->rules[--config->nr_rules]);
}

int branching_append(const struct branching *branching, struct config *next)
{
	size_t count = branching->nr_chosen, rules = next->nr_rules + count;
	struct rule *list;
	int err = 0;

	for (uint32_t i = 0; i < branching->nr_stems; i++)
		next->rules[branching->stems[i].index].others = branching->stems[i].others;
	if (!count)
		return 0;
	list = reallocarray(next->rules, rules, sizeof(*list));
	if (!list)
		return -ENOMEM;
	next->rules = list;
	for (size_t i = 0; !err && i < count; i++) {
		struct stem stem = branching->stems[branching->chosen[i].what.stem];

		stem.rule = &list[stem.index];
		err = make_branch(&stem, &branching->chosen[i], &list[next->nr_rules]);
		if (err)
			cut(next, i);
		else
			next->nr_rules++;
	}
	return err ? err : (int)count;
}
