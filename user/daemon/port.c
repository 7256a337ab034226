/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "daemon/port.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"

/* Tries to open a port again for which a busy queue is no news. */
#define BUSY_TRIES 10

/* Tell those who listen; the log has its own line, with more in it. */
static void tell(const struct port *port, const char *name, const char *reason)
{
	struct event event;

	event_init(&event, name, LOG_FACILITY_LINKS, EVENT_NOT_LOGGED);
	event_add_text(&event, "interface", port->name);
	event_add_text(&event, "reason", reason);
	event_emit(port->events, &event);
}

/* Note and log why the port cannot run. Returns `err`. */
static int fail(struct port *port, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct port *port, int err, const char *format, ...)
{
	char before[REASON_SIZE];
	va_list args;

	memcpy(before, port->failed ? port->reason : "", port->failed ? sizeof(before) : 1);
	va_start(args, format);
	vsnprintf(port->reason, sizeof(port->reason), format, args);
	va_end(args);
	/* It is tried again and again: one line for each state. */
	if (port->failed && strcmp(before, port->reason) == 0)
		return err;
	port->failed = true;
	log_error("interface-failed iface=%s error=\"%s\" reason=\"%s\"", port->name,
		  strerror(-err), port->reason);
	tell(port, "interface-failed", port->reason);
	return err;
}

/* The same, unless it was for want of descriptors. */
static int fail_resource(struct port *port, int err, const char *reason)
{
	if (err == -EMFILE || err == -ENFILE)
		reason = "too few file descriptors: raise the limit (ulimit -n)";
	return fail(port, err, "%s: %s", port->name, reason);
}

static int explain(char reason[REASON_SIZE], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int explain(char reason[REASON_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, REASON_SIZE, format, args);
	va_end(args);
	return err;
}

static int explain_taken(const char *name, char reason[REASON_SIZE])
{
	return explain(reason, -EBUSY,
		       "another xmcastd has interface %s, or this one has it by another of its "
		       "names (altname)",
		       name);
}

/* Is the program that is attached, or is not, in the way? */
static int examine_program(const struct link *link, const char *name, char reason[REASON_SIZE])
{
	if (link->xdp_program && steer_is_ours(link->xdp_program))
		return explain_taken(name, reason);
	if (link->xdp_program)
		return explain(reason, -EEXIST,
			       "another XDP program (id %u) is attached to %s: detach it with "
			       "\"ip link set %s xdp off\" or the tool that owns it",
			       link->xdp_program, name, name);
	return 0;
}

static int examine_external(const struct link *link, const char *name, char reason[REASON_SIZE])
{
	if (link->xdp_program && steer_is_ours(link->xdp_program))
		return explain_taken(name, reason);
	if (!link->xdp_program)
		return explain(reason, -ENXIO,
			       "no XDP program is attached to %s (attach: external): load "
			       "xmcast.bpf.o with xdp-loader",
			       name);
	return 0;
}

int port_examine(const char *name, const struct link *link, int err, bool external,
		 char reason[REASON_SIZE])
{
	if (err == -ENODEV)
		return explain(reason, err, "interface %s does not exist", name);
	if (err)
		return explain(reason, err, "interface %s cannot be queried", name);
	/* The kernel's loopback makes Ethernet headers as well. */
	if (link->type != ARPHRD_ETHER && link->type != ARPHRD_LOOPBACK)
		return explain(reason, -EOPNOTSUPP,
			       "packets of %s have no Ethernet header (link type %u), so that they "
			       "cannot be steered: take a tap, a gretap or a VXLAN",
			       name, link->type);
	err = external ? examine_external(link, name, reason) : examine_program(link, name, reason);
	if (err)
		return err;
	if (!link->up)
		return explain(reason, -ENETDOWN, "interface %s is down: \"ip link set %s up\"",
			       name, name);
	if (!xsk_frame_size(link->mtu))
		return explain(reason, -EMSGSIZE,
			       "MTU %u of %s does not fit a 4096-byte frame: set 3822 or less",
			       link->mtu, name);
	if (link->rx_queues > XMC_MAX_QUEUES)
		return explain(reason, -E2BIG,
			       "%s has %u RX queues, at most %u are served: \"ethtool -L %s "
			       "combined %u\"",
			       name, link->rx_queues, XMC_MAX_QUEUES, name, XMC_MAX_QUEUES);
	return 0;
}

/* Can the interface carry an ingress at all? */
static int check_link(struct port *port, const struct config *config)
{
	const char *name = port->name;
	char reason[REASON_SIZE];
	int err = link_query(name, &port->link);

	port->external = !err && port_wants_external(name, &port->link, config);
	err = port_examine(name, &port->link, err, port->external, reason);
	if (err)
		return fail(port, err, "%s", reason);
	return 0;
}

bool port_look(struct port *port, const struct config *config)
{
	char reason[REASON_SIZE];
	struct link link;
	int err = link_query(port->name, &link);

	err = port_examine(port->name, &link, err,
			   !err && port_wants_external(port->name, &link, config), reason);

	port->usable = !err;
	if (err)
		fail(port, err, "%s", reason);
	return !err;
}

static int fail_worker(struct port *port, int err, unsigned int queue)
{
	const char *name = port->name;

	/* Most likely by the one that we have just closed: it takes tens of milliseconds. */
	if (err == -EBUSY && !port->patient && port->tries < BUSY_TRIES)
		return err;
	switch (err) {
	case -EBUSY:
		return fail(port, err,
			    "RX queue %u of %s is in use by another AF_XDP socket, "
			    "or by one that has just ended",
			    queue, name);
	case -ENOBUFS:
	case -ENOMEM:
		return fail(port, err,
			    "no memory for the frames of %s queue %u: raise the memlock limit "
			    "(ulimit -l), grant CAP_IPC_LOCK, or lower workers.frames",
			    name, queue);
	case -EMFILE:
	case -ENFILE:
		return fail_resource(port, err, "");
	default:
		return fail(port, err, "no AF_XDP socket on %s queue %u", name, queue);
	}
}

static int open_workers(struct port *port, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, port->name);
	unsigned int queues = port->link.rx_queues;

	if (iface && iface->queues && iface->queues < queues)
		queues = iface->queues;
	port->workers = calloc(queues, sizeof(*port->workers));
	if (!port->workers)
		return fail_worker(port, -ENOMEM, 0);
	while (port->nr_workers < queues) {
		const struct worker_options options = {
			.iface = port->name,
			.queue = port->nr_workers,
			.index = port->first_worker + port->nr_workers,
			.mtu = port->link.mtu,
			.impatient = !port->patient,
			.sizes = config->workers,
			.egress = config->egress,
		};
		int err = worker_open(&port->workers[port->nr_workers], &options);

		if (err)
			return fail_worker(port, err, port->nr_workers);
		port->nr_workers++;
	}
	return 0;
}

