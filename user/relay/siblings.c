/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of route.h about rules with several inputs. */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/merger_rules.h"
#include "dataplane/merger_thread.h"

/* ---- what a merging has counted ---- */

static struct merged_side read_merged_side(const struct merged *merged, unsigned int i)
{
	const struct merge_side *side = &merged_counters(merged)->sides[i];

	return (struct merged_side){
		.used = counter_read(&side->used),
		.duplicate = counter_read(&side->duplicate),
		.late = counter_read(&side->late),
		.foreign = counter_read(&side->foreign),
		.missing = counter_read(&side->missing),
		.lag_ns = counter_read(&side->lag_ns),
		.most_lag_ns = counter_read(&side->most_lag_ns),
	};
}

static struct merged_counts read_merged_counts(const struct merged *merged)
{
	const struct merge_counters *now = merged_counters(merged);

	return (struct merged_counts){
		.missing = counter_read(&now->missing),
		.restarts = counter_read(&now->restarts),
		.forced = counter_read(&now->forced),
		.held = counter_read(&now->held),
		.memory = counter_read(&now->memory),
	};
}

/* The rule's counters begin now, those of the merging go on. */
static void go_on(struct siblings *siblings, struct merged *merged)
{
	siblings->merged = merged_hold(merged);
	for (unsigned int i = 0; i < siblings->count; i++)
		siblings->sides_before[i] = read_merged_side(merged, i);
	siblings->merged_before = read_merged_counts(merged);
}

/* ---- life ---- */

/* What decides which datagrams leave. */
static bool share(struct siblings *siblings, const struct rule *rule, const struct siblings *before,
		  unsigned int selected, const struct config *config)
{
	if (rule->select) {
		if (before && before->selection && before->count == rule->nr_sides)
			siblings->selection = selection_hold(before->selection);
		else
			siblings->selection = selection_new(rule, selected, clock_ns());
		return siblings->selection;
	}
	if (before && before->merged && merged_fits(before->merged, rule))
		go_on(siblings, before->merged);
	else if (!merger_start(&config->egress, config->workers.watchdog))
		siblings->merged = merged_new(merger_get(), rule);
	return siblings->merged;
}

struct siblings *siblings_new(const struct rule *rule, const struct siblings *before,
			      unsigned int selected, const struct config *config)
{
	struct siblings *siblings = calloc(1, sizeof(*siblings));

	if (!siblings)
		return NULL;
	siblings->references = 1;
	siblings->count = rule->nr_sides;
	if (share(siblings, rule, before, selected, config))
		return siblings;
	free(siblings);
	return NULL;
}

struct siblings *siblings_hold(struct siblings *siblings)
{
	if (siblings)
		siblings->references++;
	return siblings;
}

void siblings_put(struct siblings *siblings)
{
	if (!siblings || --siblings->references)
		return;
	selection_put(siblings->selection);
	merged_put(siblings->merged);
	free(siblings);
}

const struct path *siblings_path(const struct siblings *siblings)
{
	for (unsigned int i = 0; siblings && i < siblings->count; i++) {
		const struct route *route = siblings->routes[i];

		if (route && route->path)
			return route->path;
	}
	return NULL;
}

/* The routes of a rule: itself if it has one input. */
static unsigned int list_routes(const struct route *first, const struct route **list)
{
	const struct siblings *siblings = first->siblings;

	if (!siblings) {
		list[0] = first;
		return 1;
	}
	for (unsigned int i = 0; i < siblings->count; i++)
		list[i] = siblings->routes[i];
	return siblings->count;
}

const char *siblings_reason(const struct route *first)
{
	const struct route *list[RULE_SIDES_MAX];
	unsigned int count = list_routes(first, list);

	for (unsigned int i = 0; i < count; i++) {
		if (!route_reason(list[i]))
			return NULL;
	}
	return route_reason(first);
}

bool siblings_are_idle(const struct route *first)
{
	const struct route *list[RULE_SIDES_MAX];
	unsigned int count = list_routes(first, list);

	for (unsigned int i = 0; i < count; i++) {
		if (list[i]->path && !path_is_idle(list[i]->path))
			return false;
	}
	return true;
}

/* ---- counters ---- */

static void describe_side(const struct route *route, uint64_t now_ns, struct side_counts *side)
{
	const struct selection *selection = route->siblings->selection;
	bool flows = selection ? selection_flows(selection, route->side, now_ns)
			       : route->siblings->flows[route->side];

	side->interface = route->arrival ? route->arrival->intake->name : NULL;
	side->reason = route->arrival ? route_reason(route) : NULL;
	side->selected = selection && selection_side(selection) == route->side;
	side->state = !route->arrival  ? "disabled"
		      : side->reason   ? "pending"
		      : !flows	       ? "silent"
		      : side->selected ? "selected"
		      : selection      ? "ready"
				       : "flowing";
}

/* Of a rule that merges: what leaves is counted by numbers, not by outputs. */
static void read_merged(const struct siblings *siblings, struct rule_counts *counts)
{
	for (unsigned int i = 0; i < siblings->count; i++) {
		const struct merged_side *before = &siblings->sides_before[i];
		struct merged_side *side = &counts->sides[i].merged;

		*side = read_merged_side(siblings->merged, i);
		side->used -= before->used;
		side->duplicate -= before->duplicate;
		side->late -= before->late;
		side->foreign -= before->foreign;
		side->missing -= before->missing;
		counts->sides[i].used = side->used;
	}
	counts->merged = read_merged_counts(siblings->merged);
	counts->merged.missing -= siblings->merged_before.missing;
	counts->merged.restarts -= siblings->merged_before.restarts;
	counts->merged.forced -= siblings->merged_before.forced;
}

