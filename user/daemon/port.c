/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "daemon/port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"

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
	va_list args;

	va_start(args, format);
	vsnprintf(port->reason, sizeof(port->reason), format, args);
	va_end(args);
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

/* Can the interface carry an ingress at all? */
static int check_link(struct port *port)
{
	const char *name = port->name;
	int err = link_query(name, &port->link);

	if (err == -ENODEV)
		return fail(port, err, "interface %s does not exist", name);
	if (err)
		return fail(port, err, "interface %s cannot be queried", name);
	if (port->link.xdp_program && steer_is_ours(port->link.xdp_program))
		return fail(port, -EBUSY, "another xmcastd has interface %s", name);
	if (port->link.xdp_program)
		return fail(port, -EEXIST,
			    "another XDP program (id %u) is attached to %s: detach it with "
			    "\"ip link set %s xdp off\" or the tool that owns it",
			    port->link.xdp_program, name, name);
	if (!port->link.up)
		return fail(port, -ENETDOWN, "interface %s is down: \"ip link set %s up\"", name,
			    name);
	if (!xsk_frame_size(port->link.mtu))
		return fail(port, -EMSGSIZE,
			    "MTU %u of %s does not fit a 4096-byte frame: set 3822 or less",
			    port->link.mtu, name);
	if (port->link.rx_queues > XMC_MAX_QUEUES)
		return fail(port, -E2BIG,
			    "%s has %u RX queues, at most %u are served: \"ethtool -L %s combined "
			    "%u\"",
			    name, port->link.rx_queues, XMC_MAX_QUEUES, name, XMC_MAX_QUEUES);
	if (port->link.vlan_offload)
		log_info("vlan-offload iface=%s hint=\"tagged packets look untagged to XDP: if "
			 "there are VLANs on %s, ethtool -K %s rxvlan off\"",
			 name, name, name);
	return 0;
}

static int fail_worker(struct port *port, int err, unsigned int queue)
{
	const char *name = port->name;

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

static int open_workers(struct port *port, const struct config *config, unsigned int first_worker)
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
			.index = first_worker + port->nr_workers,
			.mtu = port->link.mtu,
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

int port_open(struct port *port, const char *name, const struct config *config,
	      unsigned int first_worker)
{
	int err;

	snprintf(port->name, sizeof(port->name), "%s", name);
	err = check_link(port);
	if (err)
		return err;
	err = steer_open(&port->steer);
	if (err == -EPERM || err == -EACCES)
		return fail(port, err,
			    "no right to load the XDP program: CAP_BPF, CAP_NET_ADMIN, and on "
			    "older kernels (6.1) CAP_PERFMON");
	if (err)
		return fail_resource(port, err,
				     "the XDP program does not load: xmcastd -d tells more");
	return open_workers(port, config, first_worker);
}

int port_add_key(struct port *port, const struct rule *rule)
{
	struct xmc_rule_key key;

	steer_rule_key(rule, &key);
	return steer_add_rule(port->steer, &key);
}

int port_remove_key(struct port *port, const struct rule *rule)
{
	struct xmc_rule_key key;

	steer_rule_key(rule, &key);
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
		 "umem_bytes=%zu huge_pages=%s engine=%s",
		 port->name, kernel.release, port->mode == IFACE_MODE_NATIVE ? "native" : "skb",
		 worker_zero_copy(worker) ? "zero-copy" : "copy", port->nr_workers, port->link.mtu,
		 port->nr_workers * worker_memory(worker), worker_huge_pages(worker) ? "yes" : "no",
		 worker_engine(worker));
	tell(port, "interface-ready", NULL);
}

int port_attach(struct port *port, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, port->name);
	int err;

	err = steer_attach(port->steer, port->link.ifindex, iface ? iface->mode : IFACE_MODE_AUTO,
			   &port->mode);
	/* Somebody was faster than check_link(): a daemon, another tool, or who took it away? */
	if (err == -EBUSY || err == -EEXIST || err == -EINVAL || err == -ENODEV) {
		int again = check_link(port);

		if (again)
			return again;
	}
	if (err == -EBUSY || err == -EEXIST)
		return fail(port, -EEXIST, "another XDP program is attached to %s", port->name);
	if (err)
		return fail_resource(port, err,
				     "it takes no XDP program: try mode skb, or another driver");
	port->attached = true;
	log_port(port);
	return 0;
}

/* Why the interface does not bring us packets any more, or NULL. */
static const char *find_impairment(const struct port *port, const struct link *now, int err)
{
	if (err || now->ifindex != port->link.ifindex)
		return "has gone: start xmcastd again once it is back";
	if (!now->up)
		return "is down: set it up";
	if (!now->xdp_program)
		return "has lost its XDP program: start xmcastd again";
	if (now->rx_queues > port->link.rx_queues)
		return "has more RX queues than at the start: start xmcastd again";
	return NULL;
}

void port_check(struct port *port)
{
	const char *impairment;
	struct link now;
	bool before = port->impaired;

	if (!port->attached)
		return;
	impairment = find_impairment(port, &now, link_query(port->name, &now));
	port->impaired = impairment != NULL;
	if (impairment)
		snprintf(port->reason, sizeof(port->reason), "interface %s %s", port->name,
			 impairment);
	if (port->impaired == before)
		return;
	if (port->impaired)
		log_error("interface-impaired iface=%s reason=\"%s\"", port->name, port->reason);
	else
		log_info("interface-recovered iface=%s", port->name);
	tell(port, port->impaired ? "interface-impaired" : "interface-recovered",
	     port->impaired ? port->reason : NULL);
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
