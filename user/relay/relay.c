/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "dataplane/merger_thread.h"
#include "dataplane/output_socket.h"
#include "links/icmp.h"
#include "relay/double_source.h"
#include "relay/branches.h"
#include "relay/follow.h"
#include "relay/inheritance.h"
#include "relay/leases.h"
#include "relay/plan.h"
#include "relay/state.h"

/* A worker whose heartbeat is overdue for longer is reported as unhealthy. A check once a second
 * may come just before the heartbeat, hence two. */
#define ALIVE_NS (2 * NS_PER_SECOND)

/* Fetched by one relay_run(). */
#define EVENTS 16

/* ---- life ---- */

int relay_open(struct relay **out, struct config *config)
{
	return relay_open_after(out, config, NULL, -1);
}

static int open_membership(struct relay *relay)
{
	const struct membership_held *list;
	unsigned int count;
	int err = membership_open(&relay->membership);

	list = inheritance_memberships(relay->inheritance, &count);
	if (!err && list)
		err = membership_adopt(relay->membership, list, count);
	return err;
}

static int open_demand(struct relay *relay, const struct config *config)
{
	const struct membership_entry *list;
	unsigned int count;
	int err = demand_open(&relay->demand, relay->epoll_fd, redirects_netlink(relay->redirects));

	if (!err)
		demand_configure(relay->demand, &config->demand);
	list = inheritance_wanted(relay->inheritance, &count);
	for (unsigned int i = 0; !err && i < count; i++)
		demand_assume(relay->demand, list[i].ifindex, &list[i].group, &list[i].source);
	return err;
}

static int open_offloads(struct relay *relay, int notes_fd)
{
	const struct inherited_offload *list;
	unsigned int count;
	int err = offloads_open(&relay->offloads, notes_fd);

	list = inheritance_offloads(relay->inheritance, &count);
	for (unsigned int i = 0; !err && i < count; i++)
		err = offloads_adopt(relay->offloads, list[i].ifindex, list[i].feature);
	return err;
}

/* What a predecessor holds is known when it has paused: lease_moves_adopt(). */
static int open_leases(struct relay *relay, const struct config *config)
{
	int err = leases_open(&relay->leases);

	if (!err && inheritance_is_running(relay->inheritance))
		leases_wait(relay->leases);
	return err ? err : leases_add(relay->leases, config);
}

/* With the groups that receivers of a predecessor wanted. */
static int start(struct relay *relay, struct config *config)
{
	int count = branches_append(relay->branches, relay, config);
	int err = count < 0 ? count : plan_start(relay, config, (unsigned int)count);

	if (err && count > 0)
		branches_cut(config, (unsigned int)count);
	return err;
}

int relay_open_after(struct relay **out, struct config *config, struct inheritance *inheritance,
		     int notes_fd)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int err;

	if (!relay)
		return -ENOMEM;
	config_init(&relay->config);
	relay_note_config(relay);
	relay->inheritance = inheritance;
	relay->started_ns = inheritance_started_ns(inheritance, clock_ns());
	relay->next_id = inheritance_next_id(inheritance);
	/* The plan counts its configuration, which is the predecessor's. */
	relay->generation = inheritance ? inheritance_generation(inheritance) - 1 : 0;
	relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = relay->epoll_fd < 0 ? -errno : open_membership(relay);
	if (!err)
		err = redirects_open(&relay->redirects);
	if (!err)
		redirects_adopt(relay->redirects, inheritance_transmits(inheritance));
	if (!err)
		err = icmp_open(&relay->icmp);
	if (!err)
		err = open_demand(relay, config);
	if (!err)
		err = open_offloads(relay, notes_fd);
	if (!err)
		err = open_leases(relay, config);
	/* Listen before looking, so that no change is missed. */
	if (!err)
		err = follow_open(&relay->follow, relay);
	if (!err)
		err = branches_new(&relay->branches);
	if (!err)
		err = start(relay, config);
	if (err) {
		relay_close(relay);
		return err;
	}
	follow_rules_changed(relay->follow);
	*out = relay;
	return 0;
}

/*
 * The counters of a killed predecessor are lost, but the kernel's are not: what it has dropped on
 * the sockets stays, and of the packets that were steered, those that the predecessor had not
 * received. (A packet in several frames counts as one steered and several received: then all of it
 * stays.)
 */
static void forget_received(struct intake *intake)
{
	uint32_t before = 0;
	bool adopted = false;

	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		before += worker_taken_before(intake->workers[i]);
		adopted |= worker_is_adopted(intake->workers[i]);
	}
	steer_set_carried(intake->steer, XMC_FORWARDED, 0);
	steer_set_carried(intake->steer, XMC_STANDBY, 0);
	/* With other sockets, what waited is lost as well. */
	steer_set_carried(intake->steer, XMC_STEERED,
			  adopted ? (uint32_t)steer_steered_before(intake->steer) - before : 0);
}

