/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/books.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/merger_thread.h"
#include "relay/branches.h"
#include "relay/leases.h"
#include "relay/state.h"

struct books *books_new(unsigned int rules, unsigned int outputs, unsigned int interfaces,
			unsigned int workers)
{
	struct books *books = calloc(1, sizeof(*books));

	if (!books)
		return NULL;
	/* One more than needed, because calloc(0) may return NULL. */
	books->rules = calloc(rules + 1UL, sizeof(*books->rules));
	books->outputs = calloc(outputs + 1UL, sizeof(*books->outputs));
	books->interfaces = calloc(interfaces + 1UL, sizeof(*books->interfaces));
	books->workers = calloc(workers + 1UL, sizeof(*books->workers));
	if (!books->rules || !books->outputs || !books->interfaces || !books->workers) {
		books_free(books);
		return NULL;
	}
	books->all_rules = books->nr_rules = rules;
	books->nr_interfaces = interfaces;
	books->nr_workers = workers;
	return books;
}

void books_free(struct books *books)
{
	if (!books)
		return;
	for (unsigned int i = 0; i < books->nr_interfaces; i++) {
		free(books->interfaces[i].redirects);
		free(books->interfaces[i].vlans);
	}
	free(books->rules);
	free(books->outputs);
	free(books->sides);
	free(books->interfaces);
	free(books->workers);
	free(books->devices);
	free(books->sums);
	free(books);
}

static void read_arrival(const struct arrival *arrival, struct rule_counts *counts)
{
	counts->interface = arrival->intake->name;
	counts->tags = arrival->tags;
	if (arrival->tags)
		counts->vlan_base = arrival->intake->name;
	else if (*arrival->obstacle)
		counts->vlan_reason = arrival->obstacle;
}

static void add_carried(const struct route *route, struct rule_counts *counts,
			struct output_counts *outputs)
{
	const struct carried *carried = route->carried;

	counts->received += carried->rule.received;
	counts->received_bytes += carried->rule.received_bytes;
	counts->standby += carried->rule.standby;
	counts->carried_health = &carried->rule.health;
	health_add(&counts->health, &carried->rule.health);
	counts->switches += carried->rule.switches;
	counts->carried_latency = &carried->latency;
	for (unsigned int i = 0; i < route->rule->nr_outputs; i++)
		output_counts_add(&outputs[i], &carried->outputs[i]);
}

void books_read_rule(const struct route *route, enum rule_path wanted, uint64_t now_ns,
		     struct rule_counts *counts, struct output_counts *outputs)
{
	const struct path *path = route->path;

	counts->id = route->id;
	counts->since_ns = route->since_ns;
	counts->rule = route->rule;
	counts->reason = siblings_reason(route);
	counts->state = !route->arrival	 ? "disabled"
			: counts->reason ? "pending"
			: leases_mute(route->arrival->intake->kernel.leases, route->rule, now_ns)
				? "standby"
			: route_is_stem(route) || siblings_are_idle(route) ? "idle"
									   : "active";
	counts->path = wanted == RULE_PATH_KERNEL ? "kernel" : "user";
	if (route->arrival)
		read_arrival(route->arrival, counts);
	for (unsigned int i = 0; i < route->rule->nr_outputs; i++)
		outputs[i].rule = &route->rule->outputs[i];
	if (path)
		path_read(path, counts, outputs);
	if (counts->sides)
		siblings_read(route, now_ns, counts, outputs);
	if (route->carried)
		add_carried(route, counts, outputs);
}

/* Its workers, and all those of members that have left the bond as one. */
static unsigned int count_workers(const struct intake *intake)
{
	return intake->nr_workers +
	       (intake->closed.received || kernel_drops(&intake->closed) ? 1 : 0);
}

/* The list is empty if there is no memory. */
static void read_vlans(const struct relay *relay, const struct intake *intake,
		       struct interface_counts *counts)
{
	counts->vlans = calloc(relay->nr_arrivals + 1UL, sizeof(*counts->vlans));
	for (unsigned int i = 0; counts->vlans && i < relay->nr_arrivals; i++) {
		const struct arrival *arrival = relay->arrivals[i];

		if (arrival->intake == intake && arrival->tags)
			counts->vlans[counts->nr_vlans++] = arrival->name;
	}
}

