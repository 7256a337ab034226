/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of a port's interface while it runs. */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/port.h"

/* Below this IPv4 leaves an interface, and forgets its memberships (IPV4_MIN_MTU, RFC 791). */
#define IPV4_MIN_MTU 68

/* From one time that the program was attached again to the next, if another tool takes it off again
 * and again. */
#define ATTACH_EVERY_NS (NS_PER_SECOND / 2)

void port_impair(struct port *port, const char *impairment)
{
	char reason[REASON_SIZE] = "";
	struct event event;

	if (impairment)
		snprintf(reason, sizeof(reason), "interface %s %s", port->name, impairment);
	if (port->impaired == (impairment != NULL) &&
	    (!impairment || strcmp(reason, port->reason) == 0))
		return;
	port->impaired = impairment != NULL;
	memcpy(port->reason, reason, sizeof(reason));
	if (impairment)
		log_error("interface-impaired iface=%s reason=\"%s\"", port->name, reason);
	else
		log_info("interface-recovered iface=%s", port->name);
	event_init(&event, impairment ? "interface-impaired" : "interface-recovered", LOG_FACILITY,
		   EVENT_NOT_LOGGED);
	event_add_text(&event, "interface", port->name);
	event_add_text(&event, "reason", impairment ? reason : NULL);
	event_emit(port->events, &event);
}

static bool has_lost_device(const struct port *port)
{
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		if (worker_has_lost_device(port->workers[i]))
			return true;
	}
	return false;
}

/* What workers, sockets and memberships do not survive. */
static const char *find_loss(const struct port *port, const struct link *now, int err,
			     const struct config *config)
{
	const struct iface_config *iface = config_iface(config, port->name);
	unsigned int queues = now->rx_queues;

	if (err == -ENODEV)
		return "does not exist";
	if (now->ifindex != port->link.ifindex)
		return "is another one now";
	if (now->type != port->link.type)
		return "has another link type now";
	if (port->torn || has_lost_device(port))
		return "was taken away for a moment";
	if (now->mtu < IPV4_MIN_MTU || xsk_frame_size(now->mtu) == 0 ||
	    xsk_frame_size(now->mtu) > xsk_frame_size(port->link.mtu))
		return "has another MTU now";
	if (iface && iface->queues && iface->queues < queues)
		queues = iface->queues;
	if (queues != port->nr_workers)
		return "has another number of RX queues now";
	return NULL;
}

/* Attach the program again. NULL: it is; or why not. */
static const char *attach_again(struct port *port, const struct iface_config *iface, char *text,
				size_t size)
{
	struct link now;

	if (clock_ns() < port->retry_ns)
		return "has lost its XDP program";
	/* What is left of our link, which somebody may have given another program. */
	steer_detach(port->steer);
	if (link_query(port->name, &now))
		return "has lost its XDP program";
	if (now.xdp_program) {
		snprintf(text, size,
			 "has another XDP program (id %u): it is taken over again once that is "
			 "detached",
			 now.xdp_program);
		return text;
	}
	if (steer_attach(port->steer, port->link.ifindex, iface ? iface->mode : IFACE_MODE_AUTO,
			 &port->mode))
		return "has lost its XDP program, and does not take it again";
	port->attach_asked = false;
	port->retry_ns = clock_ns() + ATTACH_EVERY_NS;
	return NULL;
}

static void mend_program(struct port *port, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, port->name);
	char text[REASON_SIZE / 2];

	if (iface && iface->lost_program == LOST_PROGRAM_LEAVE && !port->attach_asked) {
		port_impair(port, "has lost its XDP program, and is left alone (lost_program: "
				  "leave): a reload attaches it again");
		return;
	}
	/* Told even if it is mended at once: somebody works against us. */
	if (!port->impaired)
		port_impair(port, "has lost its XDP program");
	port_impair(port, attach_again(port, iface, text, sizeof(text)));
}

const char *port_check(struct port *port, const struct config *config)
{
	struct link now;
	int err = link_query(port->name, &now);
	const char *loss;

	/* No descriptor, no memory: it is no worse than it was. */
	if (err && err != -ENODEV)
		return NULL;
	loss = find_loss(port, &now, err, config);
	if (loss)
		return loss;
	port->link.mtu = now.mtu;
	if (!now.up)
		port_impair(port, "is down: set it up");
	else if (port->external)
		return port_check_external(port, &now, config);
	else if (port->program && now.xdp_program != port->program)
		mend_program(port, config);
	else
		port_impair(port, NULL);
	return NULL;
}

void port_lose(struct port *port, const char *why)
{
	struct event event;

	port_close(port);
	port->failed = true;
	port->impaired = port->torn = false;
	port->tries = 0;
	snprintf(port->reason, sizeof(port->reason), "interface %s %s", port->name, why);
	log_error("interface-failed iface=%s error=\"%s\" reason=\"%s\"", port->name,
		  strerror(ENODEV), port->reason);
	event_init(&event, "interface-failed", LOG_FACILITY, EVENT_NOT_LOGGED);
	event_add_text(&event, "interface", port->name);
	event_add_text(&event, "reason", port->reason);
	event_emit(port->events, &event);
}
