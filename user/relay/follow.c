/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "links/icmp.h"
#include "links/watch.h"
#include "relay/follow_demand.h"
#include "relay/outputs.h"
#include "relay/passes.h"
#include "relay/plan.h"
#include "relay/schedule.h"

/* How long one turn may keep the main thread busy if many interfaces change at once: control
 * clients and the service manager's watchdog are waiting. */
#define TURN_NS (40 * NS_PER_MS)

/* How often the counters of output devices are read. */
#define DEVICES_NS (900 * NS_PER_MS)

/* How often ICMP errors are read, and how many of each family at most. */
#define ICMP_EVERY_NS (400 * NS_PER_MS)
#define ICMP_MESSAGES 128

struct follow {
	struct relay *relay;
	struct link_watch *watch; /* NULL: there is none */
	int timer_fd;
	struct schedule schedule;
	uint64_t intakes_ns; /* when the first intake that failed may be tried again, or NEVER_NS */
	unsigned int next_intake; /* where the next turn starts */
	struct outputs outputs;
	uint64_t generation;	/* of the configuration from which they were collected */
	unsigned int next_rule; /* where the round through all outputs continues */
	struct passes passes;
	uint64_t icmp_ns;    /* when ICMP was last read */
	uint64_t devices_ns; /* when the counters of devices were last read */
	uint64_t linger_ns;  /* when follow_demand() is due, or NEVER_NS */
};

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

static void on_link(struct follow *follow, const struct link_event *event)
{
	const struct relay *relay = follow->relay;
	bool concerned = outputs_note(&follow->outputs, &event->link) ||
			 redirects_use(relay->redirects, event->link.ifindex) ||
			 follow->passes.has_unnamed;

	redirects_forgive(relay->redirects, event->link.ifindex);
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
	if (!concerned)
		return;
	follow->schedule.changed = true;
	schedule_expect(&follow->schedule);
}

static void on_event(void *context, const struct link_event *event)
{
	struct follow *follow = context;

	switch (event->kind) {
	case LINK_EVENT_CHANGED:
	case LINK_EVENT_GONE:
		on_link(follow, event);
		break;
	case LINK_EVENT_ADDRESS:
		follow->schedule.routes_changed = true;
		/* Kernel paths have addresses in their headers, and without an address nothing is
		 * sent: they do not wait for a round. */
		follow->schedule.changed = true;
		schedule_expect(&follow->schedule);
		break;
	case LINK_EVENT_ROUTE:
		follow->schedule.routes_changed = true;
		break;
	case LINK_EVENT_NEIGHBOUR:
		passes_on_neighbour(&follow->passes, &event->neighbour);
		break;
	case LINK_EVENT_FEATURES:
		redirects_forgive(follow->relay->redirects, event->link.ifindex);
		follow->schedule.changed |= follow->passes.has_kernel;
		break;
	default:
		break;
	}
}

static void expect_everything(struct follow *follow)
{
	follow->schedule.changed = follow->schedule.routes_changed = true;
	schedule_expect(&follow->schedule);
}

static void read_watch(struct follow *follow)
{
	int err;

	passes_begin_turn(&follow->passes);
	err = follow->watch ? link_watch_read(follow->watch, on_event, follow) : 0;
	if (!err)
		return;
	log_debug("link-events-lost", LOG_ERROR(err));
	expect_everything(follow);
}

/* ---- intakes ---- */

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
static bool open_failed(struct follow *follow, uint64_t until_ns, bool *opened)
{
	struct relay *relay = follow->relay;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		unsigned int next = follow->next_intake++ % relay->nr_intakes;
		struct intake *intake = relay->intakes[next];
		uint64_t due_ns = backoff_due(&intake->backoff);
		struct link now;

		if (intake->state != INTAKE_FAILED || !find_seen(relay, intake, &now) ||
		    !intake_can_open(intake, &now, &relay->config))
			continue;
		if (clock_ns() < due_ns) {
			if (due_ns < follow->intakes_ns)
				follow->intakes_ns = due_ns;
			continue;
		}
		plan_bring_up(relay, intake);
		*opened |= intake_is_open(intake);
		if (!intake_is_open(intake) && backoff_due(&intake->backoff) < follow->intakes_ns)
			follow->intakes_ns = backoff_due(&intake->backoff);
		if (clock_ns() >= until_ns)
			return false;
	}
	return true;
}

/* False: the turn is over, and the rest has to be looked at soon. *opened: rules may have new
 * paths. */