static void read_intake(const struct intake *intake, struct interface_counts *counts,
			struct worker_counts *workers)
{
	counts->name = intake->name;
	counts->reason = intake_reason(intake);
	counts->missing = intake->missing.before + intake->ledger.missing;
	if (intake_is_open(intake) && *intake->missing.text)
		counts->hint = intake->missing.text;
	else if (intake_is_open(intake) && *intake->hint)
		counts->hint = intake->hint;
	counts->state = !counts->reason ? "active" : intake_is_open(intake) ? "impaired" : "failed";
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		workers[i].iface = intake->name;
		workers[i].member =
			intake->on_members ? worker_interface(intake->workers[i]) : NULL;
		workers[i].worker = intake->workers[i];
		workers[i].queue = worker_queue(intake->workers[i]);
		worker_read(intake->workers[i], &workers[i].state);
		counts->zero_copy = xsk_zero_copy(worker_xsk(intake->workers[i]));
	}
	counts->nr_workers = count_workers(intake);
	if (counts->nr_workers > intake->nr_workers)
		workers[intake->nr_workers] = (struct worker_counts){
			.iface = intake->name, .state = intake->closed, .ended = true};
	for (unsigned int i = 0; intake->on_members && i < intake->nr_ports; i++) {
		counts->members[i] = intake->ports[i].at.name;
		counts->inactive[i] = intake->ports[i].at.inactive;
		counts->nr_members++;
	}
	/* After its workers, see books.h. */
	if (intake->steer) {
		counts->mode = intake->mode == IFACE_MODE_NATIVE ? "native" : "skb";
		steer_verdicts(intake->steer, counts->verdicts);
		counts->redirects = redirects_counts(intake->kernel.redirects, intake->ifindex,
						     &counts->nr_redirects);
	}
}

static int read_devices(const struct output_devices *devices, struct books *books)
{
	books->devices = calloc(devices->count + 1UL, sizeof(*books->devices));
	if (!books->devices)
		return -ENOMEM;
	for (; books->nr_devices < devices->count; books->nr_devices++)
		books->devices[books->nr_devices] = devices->list[books->nr_devices].counts;
	return 0;
}

/* ---- rules with branches ---- */

/* The state of a stem is that of its branches: one that relays is enough. */
static void add_state(struct rule_counts *stem, const struct rule_counts *branch)
{
	bool active = strcmp(stem->state, "active") == 0;

	if (strcmp(branch->state, "active") == 0 || (!active && branch->reason)) {
		stem->state = branch->state;
		stem->reason = branch->reason;
	}
	stem->path = branch->path;
	if (!stem->path_reason)
		stem->path_reason = branch->path_reason;
}

static void add_outputs(struct output_counts *sum, const struct output_counts *outputs,
			unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		output_counts_add(&sum[i], &outputs[i]);
		sum[i].unwanted &= outputs[i].unwanted;
		if (!sum[i].reason)
			sum[i].reason = outputs[i].reason;
		sum[i].gso_segments = outputs[i].gso_segments;
		sum[i].gso_max_size = outputs[i].gso_max_size;
	}
}

static void add_branch(const struct relay *relay, const struct route *route, struct books *books,
		       struct rule_counts *stem)
{
	static struct output_counts outputs[XMC_MAX_OUTPUTS];
	struct histogram *latency = (struct histogram *)stem->carried_latency;
	unsigned int count = route->rule->nr_outputs;
	struct rule_counts counts = {0};

	memset(outputs, 0, count * sizeof(outputs[0]));
	books_read_rule(route, rule_path(&relay->config, route->rule), books->taken_ns, &counts,
			outputs);
	add_state(stem, &counts);
	add_outputs(&books->outputs[stem->first_output], outputs, count);
	rule_counts_add(stem, &counts);
	for (unsigned int i = 0; i < counts.nr_latency[0]; i++)
		histogram_merge(latency, &counts.latency[0][i]);
}

/* What was counted by branches that are gone is there already (route_retire()). */
static void begin_stem(const struct relay *relay, struct books *books, struct rule_counts *counts)
{
	struct histogram *sum = &books->sums[books->nr_sums++];

	if (counts->carried_latency)
		histogram_merge(sum, counts->carried_latency);
	counts->carried_latency = sum;
	/* Of a prefix only its branches know what is wanted. */
	for (unsigned int i = 0; i < counts->rule->nr_outputs && counts->rule->group_host_bits; i++)
		books->outputs[counts->first_output + i].unwanted = true;
}

