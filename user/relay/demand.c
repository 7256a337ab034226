/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_MEMBERSHIP
#include "relay/demand.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "links/next_hop.h"
#include "relay/demand_settings.h"

/* How long the messages of one turn may keep the main thread busy. */
#define TURN_NS (10 * NS_PER_MS)

/* How long groups that a predecessor had are wanted if this host asks: the first query is to be
 * answered within a second. */
#define ASSUMED_NS (5 * NS_PER_SECOND)

/* What ends is looked for this often at most. */
#define EXPIRE_NS (10 * NS_PER_MS)

enum { IPV4, IPV6, FAMILIES };

struct demand_interface {
	char name[IF_NAMESIZE];
	int ifindex;
	bool used;  /* named since demand_begin() */
	int failed; /* the last error that was logged */
	struct querier queriers[FAMILIES];
	bool asking[FAMILIES];
	bool older[FAMILIES]; /* a querier of an older version was reported */
	struct demand_config config;
	struct group_socket *socket; /* NULL: of another name of this interface, or it failed */
	uint64_t refused;
};

struct demand {
	int epoll_fd;
	struct netlink *netlink;
	struct demand_config config;
	struct receivers *receivers;
	struct group_set sent; /* by outputs with `when joined` */
	struct prefix_rooms rooms;
	unsigned int count;
	struct demand_interface *list;
	unsigned int next; /* where the next turn begins */
	uint64_t expired_ns;
	uint64_t changes;	   /* of the receivers, as last seen */
	bool moved;		   /* interfaces have changed */
	struct demand_counts gone; /* of interfaces that are not listened to any more */
	bool full;		   /* a limit has been logged */
};

int demand_open(struct demand **out, int epoll_fd, struct netlink *netlink)
{
	struct demand *demand = calloc(1, sizeof(*demand));
	int err;

	if (!demand)
		return -ENOMEM;
	demand->epoll_fd = epoll_fd;
	demand->netlink = netlink;
	err = receivers_new(&demand->receivers);
	if (err)
		demand_close(demand);
	else
		*out = demand;
	return err;
}

void demand_close(struct demand *demand)
{
	if (!demand)
		return;
	for (unsigned int i = 0; i < demand->count; i++)
		group_socket_close(demand->list[i].socket);
	receivers_free(demand->receivers);
	group_set_free(&demand->sent);
	prefix_rooms_free(&demand->rooms);
	free(demand->list);
	free(demand);
}

void demand_configure(struct demand *demand, const struct demand_config *config)
{
	demand->config = *config;
}

/* ---- interfaces ---- */

/* The name comes first. */
static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Not between demand_begin() and demand_end(). */
static struct demand_interface *find_sorted(const struct demand *demand, const char *name)
{
	return demand->count ? bsearch(name, demand->list, demand->count, sizeof(*demand->list),
				       compare_names)
			     : NULL;
}

static struct demand_interface *find_name(const struct demand *demand, const char *name)
{
	for (unsigned int i = 0; i < demand->count; i++) {
		if (strcmp(demand->list[i].name, name) == 0)
			return &demand->list[i];
	}
	return NULL;
}

static struct demand_interface *find_listening(const struct demand *demand, int ifindex)
{
	for (unsigned int i = 0; i < demand->count; i++) {
		if (demand->list[i].ifindex == ifindex && demand->list[i].socket)
			return &demand->list[i];
	}
	return NULL;
}

void demand_begin(struct demand *demand)
{
	group_set_clear(&demand->sent);
	for (unsigned int i = 0; i < demand->count; i++)
		demand->list[i].used = false;
}

/* Totals never go backwards. */
static void retire_counts(struct demand *demand, const struct demand_interface *interface)
{
	struct demand_counts *gone = &demand->gone;
	struct group_socket_counts counts;

	group_socket_read_counts(interface->socket, &counts);
	gone->messages.messages += counts.messages;
	gone->messages.lost += counts.lost;
	for (unsigned int i = 0; i < GROUP_DEFECTS; i++)
		gone->messages.defects[i] += counts.defects[i];
	gone->refused += interface->refused;
	for (unsigned int i = 0; i < FAMILIES; i++)
		gone->queries += interface->queriers[i].sent;
}

