/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets and workers of an intake, by port (ports.h). */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/intake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "relay/inheritance.h"

/* How long an opening intake waits for RX queues that were in use a moment ago, in ms. Failing at
 * once would detach the program again, which interrupts some network cards for seconds. */
#define BUSY_WAIT_MS 150
#define BUSY_STEP_MS 10

/* ---- workers ---- */

int intake_explain_shortage(char why[REASON_SIZE], int err, const char *name, const char *otherwise)
{
	if (err == -EMFILE || err == -ENFILE)
		otherwise = "too few file descriptors: raise the limit (ulimit -n)";
	return explain(why, err, "%s: %s", name, otherwise);
}

static int explain_worker(const struct intake *intake, const struct port *port, int err,
			  unsigned int queue, bool fail_if_busy, char why[REASON_SIZE])
{
	switch (err) {
	case -EBUSY:
		/* Most likely it is the socket that this intake has just closed: not logged yet. */
		if (fail_if_busy && intake->backoff.busy < BUSY_TRIES)
			return err;
		return explain(why, err,
			       "RX queue %u of %s is in use by another AF_XDP socket, "
			       "or by one that has just ended",
			       queue, port->name);
	case -ENOBUFS:
	case -ENOMEM:
		return explain(why, err,
			       "no memory for the frames of %s queue %u: raise the memlock limit "
			       "(ulimit -l), grant CAP_IPC_LOCK, or lower workers.frames",
			       port->name, queue);
	case -EMFILE:
	case -ENFILE:
		return intake_explain_shortage(why, err, port->name, "");
	default:
		return explain(why, err, "no AF_XDP socket on %s queue %u", port->name, queue);
	}
}

static bool shard_is_used(const struct intake *intake, unsigned int shard)
{
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		if (worker_shard(intake->workers[i]) == shard)
			return true;
	}
	return false;
}

/* A socket of the predecessor that is unusable is opened again. */
static int adopt_worker(struct worker **worker, const struct intake *intake,
			struct worker_options *options, const struct inheritance *inheritance)
{
	int err;

	options->adopt = intake->adopted
				 ? inheritance_socket(inheritance, options->iface, options->queue)
				 : NULL;
	if (!options->adopt)
		return -ENOENT;
	err = worker_open(worker, options);
	if (err)
		log_warning("socket-not-taken-over", LOG_IFACE(options->iface),
			    LOG_UINT("queue", options->queue), LOG_ERROR(err));
	options->adopt = NULL;
	return err;
}

/* Watch the worker before its threads start, so that its failure cannot be missed. */
static int prepare_worker(struct worker *worker, int epoll_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, worker_notify_fd(worker), &event))
		return -errno;
	return worker_prepare(worker);
}

/* Open a worker for the next RX queue of the port, whose threads wait for worker_go().
 * `patience_ms`: how long to wait if the queue is in use; what is left of it is written back. */
static int open_worker(struct intake *intake, struct intake_port *port,
		       const struct intake_means *means, int *patience_ms, char why[REASON_SIZE])
{
	struct worker_options options = {
		.iface = port->at.name,
		.queue = port->nr_workers,
		.mtu = intake->link.mtu,
		/* In skb mode packets do not come from the driver. */
		.copy = intake->fallback != FALLBACK_NONE || intake->mode == IFACE_MODE_SKB ||
			port->at.copy,
		.fail_if_busy = means->fail_if_busy || inheritance_is_running(means->inheritance),
		.sizes = means->config->workers,
		.egress = means->config->egress,
	};
	struct worker *worker;
	int err;

	while (shard_is_used(intake, options.shard))
		options.shard++;
	options.index = intake->first_worker + options.shard;
	err = adopt_worker(&worker, intake, &options, means->inheritance);
	while (err && (err = worker_open(&worker, &options)) == -EBUSY && *patience_ms > 0) {
		*patience_ms -= BUSY_STEP_MS;
		poll(NULL, 0, BUSY_STEP_MS);
	}
	if (err)
		return explain_worker(intake, &port->at, err, options.queue, means->fail_if_busy,
				      why);
	port->workers[port->nr_workers++] = worker;
	intake->workers[intake->nr_workers++] = worker;
	if (intake->capture)
		err = worker_capture(worker, intake->capture);
	if (!err)
		err = prepare_worker(worker, means->epoll_fd);
	return err ? explain(why, err, "the threads of %s queue %u do not start", port->at.name,
			     options.queue)
		   : 0;
}

static unsigned int slot_of(const struct intake_port *port, unsigned int queue)
{
	return port->number * XMC_MAX_QUEUES + queue;
}

/* ---- ports ---- */

