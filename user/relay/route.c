/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/route.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct route *route_new(const struct rule *rule, uint64_t id)
{
	struct route *route = calloc(1, sizeof(*route));

	if (!route)
		return NULL;
	route->rule = rule;
	route->id = id;
	route->since_ns = clock_ns();
	return route;
}

static int fail(struct route *route, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct route *route, int err, const char *format, ...)
{
	char reason[REASON_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	free(route->reason);
	route->reason = strdup(reason); /* NULL: there is a general one */
	return err;
}

static int open_stream(struct route *route, const struct egress_config *egress)
{
	const struct rule_output *output;
	struct stream_failure failure;
	char text[ENDPOINT_TEXT_SIZE];
	int err = stream_open(&route->stream, route->rule, route->intake->nr_workers, egress,
			      route->before, &failure);

	if (!err)
		return 0;
	output = failure.output;
	if (err == -ENODEV && output)
		return fail(route, err, "output interface %s does not exist", output->iface);
	if (err == -EMFILE)
		return fail(route, err, "too few file descriptors: raise the limit (ulimit -n)");
	if (!output)
		return fail(route, err, "%s: %s", failure.step, strerror(-err));
	return fail(route, err, "output %s: %s: %s", output_format(output, text), failure.step,
		    strerror(-err));
}

/* The source to join for. A join cannot name a prefix (RFC 3376 section 2): of one, all of the
 * group is joined, and the rule picks. */
static const struct xmc_addr *joined_source(const struct rule *rule)
{
	static const struct xmc_addr any;

	return rule->source_host_bits ? &any : &rule->source;
}

/* Join what the rule takes in; only then can it be active. */
static int join(struct route *route, struct membership *membership)
{
	const struct rule *rule = route->rule;
	char group[ADDR_TEXT_SIZE];
	int err;

	if (!addr_is_multicast(&rule->group))
		return 0;
	route->joined_ifindex = route->intake->link.ifindex;
	err = membership_join(membership, &rule->group, joined_source(rule), route->joined_ifindex);
	/* The kernel's word for an interface that has no IPv6; it may get some. */
	if (err == -EINVAL && !addr_is_ipv4(&rule->group))
		return fail(route, -EADDRNOTAVAIL,
			    "cannot join %s on %s: it has no IPv6 (its MTU must be 1280 or more)",
			    addr_format(&rule->group, group), rule->iface);
	if (err) {
		const char *limit = membership_limit(err, &rule->group);

		return fail(route, err, "cannot join %s on %s: %s%s%s",
			    addr_format(&rule->group, group), rule->iface, strerror(-err),
			    limit ? ": raise " : "", limit ? limit : "");
	}
	route->joined = true;
	return 0;
}

int route_open(struct route *route, const struct egress_config *egress,
	       struct membership *membership)
{
	int err = open_stream(route, egress);

	if (err)
		return err;
	err = join(route, membership);
	if (err)
		route_close(route, membership);
	return err;
}

int route_reopen(struct route *route, const struct egress_config *egress,
		 struct membership *membership)
{
	struct stream *before = route->stream;
	int err = 0;

	free(route->reason);
	route->reason = NULL;
	if (!before || before->nr_shards != route->intake->nr_workers) {
		route->before = before;
		route->stream = NULL;
		err = open_stream(route, egress);
		route->before = NULL;
		stream_put(before);
	}
	if (!err)
		err = join(route, membership);
	if (err)
		route_close(route, membership);
	return err;
}

void route_leave(struct route *route, struct membership *membership)
{
	if (route->joined)
		membership_leave(membership, &route->rule->group, joined_source(route->rule),
				 route->joined_ifindex);
	route->joined = false;
}

/* Of a rule with several outputs one is enough. */
static const char *outputs_reason(const struct stream *stream)
{
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		if (!stream->outputs[i].reason)
			return NULL;
	}
	return stream->nr_outputs ? stream->outputs[0].reason : NULL;
}

const char *route_reason(const struct route *route)
{
	if (route->rule->disabled)
		return NULL;
	if (route->intake->failed || route->intake->impaired)
		return route->intake->reason;
	if (!route->stream)
		return route->reason ? route->reason : "no memory to say why";
	return outputs_reason(route->stream);
}

void route_close(struct route *route, struct membership *membership)
{
	route_leave(route, membership);
	stream_put(route->stream);
	route->stream = NULL;
}

void route_free(struct route *route, struct membership *membership)
{
	if (!route)
		return;
	route_close(route, membership);
	free(route->reason);
	free(route);
}