/* The stem of a branch, if the books have it, or NULL. */
static struct rule_counts *stem_of(const struct books *books, const struct route *branch)
{
	unsigned int stem = branch->rule->stem - 1 - books->first_rule;

	return stem < books->nr_rules ? &books->rules[stem] : NULL;
}

static bool is_stem(const struct rule_counts *counts)
{
	return counts->groups || counts->rule->group_host_bits;
}

/* Add the branches to those of the books' rules that have any. 0 or -ENOMEM. */
static int read_branches(const struct relay *relay, struct books *books)
{
	struct route *const *branches = relay->routes + relay->asked.nr_rules;
	struct rule_counts *stem;
	unsigned int stems = 0;

	for (unsigned int i = 0; i < relay->nr_branches; i++) {
		stem = stem_of(books, branches[i]);
		if (stem)
			stem->groups++;
	}
	for (unsigned int i = 0; i < books->nr_rules; i++) {
		struct rule_counts *counts = &books->rules[i];

		counts->refused_groups =
			branches_refused(relay->branches, counts->rule, &counts->over_share);
		stems += is_stem(counts);
	}
	if (!stems)
		return 0;
	books->sums = calloc(stems, sizeof(*books->sums));
	if (!books->sums)
		return -ENOMEM;
	for (unsigned int i = 0; i < books->nr_rules; i++) {
		if (is_stem(&books->rules[i]))
			begin_stem(relay, books, &books->rules[i]);
	}
	for (unsigned int i = 0; i < relay->nr_branches; i++) {
		stem = stem_of(books, branches[i]);
		if (stem)
			add_branch(relay, branches[i], books, stem);
	}
	return 0;
}

struct books *books_read(const struct relay *relay, size_t first, size_t most)
{
	struct worker_state merged;
	unsigned int all = relay->config.nr_rules;
	unsigned int begin = first < all ? (unsigned int)first : all;
	unsigned int count = most < all - begin ? (unsigned int)most : all - begin;
	struct route *const *routes = relay->routes + begin;
	unsigned int outputs = 0;
	unsigned int sides = 0;
	unsigned int workers = 0;
	struct books *books;

	for (unsigned int i = 0; i < count; i++) {
		outputs += routes[i]->rule->nr_outputs;
		sides += routes[i]->rule->nr_sides;
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++)
		workers += count_workers(relay->intakes[i]);
	books = books_new(count, outputs, relay->nr_intakes, workers);
	if (!books)
		return NULL;
	books->sides = calloc(sides + 1UL, sizeof(*books->sides));
	if (!books->sides) {
		books_free(books);
		return NULL;
	}
	books->all_rules = relay->asked.nr_rules;
	books->first_rule = begin;
	books->generation = relay->generation;
	books->taken_ns = clock_ns();
	books->uptime_seconds = (books->taken_ns - relay->started_ns) / NS_PER_SECOND;
	/* Rules before interfaces: from the last stage of a packet to the first. */
	outputs = sides = 0;
	for (unsigned int i = 0; i < count; i++) {
		books->rules[i].first_output = outputs;
		if (routes[i]->rule->nr_sides)
			books->rules[i].sides = &books->sides[sides];
		sides += routes[i]->rule->nr_sides;
		books_read_rule(routes[i], rule_path(&relay->config, routes[i]->rule),
				books->taken_ns, &books->rules[i], &books->outputs[outputs]);
		outputs += routes[i]->rule->nr_outputs;
	}
	if (read_branches(relay, books)) {
		books_free(books);
		return NULL;
	}
	books->retired = relay->retired;
	/* No interface has the merger's counters. */
	merger_read(&merged);
	totals_add_worker(&books->retired, &merged);
	if (read_devices(&relay->devices, books)) {
		books_free(books);
		return NULL;
	}
	workers = 0;
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		books->interfaces[i].first_worker = workers;
		read_intake(relay->intakes[i], &books->interfaces[i], &books->workers[workers]);
		read_vlans(relay, relay->intakes[i], &books->interfaces[i]);
		workers += count_workers(relay->intakes[i]);
	}
	return books;
}

void books_sum(const struct books *books, struct total_counts *totals)
{
	*totals = books->retired;
	for (unsigned int i = 0; i < books->nr_interfaces; i++)
		totals_add_steered(totals, books->interfaces[i].verdicts);
	for (unsigned int i = 0; i < books->nr_workers; i++)
		totals_add_worker(totals, &books->workers[i].state);
}