/* It may have been killed after it had offered them. */
static void begin_counting(struct relay *relay)
{
	relay->started_ns = inheritance_started_ns(relay->inheritance, relay->started_ns);
	for (unsigned int i = 0; i < relay->asked.nr_rules; i++) {
		struct route *route = relay->routes[i];

		inheritance_rule(relay->inheritance, route->rule->name, &route->id,
				 &route->since_ns);
	}
	redirects_forget_counters(relay->redirects);
}

void relay_settle(struct relay *relay)
{
	for (unsigned int i = 0; relay->inheritance && i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];

		if (!intake->steer)
			continue;
		steer_set_owner(intake->steer, true);
		steer_settle(intake->steer);
		if (intake->adopted && inheritance_has_forgotten(relay->inheritance) &&
		    inheritance_has_verdicts(relay->inheritance))
			forget_received(intake);
		/* What was steered before has just been added. */
		ledger_reset(&intake->ledger);
	}
	if (inheritance_has_forgotten(relay->inheritance))
		begin_counting(relay);
	redirects_set_owner(relay->redirects, true);
	membership_settle(relay->membership);
	relay->inheritance = NULL;
}

int relay_fd(const struct relay *relay)
{
	return relay->epoll_fd;
}

static bool has_failed(const struct relay *relay)
{
	if (relay->broken || merger_failed())
		return true;
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		for (unsigned int j = 0; j < relay->intakes[i]->nr_workers; j++) {
			if (worker_failed(relay->intakes[i]->workers[j]))
				return true;
		}
	}
	return false;
}

int relay_run(struct relay *relay)
{
	struct epoll_event events[EVENTS];

	/* The workers' descriptors are edge-triggered: fetching their events is enough. */
	epoll_wait(relay->epoll_fd, events, EVENTS, 0);
	output_sockets_serve();
	relay_drain_capture(relay);
	if (!relay->frozen)
		follow_run(relay->follow);
	return has_failed(relay) ? -EIO : 0;
}

/* Without memory some packets are not captured: the relay goes on. */
static void follow_capture(struct relay *relay)
{
	int err = relay_follow_capture(relay);

	if (err && err != -ENOMEM)
		relay->broken = true;
}

int relay_check_workers(struct relay *relay)
{
	uint64_t now_ns = clock_ns();

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		for (unsigned int j = 0; j < relay->intakes[i]->nr_workers; j++)
			worker_check(relay->intakes[i]->workers[j], now_ns);
		/* A successor may read the rings while this relay is paused. */
		if (!relay->frozen)
			intake_audit(relay->intakes[i]);
	}
	merger_check(now_ns);
	if (!relay->frozen)
		follow_capture(relay);
	for (unsigned int i = 0; i < relay->config.nr_rules; i++)
		relay->changes += siblings_report(relay->routes[i], now_ns);
	relay->changes += leases_changed(relay->leases);
	leases_look(relay->leases, now_ns, relay->config.events.unheld_after);
	if (!relay->frozen)
		double_source_look(&relay->double_source, relay, now_ns);
	output_sockets_age();
	/* The merger's thread has no descriptor that relay_run() would be called for. */
	return has_failed(relay) ? -EIO : 0;
}

int relay_stop(struct relay *relay)
{
	int result = 0;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		int err = intake_stop(relay->intakes[i]);

		if (err)
			result = err;
	}
	return result;
}

void relay_close(struct relay *relay)
{
	if (!relay)
		return;
	follow_close(relay->follow);
	for (unsigned int i = 0; i < relay->nr_intakes; i++)
		intake_free(relay->intakes[i]);
	/* Closing the sockets that hold memberships is much quicker than leaving one by one. */
	membership_close(relay->membership);
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		relay->routes[i]->joined = 0;
		route_free(relay->routes[i], NULL);
	}
	merger_stop();
	for (unsigned int i = 0; i < relay->nr_arrivals; i++)
		free(relay->arrivals[i]);
	redirects_close(relay->redirects);
	icmp_close(relay->icmp);
	demand_close(relay->demand);
	branches_free(relay->branches);
	output_devices_free(&relay->devices);
	/* A predecessor that has not been replaced still needs them. */
	if (relay->inheritance && relay->offloads)
		offloads_forget(relay->offloads);
	offloads_close(relay->offloads);
	double_source_close(relay->double_source);
	leases_close(relay->leases);
	free(relay->routes);
	free(relay->arrivals);
	free(relay->intakes);
	config_free(&relay->config);
	if (relay->epoll_fd >= 0)
		close(relay->epoll_fd);
	free(relay);
}

/* ---- changes ---- */

int relay_apply(struct relay *relay, struct config *config, struct relay_change *change,
		char reason[REASON_SIZE])
{
	int count, err;

	if (relay->frozen)
		return explain(reason, -EBUSY, "another xmcastd is taking over: try again");
	follow_sync(relay->follow);
	count = branches_append(relay->branches, relay, config);
	if (count < 0)
		return explain(reason, count, "%s", strerror(-count));
	err = plan_change(relay, config, (unsigned int)count, change, reason);
	if (err)
		branches_cut(config, (unsigned int)count);
	follow_rules_changed(relay->follow);
	follow_capture(relay);
	return err;
}

