/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/double_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_FACILITY LOG_FACILITY_RULES
#include "base/log.h"
#include "links/link.h"
#include "links/next_hop.h"
#include "membership/membership.h"
#include "membership/sender_socket.h"
#include "relay/leases.h"
#include "relay/state.h"

/* Looks without another source after which the output counts as sound again. */
#define QUIET_LOOKS 3

/* An output whose group is watched. The rule is that of relay->config, of one generation. */
struct watched {
	const struct rule *rule;
	const struct rule_output *output;
	uint16_t slot;	    /* 0: no lease */
	bool suspected;	    /* as standby: two hosts sent by turns in the look before */
	bool doubled;	    /* reported */
	unsigned int quiet; /* looks since then without another source */
};

/* Who sent to a watched output's group during this look. */
struct heard {
	bool held, moving;   /* when it began */
	uint64_t epoch;	     /* likewise */
	unsigned int turns;  /* of senders: 1: one, 2: another one, 3: the first or a third again */
	struct sender first; /* the first one, */
	struct sender last;  /* and the last one that was another than the one before it */
};

struct double_source {
	uint64_t generation; /* of the rules in `list` */
	struct watched *list;
	unsigned int count, next; /* where the next look begins */
	struct membership *membership;
	struct sender_socket *sock; /* NULL: no look is under way, */
	struct link link;	    /* otherwise on this interface */
	unsigned int first, nr_heard;
	struct heard heard[SENDER_GROUPS];
	struct xmc_addr joined[SENDER_GROUPS];
	struct netlink *netlink; /* borrowed */
	uint64_t found;
};

/* ---- what to watch ---- */

static int compare(const void *a, const void *b)
{
	const struct rule_output *x = ((const struct watched *)a)->output;
	const struct rule_output *y = ((const struct watched *)b)->output;
	int order = strcmp(x->iface, y->iface);

	/* IPv4 addresses differ from IPv6 ones in their first bytes, so families stay together. */
	if (!order)
		order = memcmp(&x->to, &y->to, sizeof(x->to));
	return order ? order : (x->port > y->port) - (x->port < y->port);
}

/* All outputs to groups, also those of rules without a lease: these send to them on purpose. */
static unsigned int gather(const struct relay *relay, struct watched *list)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct rule *rule = &relay->config.rules[i];

		for (unsigned int j = 0; j < rule->nr_outputs && !rule->disabled; j++) {
			if (!addr_is_multicast(&rule->outputs[j].to))
				continue;
			if (list)
				list[count] = (struct watched){
					.rule = rule,
					.output = &rule->outputs[j],
					.slot = leases_find(relay->leases, rule),
				};
			count++;
		}
	}
	return count;
}

static bool same_group(const struct watched *a, const struct watched *b)
{
	return strcmp(a->output->iface, b->output->iface) == 0 &&
	       addr_equal(&a->output->to, &b->output->to);
}

/* Keep those that one shard alone sends to. What a prefix relays has groups of its own. */
static unsigned int select_watched(struct watched *list, unsigned int count)
{
	unsigned int kept = 0;

	for (unsigned int i = 0, end; i < count; i = end) {
		bool alone = list[i].slot && !list[i].output->when && !list[i].output->same;

		for (end = i + 1; end < count && same_group(&list[i], &list[end]); end++)
			alone = alone && list[end].slot == list[i].slot;
		if (alone)
			list[kept++] = list[i];
	}
	return kept;
}

static void end_look(struct double_source *state)
{
	const struct xmc_addr any = {};

	for (unsigned int i = 0; i < state->nr_heard && state->sock; i++)
		membership_leave(state->membership, &state->joined[i], &any, state->link.ifindex);
	sender_socket_close(state->sock);
	state->sock = NULL;
	state->nr_heard = 0;
}

static void list_again(struct double_source *state, const struct relay *relay)
{
	unsigned int count = gather(relay, NULL);

	end_look(state);
	free(state->list);
	state->list = calloc(count + 1UL, sizeof(*state->list));
	state->count = state->next = 0;
	state->generation = relay->generation;
	if (!state->list)
		return; /* nothing is watched until the rules change */
	gather(relay, state->list);
	qsort(state->list, count, sizeof(*state->list), compare);
	state->count = select_watched(state->list, count);
}