static bool look_at_intakes(struct follow *follow, bool asked, bool *opened)
{
	struct relay *relay = follow->relay;
	uint64_t until_ns = asked ? NEVER_NS : clock_ns() + TURN_NS;
	struct arrival_context context = context_of(relay);

	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		if (asked)
			relay->arrivals[i]->skb_ifindex = 0;
		arrival_query(relay->arrivals[i], &context);
	}
	for (unsigned int i = 0; asked && i < relay->nr_intakes; i++)
		backoff_forget(&relay->intakes[i]->backoff);
	follow->intakes_ns = NEVER_NS;
	/* Give up before bringing up: two interfaces may have swapped their names. */
	if (!close_lost(relay, asked, until_ns))
		return false;
	if (find_stale(relay)) {
		plan_retry(relay);
		*opened = true;
	}
	return open_failed(follow, until_ns, opened);
}

/* ---- outputs ---- */

/* Log the new state of an output's interface. If it is an input as well, its intake logs it. */
static void report_output(const struct relay *relay, const struct output_interface *interface)
{
	const char *name = interface->name;
	char reason[REASON_SIZE];

	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		if (strcmp(relay->arrivals[i]->name, name) == 0)
			return;
	}
	if (!interface->reason) {
		log_event(LOG_LEVEL_INFO, "interface-recovered", LOG_IFACE(name));
		return;
	}
	log_event(LOG_LEVEL_ERROR, "interface-impaired", LOG_IFACE(name),
		  LOG_TEXT("reason", output_interface_explain(interface, reason)));
}

/* False: not all could be queried; look again soon. */
static bool look_at_outputs(struct follow *follow)
{
	bool all = outputs_query(&follow->outputs, redirects_netlink(follow->relay->redirects));

	for (unsigned int i = 0; i < follow->outputs.count; i++) {
		if (follow->outputs.list[i].news)
			report_output(follow->relay, &follow->outputs.list[i]);
	}
	return all;
}

/* `every`: not only of interfaces that have changed, because rules have new paths. */
static void apply_outputs(struct follow *follow, bool every)
{
	const struct relay *relay = follow->relay;
	bool done = true;

	if (!every && !outputs_have_changed(&follow->outputs))
		return;
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct route *route = relay->routes[i];

		if (route->path)
			done &= outputs_apply(&follow->outputs, route->path, route->rule, every);
	}
	outputs_settle(&follow->outputs, done);
}

/* ---- ICMP ---- */

static void on_icmp(void *context, const struct icmp_error *error)
{
	const struct relay *relay = context;

	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		if (relay->routes[i]->path)
			path_count_icmp(relay->routes[i]->path, error);
	}
}

/* Anybody can send any number of them: in looks only, and not in each. */
static void read_icmp(struct follow *follow)
{
	if (follow->schedule.looked_ns < follow->icmp_ns + ICMP_EVERY_NS)
		return;
	follow->icmp_ns = follow->schedule.looked_ns;
	icmp_read(follow->relay->icmp, ICMP_MESSAGES, on_icmp, follow->relay);
}

/* ---- devices of outputs ---- */

static void read_devices(struct follow *follow)
{
	struct relay *relay = follow->relay;

	if (follow->schedule.looked_ns < follow->devices_ns + DEVICES_NS)
		return;
	follow->devices_ns = follow->schedule.looked_ns;
	for (unsigned int i = 0; i < follow->outputs.count; i++)
		output_devices_use(&relay->devices, follow->outputs.list[i].link.ifindex,
				   follow->outputs.list[i].name);
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct path *path = relay->routes[i]->path;

		for (unsigned int j = 0; path && path->reaches && j < path->rule->nr_outputs; j++)
			output_devices_use(&relay->devices, path->reaches[j].reach.device, NULL);
	}
	output_devices_read(&relay->devices, redirects_netlink(relay->redirects));
}

/* ---- looking ---- */

/* Start a round through the outputs of all rules, or do its next turn. */
static void refresh_outputs(struct follow *follow)
{
	const struct relay *relay = follow->relay;
	struct schedule *schedule = &follow->schedule;
	unsigned int left = ROUND_TURN;

	if (!schedule->in_round) {
		schedule->routes_changed = false;
		schedule->in_round = true;
		schedule->round_ns = clock_ns();
		follow->next_rule = 0;
		passes_expect(&follow->passes);
	}
	for (; left && follow->next_rule < relay->nr_routes; follow->next_rule++) {
		struct path *path = relay->routes[follow->next_rule]->path;

		for (unsigned int i = 0; path && i < path->rule->nr_outputs; i++) {
			path_refresh(path, i);
			left -= left > 0;
		}
	}
	schedule->in_round = follow->next_rule < relay->nr_routes;
}

static void retry_rules(struct follow *follow, uint64_t now_ns)
{
	plan_retry(follow->relay);
	apply_outputs(follow, true);
	schedule_retried(&follow->schedule, now_ns);
}

static bool has_waiting(const struct relay *relay)
{
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		if (route_is_waiting(relay->routes[i]))
			return true;
	}
	return false;
}

