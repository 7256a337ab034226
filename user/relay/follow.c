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
#include "relay/follow_intakes.h"
#include "relay/outputs.h"
#include "relay/passes.h"
#include "relay/plan.h"
#include "relay/schedule.h"

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
	struct intake_turns intakes;
	struct outputs outputs;
	uint64_t generation;	/* of the configuration from which they were collected */
	unsigned int next_rule; /* where the round through all outputs continues */
	struct passes passes;
	uint64_t icmp_ns;    /* when ICMP was last read */
	uint64_t devices_ns; /* when the counters of devices were last read */
	uint64_t linger_ns;  /* when follow_demand() is due, or NEVER_NS */
};

/* ---- what is announced ---- */

static void on_link(struct follow *follow, const struct link_event *event)
{
	const struct relay *relay = follow->relay;
	bool concerned = outputs_note(&follow->outputs, &event->link) ||
			 redirects_use(relay->redirects, event->link.ifindex) ||
			 follow->passes.has_unnamed;

	redirects_forgive(relay->redirects, event->link.ifindex);
	concerned |= follow_intakes_note(relay, event);
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
	struct relay *relay = context;

	relay->icmp_reports++;
	for (unsigned int i = 0; i < relay->nr_routes; i++)
		route_count_icmp(relay->routes[i], error, relay->icmp_reports);
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
	schedule->changed = !follow_intakes(relay, &follow->intakes, asked, &opened);
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
	uint64_t next = schedule_next(&follow->schedule, clock_ns(), follow->intakes.due_ns);
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
	due = schedule_due(&follow->schedule, clock_ns(), follow->intakes.due_ns);
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
	follow->intakes.due_ns = follow->linger_ns = NEVER_NS;
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