/* ---- judging ---- */

static bool is_held(const struct relay *relay, const struct watched *watched, uint64_t now_ns)
{
	return !leases_mute(relay->leases, watched->rule, now_ns);
}

static bool is_moving(const struct relay *relay, const struct watched *watched, uint64_t now_ns)
{
	uint64_t latest_ns;

	return leases_move(relay->leases, watched->rule, now_ns, &latest_ns) != CUT_NONE;
}

/* With `from keep` the addresses are those of the stream's own sources. */
static bool same_host(const struct rule_output *output, const struct sender *a,
		      const struct sender *b)
{
	return memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       (output->from_kept || addr_equal(&a->address, &b->address));
}

/* A loop in the network may bring back what we have sent. */
static bool is_ours(const struct double_source *state, const struct sender *sender)
{
	static const uint8_t none[MAC_LENGTH];

	if (memcmp(sender->mac, none, MAC_LENGTH) != 0 &&
	    memcmp(sender->mac, state->link.mac, MAC_LENGTH) == 0)
		return true;
	return own_address_find(state->netlink, &sender->address, state->link.ifindex) == 0;
}

static void on_packet(void *context, const struct sender *sender, const struct xmc_addr *group,
		      uint16_t port)
{
	struct double_source *state = context;

	for (unsigned int i = 0; i < state->nr_heard; i++) {
		const struct rule_output *output = state->list[state->first + i].output;
		struct heard *heard = &state->heard[i];

		if (!addr_equal(&output->to, group) ||
		    (output->port != RULE_PORT_KEPT && output->port != port))
			continue;
		if ((heard->turns && same_host(output, &heard->last, sender)) ||
		    is_ours(state, sender))
			return;
		if (!heard->turns)
			heard->first = *sender;
		heard->last = *sender;
		heard->turns++;
		return;
	}
}

static void format_sender(const struct rule_output *output, const struct sender *sender,
			  char text[ADDR_TEXT_SIZE])
{
	const unsigned char *mac = sender->mac;

	if (output->from_kept)
		snprintf(text, ADDR_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			 mac[2], mac[3], mac[4], mac[5]);
	else
		addr_format(&sender->address, text);
}

static void report(const struct watched *watched, const struct heard *heard, bool held)
{
	char to[ENDPOINT_TEXT_SIZE], source[ADDR_TEXT_SIZE], other[ADDR_TEXT_SIZE];
	const struct rule_output *output = watched->output;

	endpoint_format(&output->to, output->port == RULE_PORT_KEPT ? 0 : output->port,
			output->iface, to);
	format_sender(output, &heard->first, source);
	format_sender(output, &heard->last, other);
	log_event(LOG_LEVEL_WARNING, "double-source", LOG_NAME("rule", watched->rule->name),
		  LOG_NAME("output", to), LOG_NAME("lease", watched->rule->lease),
		  LOG_UINT("shard", rule_shard(watched->rule)),
		  LOG_NAME("source", held ? "this host" : source),
		  LOG_NAME("other", held ? source : other));
}

static void report_ended(const struct watched *watched)
{
	char to[ENDPOINT_TEXT_SIZE];
	const struct rule_output *output = watched->output;

	endpoint_format(&output->to, output->port == RULE_PORT_KEPT ? 0 : output->port,
			output->iface, to);
	log_event(LOG_LEVEL_INFO, "double-source-ended", LOG_NAME("rule", watched->rule->name),
		  LOG_NAME("output", to));
}

static void judge(struct double_source *state, struct watched *watched, const struct heard *heard,
		  bool held)
{
	/* What begins or ends in between is a move, of which both sides are heard. */
	bool doubled = heard->turns >= (held ? 1 : 3);
	bool suspected = watched->suspected;

	/* In a move between two others, the last packets of one may come behind the first ones of
	 * the other: but not in each look. */
	watched->suspected = doubled && !held;
	if (watched->suspected && !suspected)
		return;
	if (doubled) {
		state->found++;
		watched->quiet = 0;
		if (!watched->doubled)
			report(watched, heard, held);
		watched->doubled = true;
	} else if (watched->doubled && ++watched->quiet == QUIET_LOOKS) {
		watched->doubled = false;
		report_ended(watched);
	}
}

