/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/inspect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/clock.h"
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

/* Whether packets that both rules match are relayed by `other`. */
static bool is_more_specific(const struct route *other, const struct route *route)
{
	const struct arrival *arrival = route->arrival;
	struct xmc_datagram dgram = {.destination = route->rule->group,
				     .protocol = route->rule->protocol,
				     .tags = arrival->tags};
	struct xmc_rule_key mine, its;

	if (other == route || !other->arrival || other->rule->protocol != dgram.protocol ||
	    !addr_equal(&other->rule->group, &dgram.destination))
		return false;
	rule_key(route->rule, &mine);
	rule_key(other->rule, &its);
	if (xmc_shape_of(&its) >= xmc_shape_of(&mine))
		return false;
	/* A packet that both match, if there is one. */
	dgram.source = its.host_bits < mine.host_bits ? its.source : mine.source;
	dgram.port = its.port ? its.port : mine.port;
	return compare(route, arrival->intake, &dgram) == NEAR_SPECIFIC &&
	       compare(other, arrival->intake, &dgram) == NEAR_SPECIFIC;
}

/* The rules with the packet's destination and protocol, but `found`. */
static void find_near(const struct relay *relay, const struct intake *intake,
		      const struct rule *found, struct inspected_packet *packet)
{
	for (unsigned int i = 0; packet->described && i < relay->nr_routes; i++) {
		const struct route *route = relay->routes[i];

		if (!route->arrival || route->rule == found ||
		    route->rule->protocol != packet->dgram.protocol ||
		    !addr_equal(&route->rule->group, &packet->dgram.destination))
			continue;
		packet->near[packet->nr_near] =
			(struct near_rule){route->rule, compare(route, intake, &packet->dgram)};
		/* More specific than it is only a rule that was found. */
		if (!found)
			packet->near[packet->nr_near].differs &= ~(unsigned int)NEAR_SPECIFIC;
		packet->nr_near++;
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

/* One for each output; the caller frees them. NULL: no memory. */
static struct inspected_output *inspect_outputs(const struct relay *relay,
						const struct route *route)
{
	const struct stream *stream = route->path ? route->path->stream : NULL;
	unsigned int count = route->rule->nr_outputs;
	struct inspected_output *outputs = calloc(count, sizeof(*outputs));

	if (!outputs)
		return NULL;
	redirects_look(relay->redirects);
	for (unsigned int i = 0; i < count; i++)
		inspect_output(relay->redirects, &route->rule->outputs[i],
			       stream ? stream->outputs[i].socket : NULL, &outputs[i]);
	return outputs;
}

/* ---- a packet ---- */

/* The index of the rule that has this route. */
static unsigned int rule_index(const struct relay *relay, unsigned int i)
{
	const struct route *first = relay->routes[i];

	if (i < relay->config.nr_rules)
		return i;
	for (i = 0; i + 1 < relay->config.nr_rules; i++) {
		if (relay->routes[i] == first->siblings->routes[0])
			break;
	}
	return i;
}

static int find_rule(const struct relay *relay, const struct intake *intake,
		     struct inspected_packet *packet)
{
	const struct rule *found = NULL;
	int err = 0;

	for (unsigned int i = 0; packet->verdict.found && !found && i < relay->nr_routes; i++) {
		if (!has_key(relay->routes[i], intake, &packet->verdict.key))
			continue;
		found = relay->routes[i]->rule;
		packet->books = books_read(relay, rule_index(relay, i), 1);
		packet->outputs = inspect_outputs(relay, relay->routes[i]);
		err = packet->books && packet->outputs ? 0 : -ENOMEM;
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
	if (err == -EOPNOTSUPP)
		return explain(reason, err, "without CAP_PERFMON no packet can be tried");
	if (err)
		return explain(reason, err, "the kernel cannot run the XDP program on trial: %s",
			       strerror(-err));
	packet->frame = steer_tried_frame(intake->steer);
	return 0;
}

/* Whether there are rules for the interface, of which none relays. */
static bool is_disabled(const struct relay *relay, const char *iface)
{
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		if (strcmp(relay->routes[i]->rule->iface, iface) == 0)
			return relay->routes[i]->rule->disabled;
	}
	return false;
}

int relay_inspect_packet(struct relay *relay, const char *iface, const void *frame, size_t length,
			 struct inspected_packet *packet, char reason[REASON_SIZE])
{
	const struct arrival *arrival = find_arrival(relay, iface);
	uint8_t tagged[TRIAL_FRAME_MAX];
	struct intake *intake;
	int err = 0;

	*packet = (struct inspected_packet){.verdict.reason = XMC_REASONS};
	if (!arrival && is_disabled(relay, iface))
		return explain(reason, -ENODEV,
			       "all rules with an input on interface %.100s are disabled: xmcast "
			       "does not look at its packets",
			       iface);
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

/* ---- a rule ---- */

/* One intake whose notes are read. */
struct reading {
	const struct intake *intake;
	const struct route *route;
	struct inspected_rule *inspected;
};

/* Is it the question of a multicast router to all hosts: who is a member? (RFC 2236, RFC 2710) */
static bool is_query(const struct xmc_passed *note)
{
	const struct xmc_addr all_hosts4 = {.b = {[10] = 0xff, 0xff, 224, 0, 0, 1}};
	const struct xmc_addr all_hosts6 = {.b = {0xff, 0x02, [15] = 1}};

	return (note->protocol == IPPROTO_IGMP && addr_equal(&note->destination, &all_hosts4)) ||
	       (note->protocol == IPPROTO_ICMPV6 && addr_equal(&note->destination, &all_hosts6));
}

static void note_query(const struct xmc_passed *note, const struct reading *reading)
{
	struct inspected_rule *inspected = reading->inspected;

	if (reading->intake != reading->route->arrival->intake ||
	    addr_is_ipv4(&note->destination) != addr_is_ipv4(&inspected->rule->group) ||
	    note->last_ns < inspected->querier_ns)
		return;
	inspected->querier_seen = true;
	inspected->querier = note->source;
	inspected->querier_ns = note->last_ns;
}

static bool is_same_kind(const struct passed_packets *known, const struct xmc_passed *note,
			 const char *iface)
{
	return known->iface == iface && known->note.reason == note->reason &&
	       known->note.port == note->port && known->note.tags == note->tags &&
	       addr_equal(&known->note.source, &note->source);
}

/* The note of another CPU about such packets, or a place for the first one, if need be that of the
 * kind with the fewest. NULL: no room. */
static struct passed_packets *find_kind(struct inspected_rule *inspected,
					const struct xmc_passed *note, const char *iface)
{
	struct passed_packets *known = inspected->passed, *fewest = known;

	for (unsigned int i = 0; i < inspected->nr_passed; i++, known++) {
		if (is_same_kind(known, note, iface))
			return known;
		if (known->note.packets < fewest->note.packets)
			fewest = known;
	}
	if (inspected->nr_passed < PASSED_PACKETS)
		return &inspected->passed[inspected->nr_passed++];
	/* So that many senders with few packets do not hide the one that matters. */
	if (note->packets <= fewest->note.packets)
		return NULL;
	*fewest = (struct passed_packets){};
	return fewest;
}

/* In what do these packets differ from those of the rule? What cannot be seen does not differ. */
static unsigned int note_differs(const struct xmc_passed *note, const struct reading *reading)
{
	struct xmc_datagram dgram = {.source = note->source,
				     .destination = note->destination,
				     .port = note->port,
				     .protocol = note->protocol,
				     .tags = note->tags};
	unsigned int differs = compare(reading->route, reading->intake, &dgram);

	return differs & ~(NEAR_SPECIFIC | (note->port ? 0U : NEAR_PORT));
}

/* The most frequent packets that no rule matches and that differ in the group: somebody may have
 * mistyped it. */
static void note_other_group(const struct xmc_passed *note, const struct reading *reading)
{
	struct inspected_rule *inspected = reading->inspected;
	const struct rule *rule = inspected->rule;

	if (reading->intake == reading->route->arrival->intake && note->reason == XMC_NO_RULE &&
	    note->tags == inspected->tags && note->port && ntohs(note->port) == rule->port &&
	    addr_is_multicast(&note->destination) && addr_is_multicast(&rule->group) &&
	    note->packets > inspected->other_group.packets)
		inspected->other_group = *note;
}

static void read_note(void *context, const struct xmc_passed *note)
{
	const struct reading *reading = context;
	const struct intake *input = reading->route->arrival->intake;
	struct inspected_rule *inspected = reading->inspected;
	struct passed_packets *known;
	unsigned int differs;

	if (is_query(note))
		note_query(note, reading);
	/* What came before the rule was there says nothing about it. */
	if (note->protocol != inspected->rule->protocol || note->last_ns < reading->route->since_ns)
		return;
	if (!addr_equal(&note->destination, &inspected->rule->group)) {
		note_other_group(note, reading);
		return;
	}
	differs = note_differs(note, reading);
	if (!differs && note->reason != XMC_FRAGMENT && note->reason != XMC_IP_OPTIONS)
		return;
	known = find_kind(inspected, note, reading->intake->name);
	if (!known)
		return;
	if (known->note.packets)
		known->note.packets += note->packets;
	else
		known->note = *note;
	if (known->note.last_ns < note->last_ns)
		known->note.last_ns = note->last_ns;
	known->iface = reading->intake->name;
	known->differs = differs;
	known->at_bridge_port = reading->intake != input &&
				strcmp(input->link.kind, LINK_KIND_BRIDGE) == 0 &&
				below_has(&input->below, reading->intake->ifindex);
}

static int compare_passed(const void *a, const void *b)
{
	uint64_t first = ((const struct passed_packets *)a)->note.packets;
	uint64_t second = ((const struct passed_packets *)b)->note.packets;

	return (first < second) - (first > second);
}

static void read_notes(const struct relay *relay, const struct route *route,
		       struct inspected_rule *inspected)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct reading reading = {relay->intakes[i], route, inspected};

		/* Without memory there is less to tell. */
		if (relay->intakes[i]->steer)
			steer_read_passed(relay->intakes[i]->steer, read_note, &reading);
	}
	qsort(inspected->passed, inspected->nr_passed, sizeof(inspected->passed[0]),
	      compare_passed);
}

int relay_inspect_rule(struct relay *relay, unsigned int index, unsigned int side,
		       struct inspected_rule *inspected)
{
	const struct route *first = relay->routes[index];
	const struct route *route = side ? first->siblings->routes[side] : first;
	const struct arrival *arrival = route->arrival;

	*inspected =
		(struct inspected_rule){.rule = route->rule, .side = side, .now_ns = clock_ns()};
	inspected->outputs = inspect_outputs(relay, route);
	if (!inspected->outputs)
		return -ENOMEM;
	if (!arrival)
		return 0;
	inspected->iface = arrival->intake->name;
	inspected->reason = intake_reason(arrival->intake);
	inspected->tags = arrival->tags;
	inspected->joined = route->joined != 0;
	for (unsigned int i = relay->asked.nr_rules; i < relay->config.nr_rules; i++)
		inspected->joined |= relay->routes[i]->stem == route && relay->routes[i]->joined;
	for (unsigned int i = 0; i < relay->nr_routes && !inspected->winner; i++) {
		if (relay->routes[i]->stem != route && is_more_specific(relay->routes[i], route))
			inspected->winner = relay->routes[i]->rule;
	}
	/* As it is now: it may have changed since it was looked at last. */
	if (link_query(arrival->name, &inspected->input))
		inspected->input = (struct link){};
	read_notes(relay, route, inspected);
	if (firewall_query(addr_is_ipv4(&route->rule->outputs->to), &inspected->firewall))
		inspected->firewall = (struct firewall){};
	return 0;
}

void inspected_rule_free(struct inspected_rule *inspected)
{
	free(inspected->outputs);
	inspected->outputs = NULL;
}