static void stop_listening(struct demand *demand, struct demand_interface *interface)
{
	if (!interface->socket)
		return;
	retire_counts(demand, interface);
	group_socket_close(interface->socket);
	interface->socket = NULL;
	receivers_forget(demand->receivers, interface->ifindex);
	demand->moved = true;
}

void demand_use(struct demand *demand, const char *name, int ifindex,
		const struct iface_config *section)
{
	struct demand_interface *interface = find_name(demand, name), *list;

	if (!interface) {
		list = realloc(demand->list, (demand->count + 1) * sizeof(*list));
		if (!list)
			return; /* the next look tries again */
		demand->list = list;
		interface = &list[demand->count++];
		*interface = (struct demand_interface){.ifindex = ifindex};
		snprintf(interface->name, sizeof(interface->name), "%s", name);
	}
	interface->used = true;
	interface->config = demand_settings(&demand->config, section);
	if (interface->ifindex == ifindex)
		return;
	stop_listening(demand, interface);
	interface->ifindex = ifindex;
	interface->failed = 0;
}

void demand_use_group(struct demand *demand, int ifindex, const struct xmc_addr *group)
{
	/* Without memory the limits apply to it. */
	(void)group_set_add(&demand->sent, ifindex, group);
}

/* The addresses from which this host would ask. */
static void find_addresses(const struct demand *demand, struct demand_interface *interface)
{
	/* All hosts, of IPv4 and of IPv6. */
	static const struct xmc_addr hosts[FAMILIES] = {
		[IPV4] = {.b = {[10] = 0xff, 0xff, 224, 0, 0, 1}},
		[IPV6] = {.b = {0xff, 2, [15] = 1}},
	};

	for (unsigned int i = 0; i < FAMILIES; i++) {
		struct next_hop hop = {.source = {.b = {0}}};

		if (next_hop_find(demand->netlink, &hosts[i], NULL, interface->ifindex, 0, &hop))
			hop.source = (struct xmc_addr){.b = {0}};
		querier_set_own(&interface->queriers[i], &hop.source);
	}
}

static void start_listening(struct demand *demand, struct demand_interface *interface)
{
	const struct querier_rules rules = demand_querier_rules(&interface->config);
	int err;

	if (interface->socket)
		find_addresses(demand, interface);
	if (interface->socket || !interface->ifindex || find_listening(demand, interface->ifindex))
		return;
	err = group_socket_open(&interface->socket, interface->ifindex, demand->epoll_fd);
	if (!err) {
		for (unsigned int i = 0; i < FAMILIES; i++) {
			querier_start(&interface->queriers[i], i == IPV4, &rules, clock_ns());
			interface->asking[i] = false;
		}
		find_addresses(demand, interface);
		log_info("receivers-heard", LOG_IFACE(interface->name));
	} else if (err != interface->failed)
		log_warning("receivers-unheard", LOG_IFACE(interface->name), LOG_ERROR(err),
			    LOG_TEXT("hint",
				     "its outputs send as if they were always wanted, those "
				     "of prefixes nothing"));
	demand->moved |= err != interface->failed || !err;
	interface->failed = err;
}

void demand_end(struct demand *demand)
{
	unsigned int left = 0;

	group_set_sort(&demand->sent);
	for (unsigned int i = 0; i < demand->count; i++) {
		if (!demand->list[i].used)
			stop_listening(demand, &demand->list[i]);
		else
			demand->list[left++] = demand->list[i];
	}
	demand->count = left;
	if (left)
		qsort(demand->list, left, sizeof(*demand->list), compare_names);
	for (unsigned int i = 0; i < demand->count; i++)
		start_listening(demand, &demand->list[i]);
}

/* ---- messages ---- */