static void judge_all(struct double_source *state, const struct relay *relay, uint64_t now_ns)
{
	sender_socket_read(state->sock, on_packet, state);
	for (unsigned int i = 0; i < state->nr_heard; i++) {
		struct watched *watched = &state->list[state->first + i];
		const struct heard *heard = &state->heard[i];
		bool held = is_held(relay, watched, now_ns);

		/* During a move at a sequence number both hosts hold it. */
		if (!heard->moving && !is_moving(relay, watched, now_ns) && held == heard->held &&
		    leases_epoch(relay->leases, watched->rule) == heard->epoch)
			judge(state, watched, heard, held);
		else
			watched->suspected = false;
	}
}

/* ---- looking ---- */

/* The outputs of the next look: on one interface, of one family. */
static unsigned int choose(const struct double_source *state, unsigned int first)
{
	const struct rule_output *output = state->list[first].output;
	unsigned int end = first + 1;

	while (end < state->count && end - first < SENDER_GROUPS &&
	       strcmp(state->list[end].output->iface, output->iface) == 0 &&
	       addr_is_ipv4(&state->list[end].output->to) == addr_is_ipv4(&output->to))
		end++;
	return end - first;
}

static void begin_socket(struct double_source *state)
{
	const struct xmc_addr any = {};
	int err = link_query(state->list[state->first].output->iface, &state->link);

	for (unsigned int i = 0; i < state->nr_heard; i++)
		state->joined[i] = state->list[state->first + i].output->to;
	if (state->link.ifindex)
		err = sender_socket_open(&state->sock, state->link.ifindex, state->joined,
					 state->nr_heard);
	if (err) {
		state->nr_heard = 0;
		return;
	}
	/* Where one cannot be joined, its packets may arrive all the same. */
	for (unsigned int i = 0; i < state->nr_heard; i++)
		membership_join(state->membership, &state->joined[i], &any, state->link.ifindex);
}

static void begin_look(struct double_source *state, const struct relay *relay, uint64_t now_ns)
{
	unsigned int first = state->next < state->count ? state->next : 0;
	unsigned int count = state->count ? choose(state, first) : 0;

	/* If they fit into one look, it goes on with the same socket and memberships. */
	if (!state->sock || first != state->first || count != state->nr_heard) {
		end_look(state);
		state->first = first;
		state->nr_heard = count;
		if (count)
			begin_socket(state);
	}
	for (unsigned int i = 0; i < state->nr_heard; i++) {
		const struct watched *watched = &state->list[first + i];

		state->heard[i] = (struct heard){
			.held = is_held(relay, watched, now_ns),
			.moving = is_moving(relay, watched, now_ns),
			.epoch = leases_epoch(relay->leases, watched->rule),
		};
	}
	state->next = first + count;
}

void double_source_look(struct double_source **state, const struct relay *relay, uint64_t now_ns)
{
	struct double_source *look = *state;

	if (!look) {
		*state = look = calloc(1, sizeof(*look));
		if (!look)
			return;
		look->generation = relay->generation - 1;
	}
	if (!look->membership && membership_open(&look->membership))
		return;
	look->netlink = redirects_netlink(relay->redirects);
	if (!relay->config.events.double_source) {
		end_look(look);
		return;
	}
	if (look->generation != relay->generation)
		list_again(look, relay);
	else if (look->sock)
		judge_all(look, relay, now_ns);
	begin_look(look, relay, now_ns);
}

void double_source_close(struct double_source *state)
{
	if (!state)
		return;
	end_look(state);
	membership_close(state->membership);
	free(state->list);
	free(state);
}

uint64_t double_source_count(const struct double_source *state)
{
	return state ? state->found : 0;
}
