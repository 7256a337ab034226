/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/outputs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "links/next_hop.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct output_interface *)a)->name,
		      ((const struct output_interface *)b)->name);
}

static struct output_interface *find(const struct outputs *outputs, const char *name)
{
	struct output_interface key = {};

	if (!outputs->count)
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return bsearch(&key, outputs->list, outputs->count, sizeof(key), compare);
}

const struct output_interface *outputs_find(const struct outputs *outputs, const char *name)
{
	return find(outputs, name);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All names of output interfaces, sorted, with repetitions, as an array that the caller frees.
 * NULL: no memory. */
static const char **sorted_names(const struct config *config, unsigned int *count)
{
	unsigned int most = 0;
	const char **names;

	for (unsigned int i = 0; i < config->nr_rules; i++)
		most += config->rules[i].nr_outputs;
	names = calloc(most + 1UL, sizeof(*names));
	*count = 0;
	for (unsigned int i = 0; names && i < config->nr_rules; i++) {
		for (unsigned int j = 0; j < config->rules[i].nr_outputs; j++) {
			const char *name = config->rules[i].outputs[j].iface;

			if (*name)
				names[(*count)++] = name;
		}
	}
	if (names)
		qsort(names, *count, sizeof(*names), compare_texts);
	return names;
}

static void note_demand(const struct outputs *outputs, const struct config *config)
{
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		for (unsigned int j = 0; j < config->rules[i].nr_outputs; j++) {
			const struct rule_output *output = &config->rules[i].outputs[j];

			if (output->when == OUTPUT_WHEN_JOINED)
				find(outputs, output->iface)->demand = true;
		}
	}
}

int outputs_collect(struct outputs *outputs, const struct config *config)
{
	unsigned int count, different = 0;
	const char **names = sorted_names(config, &count);
	struct outputs next = {};

	if (!names)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		if (!i || strcmp(names[i], names[different - 1]) != 0)
			names[different++] = names[i];
	}
	next.list = calloc(different + 1UL, sizeof(*next.list));
	for (; next.list && next.count < different; next.count++) {
		struct output_interface *interface = &next.list[next.count];
		const struct output_interface *before = find(outputs, names[next.count]);

		if (before)
			*interface = *before;
		snprintf(interface->name, sizeof(interface->name), "%s", names[next.count]);
		interface->changed = true;
		interface->demand = false;
	}
	free(names);
	if (!next.list)
		return -ENOMEM;
	outputs_free(outputs);
	*outputs = next;
	note_demand(outputs, config);
	return 0;
}

void outputs_free(struct outputs *outputs)
{
	free(outputs->list);
	*outputs = (struct outputs){};
}

bool outputs_note(struct outputs *outputs, const struct link *link)
{
	bool concerned = link->more_names || (*link->name && find(outputs, link->name));

	for (unsigned int i = 0; i < LINK_ALTERNATIVES; i++)
		concerned |= *link->alternatives[i] && find(outputs, link->alternatives[i]);
	for (unsigned int i = 0; i < outputs->count; i++) {
		struct output_interface *interface = &outputs->list[i];

		if (interface->link.ifindex != link->ifindex)
			continue;
		concerned = true;
		interface->changed |= link->mtu && link->mtu != interface->link.mtu;
	}
	return concerned;
}

/* Would an IPv4 packet to a group leave by the interface with source 0.0.0.0? */
static bool has_no_source(struct netlink *netlink, const struct link *link)
{
	struct xmc_addr group;
	struct next_hop hop;

	xmc_addr_from_ipv4(&group, htonl(INADDR_ALLHOSTS_GROUP));
	return link->ifindex && link->up &&
	       !next_hop_find(netlink, &group, NULL, link->ifindex, 0, &hop) &&
	       hop.kind == NEXT_HOP_GROUP && addr_is_any(&hop.source);
}

static bool query(struct output_interface *interface, struct netlink *netlink)
{
	enum withheld withheld = WITHHELD_NOTHING;
	const char *reason = NULL;
	bool no_source;
	struct link now;
	int err = link_query(interface->name, &now);

	/* The state is unknown: keep the last one. */
	if (err && err != -ENODEV)
		return false;
	if (err) {
		now = (struct link){};
		reason = "does not exist";
	} else if (!now.up) {
		reason = "is down";
	} else if (!now.carrier) {
		reason = "has no carrier";
		withheld = WITHHELD_NO_CARRIER;
	}
	no_source = has_no_source(netlink, &now);
	interface->news = interface->reason != reason;
	interface->changed |= interface->news || interface->link.ifindex != now.ifindex ||
			      interface->link.mtu != now.mtu || interface->no_source != no_source;
	interface->known = true;
	interface->link = now;
	interface->reason = reason;
	interface->withheld = withheld;
	interface->no_source = no_source;
	return true;
}

const char *output_interface_explain(const struct output_interface *interface,
				     char reason[REASON_SIZE])
{
	const char *name = interface->name;

	if (!interface->link.ifindex || interface->link.up)
		explain(reason, 0, "output interface %s %s%s", name, interface->reason,
			interface->link.ifindex ? ": is it plugged in?" : "");
	else
		explain(reason, 0, "output interface %s %s: run \"ip link set %s up\"", name,
			interface->reason, name);
	return reason;
}

bool outputs_query(struct outputs *outputs, struct netlink *netlink)
{
	bool all = true;

	for (unsigned int i = 0; i < outputs->count; i++) {
		outputs->list[i].news = false;
		all &= query(&outputs->list[i], netlink);
	}
	return all;
}

bool outputs_apply(const struct outputs *outputs, struct path *path, const struct rule *rule,
		   bool every)
{
	bool done = true;

	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];
		const struct output_interface *interface =
			*output->iface ? find(outputs, output->iface) : NULL;
		char text[REASON_SIZE];
		enum withheld withheld;
		const char *reason;

		if (!interface || !interface->known || !(every || interface->changed))
			continue;
		reason = interface->reason ? output_interface_explain(interface, text) : NULL;
		withheld = interface->withheld;
		if (!reason && interface->no_source && addr_is_ipv4(&output->to) &&
		    addr_is_any(&output->from) && !output->from_kept) {
			explain(text, 0, "output interface %s has no address to send from",
				interface->name);
			reason = text;
			withheld = WITHHELD_NO_SOURCE;
		}
		if (path_follow(path, i, interface->link.ifindex, reason, withheld))
			done = false;
	}
	return done;
}

bool outputs_have_changed(const struct outputs *outputs)
{
	for (unsigned int i = 0; i < outputs->count; i++) {
		if (outputs->list[i].changed)
			return true;
	}
	return false;
}

void outputs_settle(struct outputs *outputs, bool done)
{
	for (unsigned int i = 0; i < outputs->count; i++)
		outputs->list[i].changed = !done;
}