static int open_external(struct port *port, const struct config *config)
{
	char folder[PINS_PATH_SIZE];
	char text[PINS_TEXT_SIZE];
	int err;

	pins_folder(port->name, config_iface(config, port->name), folder);
	err = steer_open_pinned(&port->steer, folder, port->link.ifindex, text);
	if (err) {
		fail(port, err, "pinned maps of %s, %s: %s", port->name, folder, text);
		/* A right to these maps is no right that the daemon cannot do without. */
		return err == -EBUSY ? err : -ENXIO;
	}
	port->program = port->link.xdp_program;
	return open_workers(port, config);
}

static int open_parts(struct port *port, const struct config *config)
{
	int err = check_link(port, config);

	if (err)
		return err;
	if (port->external)
		return open_external(port, config);
	err = steer_open(&port->steer);
	if (err == -EPERM || err == -EACCES)
		return fail(port, err,
			    "no right to load the XDP program: CAP_BPF, CAP_NET_ADMIN, and on "
			    "older kernels (6.1) CAP_PERFMON");
	if (err)
		return fail_resource(port, err,
				     "the XDP program does not load: xmcastd -d tells more");
	port->program = steer_program_id(port->steer);
	return open_workers(port, config);
}

int port_open(struct port *port, const char *name, const struct config *config,
	      unsigned int first_worker)
{
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->first_worker = first_worker;
	port->patient = true;
	return open_parts(port, config);
}

int port_refuse(struct port *port, const char *name, const char *other)
{
	snprintf(port->name, sizeof(port->name), "%s", name);
	return fail(port, -EBUSY,
		    "this xmcastd has interface %s by another of its names, %s: name it the same "
		    "way in all rules",
		    name, other);
}

int port_reopen(struct port *port, const struct config *config)
{
	port->patient = false;
	return open_parts(port, config);
}

int port_add_key(struct port *port, const struct rule *rule)
{
	struct xmc_rule_key key;

	rule_key(rule, &key);
	return steer_add_rule(port->steer, &key);
}

int port_remove_key(struct port *port, const struct rule *rule)
{
	struct xmc_rule_key key;

	rule_key(rule, &key);
	return steer_remove_rule(port->steer, &key);
}