/* Forget a closed worker. */
static void unlist(struct intake *intake, const struct worker *worker)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		if (intake->workers[i] != worker)
			intake->workers[left++] = intake->workers[i];
	}
	intake->nr_workers = left;
}

static struct intake_port *find_port(struct intake *intake, int ifindex)
{
	for (unsigned int i = 0; i < intake->nr_ports; i++) {
		if (intake->ports[i].at.ifindex == ifindex)
			return &intake->ports[i];
	}
	return NULL;
}

/* An empty port with the lowest free number. NULL: there are too many. */
static struct intake_port *add_port(struct intake *intake, const struct port *at)
{
	struct intake_port *port;
	bool used[XMC_MAX_MEMBERS] = {};

	if (intake->nr_ports == XMC_MAX_MEMBERS)
		return NULL;
	for (unsigned int i = 0; i < intake->nr_ports; i++)
		used[intake->ports[i].number] = true;
	port = &intake->ports[intake->nr_ports++];
	*port = (struct intake_port){.at = *at};
	while (used[port->number])
		port->number++;
	return port;
}

static int open_port(struct intake *intake, struct intake_port *port,
		     const struct intake_means *means, int *patience_ms, char why[REASON_SIZE])
{
	int err = 0;

	while (!err && port->nr_workers < port->at.queues)
		err = open_worker(intake, port, means, patience_ms, why);
	return err;
}

/* Let the program know where the packets of a member go; before, on the kernel path, whose they
 * are.
 */
static int set_member(struct intake *intake, const struct intake_port *port, char why[REASON_SIZE])
{
	unsigned int slot = port->at.inactive ? XMC_INACTIVE_SLOT : slot_of(port, 0);
	int err;

	if (!intake->on_members)
		return 0;
	err = redirects_set_bond(intake->kernel.redirects, port->at.ifindex, intake->ifindex);
	if (!err)
		err = steer_set_member(intake->steer, port->at.ifindex, slot);
	return err ? explain(why, err, "no place in the map of members for %s", port->at.name) : 0;
}

static void start_port(const struct intake *intake, const struct intake_port *port)
{
	for (unsigned int i = 0; i < port->nr_workers; i++)
		worker_go(port->workers[i], intake->now.ruleset);
}

static int steer_port(struct intake *intake, const struct intake_port *port, char why[REASON_SIZE])
{
	int err = 0;

	for (unsigned int i = 0; !err && i < port->nr_workers; i++)
		err = steer_set_socket(intake->steer, slot_of(port, i),
				       xsk_fd(worker_xsk(port->workers[i])));
	return err ? explain(why, err, "no place in the XSKMAP for the queues of %s", port->at.name)
		   : set_member(intake, port, why);
}

static void clear_sockets(const struct intake *intake, const struct intake_port *port)
{
	for (unsigned int i = 0; i < port->nr_workers; i++)
		steer_clear_socket(intake->steer, slot_of(port, i));
}

static int stop_port(const struct intake_port *port)
{
	int result = 0;

	for (unsigned int i = 0; i < port->nr_workers; i++) {
		int err = worker_stop(port->workers[i]);

		if (err)
			result = err;
	}
	return result;
}

/* Close the workers and remove the port; the last port takes its place. */
static void close_port(struct intake *intake, struct intake_port *port)
{
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		struct worker_state state;

		worker_read(port->workers[i], &state);
		worker_state_add(&intake->closed, &state);
		unlist(intake, port->workers[i]);
		worker_close(port->workers[i]);
	}
	if (intake->on_members)
		redirects_set_bond(intake->kernel.redirects, port->at.ifindex, 0);
	*port = intake->ports[--intake->nr_ports];
}

static void log_member(const struct intake *intake, const struct port *at, const char *change)
{
	log_info("member-changed", LOG_IFACE(intake->name), LOG_NAME("member", at->name),
		 LOG_NAME("change", change), LOG_UINT("queues", at->queues));
}

/* ---- up and down ---- */

int intake_limit_queues(struct intake *intake, char why[REASON_SIZE])
{
	unsigned int *queues = &intake->settings.queues;
	struct ports ports;
	int err = ports_find(&intake->link, intake->settings.mode, &intake->settings, &ports);

	if (err)
		return explain(why, err, "the members of %s cannot be queried", intake->name);
	for (unsigned int i = 0; i < ports.count; i++) {
		if (*queues < ports.list[i].rx_queues)
			return 0;
	}
	*queues = 0;
	return 0;
}

static void log_unserved(const struct port *at)
{
	char hint[200];

	if (at->queues >= at->rx_queues)
		return;
	snprintf(hint, sizeof(hint),
		 "packets that arrive on the other RX queues are not relayed (no_socket): ethtool "
		 "-L %s combined %u, or ethtool -X %s equal %u, keeps them away from these",
		 at->name, at->queues, at->name, at->queues);
	log_warning("queues-not-served", LOG_IFACE(at->name), LOG_UINT("served", at->queues),
		    LOG_UINT("of", at->rx_queues), LOG_TEXT("hint", hint));
}