/* `asked`: an administrator asks to try everything now. */
static void look(struct follow *follow, bool asked)
{
	struct relay *relay = follow->relay;
	struct schedule *schedule = &follow->schedule;
	bool at_outputs = schedule->changed || !follow->watch;
	bool opened = false;
	bool waiting;

	schedule->looked_ns = clock_ns();
	read_icmp(follow);
	read_devices(follow);
	schedule->changed = !look_at_intakes(follow, asked, &opened);
	if (follow->generation != relay->generation) {
		if (outputs_collect(&follow->outputs, &relay->config)) {
			schedule->changed = true;
			return;
		}
		follow->generation = relay->generation;
		passes_prepare(&follow->passes);
		at_outputs = opened = true;
	}
	if (at_outputs && !look_at_outputs(follow))
		schedule->changed = true;
	if (at_outputs || opened) {
		apply_outputs(follow, opened);
		follow_demand_listen(relay, &follow->outputs);
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (intake_describe(relay->intakes[i]))
			passes_expect(&follow->passes);
	}
	if (at_outputs || opened)
		passes_expect(&follow->passes);
	passes_look(&follow->passes, schedule->looked_ns);
	if (asked || schedule->looked_ns >= schedule_retry_ns(schedule))
		retry_rules(follow, schedule->looked_ns);
	waiting = has_waiting(relay);
	if (waiting && !schedule->waiting)
		schedule_expect(schedule);
	schedule->waiting = waiting;
}

static void arm_timer(struct follow *follow)
{
	uint64_t next = schedule_next(&follow->schedule, clock_ns(), follow->intakes_ns);
	struct itimerspec when = {};

	if (next > demand_next_ns(follow->relay->demand))
		next = demand_next_ns(follow->relay->demand);
	if (next > follow->linger_ns)
		next = follow->linger_ns;

	/* A time of 0 would disarm the timer. */
	when.it_value.tv_sec = (time_t)(next / NS_PER_SECOND);
	when.it_value.tv_nsec = (long)(next % NS_PER_SECOND) + (next == 0);
	timerfd_settime(follow->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void follow_join(struct follow *follow)
{
	follow->linger_ns = follow_demand(follow->relay, &follow->outputs, false);
	arm_timer(follow);
}

void follow_run(struct follow *follow)
{
	uint64_t expirations;
	unsigned int due;
	bool changed;

	if (read(follow->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_debug("follow-timer-failed", LOG_ERROR(-errno));
	read_watch(follow);
	due = schedule_due(&follow->schedule, clock_ns(), follow->intakes_ns);
	changed = demand_run(follow->relay->demand);
	if (due & DUE_LOOK)
		look(follow, false);
	if (changed || due & DUE_LOOK || clock_ns() >= follow->linger_ns)
		follow->linger_ns = follow_demand(follow->relay, &follow->outputs, changed);
	if (due & DUE_ROUND)
		refresh_outputs(follow);
	if (due & DUE_PASS)
		passes_turn(&follow->passes);
	arm_timer(follow);
}

void follow_sync(struct follow *follow)
{
	read_watch(follow);
	if (follow->schedule.changed || !follow->watch)
		look(follow, false);
	arm_timer(follow);
}

void follow_rules_changed(struct follow *follow)
{
	follow->schedule.changed = true;
	follow->schedule.looked_ns = 0;
	schedule_expect(&follow->schedule);
	arm_timer(follow);
}

void follow_retry(struct follow *follow)
{
	read_watch(follow);
	expect_everything(follow);
	look(follow, true);
	arm_timer(follow);
}

/* ---- life ---- */

static int add_fd(const struct follow *follow, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(follow->relay->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int follow_open(struct follow **out, struct relay *relay)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	int err;

	if (!follow)
		return -ENOMEM;
	follow->relay = relay;
	follow->intakes_ns = follow->linger_ns = NEVER_NS;
	schedule_expect(&follow->schedule);
	follow->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = follow->timer_fd < 0 ? -errno : add_fd(follow, follow->timer_fd);
	if (err)
		goto fail;
	err = link_watch_open(&follow->watch);
	if (err)
		log_warning("link-watch-failed", LOG_ERROR(err),
			    LOG_TEXT("hint", "changes of interfaces are seen half a second late"));
	err = follow->watch ? add_fd(follow, link_watch_fd(follow->watch)) : 0;
	if (err)
		goto fail;
	follow->passes = (struct passes){
		.relay = relay,
		.schedule = &follow->schedule,
		.watch = follow->watch,
	};
	*out = follow;
	return 0;
fail:
	follow_close(follow);
	return err;
}

void follow_close(struct follow *follow)
{
	if (!follow)
		return;
	link_watch_close(follow->watch);
	if (follow->timer_fd >= 0)
		close(follow->timer_fd);
	outputs_free(&follow->outputs);
	free(follow);
}