static int add_rules(struct port *port, struct stream *const *streams, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int err = port_add_key(port, &streams[i]->rule);

		if (err)
			return fail(port, err, "rule %s does not fit the XDP map",
				    streams[i]->rule.name);
	}
	return 0;
}

int port_start(struct port *port, struct stream *const *streams, unsigned int count)
{
	int err = ruleset_new(&port->ruleset, streams, count);

	if (err)
		return fail(port, err, "no memory for the rules of %s", port->name);
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		struct worker *worker = port->workers[i];

		err = worker_start(worker, port->ruleset);
		if (err)
			return fail(port, err, "the threads of %s queue %u do not start",
				    port->name, worker_queue(worker));
		err = steer_set_socket(port->steer, worker_queue(worker), worker_xsk_fd(worker));
		if (err)
			return fail(port, err, "no place in the XSKMAP for queue %u of %s",
				    worker_queue(worker), port->name);
	}
	return add_rules(port, streams, count);
}

int port_stage(struct port *port, struct stream *const *streams, unsigned int count)
{
	return ruleset_new(&port->other, streams, count);
}

int port_switch(struct port *port)
{
	struct ruleset *before = port->ruleset;

	port->ruleset = port->other;
	port->other = before;
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		int err = worker_update(port->workers[i], port->ruleset);

		if (err)
			return err;
	}
	return 0;
}

void port_forget(struct port *port)
{
	ruleset_free(port->other);
	port->other = NULL;
}

/* What was got: one line per interface. */
static void log_port(const struct port *port)
{
	const struct worker *worker = port->workers[0];
	struct utsname kernel;

	uname(&kernel);
	log_info("interface-ready iface=%s kernel=%s xdp_mode=%s data=%s workers=%u mtu=%u "
		 "umem_bytes=%zu huge_pages=%s engine=%s attach=%s",
		 port->name, kernel.release, port->mode == IFACE_MODE_NATIVE ? "native" : "skb",
		 worker_zero_copy(worker) ? "zero-copy" : "copy", port->nr_workers, port->link.mtu,
		 port->nr_workers * worker_memory(worker), worker_huge_pages(worker) ? "yes" : "no",
		 worker_engine(worker), port->external ? "external" : "own");
	if (port->link.vlan_offload)
		log_info("vlan-offload iface=%s hint=\"tagged packets look untagged to XDP: if "
			 "there are VLANs on %s, ethtool -K %s rxvlan off\"",
			 port->name, port->name, port->name);
	tell(port, "interface-ready", NULL);
}

/* It relays, or would if packets came. */
static int attached(struct port *port)
{
	char text[REASON_SIZE];

	port->attached = true;
	port->failed = port->impaired = port->torn = false;
	port->tries = 0;
	log_port(port);
	/* Until a packet has come; port_check() sees it. */
	if (port->external && !port_is_proven(port, text))
		port_impair(port, text);
	return 0;
}

int port_attach(struct port *port, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, port->name);
	int err;

	if (port->external) {
		port->mode = port->link.xdp_skb ? IFACE_MODE_SKB : IFACE_MODE_NATIVE;
		return attached(port);
	}
	err = steer_attach(port->steer, port->link.ifindex, iface ? iface->mode : IFACE_MODE_AUTO,
			   &port->mode);
	/* Somebody was faster than check_link(): a daemon, another tool, or who took it away? */
	if (err == -EBUSY || err == -EEXIST || err == -EINVAL || err == -ENODEV) {
		int again = check_link(port, config);

		if (again)
			return again;
	}
	if (err == -EBUSY || err == -EEXIST)
		return fail(port, -EEXIST, "another XDP program is attached to %s", port->name);
	if (err)
		return fail_resource(port, err,
				     "it takes no XDP program: try mode skb, or another driver");
	return attached(port);
}

int port_stop(struct port *port)
{
	int result = 0;

	if (port->steer)
		steer_detach(port->steer);
	port->attached = false;
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		int err = worker_stop(port->workers[i]);

		if (err)
			result = err;
	}
	return result;
}

void port_close(struct port *port)
{
	port_stop(port);
	steer_close(port->steer);
	for (unsigned int i = 0; i < port->nr_workers; i++)
		worker_close(port->workers[i]);
	free(port->workers);
	ruleset_free(port->ruleset);
	port_forget(port);
	port->steer = NULL;
	port->workers = NULL;
	port->nr_workers = 0;
	port->ruleset = NULL;
}
