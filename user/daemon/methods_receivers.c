/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/methods_receivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "daemon/daemon.h"
#include "relay/demand.h"

/* Counters stay far below 2^63, the largest integer of jansson. */
static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* null: all zero. */
static json_t *address_json(const struct xmc_addr *addr)
{
	char text[ADDR_TEXT_SIZE];

	return addr_is_any(addr) ? json_null() : json_string(addr_format(addr, text));
}

struct listing {
	json_t *list;
	const struct demand_counts *interfaces;
	int count;
	uint64_t now_ns;
};

static json_t *interface_name(const struct listing *listing, int ifindex)
{
	for (int i = 0; i < listing->count; i++) {
		if (listing->interfaces[i].ifindex == ifindex)
			return json_text_string(listing->interfaces[i].name);
	}
	return json_null();
}

static json_t *mac_json(const uint8_t mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			    mac[5]);
}

static void list_receiver(void *context, const struct receiver *receiver)
{
	struct listing *listing = context;
	bool ipv4 = addr_is_ipv4(&receiver->group);
	json_t *sources = json_array();
	uint64_t left_ns =
		receiver->until_ns > listing->now_ns ? receiver->until_ns - listing->now_ns : 0;

	for (unsigned int i = 0; i < receiver->nr_sources; i++)
		json_add(&sources, address_json(&receiver->sources[i]));
	json_add(&listing->list,
		 json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "interface",
			   interface_name(listing, receiver->ifindex), "group",
			   address_json(&receiver->group), "host",
			   address_json(&receiver->host.address), "mac",
			   mac_json(receiver->host.mac), "version",
			   json_sprintf("%sv%u", ipv4 ? "IGMP" : "MLD", receiver->version - !ipv4),
			   "mode", receiver->excludes ? "exclude" : "include", "sources", sources,
			   "since_seconds",
			   number((listing->now_ns - receiver->since_ns) / NS_PER_SECOND),
			   "seen_seconds",
			   number((listing->now_ns - receiver->seen_ns) / NS_PER_SECOND),
			   "remaining_seconds", number(left_ns / NS_PER_SECOND)));
}

static json_t *interface_json(const struct demand_counts *counts)
{
	static const char *const names[GROUP_DEFECTS] = GROUP_DEFECT_NAMES;
	json_t *bad = json_object();

	for (unsigned int i = GROUP_MESSAGE_OTHER; i < GROUP_DEFECTS; i++)
		json_put(&bad, names[i], number(counts->messages.defects[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:{s:b, s:b}}", "interface",
			 json_text_string(counts->name), "messages",
			 number(counts->messages.messages), "bad_messages", bad, "lost_messages",
			 number(counts->messages.lost), "refused_reports", number(counts->refused),
			 "sent_queries", number(counts->queries), "querier", "ipv4",
			 address_json(&counts->querier[0]), "ipv6",
			 address_json(&counts->querier[1]), "asking", "ipv4", counts->asking[0],
			 "ipv6", counts->asking[1]);
}

int receivers_total(const struct relay *relay)
{
	return (int)receivers_members(demand_receivers(relay_demand(relay)));
}

void method_receiver_list(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	const struct demand *demand = relay_demand(daemon->relay);
	struct listing listing = {.now_ns = clock_ns()};
	struct demand_counts *interfaces = NULL;
	json_t *list = json_array();
	struct control_page page;

	if (!control_param_page(params, &page, reply)) {
		json_decref(list);
		return;
	}
	listing.count = demand_read_counts(demand, &interfaces);
	listing.interfaces = interfaces;
	listing.list = json_array();
	receivers_visit(demand_receivers(demand), page.offset, page.limit, list_receiver, &listing,
			listing.now_ns);
	for (int i = 0; i < listing.count; i++)
		json_add(&list, interface_json(&interfaces[i]));
	free(interfaces);
	reply->result = json_pack("{s:i, s:i, s:o, s:o}", "total",
				  (int)receivers_members(demand_receivers(demand)), "groups",
				  (int)receivers_groups(demand_receivers(demand)), "receivers",
				  listing.list, "interfaces", list);
}

json_t *receivers_stats_json(const struct relay *relay)
{
	static const char *const names[GROUP_DEFECTS] = GROUP_DEFECT_NAMES;
	const struct demand *demand = relay_demand(relay);
	uint64_t messages = 0, lost = 0, refused = 0, queries = 0, defects[GROUP_DEFECTS] = {0};
	struct demand_counts *interfaces = NULL;
	int count = demand_read_counts(demand, &interfaces);
	json_t *bad = json_object();

	/* With what interfaces have counted that are gone. */
	for (int i = 0; i <= count; i++) {
		messages += interfaces[i].messages.messages;
		lost += interfaces[i].messages.lost;
		refused += interfaces[i].refused;
		queries += interfaces[i].queries;
		for (unsigned int j = 0; j < GROUP_DEFECTS; j++)
			defects[j] += interfaces[i].messages.defects[j];
	}
	free(interfaces);
	for (unsigned int j = GROUP_MESSAGE_OTHER; j < GROUP_DEFECTS; j++)
		json_put(&bad, names[j], number(defects[j]));
	return json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "groups",
			 (int)receivers_groups(demand_receivers(demand)), "members",
			 (int)receivers_members(demand_receivers(demand)), "messages",
			 number(messages), "bad_messages", bad, "lost_messages", number(lost),
			 "refused_reports", number(refused), "sent_queries", number(queries));
}
