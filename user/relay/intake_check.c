/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of an intake's interface while it runs. */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/intake.h"

/* Below this IPv4 leaves an interface, and forgets its memberships (IPV4_MIN_MTU, RFC 791). */
#define IPV4_MIN_MTU 68

/* From one time that the program was attached again to the next, if another tool takes it off again
 * and again. */
#define ATTACH_EVERY_NS (NS_PER_SECOND / 2)

void intake_impair(struct intake *intake, const char *impairment)
{
	char reason[REASON_SIZE] = "";

	if (impairment)
		snprintf(reason, sizeof(reason), "interface %s %s", intake->name, impairment);
	if (intake->impaired == (impairment != NULL) &&
	    (!impairment || strcmp(reason, intake->reason) == 0))
		return;
	intake->impaired = impairment != NULL;
	memcpy(intake->reason, reason, sizeof(reason));
	if (impairment)
		log_event(LOG_LEVEL_ERROR, "interface-impaired", LOG_IFACE(intake->name),
			  LOG_TEXT("reason", reason));
	else
		log_event(LOG_LEVEL_INFO, "interface-recovered", LOG_IFACE(intake->name));
}

static bool has_lost_device(const struct intake *intake)
{
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		if (worker_has_lost_device(intake->workers[i]))
			return true;
	}
	return false;
}

/* What workers, sockets and memberships do not survive. */
static const char *find_loss(const struct intake *intake, const struct link *now, int err,
			     const struct config *config)
{
	const struct iface_config *iface = config_iface(config, intake->name);
	unsigned int queues = now->rx_queues;

	if (err == -ENODEV)
		return "does not exist";
	if (now->ifindex != intake->link.ifindex)
		return "is another one now";
	if (now->type != intake->link.type)
		return "has another link type now";
	if (intake->torn || has_lost_device(intake))
		return "was taken away for a moment";
	if (now->mtu < IPV4_MIN_MTU || xsk_frame_size(now->mtu) == 0 ||
	    xsk_frame_size(now->mtu) > xsk_frame_size(intake->link.mtu))
		return "has another MTU now";
	if (iface && iface->queues && iface->queues < queues)
		queues = iface->queues;
	if (queues != intake->nr_workers)
		return "has another number of RX queues now";
	return NULL;
}

/* Attach the program again. NULL: it is; or why not. */
static const char *attach_again(struct intake *intake, const struct iface_config *iface, char *text,
				size_t size)
{
	struct link now;

	if (clock_ns() < intake->retry_ns)
		return "has lost its XDP program";
	/* What is left of our link, which somebody may have given another program. */
	steer_detach(intake->steer);
	if (link_query(intake->name, &now))
		return "has lost its XDP program";
	if (now.xdp_program) {
		snprintf(text, size,
			 "has another XDP program (id %u): it is taken over again once that is "
			 "detached",
			 now.xdp_program);
		return text;
	}
	if (steer_attach(intake->steer, intake->link.ifindex, iface ? iface->mode : IFACE_MODE_AUTO,
			 &intake->mode))
		return "has lost its XDP program, and does not take it again";
	intake->attach_asked = false;
	intake->retry_ns = clock_ns() + ATTACH_EVERY_NS;
	return NULL;
}

static void mend_program(struct intake *intake, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, intake->name);
	char text[REASON_SIZE / 2];

	if (iface && iface->lost_program == LOST_PROGRAM_LEAVE && !intake->attach_asked) {
		intake_impair(intake, "has lost its XDP program, and is left alone (lost_program: "
				      "leave): a reload attaches it again");
		return;
	}
	/* Told even if it is mended at once: somebody works against us. */
	if (!intake->impaired)
		intake_impair(intake, "has lost its XDP program");
	intake_impair(intake, attach_again(intake, iface, text, sizeof(text)));
}

const char *intake_check(struct intake *intake, const struct config *config)
{
	struct link now;
	int err = link_query(intake->name, &now);
	const char *loss;

	/* No descriptor, no memory: it is no worse than it was. */
	if (err && err != -ENODEV)
		return NULL;
	loss = find_loss(intake, &now, err, config);
	if (loss)
		return loss;
	intake->link.mtu = now.mtu;
	if (!now.up)
		intake_impair(intake, "is down: set it up");
	else if (intake->external)
		return intake_check_external(intake, &now, config);
	else if (intake->program && now.xdp_program != intake->program)
		mend_program(intake, config);
	else
		intake_impair(intake, NULL);
	return NULL;
}

void intake_lose(struct intake *intake, const char *why)
{
	intake_close(intake);
	intake->failed = true;
	intake->impaired = intake->torn = false;
	intake->tries = 0;
	snprintf(intake->reason, sizeof(intake->reason), "interface %s %s", intake->name, why);
	log_event(LOG_LEVEL_ERROR, "interface-failed", LOG_IFACE(intake->name), LOG_ERROR(-ENODEV),
		  LOG_TEXT("reason", intake->reason));
}