static int open_all(struct intake *intake, const struct ports *ports,
		    const struct intake_means *means, char why[REASON_SIZE])
{
	int patience_ms = means->fail_if_busy ? BUSY_WAIT_MS : 0;
	int err = 0;

	intake->on_members = ports->members;
	intake->room = ports_room(ports);
	intake->workers = calloc(intake->room, sizeof(struct worker *));
	if (!intake->workers)
		return explain_worker(intake, &ports->list[0], -ENOMEM, 0, false, why);
	if (ports->left_out)
		log_warning("members-not-served", LOG_IFACE(intake->name),
			    LOG_UINT("served", ports->count),
			    LOG_UINT("of", ports->count + ports->left_out));
	for (unsigned int i = 0; !err && i < ports->count; i++) {
		err = open_port(intake, add_port(intake, &ports->list[i]), means, &patience_ms,
				why);
		log_unserved(&ports->list[i]);
	}
	return err;
}

int intake_open_ports(struct intake *intake, const struct intake_means *means,
		      char why[REASON_SIZE])
{
	struct ports ports;
	struct link now;
	int err = link_query(intake->name, &now);

	if (err)
		return explain(why, err, "interface %s cannot be queried", intake->name);
	intake->link.rx_queues = now.rx_queues;
	err = ports_find(&intake->link, intake->mode, &intake->settings, &ports);
	if (err)
		return explain(why, err, "the members of %s cannot be queried", intake->name);
	if (!ports.count)
		return explain(why, -ENXIO, "bond %s has no members", intake->name);
	return open_all(intake, &ports, means, why);
}

void intake_start_ports(const struct intake *intake)
{
	for (unsigned int i = 0; i < intake->nr_ports; i++)
		start_port(intake, &intake->ports[i]);
}

/* Whether the kernel path goes on while sockets are opened again. */
static int set_own(struct intake *intake, char why[REASON_SIZE])
{
	bool all = true;
	int err;

	for (unsigned int i = 0; i < intake->nr_ports; i++)
		all &= intake->ports[i].nr_workers >= intake->ports[i].at.rx_queues;
	err = steer_set_own(intake->steer, all && !intake->external);
	return err ? explain(why, err, "the maps of %s cannot be written", intake->name) : 0;
}

int intake_steer_ports(struct intake *intake, char why[REASON_SIZE])
{
	int err = set_own(intake, why);

	for (unsigned int i = 0; !err && i < intake->nr_ports; i++)
		err = steer_port(intake, &intake->ports[i], why);
	return err;
}

int intake_stop_ports(struct intake *intake)
{
	int result = 0;

	for (unsigned int i = 0; i < intake->nr_ports; i++) {
		int err = stop_port(&intake->ports[i]);

		if (err)
			result = err;
	}
	return result;
}

/* Can a successor go on with the sockets? */
static bool can_be_adopted(const struct intake *intake)
{
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		if (!xsk_can_be_adopted(worker_xsk(intake->workers[i])))
			return false;
	}
	return !intake->external;
}

static int release_ports(struct intake *intake)
{
	int err;

	for (unsigned int i = 0; i < intake->nr_ports; i++)
		clear_sockets(intake, &intake->ports[i]);
	/* Packets that were steered before are in the RX rings then. */
	steer_wait(intake->steer);
	err = intake_stop_ports(intake);
	for (unsigned int i = 0; !err && i < intake->nr_workers; i++)
		xsk_release(worker_xsk(intake->workers[i]));
	intake->released = !err;
	return err;
}

int intake_pause_ports(struct intake *intake)
{
	int result = 0;

	if (intake->nr_workers && !can_be_adopted(intake))
		return release_ports(intake);
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		int err = worker_pause(intake->workers[i]);

		if (err)
			result = err;
	}
	return result;
}

int intake_resume_ports(struct intake *intake)
{
	int err = 0;

	if (intake->released && intake->state != INTAKE_LOST)
		intake_lose(intake, "was closed for another xmcastd, which has failed");
	for (unsigned int i = 0; !intake->released && !err && i < intake->nr_workers; i++)
		err = worker_start(intake->workers[i], intake->now.ruleset);
	return err;
}

void intake_close_ports(struct intake *intake)
{
	while (intake->nr_ports)
		close_port(intake, &intake->ports[intake->nr_ports - 1]);
	intake->released = false;
	totals_add_worker(intake->kernel.totals, &intake->closed);
	intake->closed = (struct worker_state){};
	free(intake->workers);
	intake->workers = NULL;
}

