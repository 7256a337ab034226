/* SPDX-License-Identifier: BSD-2-Clause */
/* The capture of a relay: which intakes it is about, and with which headers outputs send. */
#include "relay/relay.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/output_socket.h"
#include "relay/output_route.h"
#include "relay/state.h"

static const struct route *find_route(const struct relay *relay, const char *rule)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		if (strcmp(relay->config.rules[i].name, rule) == 0)
			return relay->routes[i];
	}
	return NULL;
}

/* Do packets arrive there that are to be captured? A rule with several inputs has a route for each.
 */
static bool is_wanted(const struct relay *relay, const struct capture_options *options,
		      const struct intake *intake)
{
	const char *name;

	for (unsigned int i = 0; *options->rule && i < relay->nr_routes; i++) {
		const struct route *route = relay->routes[i];

		if (route->arrival && route->arrival->intake == intake &&
		    strcmp(route->rule->name, options->rule) == 0)
			return true;
	}
	name = *options->rule ? NULL : relay_interface(relay, options->iface);
	return name && strcmp(intake->name, name) == 0;
}

int relay_follow_capture(struct relay *relay)
{
	int result = 0;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];
		bool wanted =
			relay->capture && is_wanted(relay, capture_options(relay->capture), intake);
		int err = intake_capture(intake, wanted ? relay->capture : NULL, relay->epoll_fd);

		if (err)
			result = err;
	}
	return result;
}

bool relay_can_capture(const struct relay *relay, const struct capture_options *options)
{
	return *options->rule ? find_route(relay, options->rule) != NULL
			      : relay_interface(relay, options->iface) != NULL;
}

static const char *hint_of(const struct intake *intake)
{
	struct tap_maps maps;

	if (!intake->steer || steer_describe_tap(intake->steer, &maps))
		return NULL;
	return intake->external
		       ? "an administrator attached the XDP program of the interface: packets on "
			 "the kernel path are not captured"
		       : "the XDP program cannot capture here: packets on the kernel path are not "
			 "captured";
}

const char *relay_capture_hint(const struct relay *relay, const struct capture_options *options)
{
	const struct route *route = *options->rule ? find_route(relay, options->rule) : NULL;
	const char *hint = NULL;

	for (unsigned int i = 0; !hint && i < relay->nr_intakes; i++) {
		if (is_wanted(relay, options, relay->intakes[i]))
			hint = hint_of(relay->intakes[i]);
	}
	if (!hint && route && route->rule->group_host_bits &&
	    rule_path(&relay->config, route->rule) != RULE_PATH_USER)
		hint = "of a prefix, groups on the kernel path are not captured: capture one of "
		       "them, or the interface";
	return hint;
}

int relay_capture(struct relay *relay, struct capture *capture)
{
	int err;

	relay->capture = capture;
	err = relay_follow_capture(relay);
	if (err && capture) {
		relay->capture = NULL;
		relay_follow_capture(relay);
	}
	return err;
}

void relay_drain_capture(struct relay *relay)
{
	for (unsigned int i = 0; relay->capture && i < relay->nr_intakes; i++)
		intake_drain_capture(relay->intakes[i]);
}

/* ---- headers ---- */

static void find_device(struct relay *relay, const struct rule_output *output,
			struct output_headers *headers)
{
	struct next_hop hop;
	struct link link;

	if (output_route(relay->redirects, output, &link, &hop))
		return;
	headers->source = hop.source;
	if (hop.kind == NEXT_HOP_GROUP)
		group_mac(&output->to, headers->mac_to);
	else if (hop.kind == NEXT_HOP_BROADCAST)
		memset(headers->mac_to, 0xff, sizeof(headers->mac_to));
	else if (hop.kind == NEXT_HOP_HOST)
		neighbour_find(redirects_netlink(relay->redirects), hop.ifindex, &hop.via,
			       headers->mac_to);
	if (!hop.ifindex || redirects_find_index(relay->redirects, hop.ifindex, &link))
		return;
	snprintf(headers->iface, sizeof(headers->iface), "%s", link.name);
	memcpy(headers->mac_from, link.mac, sizeof(headers->mac_from));
}

int relay_output_headers(struct relay *relay, const char *rule, unsigned int output,
			 struct output_headers *headers)
{
	const struct route *route = find_route(relay, rule);
	const struct rule_output *config;
	const struct stream *stream;

	if (!route || output >= route->rule->nr_outputs)
		return -ENOENT;
	config = &route->rule->outputs[output];
	*headers = (struct output_headers){};
	output_format(config, headers->to);
	redirects_look(relay->redirects);
	find_device(relay, config, headers);
	if (!addr_is_any(&config->from))
		headers->source = config->from;
	stream = route->path ? route->path->stream : NULL;
	if (stream && !config->from_kept &&
	    output_socket_port(stream->outputs[output].socket, &headers->source_port))
		headers->source_port = 0;
	return 0;
}
