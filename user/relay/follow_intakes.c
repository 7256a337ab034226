/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/follow_intakes.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "relay/plan.h"

/* How long one turn may keep the main thread busy if many interfaces change at once: control
 * clients and the service manager's watchdog are waiting. */
#define TURN_NS (40 * NS_PER_MS)

/* ---- what is announced ---- */

/* Of the interface itself, of one that has its name now, or of a member that it has or had. */
static bool concerns(const struct arrival *arrival, const struct link *link)
{
	return intake_has_index(arrival->intake, link->ifindex) ||
	       (link->master && link->master == arrival->intake->ifindex) ||
	       arrival_concerns(arrival, link);
}

/* VLANs have joined on interfaces of their own. */
static bool has_joined_ipv6(const struct relay *relay, const struct intake *intake)
{
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct route *route = relay->routes[i];

		if (route->joined && route->arrival->intake == intake && !route->arrival->tags &&
		    !addr_is_ipv4(&route->rule->group))
			return true;
	}
	return false;
}

/* Which memberships of this intake does the kernel drop at this MTU (0: not known)? NULL: none. */
static const char *find_lost_members(const struct relay *relay, const struct intake *intake,
				     uint32_t mtu)
{
	if (mtu && mtu < IPV4_MIN_MTU)
		return "has lost its memberships, because its MTU was set below 68";
	if (mtu && mtu < IPV6_MIN_MTU && has_joined_ipv6(relay, intake))
		return "has lost its IPv6 memberships, because its MTU was set below 1280";
	return NULL;
}

/* Note a loss that the next look may not see, because all is well again by then. */
static void note(const struct relay *relay, struct intake *intake, const struct link_event *event)
{
	const char *why;

	if (intake->state == INTAKE_FAILED)
		backoff_forget(&intake->backoff);
	if (intake->state == INTAKE_FAILED || intake->state == INTAKE_LOST ||
	    event->link.ifindex != intake->ifindex)
		return;
	why = event->kind == LINK_EVENT_GONE ? "was removed for a moment"
					     : find_lost_members(relay, intake, event->link.mtu);
	if (why)
		intake_lose(intake, why);
}

/* As note(), of the memberships of a VLAN, whose intake is that of another interface. */
static void note_vlan(struct arrival *arrival, const struct link_event *event)
{
	uint32_t mtu = event->link.mtu;

	if (arrival->tags && event->link.ifindex == arrival->joined)
		arrival->lost |= event->kind == LINK_EVENT_GONE || (mtu && mtu < IPV6_MIN_MTU);
}

bool follow_intakes_note(const struct relay *relay, const struct link_event *event)
{
	bool concerned = false;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (!intake_is_above(relay->intakes[i], &event->link))
			continue;
		if (relay->intakes[i]->state == INTAKE_FAILED)
			backoff_forget(&relay->intakes[i]->backoff);
		concerned = true;
	}
	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		if (!concerns(relay->arrivals[i], &event->link))
			continue;
		note(relay, relay->arrivals[i]->intake, event);
		note_vlan(relay->arrivals[i], event);
		concerned = true;
	}
	return concerned;
}

/* ---- looking ---- */

static struct arrival_context context_of(const struct relay *relay)
{
	return (struct arrival_context){
		.config = &relay->config,
		.intakes = relay->intakes,
		.nr_intakes = relay->nr_intakes,
		.inheritance = relay->inheritance,
	};
}

/* How the interface of an intake is now, as an arrival shows whose name still means it, otherwise
 * as any does. False: none could be queried in this look. */
static bool find_seen(const struct relay *relay, const struct intake *intake, struct link *now)
{
	const struct link *seen = NULL;
	bool any = false;
	int err;

	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		const struct arrival *arrival = relay->arrivals[i];
		const struct link *link = arrival->tags ? &arrival->base : &arrival->link;

		if (arrival->intake != intake || !arrival->known)
			continue;
		any = true;
		if (link->ifindex == intake->ifindex) {
			*now = *link;
			return true;
		}
		if (!arrival->tags && !seen)
			seen = link;
	}
	if (seen || !any) {
		if (seen)
			*now = *seen;
		return any;
	}
	/* It had only VLANs, and they are on other interfaces now. */
	err = link_query_index(intake->ifindex, now);
	if (err == -ENODEV) {
		now->ifindex = 0;
		memcpy(now->name, intake->name, sizeof(now->name));
	}
	return !err || err == -ENODEV;
}

