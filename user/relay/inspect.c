/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/inspect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "dataplane/output_socket.h"
#include "dataplane/stream.h"
#include "relay/output_route.h"
#include "relay/relay.h"
#include "relay/state.h"

/* ---- where it arrives ---- */

/* The arrival that rules know by this name, or by another name of the same interface. */
static const struct arrival *find_arrival(const struct relay *relay, const char *name)
{
	const struct arrival *arrival = arrival_find(relay->arrivals, relay->nr_arrivals, name);
	int ifindex = arrival ? 0 : (int)if_nametoindex(name);

	for (unsigned int i = 0; ifindex && i < relay->nr_arrivals; i++) {
		if (!relay->arrivals[i]->stale && relay->arrivals[i]->link.ifindex == ifindex)
			return relay->arrivals[i];
	}
	return arrival;
}

static size_t put_tag(uint8_t *at, unsigned int tag)
{
	struct xmc_tag *header = (void *)at;

	if (!tag)
		return 0;
	/* The type of a tag stands in front of it. */
	at[0] = tag & XMC_TAG_8021AD ? 0x88 : 0x81;
	at[1] = tag & XMC_TAG_8021AD ? 0xa8 : 0x00;
	at[2] = tag >> 8 & 0xf;
	at[3] = (uint8_t)tag;
	return sizeof(*header);
}

/* Copy the frame, with the tags that its packets have where they are received. Returns its length.
 */
static size_t add_tags(uint8_t *to, const uint8_t *frame, size_t length, uint32_t tags)
{
	size_t macs = 2UL * MAC_LENGTH, used = macs;

	memcpy(to, frame, macs);
	used += put_tag(to + used, tags >> 16);
	used += put_tag(to + used, tags & 0xffff);
	memcpy(to + used, frame + macs, length - macs);
	return length + used - macs;
}

static void describe(struct inspected_packet *packet, const uint8_t *frame)
{
	enum xmc_reason reason = xmc_parse(frame, frame + packet->length, &packet->dgram);

	packet->described = reason == XMC_STEERED ||
			    (reason == XMC_NOT_UDP && packet->dgram.protocol) ||
			    !xmc_describe_passed(frame, frame + packet->length, &packet->dgram);
}

/* The device on which a packet would come: of a bond, the first member that it uses. */
static const struct port *choose_port(const struct intake *intake)
{
	for (unsigned int i = 0; i < intake->nr_ports; i++) {
		if (!intake->ports[i].at.inactive)
			return &intake->ports[i].at;
	}
	return intake->nr_ports ? &intake->ports[0].at : NULL;
}

/* ---- which rule ---- */

/* Is this the key by which the route's packets are found? */
static bool has_key(const struct route *route, const struct intake *intake,
		    const struct xmc_rule_key *key)
{
	struct xmc_rule_key mine;

	if (!route->arrival || route->arrival->intake != intake)
		return false;
	rule_key(route->rule, &mine);
	mine.tags = route->arrival->tags;
	return memcmp(&mine, key, sizeof(mine)) == 0;
}

/* In what does the packet differ from those of this rule? */
static unsigned int compare(const struct route *route, const struct intake *intake,
			    const struct xmc_datagram *dgram)
{
	struct xmc_rule_key key, seen;
	struct xmc_shape shape;
	unsigned int differs = 0;

	rule_key(route->rule, &key);
	xmc_shape_set(&shape, xmc_shape_of(&key));
	xmc_shape_key(&shape, dgram, &seen);
	if (!addr_equal(&key.source, &seen.source))
		differs |= NEAR_SOURCE;
	if (key.port != seen.port)
		differs |= NEAR_PORT;
	if (route->arrival->intake != intake)
		differs |= NEAR_IFACE;
	else if (route->arrival->tags != dgram->tags)
		differs |= NEAR_TAGS;
	return differs ? differs : NEAR_SPECIFIC;
}

/* The rules with the packet's destination and protocol, but `found`. */
static void find_near(const struct relay *relay, const struct intake *intake,
		      const struct rule *found, struct inspected_packet *packet)
{
	for (unsigned int i = 0; packet->described && i < relay->config.nr_rules; i++) {
		const struct route *route = relay->routes[i];

		if (!route->arrival || route->rule == found ||
		    route->rule->protocol != packet->dgram.protocol ||
		    !addr_equal(&route->rule->group, &packet->dgram.destination))
			continue;
		packet->near[packet->nr_near++] =
			(struct near_rule){route->rule, compare(route, intake, &packet->dgram)};
		if (packet->nr_near == NEAR_RULES)
			return;
	}
}

/* ---- how its outputs would send it ---- */

static void find_mac(struct redirects *redirects, const struct rule_output *output,
		     struct inspected_output *to)
{
	switch (to->hop.kind) {
	case NEXT_HOP_GROUP:
		group_mac(&output->to, to->mac);
		to->mac_known = true;
		break;
	case NEXT_HOP_BROADCAST:
		memset(to->mac, 0xff, sizeof(to->mac));
		to->mac_known = true;
		break;
	case NEXT_HOP_HOST:
		to->mac_known = !neighbour_find(redirects_netlink(redirects), to->hop.ifindex,
						&to->hop.via, to->mac);
		break;
	default:
		break;
	}
}

