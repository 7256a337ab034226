/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/leases.h"

struct route *route_new(const struct rule *rule, unsigned int side, uint64_t id)
{
	struct route *route = calloc(1, sizeof(*route));

	if (!route)
		return NULL;
	route->view = rule->nr_sides ? calloc(1, sizeof(*route->view)) : NULL;
	if (rule->nr_sides && !route->view) {
		free(route);
		return NULL;
	}
	route->side = side;
	route->id = id;
	route->since_ns = clock_ns();
	route_set_rule(route, rule);
	return route;
}

void route_set_rule(struct route *route, const struct rule *rule)
{
	route->rule = rule->nr_sides ? rule_of_side(rule, route->side, route->view) : rule;
	if (route->path)
		path_set_rule(route->path, route->rule);
}

/* Whose sockets a new path shares: those of its rule as it was, of another side, or of a
 * predecessor. */
static const struct path *find_replaced(const struct route *route, const struct path *before)
{
	const struct path *path = before;

	if (!path && route->plan.first)
		path = route->plan.first->path;
	if (!path)
		path = siblings_path(route->siblings);
	if (!path && route->plan.replaced)
		path = route->plan.replaced->path;
	return path;
}

static int open_path(struct route *route, const struct config *config, char reason[REASON_SIZE])
{
	struct path *before = route->path;
	struct path_request request = {
		.rule = route->rule,
		.wanted = rule_path(config, route->rule),
		.nr_queues = route->arrival->intake->room,
		.egress = &config->egress,
		.redirects = route->arrival->intake->kernel.redirects,
		.leases = route->arrival->intake->kernel.leases,
		.demand = route->arrival->intake->kernel.demand,
		.replaced = find_replaced(route, before),
		.inherited = route->plan.inherited,
		.selection = route->siblings ? route->siblings->selection : NULL,
		.merged = route->siblings ? route->siblings->merged : NULL,
	};
	int err;

	if (before && path_fits(before, request.nr_queues))
		return 0;
	route->path = NULL;
	err = path_open(&route->path, &request, reason);
	path_put(before);
	return err;
}

/* The source to join for. A join cannot name a prefix (RFC 3376, section 2): in this case join for
 * every source, and the rule selects. */
static const struct xmc_addr *joined_source(const struct rule *rule)
{
	static const struct xmc_addr any;

	return rule->source_host_bits ? &any : &rule->source;
}

static int join(struct route *route, struct membership *membership, char reason[REASON_SIZE])
{
	const struct rule *rule = route->rule;
	int ifindex = route->arrival->link.ifindex;
	char group[ADDR_TEXT_SIZE];
	const char *limit;
	int err;

	if (!addr_is_multicast(&rule->group))
		return 0;
	/* The interface has just been replaced; the next look notices. */
	if (route->arrival->base.ifindex != route->arrival->intake->ifindex)
		return explain(reason, -ENODEV, "interface %s was replaced by another one",
			       rule->iface);
	addr_format(&rule->group, group);
	err = membership_join(membership, &rule->group, joined_source(rule), ifindex);
	if (!err) {
		route->joined = ifindex;
		return 0;
	}
	/* The kernel's error for an interface without IPv6. It may get IPv6 later. */
	if (err == -EINVAL && !addr_is_ipv4(&rule->group))
		return explain(
			reason, -EADDRNOTAVAIL,
			"cannot join %s on %s: it has no IPv6 (its MTU must be 1280 or more)",
			group, rule->iface);
	limit = membership_limit(err, &rule->group);
	return explain(reason, err, "cannot join %s on %s: %s%s%s", group, rule->iface,
		       strerror(-err), limit ? ": raise " : "", limit ? limit : "");
}

static void set_reason(struct route *route, const char *reason)
{
	if (route->reason && strcmp(route->reason, reason) == 0)
		return;
	free(route->reason);
	route->reason = strdup(reason); /* NULL: route_reason() has a general one */
	route->reported = false;
}

void route_refuse(struct route *route, struct membership *membership, const char *reason)
{
	route_close(route, membership);
	set_reason(route, reason);
}

/* Nobody needs the input here: no receiver, or another host is the standby of its shard. */
static bool is_unwanted(const struct route *route, uint64_t now_ns)
{
	return (route->rule->on_demand && path_is_idle(route->path)) ||
	       leases_cold(route->arrival->intake->kernel.leases, route->rule, now_ns);
}