/* An interface that is being read. */
struct reading {
	struct demand *demand;
	struct demand_interface *interface;
	uint64_t now_ns;
};

static void note_full(struct demand *demand, struct demand_interface *interface)
{
	interface->refused++;
	if (demand->full)
		return;
	demand->full = true;
	log_warning("receivers-full", LOG_IFACE(interface->name),
		    LOG_UINT("groups", receivers_groups(demand->receivers)),
		    LOG_UINT("members", receivers_members(demand->receivers)),
		    LOG_TEXT("hint", "raise demand.max_groups or demand.max_members, unless one "
				     "host reports too much: xmcastctl group list"));
}

static bool is_refused(enum receivers_result result)
{
	return result == RECEIVERS_FULL || result == RECEIVERS_OVER_SHARE;
}

/* How many groups outputs send is bounded by the configuration, so that they are known although
 * reports of other groups have filled the table. */
static enum receivers_result take_record(const struct reading *reading,
					 const struct receivers_rules *rules,
					 const struct receiver_host *host, unsigned int version,
					 const struct group_record *record)
{
	struct demand *demand = reading->demand;
	int ifindex = reading->interface->ifindex;
	struct receivers_rules sent = *rules;
	struct prefix_room *prefix = NULL;
	enum receivers_result result = receivers_report(demand->receivers, rules, ifindex, host,
							version, record, reading->now_ns);

	if (!is_refused(result))
		return result;
	if (group_set_has(&demand->sent, ifindex, &record->group))
		sent.most_groups = UINT32_MAX;
	else if (result == RECEIVERS_FULL &&
		 (prefix = prefix_rooms_find(&demand->rooms, ifindex, &record->group)))
		sent.most_groups = prefix_rooms_most(&demand->rooms, rules->most_groups,
						     demand->config.max_streams);
	else
		return result;
	result = receivers_report(demand->receivers, &sent, ifindex, host, version, record,
				  reading->now_ns);
	/* A report that is refused all the same would take the room of other hosts. */
	if (prefix && !is_refused(result))
		prefix->room--;
	return result;
}

static void on_reports(const struct reading *reading, const struct group_message *message,
		       const struct receiver_host *host)
{
	struct demand *demand = reading->demand;
	struct querier *querier = &reading->interface->queriers[message->ipv4 ? IPV4 : IPV6];
	const struct demand_config *config = &reading->interface->config;
	const struct receivers_rules rules =
		demand_receivers_rules(config, querier, reading->now_ns);
	const struct querier_rules asking = demand_querier_rules(config);
	struct group_message records = *message;
	struct group_record record;

	while (group_message_next(&records, &record)) {
		enum receivers_result result = take_record(
			reading, &rules, host, message->version + !message->ipv4, &record);

		if (is_refused(result))
			note_full(demand, reading->interface);
		else if (result == RECEIVERS_ASK)
			querier_ask(querier, &asking, &record.group, reading->now_ns);
	}
}

/* RFC 3376, section 7.3.1, and RFC 3810, section 8.3.1: all routers of a link have to be set to the
 * same version, because hosts then speak the lower one, which has no sources. */
static void note_version(struct demand_interface *interface, const struct group_message *message)
{
	unsigned int newest = message->ipv4 ? 3 : 2;
	char text[ADDR_TEXT_SIZE];

	if (message->version >= newest || interface->older[message->ipv4 ? IPV4 : IPV6])
		return;
	interface->older[message->ipv4 ? IPV4 : IPV6] = true;
	log_warning("querier-older", LOG_IFACE(interface->name),
		    LOG_NAME("querier", addr_format(&message->source, text)),
		    LOG_UINT("version", message->version),
		    LOG_TEXT("hint", "receivers speak this version as well while it asks: set "
				     "that router to IGMPv3 or MLDv2"));
}