static void inspect_output(struct redirects *redirects, const struct rule_output *output,
			   struct output_socket *socket, struct inspected_output *to)
{
	struct link named;

	to->error = output_route(redirects, output, &named, &to->hop);
	if (!to->error && to->hop.ifindex)
		to->error = redirects_find_index(redirects, to->hop.ifindex, &to->device);
	else if (!to->error)
		to->device = named;
	if (!to->error)
		find_mac(redirects, output, to);
	if (socket && !output->from_kept)
		output_socket_port(socket, &to->source_port);
}

static int inspect_outputs(const struct relay *relay, unsigned int index,
			   struct inspected_packet *packet)
{
	const struct route *route = relay->routes[index];
	const struct stream *stream = route->path ? route->path->stream : NULL;
	unsigned int count = route->rule->nr_outputs;

	packet->books = books_read(relay, index, 1);
	packet->outputs = calloc(count, sizeof(*packet->outputs));
	if (!packet->books || !packet->outputs)
		return -ENOMEM;
	redirects_look(relay->redirects);
	for (unsigned int i = 0; i < count; i++)
		inspect_output(relay->redirects, &route->rule->outputs[i],
			       stream ? stream->outputs[i].socket : NULL, &packet->outputs[i]);
	return 0;
}

/* ---- all of it ---- */

static int find_rule(const struct relay *relay, const struct intake *intake,
		     struct inspected_packet *packet)
{
	const struct rule *found = NULL;
	int err = 0;

	for (unsigned int i = 0; packet->verdict.found && !found && i < relay->config.nr_rules;
	     i++) {
		if (!has_key(relay->routes[i], intake, &packet->verdict.key))
			continue;
		found = relay->routes[i]->rule;
		err = inspect_outputs(relay, i, packet);
	}
	find_near(relay, intake, found, packet);
	return err;
}

static int try(struct intake *intake, const uint8_t *frame, struct inspected_packet *packet,
	       char reason[REASON_SIZE])
{
	const struct port *port = choose_port(intake);
	int err;

	if (!port)
		return explain(reason, -ENODEV, "interface %s has no device that receives",
			       intake->name);
	memcpy(packet->port, port->name, sizeof(packet->port));
	packet->mtu = intake->link.mtu;
	/* Ethernet header and tags do not count. */
	packet->too_long = packet->length >
			   packet->mtu + TRIAL_FRAME_MIN + XMC_MAX_TAGS * sizeof(struct xmc_tag);
	if (packet->too_long)
		return 0;
	err = steer_try(intake->steer, port->ifindex, 0, frame, packet->length, &packet->verdict);
	if (err)
		return explain(reason, err, "the kernel cannot run the XDP program on trial: %s",
			       strerror(-err));
	packet->frame = steer_tried_frame(intake->steer);
	return 0;
}

int relay_inspect_packet(struct relay *relay, const char *iface, const void *frame, size_t length,
			 struct inspected_packet *packet, char reason[REASON_SIZE])
{
	const struct arrival *arrival = find_arrival(relay, iface);
	uint8_t tagged[TRIAL_FRAME_MAX];
	struct intake *intake;
	int err = 0;

	*packet = (struct inspected_packet){.verdict.reason = XMC_REASONS};
	if (!arrival)
		return explain(reason, -ENODEV,
			       "no rule has an input on interface %.100s: xmcast does not look at "
			       "its packets",
			       iface);
	if (length < TRIAL_FRAME_MIN ||
	    length > TRIAL_FRAME_MAX - XMC_MAX_TAGS * sizeof(struct xmc_tag))
		return explain(reason, -EMSGSIZE, "a frame of %zu bytes, expected %d to %zu",
			       length, TRIAL_FRAME_MIN,
			       TRIAL_FRAME_MAX - XMC_MAX_TAGS * sizeof(struct xmc_tag));
	intake = arrival->intake;
	packet->arrival = arrival->name;
	packet->iface = intake->name;
	packet->tags = arrival->tags;
	packet->reason = intake_reason(intake);
	packet->length = add_tags(tagged, frame, length, arrival->tags);
	describe(packet, tagged);
	if (intake->state >= INTAKE_ATTACHED && intake->state != INTAKE_STOPPED) {
		packet->mode = intake->mode == IFACE_MODE_NATIVE ? "native" : "skb";
		err = try(intake, tagged, packet, reason);
	}
	if (!err) {
		err = find_rule(relay, intake, packet);
		if (err)
			explain(reason, err, "out of memory");
	}
	if (err)
		inspected_packet_free(packet);
	return err;
}

void inspected_packet_free(struct inspected_packet *packet)
{
	books_free(packet->books);
	free(packet->outputs);
	packet->books = NULL;
	packet->outputs = NULL;
}