/* Of one output: what happens to all datagrams of a side counts for each of them. */
static void count_side(const struct rule_counts *rule, const struct output_counts *output,
		       struct side_counts *side)
{
	uint64_t unused = output->withheld[WITHHELD_STANDBY];

	side->received = rule->received;
	side->received_bytes = rule->received_bytes;
	side->inactive = output->withheld[WITHHELD_INACTIVE_SIDE];
	side->changing = output->withheld[WITHHELD_SIDE_CHANGE];
	unused += side->inactive + side->changing;
	/* What is counted last was read first. */
	side->used = rule->received > unused ? rule->received - unused : 0;
	side->health = rule->health;
	side->live_health = rule->live_health;
}

static void add_output(struct output_counts *sum, const struct output_counts *counts)
{
	output_counts_add(sum, counts);
	sum->unwanted &= counts->unwanted;
	if (!sum->gso_segments)
		sum->gso_segments = counts->gso_segments;
	if (!sum->gso_max_size)
		sum->gso_max_size = counts->gso_max_size;
}

static void add_side(const struct route *route, struct rule_counts *counts,
		     struct output_counts *outputs, struct output_counts *own)
{
	struct rule_counts side = {.rule = route->rule};

	memset(own, 0, route->rule->nr_outputs * sizeof(*own));
	path_read(route->path, &side, own);
	count_side(&side, own, &counts->sides[route->side]);
	counts->received += side.received;
	counts->received_bytes += side.received_bytes;
	counts->standby += side.standby;
	health_add(&counts->health, &side.health);
	counts->latency[route->side] = side.latency[0];
	counts->nr_latency[route->side] = side.nr_latency[0];
	for (unsigned int i = 0; i < route->rule->nr_outputs; i++)
		add_output(&outputs[i], &own[i]);
}

static void add_carried(struct side_counts *side, const struct side_counts *carried)
{
	side->received += carried->received;
	side->received_bytes += carried->received_bytes;
	side->used += carried->used;
	side->inactive += carried->inactive;
	side->changing += carried->changing;
	side->carried_health = &carried->health;
	health_add(&side->health, &carried->health);
}

void siblings_read(const struct route *first, uint64_t now_ns, struct rule_counts *counts,
		   struct output_counts *outputs)
{
	const struct siblings *siblings = first->siblings;
	struct output_counts *own = calloc(first->rule->nr_outputs, sizeof(*own));
	struct selection_change change;

	count_side(counts, outputs, &counts->sides[0]);
	for (unsigned int i = 0; i < siblings->count; i++) {
		const struct route *route = siblings->routes[i];

		describe_side(route, now_ns, &counts->sides[i]);
		/* Without memory less is shown. */
		if (i && route->path && own)
			add_side(route, counts, outputs, own);
	}
	if (siblings->merged)
		read_merged(siblings, counts);
	if (siblings->selection) {
		selection_read(siblings->selection, &change);
		counts->switches = change.changes;
	}
	for (unsigned int i = 0; first->carried && i < siblings->count; i++)
		add_carried(&counts->sides[i], &first->carried->sides[i]);
	free(own);
}

/* ---- events ---- */

/* Has the merger received a datagram of the side since it was asked last, about a second ago? */
static bool has_received(struct siblings *siblings, unsigned int side)
{
	uint64_t received = counter_read(&merged_counters(siblings->merged)->sides[side].received);
	bool more = received != siblings->received[side];

	siblings->received[side] = received;
	return more;
}

static void report_side(const struct route *route, uint64_t now_ns)
{
	struct siblings *siblings = route->siblings;
	bool flows = siblings->selection ? selection_flows(siblings->selection, route->side, now_ns)
					 : has_received(siblings, route->side);

	if (flows == siblings->flows[route->side])
		return;
	siblings->flows[route->side] = flows;
	if (flows)
		log_info("side-back", LOG_NAME("rule", route->rule->name),
			 LOG_NAME("side", rule_side_label(route->rule)));
	else
		log_warning("side-lost", LOG_NAME("rule", route->rule->name),
			    LOG_NAME("side", rule_side_label(route->rule)));
}

bool siblings_report(const struct route *first, uint64_t now_ns)
{
	static const char *const causes[] = SELECTION_CAUSE_NAMES;
	struct siblings *siblings = first->siblings;
	const struct rule *rule = first->rule;
	struct selection_change change;

	if (!siblings)
		return false;
	for (unsigned int i = 0; i < siblings->count; i++) {
		if (siblings->routes[i]->arrival)
			report_side(siblings->routes[i], now_ns);
	}
	if (!siblings->selection)
		return false;
	selection_read(siblings->selection, &change);
	if (change.changes == siblings->changes)
		return false;
	log_info("side-selected", LOG_NAME("rule", rule->name),
		 LOG_NAME("side", rule->sides[change.to].label),
		 LOG_NAME("before", rule->sides[change.from].label),
		 LOG_NAME("cause", causes[change.cause]),
		 LOG_UINT("switches", change.changes - siblings->changes));
	siblings->changes = change.changes;
	return true;
}
