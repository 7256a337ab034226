/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/branches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/branching.h"
#include "relay/demand.h"
#include "relay/plan.h"
#include "rules/config.h"

/* The time between two changes, as a multiple of what the first one took. */
#define PAUSE_FACTOR 3

/* How often branches that have ended are removed, apart from other changes: on the kernel path that
 * waits for a grace period, up to 100 ms on a busy host. */
#define REMOVAL_NS NS_PER_SECOND

/* After a change that failed. */
#define RETRY_NS NS_PER_SECOND

#define NEVER_NS UINT64_MAX

struct branches {
	bool pending;	     /* something was put off until due_ns */
	uint64_t due_ns;     /* when the next change may begin */
	uint64_t removal_ns; /* when branches that have ended may be removed */
	bool ended;	     /* there are some */
	unsigned int full;   /* stems at their limit, as was logged */
	/* Of stems, sorted by name: groups and sources that are wanted and not relayed. */
	unsigned int nr_refused;
	struct refused {
		char name[RULE_NAME_SIZE];
		unsigned int groups, over_share;
	} * refused;
};

int branches_new(struct branches **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void branches_free(struct branches *branches)
{
	if (branches)
		free(branches->refused);
	free(branches);
}

uint64_t branches_next_ns(const struct branches *branches)
{
	if (branches->pending || !branches->ended)
		return branches->pending ? branches->due_ns : NEVER_NS;
	return branches->removal_ns > branches->due_ns ? branches->removal_ns : branches->due_ns;
}

/* Each begins with its name. */
static int compare_refused(const void *a, const void *b)
{
	return strcmp(a, b);
}

unsigned int branches_refused(const struct branches *branches, const struct rule *stem,
			      unsigned int *over_share)
{
	const struct refused *refused = NULL;

	if (branches->nr_refused)
		refused = bsearch(stem->name, branches->refused, branches->nr_refused,
				  sizeof(*refused), compare_refused);
	*over_share = refused ? refused->over_share : 0;
	return refused ? refused->groups : 0;
}

/* ---- limits ---- */

static void note_limits(struct branches *branches, const struct branching *branching)
{
	unsigned int full = 0;

	branches->nr_refused = 0;
	for (unsigned int i = 0; i < branching->nr_stems; i++) {
		const struct stem *stem = &branching->stems[i];
		struct refused *refused;

		if (!stem->refused)
			continue;
		refused = reallocarray(branches->refused, branches->nr_refused + 1UL,
				       sizeof(*refused));
		if (!refused)
			break; /* these are not shown */
		branches->refused = refused;
		if (!branches->full && !full++)
			log_warning("groups-full", LOG_NAME("rule", stem->rule->name),
				    LOG_UINT("groups", stem->branches),
				    LOG_TEXT("hint",
					     "raise demand.max_streams, unless one host reports "
					     "too much: xmcastctl group list"));
		refused = &branches->refused[branches->nr_refused++];
		memcpy(refused->name, stem->rule->name, sizeof(refused->name));
		refused->groups = stem->refused;
		refused->over_share = stem->over_share;
	}
	if (branches->nr_refused)
		qsort(branches->refused, branches->nr_refused, sizeof(*branches->refused),
		      compare_refused);
	branches->full = branches->nr_refused;
}

/* A stem at its limit has no room, so that a flood of its groups ends there. */
static void note_room(const struct branching *branching, struct demand *demand)
{
	unsigned int most = branching->config->demand.max_streams, count = 0;
	struct prefix_room *list;

	for (unsigned int i = 0; i < branching->nr_prefixes; i++)
		count += branching->stems[i].rule->nr_outputs;
	list = calloc(count + 1UL, sizeof(*list));
	count = 0;
	for (unsigned int i = 0; list && i < branching->nr_prefixes; i++) {
		const struct stem *stem = &branching->stems[i];

		for (unsigned int j = 0; j < stem->rule->nr_outputs; j++)
			list[count++] = (struct prefix_room){
				.ifindex = stem->ifindexes[j],
				.prefix = stem->rule->group,
				.host_bits = stem->rule->group_host_bits,
				.room = stem->refused > stem->over_share || stem->branches >= most
						? 0
						: most - stem->branches,
			};
	}
	if (list)
		prefix_rooms_set(demand_rooms(demand), list, count);
	free(list);
}

/* ---- changes ---- */

void branches_cut(struct config *config, unsigned int count)
{
	while (count--)
		rule_free(&config->rules[--config->nr_rules]);
}

int branches_append(struct branches *branches, const struct relay *relay, struct config *next)
{
	struct branching branching = {.config = next};
	int result = branching_select(&branching, relay);

	if (!result) {
		/* The room of prefixes is noted by the change that follows. */
		branches->pending = true;
		note_limits(branches, &branching);
		result = branching_append(&branching, next);
	}
	branching_free(&branching);
	return result;
}

/* Are these the branches that run? Then they have the same order as well. */
static bool is_running(const struct branching *branching, const struct relay *relay)
{
	unsigned int first = relay->asked.nr_rules;

	if (branching->nr_chosen != relay->nr_branches || branching->nr_new)
		return false;
	for (unsigned int i = 0; i < relay->nr_branches; i++) {
		if (relay->config.rules[first + i].others != branching->chosen[i].others)
			return false;
	}
	for (unsigned int i = 0; i < branching->nr_stems; i++) {
		const struct stem *stem = &branching->stems[i];

		if (relay->config.rules[stem->index].others != stem->others)
			return false;
	}
	return true;
}

static int change(const struct branching *branching, struct relay *relay)
{
	struct config next;
	int err = config_copy(&next, &relay->asked);
	int count = err ? err : branching_append(branching, &next);

	if (err)
		return err;
	err = count < 0 ? count : plan_branches(relay, &next, (unsigned int)count);
	config_free(&next);
	return err;
}

/* A branch that is not wanted any more has left its group. */
static bool has_ended(const struct relay *relay)
{
	for (unsigned int i = relay->config.nr_rules - relay->nr_branches;
	     i < relay->config.nr_rules; i++) {
		const struct route *route = relay->routes[i];

		if (!route->joined && route->path && path_is_idle(route->path))
			return true;
	}
	return false;
}

/* Select and change, if anything differs. 1: it was changed, 0 or -errno. */
static int follow(struct branches *branches, struct relay *relay, bool removes)
{
	struct branching branching = {.config = &relay->asked, .keeps_ended = !removes};
	int err = branching_select(&branching, relay);
	bool differs = !err && !is_running(&branching, relay);

	if (!err) {
		note_limits(branches, &branching);
		note_room(&branching, relay->demand);
		branches->pending = branching.nr_deferred > 0;
		branches->ended = branching.ended && !removes;
	}
	if (differs)
		err = change(&branching, relay);
	branching_free(&branching);
	return err ? err : differs;
}

bool branches_follow(struct branches *branches, struct relay *relay, bool changed)
{
	uint64_t start_ns = clock_ns();
	bool removes;
	int result;

	branches->pending |= changed;
	branches->ended |= has_ended(relay);
	removes = !branches->pending && branches->ended && start_ns >= branches->removal_ns;
	/* The rules of a predecessor do not change before it has ended. */
	if ((!branches->pending && !removes) || start_ns < branches->due_ns || relay->inheritance)
		return false;
	result = follow(branches, relay, removes);
	/* A removal waits, and is rare: what somebody wants then does not wait for it once more. */
	branches->due_ns = clock_ns();
	if (!removes)
		branches->due_ns += PAUSE_FACTOR * (branches->due_ns - start_ns);
	if (removes)
		branches->removal_ns = branches->due_ns + REMOVAL_NS;
	if (result < 0) {
		log_warning("groups-unchanged", LOG_ERROR(result));
		branches->pending = true;
		branches->due_ns = clock_ns() + RETRY_NS;
	}
	return result > 0;
}