int route_open(struct route *route, const struct config *config, struct membership *membership)
{
	char reason[REASON_SIZE];
	int err = open_path(route, config, reason);

	if (!err && !is_unwanted(route, clock_ns()))
		err = join(route, membership, reason);
	if (err) {
		route_refuse(route, membership, reason);
	} else {
		free(route->reason);
		route->reason = NULL;
		route->unjoined = false;
	}
	return err;
}

void route_report(struct route *route, int err)
{
	if (route->reported)
		return;
	route->reported = true;
	log_error("rule-pending", LOG_NAME("rule", route->rule->name), LOG_ERROR(err),
		  LOG_TEXT("reason", route->reason ? route->reason : ""));
}

uint64_t route_follow_demand(struct route *route, struct membership *membership, uint64_t linger_ns,
			     uint64_t now_ns)
{
	char reason[REASON_SIZE];
	int err;

	if ((!route->rule->on_demand && !route->rule->lease_shards) || !route->path ||
	    !intake_is_open(route->arrival->intake))
		return UINT64_MAX;
	if (!is_unwanted(route, now_ns)) {
		route->idle_ns = 0;
		err = route->joined ? 0 : join(route, membership, reason);
		route->unjoined = err;
		if (err) {
			set_reason(route, reason);
			route_report(route, err);
		}
		return UINT64_MAX;
	}
	route->unjoined = false;
	if (!route->joined)
		return UINT64_MAX;
	if (!route->idle_ns)
		route->idle_ns = now_ns;
	if (now_ns - route->idle_ns < linger_ns)
		return route->idle_ns + linger_ns;
	route_leave(route, membership);
	return UINT64_MAX;
}

void route_count_icmp(struct route *route, const struct icmp_error *error, uint64_t number)
{
	struct route *first = route->stem	? route->stem
			      : route->siblings ? route->siblings->routes[0]
						: route;

	if (route->path && first->icmp_report != number && path_count_icmp(route->path, error))
		first->icmp_report = number;
}

void route_leave(struct route *route, struct membership *membership)
{
	if (route->joined)
		membership_leave(membership, &route->rule->group, joined_source(route->rule),
				 route->joined);
	route->joined = 0;
}

void route_close(struct route *route, struct membership *membership)
{
	route_leave(route, membership);
	path_put(route->path);
	route->path = NULL;
}

static struct carried *carried_new(unsigned int outputs)
{
	struct carried *carried =
		calloc(1, sizeof(*carried) + outputs * sizeof(carried->outputs[0]));

	if (carried)
		carried->references = 1;
	return carried;
}

/* Without memory the counters are lost. */
void route_retire(struct route *route)
{
	struct route *stem = route->stem;
	unsigned int count = route->rule->nr_outputs;
	struct output_counts *outputs;
	struct rule_counts counts = {0};

	if (!stem || !stem->plan.kept || !route->path)
		return;
	if (!stem->carried)
		stem->carried = carried_new(count);
	outputs = calloc(count, sizeof(*outputs));
	if (stem->carried && outputs) {
		path_read(route->path, &counts, outputs);
		rule_counts_add(&stem->carried->rule, &counts);
		for (unsigned int i = 0; i < count; i++)
			output_counts_add(&stem->carried->outputs[i], &outputs[i]);
		for (unsigned int i = 0; i < counts.nr_latency[0]; i++)
			histogram_merge(&stem->carried->latency, &counts.latency[0][i]);
	}
	free(outputs);
}

void route_free(struct route *route, struct membership *membership)
{
	if (!route)
		return;
	route_close(route, membership);
	carried_put(route->carried);
	siblings_put(route->siblings);
	free(route->view);
	free(route->reason);
	free(route);
}

struct carried *carried_hold(struct carried *carried)
{
	if (carried)
		carried->references++;
	return carried;
}

void carried_put(struct carried *carried)
{
	if (carried && !--carried->references)
		free(carried);
}

const char *route_reason(const struct route *route)
{
	const char *reason;

	if (!route->arrival)
		return NULL;
	reason = intake_reason(route->arrival->intake);
	if (reason)
		return reason;
	if (route_is_stem(route))
		return NULL;
	if (!route->path || route->unjoined)
		return route->reason ? route->reason : "no memory for the reason";
	return path_reason(route->path);
}