/* ---- following ---- */

/* Was the device deleted, even if there is one with the same index again? */
static bool has_lost_device(const struct intake_port *port)
{
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		if (xsk_has_lost_device(worker_xsk(port->workers[i])))
			return true;
	}
	return false;
}

/* Does the member have its workers? Under another name, it gets new ones with that name. */
static bool is_served(const struct intake_port *port, const struct port *now)
{
	return now && now->queues == port->at.queues && strcmp(now->name, port->at.name) == 0 &&
	       !has_lost_device(port);
}

/* A member has left the bond, or has other RX queues or another name now. 0 or -EIO. */
static int drop_port(struct intake *intake, struct intake_port *port)
{
	int err;

	steer_remove_member(intake->steer, port->at.ifindex);
	clear_sockets(intake, port);
	/* Packets that were steered before are in the RX rings then. */
	steer_wait(intake->steer);
	err = stop_port(port);
	if (err)
		return err;
	log_member(intake, &port->at, "left");
	close_port(intake, port);
	return 0;
}

/* A member has come. A failure concerns this member only: it is tried again at the next look. */
static void take_port(struct intake *intake, const struct port *at,
		      const struct intake_means *means)
{
	char why[REASON_SIZE] = "";
	struct intake_port *port = add_port(intake, at);
	int patience_ms = 0;
	int err;

	if (!port)
		return;
	err = open_port(intake, port, means, &patience_ms, why);
	/* Its sockets may hold smaller packets than the others': before packets are steered to it.
	 */
	if (!err)
		err = intake_set_capacity(intake);
	if (!err)
		err = set_own(intake, why);
	if (!err) {
		start_port(intake, port);
		err = steer_port(intake, port, why);
	}
	if (!err) {
		log_member(intake, at, at->inactive ? "joined-inactive" : "joined");
		log_unserved(at);
		intake->member_reason[0] = '\0';
		return;
	}
	if (*why && strcmp(why, intake->member_reason) != 0) {
		log_event(LOG_LEVEL_ERROR, "member-failed", LOG_IFACE(intake->name),
			  LOG_NAME("member", at->name), LOG_ERROR(err), LOG_TEXT("reason", why));
		memcpy(intake->member_reason, why, sizeof(why));
	}
	/* Nothing was steered to it: without an entry for the member, its sockets are not used. */
	stop_port(port);
	close_port(intake, port);
}

/* Does the bond use the member, as far as is known here? Those that it does not use any more come
 * first, so that a packet that arrives by two members is not relayed twice. */
static void follow_activity(struct intake *intake, const struct ports *ports, bool inactive)
{
	char why[REASON_SIZE];

	for (unsigned int i = 0; i < intake->nr_ports; i++) {
		struct intake_port *port = &intake->ports[i];
		const struct port *now = ports_by_index(ports, port->at.ifindex);

		if (!now || now->inactive != inactive || port->at.inactive == inactive)
			continue;
		port->at.inactive = inactive;
		if (!set_member(intake, port, why))
			log_member(intake, &port->at, inactive ? "inactive" : "active");
	}
}

static bool has_room(const struct intake *intake, const struct ports *ports)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < ports->count; i++)
		sum += ports->list[i].queues;
	return sum <= intake->room;
}

static const char *follow_members(struct intake *intake, const struct ports *ports,
				  const struct intake_means *means)
{
	if (!ports->count)
		return "is a bond without members now";
	if (!has_room(intake, ports))
		return "has members with more RX queues now";
	follow_activity(intake, ports, true);
	for (unsigned int i = 0; i < intake->nr_ports;) {
		struct intake_port *port = &intake->ports[i];

		if (is_served(port, ports_by_index(ports, port->at.ifindex)))
			i++;
		else if (drop_port(intake, port))
			return "has a member whose worker has failed";
	}
	follow_activity(intake, ports, false);
	for (unsigned int i = 0; i < ports->count; i++) {
		if (!find_port(intake, ports->list[i].ifindex))
			take_port(intake, &ports->list[i], means);
	}
	return NULL;
}

const char *intake_follow_ports(struct intake *intake, const struct link *now,
				const struct intake_means *means)
{
	struct ports ports;

	/* Members that cannot be queried now are queried again at the next look. */
	if (ports_find(now, intake->mode, &intake->settings, &ports))
		return NULL;
	if (ports.members != intake->on_members)
		return "has its XDP program in another mode now";
	if (intake->on_members)
		return follow_members(intake, &ports, means);
	if (ports.list[0].queues == intake->nr_workers ||
	    (ports.at_least && ports.list[0].queues < intake->nr_workers))
		return NULL;
	return "has another number of RX queues now";
}
