/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/intake.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"

/* Tries to open an intake again for which a busy queue is no news. */
#define BUSY_TRIES 10

/* Note and log why the intake cannot run. Returns `err`. */
static int fail(struct intake *intake, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct intake *intake, int err, const char *format, ...)
{
	char before[REASON_SIZE];
	va_list args;

	memcpy(before, intake->failed ? intake->reason : "", intake->failed ? sizeof(before) : 1);
	va_start(args, format);
	vsnprintf(intake->reason, sizeof(intake->reason), format, args);
	va_end(args);
	/* It is tried again and again: one line for each state. */
	if (intake->failed && strcmp(before, intake->reason) == 0)
		return err;
	intake->failed = true;
	log_event(LOG_LEVEL_ERROR, "interface-failed", LOG_IFACE(intake->name), LOG_ERROR(err),
		  LOG_TEXT("reason", intake->reason));
	return err;
}

/* The same, unless it was for want of descriptors. */
static int fail_resource(struct intake *intake, int err, const char *reason)
{
	if (err == -EMFILE || err == -ENFILE)
		reason = "too few file descriptors: raise the limit (ulimit -n)";
	return fail(intake, err, "%s: %s", intake->name, reason);
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

int intake_examine(const char *name, const struct link *link, int err, bool external,
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
static int check_link(struct intake *intake, const struct config *config)
{
	const char *name = intake->name;
	char reason[REASON_SIZE];
	int err = link_query(name, &intake->link);

	intake->external = !err && intake_wants_external(name, &intake->link, config);
	err = intake_examine(name, &intake->link, err, intake->external, reason);
	if (err)
		return fail(intake, err, "%s", reason);
	return 0;
}

bool intake_look(struct intake *intake, const struct config *config)
{
	char reason[REASON_SIZE];
	struct link link;
	int err = link_query(intake->name, &link);

	err = intake_examine(intake->name, &link, err,
			     !err && intake_wants_external(intake->name, &link, config), reason);

	intake->usable = !err;
	if (err)
		fail(intake, err, "%s", reason);
	return !err;
}

static int fail_worker(struct intake *intake, int err, unsigned int queue)
{
	const char *name = intake->name;

	/* Most likely by the one that we have just closed: it takes tens of milliseconds. */
	if (err == -EBUSY && !intake->patient && intake->tries < BUSY_TRIES)
		return err;
	switch (err) {
	case -EBUSY:
		return fail(intake, err,
			    "RX queue %u of %s is in use by another AF_XDP socket, "
			    "or by one that has just ended",
			    queue, name);
	case -ENOBUFS:
	case -ENOMEM:
		return fail(intake, err,
			    "no memory for the frames of %s queue %u: raise the memlock limit "
			    "(ulimit -l), grant CAP_IPC_LOCK, or lower workers.frames",
			    name, queue);
	case -EMFILE:
	case -ENFILE:
		return fail_resource(intake, err, "");
	default:
		return fail(intake, err, "no AF_XDP socket on %s queue %u", name, queue);
	}
}

static int open_workers(struct intake *intake, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, intake->name);
	unsigned int queues = intake->link.rx_queues;

	if (iface && iface->queues && iface->queues < queues)
		queues = iface->queues;
	intake->workers = calloc(queues, sizeof(*intake->workers));
	if (!intake->workers)
		return fail_worker(intake, -ENOMEM, 0);
	while (intake->nr_workers < queues) {
		const struct worker_options options = {
			.iface = intake->name,
			.queue = intake->nr_workers,
			.index = intake->first_worker + intake->nr_workers,
			.mtu = intake->link.mtu,
			.impatient = !intake->patient,
			.sizes = config->workers,
			.egress = config->egress,
		};
		int err = worker_open(&intake->workers[intake->nr_workers], &options);

		if (err)
			return fail_worker(intake, err, intake->nr_workers);
		intake->nr_workers++;
	}
	return 0;
}

static int open_external(struct intake *intake, const struct config *config)
{
	char folder[PINS_PATH_SIZE];
	char text[PINS_TEXT_SIZE];
	int err;

	pins_folder(intake->name, config_iface(config, intake->name), folder);
	err = steer_open_pinned(&intake->steer, folder, intake->link.ifindex, text);
	if (err) {
		fail(intake, err, "pinned maps of %s, %s: %s", intake->name, folder, text);
		/* A right to these maps is no right that the daemon cannot do without. */
		return err == -EBUSY ? err : -ENXIO;
	}
	intake->program = intake->link.xdp_program;
	return open_workers(intake, config);
}

static int open_parts(struct intake *intake, const struct config *config)
{
	int err = check_link(intake, config);

	if (err)
		return err;
	if (intake->external)
		return open_external(intake, config);
	err = steer_open(&intake->steer);
	if (err == -EPERM || err == -EACCES)
		return fail(intake, err,
			    "no right to load the XDP program: CAP_BPF, CAP_NET_ADMIN, and on "
			    "older kernels (6.1) CAP_PERFMON");
	if (err)
		return fail_resource(intake, err,
				     "the XDP program does not load: xmcastd -d tells more");
	intake->program = steer_program_id(intake->steer);
	return open_workers(intake, config);
}

int intake_open(struct intake *intake, const char *name, const struct config *config,
		unsigned int first_worker)
{
	snprintf(intake->name, sizeof(intake->name), "%s", name);
	intake->first_worker = first_worker;
	intake->patient = true;
	return open_parts(intake, config);
}

int intake_refuse(struct intake *intake, const char *name, const char *other)
{
	snprintf(intake->name, sizeof(intake->name), "%s", name);
	return fail(intake, -EBUSY,
		    "this xmcastd has interface %s by another of its names, %s: name it the same "
		    "way in all rules",
		    name, other);
}

int intake_reopen(struct intake *intake, const struct config *config)
{
	intake->patient = false;
	return open_parts(intake, config);
}

int intake_add_key(struct intake *intake, const struct rule *rule)
{
	struct xmc_rule_key key;

	rule_key(rule, &key);
	return steer_add_rule(intake->steer, &key, NULL);
}

int intake_remove_key(struct intake *intake, const struct rule *rule)
{
	struct xmc_rule_key key;

	rule_key(rule, &key);
	return steer_remove_rule(intake->steer, &key);
}

static int add_rules(struct intake *intake, struct stream *const *streams, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int err = intake_add_key(intake, &streams[i]->rule);

		if (err)
			return fail(intake, err, "rule %s does not fit the XDP map",
				    streams[i]->rule.name);
	}
	return 0;
}