static void on_query(const struct reading *reading, const struct group_message *message)
{
	struct demand_interface *interface = reading->interface;
	struct querier *querier = &interface->queriers[message->ipv4 ? IPV4 : IPV6];
	const struct querier_rules rules = demand_querier_rules(&interface->config);
	char text[ADDR_TEXT_SIZE];
	uint64_t ends_ns;

	note_version(interface, message);

	if (querier_heard(querier, &rules, message, reading->now_ns))
		log_info("querier-heard", LOG_IFACE(interface->name),
			 LOG_NAME("querier", addr_format(&message->source, text)));
	ends_ns = querier_ends_ns(querier, &rules, message, reading->now_ns);
	if (ends_ns)
		receivers_asked(reading->demand->receivers, interface->ifindex, &message->group,
				&message->asked, ends_ns, reading->now_ns);
}

static void on_message(void *context, const struct group_message *message,
		       const uint8_t mac[MAC_LENGTH])
{
	const struct reading *reading = context;
	struct receiver_host host = {.address = message->source};

	memcpy(host.mac, mac, sizeof(host.mac));
	if (message->query)
		on_query(reading, message);
	else
		on_reports(reading, message, &host);
}

static void read_messages(struct demand *demand)
{
	uint64_t now_ns = clock_ns(), until_ns = now_ns + TURN_NS;

	for (unsigned int i = 0; i < demand->count && clock_ns() < until_ns; i++) {
		struct reading reading = {demand, &demand->list[demand->next++ % demand->count],
					  now_ns};

		if (reading.interface->socket)
			group_socket_read(reading.interface->socket, until_ns, on_message,
					  &reading);
	}
}

static void expire(struct demand *demand)
{
	uint64_t now_ns = clock_ns();

	if (receivers_next_ns(demand->receivers) > now_ns ||
	    now_ns - demand->expired_ns < EXPIRE_NS)
		return;
	demand->expired_ns = now_ns;
	receivers_expire(demand->receivers, now_ns);
	demand->full &= receivers_groups(demand->receivers) >= demand->config.max_groups ||
			receivers_members(demand->receivers) >= demand->config.max_members;
}

/* ---- queries ---- */

static void ask(const struct demand_interface *interface, struct querier *querier,
		const struct querier_rules *rules, uint64_t now_ns)
{
	uint8_t packet[GROUP_QUERY_SIZE];
	struct group_query query;
	struct xmc_addr to;

	while (querier_next(querier, rules, now_ns, &query)) {
		size_t length = group_query_write(&query, packet, &to);
		int err = length ? group_socket_send(interface->socket, &to, packet, length) : 0;

		if (err)
			log_debug("query-failed", LOG_IFACE(interface->name), LOG_ERROR(err));
	}
}

static void ask_everywhere(struct demand *demand)
{
	uint64_t now_ns = clock_ns();

	for (unsigned int i = 0; i < demand->count * FAMILIES; i++) {
		struct demand_interface *interface = &demand->list[i / FAMILIES];
		const struct querier_rules rules = demand_querier_rules(&interface->config);
		struct querier *querier = &interface->queriers[i % FAMILIES];
		bool asking = querier_is_asking(querier, &rules, now_ns);

		if (!interface->socket)
			continue;
		if (asking && !interface->asking[i % FAMILIES])
			log_info("querier-started", LOG_IFACE(interface->name),
				 LOG_NAME("family", querier->ipv4 ? "ipv4" : "ipv6"));
		interface->asking[i % FAMILIES] = asking;
		ask(interface, querier, &rules, now_ns);
	}
}

bool demand_run(struct demand *demand)
{
	bool changed;

	read_messages(demand);
	expire(demand);
	ask_everywhere(demand);
	changed = demand->moved || receivers_changes(demand->receivers) != demand->changes;
	demand->moved = false;
	demand->changes = receivers_changes(demand->receivers);
	return changed;
}