int relay_retry(struct relay *relay)
{
	if (!relay->frozen)
		follow_retry(relay->follow);
	return relay->broken ? -EIO : 0;
}

void relay_set_log_level(struct relay *relay, enum log_facility facility, enum log_level level)
{
	for (int i = 0; i < LOG_FACILITIES; i++) {
		if (facility == LOG_FACILITIES || (int)facility == i)
			relay->config.logging.levels[i] = level;
	}
	relay_note_config(relay);
	/* The written configuration differs now. */
	relay->generation++;
}

/* ---- what runs ---- */

const struct config *relay_config(const struct relay *relay)
{
	return &relay->asked;
}

void relay_config_saved(struct relay *relay)
{
	for (unsigned int i = 0; i < relay->config.nr_parts; i++)
		relay->config.parts[i].changed = false;
}

uint64_t relay_generation(const struct relay *relay)
{
	return relay->generation;
}

struct relay_summary relay_summary(const struct relay *relay)
{
	struct relay_summary sum = {0};

	for (unsigned int i = 0; i < relay->asked.nr_rules; i++) {
		const struct route *route = relay->routes[i];
		bool pending = siblings_reason(route) != NULL;

		sum.pending += pending;
		sum.active += route->arrival && !pending;
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		sum.interfaces += intake_is_open(relay->intakes[i]);
		sum.workers += relay->intakes[i]->nr_workers;
	}
	return sum;
}

struct books *relay_books(const struct relay *relay, size_t first, size_t most)
{
	size_t all = relay->asked.nr_rules;

	/* Those of branches are in the books of their stems. */
	if (first > all)
		first = all;
	return books_read(relay, first, most < all - first ? most : all - first);
}

int relay_ping(const struct relay *relay)
{
	int count = 0;

	if (merger_failed() || merger_overdue_ns() > ALIVE_NS)
		return -EIO;
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		for (unsigned int j = 0; j < relay->intakes[i]->nr_workers; j++) {
			const struct worker *worker = relay->intakes[i]->workers[j];

			if (worker_failed(worker) || worker_overdue_ns(worker) > ALIVE_NS)
				return -EIO;
			count++;
		}
	}
	return count;
}

const char *relay_interface(const struct relay *relay, const char *name)
{
	const struct arrival *arrival = arrival_find(relay->arrivals, relay->nr_arrivals, name);
	int ifindex;

	if (arrival)
		return arrival->intake->name;
	ifindex = (int)if_nametoindex(name);
	for (unsigned int i = 0; ifindex && i < relay->nr_intakes; i++) {
		if (relay->intakes[i]->ifindex == ifindex)
			return relay->intakes[i]->name;
	}
	return NULL;
}

static const struct intake *find_intake(const struct relay *relay, const char *name)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (strcmp(relay->intakes[i]->name, name) == 0)
			return relay->intakes[i];
	}
	return NULL;
}

/* Does the input of the route name the intake? A disabled rule has no arrival of its own. */
static bool names(const struct relay *relay, const struct route *route, const struct intake *intake)
{
	const struct arrival *arrival = route->arrival;

	if (!arrival)
		arrival = arrival_find(relay->arrivals, relay->nr_arrivals, route->rule->iface);
	return arrival && arrival->intake == intake;
}

unsigned int relay_rules(const struct relay *relay, const char *iface)
{
	const struct intake *intake = find_intake(relay, iface);
	unsigned int count = 0;

	for (unsigned int i = 0; i < relay->asked.nr_rules; i++) {
		const struct route *route = relay->routes[i];
		bool found = names(relay, route, intake);

		for (unsigned int j = 1; !found && j < rule_inputs(route->rule); j++)
			found = names(relay, route->siblings->routes[j], intake);
		count += found;
	}
	return count;
}

bool relay_attachment(const struct relay *relay, const char *iface,
		      struct relay_attachment *attachment)
{
	const struct intake *intake = find_intake(relay, iface);
	const struct pins *pins;

	if (!intake || !intake_is_open(intake))
		return false;
	pins = steer_pins(intake->steer);
	attachment->external = intake->external;
	attachment->pins = attachment->external ? pins->directory : NULL;
	for (enum pin pin = 0; pin < NR_PINS; pin++)
		attachment->maps[pin] = pins_map_id(pins, pin);
	return true;
}

struct leases *relay_leases(const struct relay *relay)
{
	return relay->leases;
}

uint64_t relay_double_sources(const struct relay *relay)
{
	return double_source_count(relay->double_source);
}

int relay_memberships(const struct relay *relay, struct membership_entry **list)
{
	return membership_list(relay->membership, list);
}

const struct demand *relay_demand(const struct relay *relay)
{
	return relay->demand;
}
