/* SPDX-License-Identifier: BSD-2-Clause */
/* The capture of an intake's packets: of its workers, and of its steering program. */
#define LOG_FACILITY LOG_FACILITY_STEERING
#include "relay/intake.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "steering/tap.h"

/* The interface that receives what the kernel path carries. The members of a bond are not told
 * apart, because the counters of the kernel path are those of all of them. */
static const char *receiver_of(const struct intake *intake)
{
	return intake->nr_ports == 1 && !intake->on_members ? intake->ports[0].at.name
							    : intake->name;
}

/* ---- packets of the kernel path ---- */

/* Is the counter in this slot that of path i? */
static bool has_slot(const struct intake *intake, unsigned int i, uint32_t slot,
		     unsigned int *output)
{
	return i < intake->now.count &&
	       kernel_path_has_slot(intake->now.paths[i]->kernel, &intake->kernel, slot, output);
}

/* The path whose counter is in this slot, or NULL. Packets of one rule follow each other, so the
 * last few that were found are tried first. */
static const struct path *find_path(struct intake *intake, uint32_t slot, unsigned int *output)
{
	unsigned int *recent = &intake->captured_last[slot % INTAKE_CAPTURED_LAST];

	for (unsigned int i = 0; !has_slot(intake, *recent, slot, output); i++) {
		if (i >= intake->now.count)
			return NULL;
		*recent = i;
	}
	return intake->now.paths[*recent];
}

static void on_captured(void *context, const struct xmc_captured *packet)
{
	struct intake *intake = context;
	unsigned int output = 0;
	const struct path *path = find_path(intake, packet->tally, &output);
	const struct rule *rule = path ? path->rule : NULL;
	const char *iface =
		rule && packet->sent ? rule->outputs[output].iface : receiver_of(intake);

	capture_forwarded(intake->capture, packet, iface, rule, output);
}

bool intake_drain_capture(struct intake *intake)
{
	struct xmc_capture_tally counted;
	bool more;

	if (!intake->tap)
		return false;
	more = tap_drain(intake->tap);
	tap_count(intake->tap, &counted);
	capture_count(intake->capture, receiver_of(intake), &counted);
	return more;
}

void intake_close_tap(struct intake *intake)
{
	if (!intake->tap)
		return;
	tap_stop(intake->tap);
	while (intake_drain_capture(intake))
		;
	tap_close(intake->tap);
	intake->tap = NULL;
}

/* ---- beginning and end ---- */

static int open_tap(struct intake *intake, int epoll_fd)
{
	const struct capture_options *options = capture_options(intake->capture);
	const struct tap_options tap = {
		.rate = options->rate,
		.snap = options->snap < XMC_CAPTURE_LARGE ? options->snap : XMC_CAPTURE_LARGE,
		.captured = on_captured,
		.context = intake,
	};
	struct epoll_event event = {.events = EPOLLIN};
	int err = tap_open(&intake->tap, intake->steer, &tap);

	if (err)
		return err;
	if (!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, tap_fd(intake->tap), &event))
		return 0;
	err = -errno;
	intake_close_tap(intake);
	return err;
}

/* The rule's packets on the kernel path, or those of all rules. */
static void select_packets(const struct intake *intake)
{
	const char *rule = capture_options(intake->capture)->rule;
	uint32_t slot = *rule ? TAP_NONE : TAP_ALL;

	for (unsigned int i = 0; *rule && i < intake->now.count; i++) {
		const struct path *path = intake->now.paths[i];

		if (strcmp(path->rule->name, rule) == 0)
			kernel_path_slot(path->kernel, &intake->kernel, &slot);
	}
	tap_select(intake->tap, slot);
}

static int change(struct intake *intake, struct capture *capture)
{
	struct capture *before = intake->capture;
	int result = 0;

	intake_close_tap(intake);
	intake->capture = capture;
	for (unsigned int i = 0; i < intake->nr_workers && (!result || !capture); i++) {
		int err = worker_capture(intake->workers[i], capture);

		if (err)
			result = err;
	}
	/* A thread that is stuck may still use it: a second request gets the same answer. */
	if (result && !capture)
		intake->capture = before;
	return result;
}

int intake_capture(struct intake *intake, struct capture *capture, int epoll_fd)
{
	int err = intake->capture == capture ? 0 : change(intake, capture);

	if (err || !capture || !intake->steer)
		return err;
	if (!intake->tap)
		err = open_tap(intake, epoll_fd);
	if (err && err != -EOPNOTSUPP)
		log_debug("capture-failed", LOG_IFACE(intake->name), LOG_ERROR(err));
	if (intake->tap)
		select_packets(intake);
	return err == -ENOMEM ? err : 0;
}