int intake_start(struct intake *intake, struct stream *const *streams, unsigned int count)
{
	int err = ruleset_new(&intake->ruleset, streams, count);

	if (err)
		return fail(intake, err, "no memory for the rules of %s", intake->name);
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		struct worker *worker = intake->workers[i];

		err = worker_start(worker, intake->ruleset);
		if (err)
			return fail(intake, err, "the threads of %s queue %u do not start",
				    intake->name, worker_queue(worker));
		err = steer_set_socket(intake->steer, worker_queue(worker), worker_xsk_fd(worker));
		if (err)
			return fail(intake, err, "no place in the XSKMAP for queue %u of %s",
				    worker_queue(worker), intake->name);
	}
	return add_rules(intake, streams, count);
}

int intake_stage(struct intake *intake, struct stream *const *streams, unsigned int count)
{
	return ruleset_new(&intake->other, streams, count);
}

int intake_switch(struct intake *intake)
{
	struct ruleset *before = intake->ruleset;

	intake->ruleset = intake->other;
	intake->other = before;
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		int err = worker_update(intake->workers[i], intake->ruleset);

		if (err)
			return err;
	}
	return 0;
}

void intake_forget(struct intake *intake)
{
	ruleset_free(intake->other);
	intake->other = NULL;
}

/* What was got: one line per interface. */
static void log_port(const struct intake *intake)
{
	const struct worker *worker = intake->workers[0];
	struct utsname kernel;
	char hint[160];

	uname(&kernel);
	log_event(LOG_LEVEL_INFO, "interface-ready", LOG_IFACE(intake->name),
		  LOG_NAME("kernel", kernel.release),
		  LOG_NAME("xdp_mode", intake->mode == IFACE_MODE_NATIVE ? "native" : "skb"),
		  LOG_NAME("data", worker_zero_copy(worker) ? "zero-copy" : "copy"),
		  LOG_UINT("workers", intake->nr_workers), LOG_UINT("mtu", intake->link.mtu),
		  LOG_UINT("umem_bytes", intake->nr_workers * worker_memory(worker)),
		  LOG_NAME("huge_pages", worker_huge_pages(worker) ? "yes" : "no"),
		  LOG_NAME("engine", worker_engine(worker)),
		  LOG_NAME("attach", intake->external ? "external" : "own"));
	if (!intake->link.vlan_offload)
		return;
	snprintf(hint, sizeof(hint),
		 "tagged packets look untagged to XDP: if there are VLANs on %s, ethtool -K %s "
		 "rxvlan off",
		 intake->name, intake->name);
	log_info("vlan-offload", LOG_IFACE(intake->name), LOG_TEXT("hint", hint));
}

/* It relays, or would if packets came. */
static int attached(struct intake *intake)
{
	char text[REASON_SIZE];

	intake->attached = true;
	intake->failed = intake->impaired = intake->torn = false;
	intake->tries = 0;
	log_port(intake);
	/* Until a packet has come; intake_check() sees it. */
	if (intake->external && !intake_is_proven(intake, text))
		intake_impair(intake, text);
	return 0;
}

int intake_attach(struct intake *intake, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, intake->name);
	int err;

	if (intake->external) {
		intake->mode = intake->link.xdp_skb ? IFACE_MODE_SKB : IFACE_MODE_NATIVE;
		return attached(intake);
	}
	err = steer_attach(intake->steer, intake->link.ifindex,
			   iface ? iface->mode : IFACE_MODE_AUTO, &intake->mode);
	/* Somebody was faster than check_link(): a daemon, another tool, or who took it away? */
	if (err == -EBUSY || err == -EEXIST || err == -EINVAL || err == -ENODEV) {
		int again = check_link(intake, config);

		if (again)
			return again;
	}
	if (err == -EBUSY || err == -EEXIST)
		return fail(intake, -EEXIST, "another XDP program is attached to %s", intake->name);
	if (err)
		return fail_resource(intake, err,
				     "it takes no XDP program: try mode skb, or another driver");
	return attached(intake);
}

int intake_stop(struct intake *intake)
{
	int result = 0;

	if (intake->steer)
		steer_detach(intake->steer);
	intake->attached = false;
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		int err = worker_stop(intake->workers[i]);

		if (err)
			result = err;
	}
	return result;
}

void intake_close(struct intake *intake)
{
	intake_stop(intake);
	steer_close(intake->steer);
	for (unsigned int i = 0; i < intake->nr_workers; i++)
		worker_close(intake->workers[i]);
	free(intake->workers);
	ruleset_free(intake->ruleset);
	intake_forget(intake);
	intake->steer = NULL;
	intake->workers = NULL;
	intake->nr_workers = 0;
	intake->ruleset = NULL;
}