uint64_t demand_next_ns(const struct demand *demand)
{
	uint64_t next_ns = receivers_next_ns(demand->receivers);

	if (next_ns < demand->expired_ns + EXPIRE_NS)
		next_ns = demand->expired_ns + EXPIRE_NS;
	for (unsigned int i = 0; i < demand->count * FAMILIES; i++) {
		const struct demand_interface *interface = &demand->list[i / FAMILIES];
		const struct querier_rules rules = demand_querier_rules(&interface->config);
		uint64_t due_ns = querier_due_ns(&interface->queriers[i % FAMILIES], &rules);

		if (interface->socket && due_ns < next_ns)
			next_ns = due_ns;
	}
	return next_ns;
}

struct prefix_rooms *demand_rooms(struct demand *demand)
{
	return &demand->rooms;
}

/* ---- answers ---- */

/* The source that its packets have, if receivers may choose by it; NULL: any. */
static const struct xmc_addr *source_of(const struct rule *rule, const struct rule_output *output)
{
	return output->from_kept && !rule->source_host_bits && !addr_is_any(&rule->source)
		       ? &rule->source
		       : NULL;
}

int demand_ifindex(const struct demand *demand, const char *name)
{
	const struct demand_interface *interface = find_sorted(demand, name);

	/* A rule may ask before it is known on which interfaces to listen. */
	return interface ? interface->ifindex : (int)if_nametoindex(name);
}

bool demand_wants(const struct demand *demand, const struct rule *rule,
		  const struct rule_output *output)
{
	const struct demand_interface *interface;
	int ifindex;

	if (output->when != OUTPUT_WHEN_JOINED || !demand)
		return true;
	interface = find_sorted(demand, output->iface);
	ifindex = demand_ifindex(demand, output->iface);
	/* Wanted, so that the output shows the reason: the interface does not exist. */
	if (!ifindex || (interface && interface->failed))
		return true;
	if (rule->others && output->from_kept)
		return receivers_want_others(demand->receivers, ifindex, &output->to);
	return receivers_want(demand->receivers, ifindex, &output->to, source_of(rule, output),
			      clock_ns());
}

int demand_read_counts(const struct demand *demand, struct demand_counts **list)
{
	struct demand_counts *counts = calloc(demand->count + 1UL, sizeof(*counts));
	uint64_t now_ns = clock_ns();
	int count = 0;

	if (!counts)
		return -ENOMEM;
	for (unsigned int i = 0; i < demand->count; i++) {
		const struct demand_interface *interface = &demand->list[i];
		const struct querier_rules rules = demand_querier_rules(&interface->config);

		if (!interface->socket)
			continue;
		memcpy(counts[count].name, interface->name, sizeof(counts[count].name));
		counts[count].ifindex = interface->ifindex;
		counts[count].refused = interface->refused;
		for (unsigned int j = 0; j < FAMILIES; j++) {
			const struct querier *querier = &interface->queriers[j];

			if (querier->other_until_ns > now_ns)
				counts[count].querier[j] = querier->other;
			counts[count].asking[j] = querier_is_asking(querier, &rules, now_ns);
			counts[count].queries += querier->sent;
		}
		group_socket_read_counts(interface->socket, &counts[count++].messages);
	}
	counts[count] = demand->gone;
	*list = counts;
	return count;
}

const struct receivers *demand_receivers(const struct demand *demand)
{
	return demand->receivers;
}

/* As a report of a host that does not exist. */
void demand_assume(struct demand *demand, int ifindex, const struct xmc_addr *group,
		   const struct xmc_addr *source)
{
	const struct demand_config *config = &demand->config;
	const struct receivers_rules rules = {
		.most_groups = UINT32_MAX,
		.most_members = UINT32_MAX,
		.membership_ns = config->querier ? ASSUMED_NS : demand_membership_ns(config),
	};
	bool ipv4 = addr_is_ipv4(source), named = !addr_is_any(source);
	const struct group_record record = {
		.kind = named ? RECORD_ALLOW : RECORD_IS_EXCLUDE,
		.group = *group,
		.sources = {&source->b[ipv4 ? 12 : 0], named, ipv4},
	};
	const struct receiver_host host = {.address = {.b = {0}}};

	receivers_report(demand->receivers, &rules, ifindex, &host, 3, &record, clock_ns());
}