/* `now`: its interface as it is now. */
static void give_up(struct relay *relay, struct intake *intake, const struct link *now,
		    const char *why)
{
	struct arrival_context context;

	if (intake_stop(intake))
		relay->broken = true;
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		struct route *route = relay->routes[i];

		if (route->arrival && route->arrival->intake == intake)
			route_leave(route, relay->membership);
	}
	intake_give_up(intake, why);
	relay->changes++;
	intake->ifindex = now->ifindex;
	context = context_of(relay);
	/* What was seen before shows our program, which would now be taken for a foreign one. */
	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		if (relay->arrivals[i]->intake == intake)
			arrival_query(relay->arrivals[i], &context);
	}
}

/* Give up the intakes that have lost their interfaces. False: the turn is over. */
static bool close_lost(struct relay *relay, bool asked, uint64_t until_ns)
{
	const struct intake_means means = {
		.config = &relay->config, .epoll_fd = relay->epoll_fd, .fail_if_busy = true};

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];
		const char *why;
		struct link now;

		if (!intake_is_open(intake) || !find_seen(relay, intake, &now))
			continue;
		why = intake_check(intake, &now, asked, &means);
		if (!why)
			why = find_lost_members(relay, intake, intake->link.mtu);
		if (!why)
			continue;
		give_up(relay, intake, &now, why);
		if (clock_ns() >= until_ns)
			return false;
	}
	return true;
}

static bool is_stale(const struct relay *relay, const struct arrival *arrival)
{
	const struct arrival_context context = context_of(relay);
	int ifindex = arrival->base.ifindex;

	if (!arrival->known)
		return false;
	if (arrival->tags_now != arrival->tags || arrival->lost)
		return true;
	/* The VLAN was created again: join again. */
	if (arrival->tags && arrival->link.ifindex != arrival->joined)
		return true;
	/* Interfaces that do not exist share no intake. */
	return ifindex ? arrival_home(&context, ifindex) != arrival->intake
		       : arrival->intake->ifindex != 0;
}

/* The interface of an intake that only VLANs use has another name now. */
static void follow_name(struct relay *relay, struct intake *intake, const struct link *now)
{
	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		if (relay->arrivals[i]->intake == intake && !relay->arrivals[i]->tags)
			return;
	}
	memcpy(intake->name, now->name, sizeof(intake->name));
}

/* Mark the arrivals whose name means another interface than that of their intake, and those of
 * VLANs that are received elsewhere now. Returns whether there are any. */
static bool find_stale(struct relay *relay)
{
	bool any = false;
	struct link now;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];

		if (!find_seen(relay, intake, &now))
			continue;
		if (!intake_is_open(intake))
			intake->ifindex = now.ifindex;
		if (now.ifindex)
			follow_name(relay, intake, &now);
	}
	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		struct arrival *arrival = relay->arrivals[i];

		arrival->stale = is_stale(relay, arrival);
		any |= arrival->stale;
	}
	return any;
}

/* Bring up the intakes that are due. Round-robin, so that one flapping interface cannot starve the
 * others. False: the turn is over. */
static bool open_failed(struct relay *relay, struct intake_turns *turns, uint64_t until_ns,
			bool *opened)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		unsigned int next = turns->next++ % relay->nr_intakes;
		struct intake *intake = relay->intakes[next];
		uint64_t due_ns = backoff_due(&intake->backoff);
		struct link now;

		if (intake->state != INTAKE_FAILED || !find_seen(relay, intake, &now) ||
		    !intake_can_open(intake, &now, &relay->config))
			continue;
		if (clock_ns() < due_ns) {
			if (due_ns < turns->due_ns)
				turns->due_ns = due_ns;
			continue;
		}
		plan_bring_up(relay, intake);
		*opened |= intake_is_open(intake);
		if (!intake_is_open(intake) && backoff_due(&intake->backoff) < turns->due_ns)
			turns->due_ns = backoff_due(&intake->backoff);
		if (clock_ns() >= until_ns)
			return false;
	}
	return true;
}

bool follow_intakes(struct relay *relay, struct intake_turns *turns, bool asked, bool *opened)
{
	uint64_t until_ns = asked ? NEVER_NS : clock_ns() + TURN_NS;
	struct arrival_context context = context_of(relay);

	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		if (asked)
			relay->arrivals[i]->skb_ifindex = 0;
		arrival_query(relay->arrivals[i], &context);
	}
	for (unsigned int i = 0; asked && i < relay->nr_intakes; i++)
		backoff_forget(&relay->intakes[i]->backoff);
	turns->due_ns = NEVER_NS;
	/* Give up before bringing up: two interfaces may have swapped their names. */
	if (!close_lost(relay, asked, until_ns))
		return false;
	if (find_stale(relay)) {
		plan_retry(relay);
		*opened = true;
	}
	return open_failed(relay, turns, until_ns, opened);
}
