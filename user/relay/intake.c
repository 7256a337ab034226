/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/intake.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/ruleset.h"
#include "relay/examine.h"
#include "relay/inheritance.h"
#include "relay/leases.h"
#include "relay/offloads.h"
#include "relay/vlans.h"

/* ---- states ---- */

#define TO(state) (1u << INTAKE_##state)

/* Which states may follow which: the arrows of intake.h. */
static const unsigned int allowed[] = {
	[INTAKE_NEW] = TO(OPEN) | TO(FAILED),
	[INTAKE_FAILED] = TO(OPEN) | TO(FAILED),
	[INTAKE_OPEN] = TO(STARTED) | TO(STOPPED),
	[INTAKE_STARTED] = TO(ATTACHED) | TO(STOPPED),
	[INTAKE_ATTACHED] = TO(IMPAIRED) | TO(LOST) | TO(STOPPED),
	[INTAKE_IMPAIRED] = TO(IMPAIRED) | TO(ATTACHED) | TO(LOST) | TO(STOPPED),
	[INTAKE_LOST] = TO(STOPPED),
	[INTAKE_STOPPED] = TO(FAILED) | TO(STOPPED),
};

static void set_state(struct intake *intake, enum intake_state state)
{
	assert(allowed[intake->state] & (1u << state));
	(void)allowed; /* without assertions */
	intake->state = state;
}

/* Note why it failed. It is tried again and again, so log only a new reason. */
static void report_failure(struct intake *intake, int err, const char *reason)
{
	if (strcmp(intake->reason, reason) == 0)
		return;
	memcpy(intake->reason, reason, sizeof(intake->reason));
	log_event(LOG_LEVEL_ERROR, "interface-failed", LOG_IFACE(intake->name), LOG_ERROR(err),
		  LOG_TEXT("reason", reason));
}

void intake_impair(struct intake *intake, const char *impairment)
{
	char reason[REASON_SIZE] = "";

	if (impairment)
		explain(reason, 0, "interface %s %s", intake->name, impairment);
	if (strcmp(reason, intake->reason) == 0)
		return;
	memcpy(intake->reason, reason, sizeof(reason));
	set_state(intake, impairment ? INTAKE_IMPAIRED : INTAKE_ATTACHED);
	if (impairment)
		log_event(LOG_LEVEL_ERROR, "interface-impaired", LOG_IFACE(intake->name),
			  LOG_TEXT("reason", reason));
	else
		log_event(LOG_LEVEL_INFO, "interface-recovered", LOG_IFACE(intake->name));
}

struct intake *intake_new(const char *name, int ifindex, struct redirects *redirects,
			  struct total_counts *totals)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	if (!intake)
		return NULL;
	snprintf(intake->name, sizeof(intake->name), "%s", name);
	intake->ifindex = ifindex;
	intake->kernel.redirects = redirects;
	intake->kernel.totals = totals;
	return intake;
}

bool intake_describe(struct intake *intake)
{
	const struct kernel_side before = intake->kernel;

	intake->kernel.steer = intake->steer;
	intake->kernel.ifindex = intake->ifindex;
	intake->kernel.mtu = intake->link.mtu;
	intake->kernel.skb = intake->mode == IFACE_MODE_SKB;
	intake->kernel.external = intake->external;
	return before.steer != intake->kernel.steer || before.ifindex != intake->kernel.ifindex ||
	       before.mtu != intake->kernel.mtu || before.skb != intake->kernel.skb ||
	       before.external != intake->kernel.external;
}

void intake_update(struct intake *intake)
{
	intake_describe(intake);
	for (unsigned int i = 0; i < intake->now.count; i++)
		kernel_path_update(intake->now.paths[i]->kernel);
}

/* ---- line-ups ---- */

int intake_stage(struct intake *intake, const struct tagged_path *paths, unsigned int count)
{
	int err = lineup_fill(&intake->other, paths, count);

	intake->switched = false;
	if (!err)
		lineup_join(&intake->other, &intake->kernel);
	return err;
}

int intake_switch(struct intake *intake)
{
	struct lineup before = intake->now;

	intake->now = intake->other;
	intake->other = before;
	intake->switched = !intake->switched;
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		int err = worker_update(intake->workers[i], intake->now.ruleset);

		if (err)
			return err;
	}
	return 0;
}

/* After the switch, so that no packet arrives for which the workers have no rule. */
int intake_take_keys(struct intake *intake, const struct path **failed)
{
	return lineup_take_keys(&intake->now, &intake->other, &intake->kernel, failed);
}

void intake_commit(struct intake *intake)
{
	if (intake->switched) {
		lineup_remove_keys(&intake->other, &intake->now, &intake->kernel);
		lineup_leave(&intake->other, &intake->now, &intake->kernel, true);
	}
	intake->switched = false;
	lineup_free(&intake->other);
}

int intake_revert(struct intake *intake)
{
	bool in_use = intake->switched;
	int err = 0;

	if (intake->switched) {
		lineup_return_keys(&intake->now, &intake->other, &intake->kernel);
		err = intake_switch(intake);
	}
	if (err)
		return err;
	lineup_leave(&intake->other, &intake->now, &intake->kernel, in_use);
	lineup_free(&intake->other);
	return 0;
}

/* ---- down ---- */

static int stop_parts(struct intake *intake)
{
	if (intake->steer)
		steer_detach(intake->steer);
	return intake_stop_ports(intake);
}

int intake_stop(struct intake *intake)
{
	int err;

	if (!intake_is_open(intake) || intake->state == INTAKE_STOPPED)
		return 0;
	set_state(intake, INTAKE_STOPPED);
	err = stop_parts(intake);
	for (unsigned int i = 0; i < intake->now.count; i++)
		kernel_path_settle(intake->now.paths[i]->kernel);
	return err;
}

/* Close whatever is open. No thread of it runs, so its counters are final. */
static void close_parts(struct intake *intake)
{
	uint64_t verdicts[XMC_REASONS];

	intake_audit_end(intake);
	intake_close_tap(intake);
	if (intake->steer && !steer_verdicts(intake->steer, verdicts))
		totals_add_steered(intake->kernel.totals, verdicts);
	lineup_dismiss(&intake->now, &intake->kernel);
	lineup_dismiss(&intake->other, &intake->kernel);
	redirects_forget(intake->kernel.redirects, intake->kernel.ifindex);
	if (intake->steer)
		leases_remove_reader(intake->kernel.leases, steer_leases(intake->steer));
	steer_close(intake->steer);
	intake_close_ports(intake);
	offloads_release(intake->offloads, intake);
	intake->steer = NULL;
	intake->adopted = false;
	intake_describe(intake);
	lineup_free(&intake->now);
	lineup_free(&intake->other);
}

void intake_lose(struct intake *intake, const char *why)
{
	set_state(intake, INTAKE_LOST);
	intake->loss = why;
}

void intake_give_up(struct intake *intake, const char *why)
{
	char reason[REASON_SIZE];

	close_parts(intake);
	set_state(intake, INTAKE_FAILED);
	backoff_forget(&intake->backoff);
	explain(reason, -ENODEV, "interface %s %s", intake->name, why);
	report_failure(intake, -ENODEV, reason);
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	stop_parts(intake);
	close_parts(intake);
	free(intake);
}

/* ---- up ---- */

/* In skb mode, a packet above the MTU has been merged, or comes from a local sender that leaves it
 * to the device to cut it. */
int intake_set_capacity(struct intake *intake)
{
	uint32_t capacity = UINT32_MAX & ~XMC_ONE_BUFFER;
	bool one_buffer = false;

	if (intake->mode == IFACE_MODE_SKB)
		capacity = intake->link.mtu + XSK_LINK_OVERHEAD;
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		if (xsk_capacity(worker_xsk(intake->workers[i])) < capacity)
			capacity = xsk_capacity(worker_xsk(intake->workers[i]));
		one_buffer |= !xsk_has_pieces(worker_xsk(intake->workers[i]));
	}
	if (one_buffer)
		capacity |= XMC_ONE_BUFFER;
	return steer_set_capacity(intake->steer, capacity);
}

/* Load our program, or open the maps of an external one. */
static int open_program(struct intake *intake, const struct inheritance *inheritance,
			char why[REASON_SIZE])
{
	char directory[PINS_PATH_SIZE];
	char text[PINS_TEXT_SIZE];
	int err;

	intake->jumbo = xsk_is_jumbo(intake->link.mtu);
	if (intake->external) {
		pins_directory(intake->name, &intake->settings, directory);
		intake->program = intake->link.xdp_program;
		/* On a bond the program has seen the index of a member:
		 * intake_check_external(). */
		err = steer_open_pinned(&intake->steer, directory,
					link_is_bond(&intake->link) ? 0 : intake->ifindex, text);
		if (!err)
			return 0;
		explain(why, err, "pinned maps of %s, %s: %s", intake->name, directory, text);
		report_failure(intake, err, why);
		why[0] = '\0';
		/* A missing right to these maps concerns this interface only. */
		return err == -EBUSY ? err : -ENXIO;
	}
	err = steer_open_after(&intake->steer, intake->jumbo,
			       intake->adopted ? inheritance_steering(inheritance, intake->ifindex)
					       : NULL);
	if (err == -EPERM || err == -EACCES)
		return explain(why, err,
			       "no right to load the XDP program: CAP_BPF, CAP_NET_ADMIN");
	if (err)
		return intake_explain_shortage(
			why, err, intake->name,
			"the XDP program does not load: xmcastd -d shows more");
	intake->program = steer_program_id(intake->steer);
	return 0;
}

/* The mode that the program will have, as far as that is known before it is attached. */
static int prevent_merging(struct intake *intake, const struct link *now, char why[REASON_SIZE])
{
	enum iface_mode mode = intake->settings.mode;

	if (intake->external)
		mode = now->xdp_skb ? IFACE_MODE_SKB : IFACE_MODE_NATIVE;
	return intake_prevent_merging(intake, now, mode, why);
}

/* Query the interface: can it carry an intake? */
static int examine_now(struct intake *intake, const struct intake_means *means,
		       char why[REASON_SIZE])
{
	int err = link_query(intake->name, &intake->link);

	if (err && err != -ENODEV)
		return explain(why, err, "interface %s cannot be queried", intake->name);
	intake->ifindex = intake->link.ifindex;
	intake->settings = examine_settings(means->config, intake->name, intake->ifindex);
	/* The program is that of the predecessor, whose place ours takes. */
	if (inheritance_steering(means->inheritance, intake->ifindex))
		intake->link.xdp_program = 0;
	intake->external = intake->ifindex && examine_external(&intake->link, &intake->settings);
	err = examine(&intake->link, intake->external, why);
	if (!err)
		err = prevent_merging(intake, &intake->link, why);
	if (err)
		return err;
	if (intake->settings.offloads == OFFLOADS_MANAGE)
		vlans_keep_tags(intake->offloads, intake, &intake->link);
	return vlans_check(&intake->link, intake->settings.mode, OFFLOADS_REPORT, why);
}

static int attach_program(struct intake *intake, const struct intake_means *means,
			  char why[REASON_SIZE])
{
	enum iface_mode wanted;
	int err;

	/* The predecessor's is attached, and goes on until our keys are there (add_keys()). */
	if (intake->adopted) {
		err = steer_set_mode(intake->steer, intake->mode);
		return err ? explain(why, err, "the maps of %s cannot be written", intake->name)
			   : 0;
	}
	if (intake->external) {
		intake->mode = intake->link.xdp_skb ? IFACE_MODE_SKB : IFACE_MODE_NATIVE;
		err = steer_set_mode(intake->steer, intake->mode);
		return err ? explain(why, err, "the pinned maps of %s cannot be written",
				     intake->name)
			   : 0;
	}
	wanted = intake->fallback == FALLBACK_SKB ? IFACE_MODE_SKB : intake->settings.mode;
	err = steer_attach(intake->steer, intake->ifindex, wanted, &intake->mode);
	/* Something has changed since the interface was examined: examine it again to find the
	 * reason. */
	if (err == -EBUSY || err == -EEXIST || err == -EINVAL || err == -ENODEV) {
		int again = examine_now(intake, means, why);

		if (again)
			return again;
	}
	if (err == -EBUSY || err == -EEXIST)
		return explain(why, -EEXIST,
			       "another XDP program is attached to %s, or to an interface on it, "
			       "such as a VLAN",
			       intake->name);
	if (err && intake->settings.mode == IFACE_MODE_NATIVE)
		return intake_explain_shortage(
			why, err, intake->name,
			"the driver does not support native XDP: try `mode: skb`");
	if (err)
		return intake_explain_shortage(why, err, intake->name,
					       "the driver accepts no XDP program");
	/* In skb mode XDP may see less than in the mode for which it was examined. */
	err = vlans_check(&intake->link, intake->mode, OFFLOADS_REPORT, why);
	intake->hides_tags = err == -EOPNOTSUPP;
	return err;
}

/* Can the program of the predecessor be replaced by ours, once that is loaded? */
static void look_for_program(struct intake *intake, const struct inheritance *inheritance)
{
	const struct steer_adoption *from = inheritance_steering(inheritance, intake->ifindex);

	intake->adopted = from && !intake->external && steer_is_attached(from, intake->ifindex);
	if (intake->adopted)
		intake->mode = from->mode;
}

static int place_program(struct intake *intake, const struct intake_means *means,
			 char why[REASON_SIZE])
{
	int err = open_program(intake, means->inheritance, why);

	if (!err && leases_add_reader(intake->kernel.leases, steer_leases(intake->steer)))
		err = explain(why, -ENOMEM, "no memory for the leases of %s", intake->name);
	return err ? err : attach_program(intake, means, why);
}

static int open_parts(struct intake *intake, const struct intake_means *means,
		      char why[REASON_SIZE])
{
	int err = examine_now(intake, means, why);

	if (!err)
		err = intake_limit_queues(intake, why);
	if (err)
		return err;
	look_for_program(intake, means->inheritance);
	if (!intake->adopted || inheritance_is_running(means->inheritance))
		err = place_program(intake, means, why);
	if (!err)
		err = intake_open_ports(intake, means, why);
	if (!err)
		set_state(intake, INTAKE_OPEN);
	return err;
}

static int start(struct intake *intake, const struct intake_means *means, char why[REASON_SIZE])
{
	int err = lineup_fill(&intake->now, means->paths, means->nr_paths);

	if (err)
		return explain(why, err, "no memory for the rules of %s", intake->name);
	intake_start_ports(intake);
	set_state(intake, INTAKE_STARTED);
	return 0;
}

/* One line with everything that was detected. */
static void log_ready(const struct intake *intake)
{
	const struct worker *worker = intake->workers[0];
	struct utsname kernel;
	char hint[160];

	uname(&kernel);
	log_event(LOG_LEVEL_INFO, "interface-ready", LOG_IFACE(intake->name),
		  LOG_NAME("kernel", kernel.release),
		  LOG_NAME("xdp_mode", intake->mode == IFACE_MODE_NATIVE ? "native" : "skb"),
		  LOG_NAME("data", xsk_zero_copy(worker_xsk(worker)) ? "zero-copy" : "copy"),
		  LOG_UINT("workers", intake->nr_workers), LOG_UINT("mtu", intake->link.mtu),
		  LOG_UINT("umem_bytes", intake->nr_workers * xsk_memory_size(worker_xsk(worker))),
		  LOG_NAME("huge_pages", xsk_huge_pages(worker_xsk(worker)) ? "yes" : "no"),
		  LOG_NAME("engine", worker_engine(worker)),
		  LOG_NAME("attach", intake->external ? "external" : "own"));
	if (!ethtool_feature_is(intake->link.offloads.active, ETHTOOL_RX_VLAN))
		return;
	snprintf(hint, sizeof(hint),
		 "tagged packets look untagged to XDP: if there are VLANs on %s, ethtool -K %s "
		 "rxvlan off",
		 intake->name, intake->name);
	log_info("vlan-offload", LOG_IFACE(intake->name), LOG_TEXT("hint", hint));
}

/* The keys come last: now packets are steered. */
static int add_keys(struct intake *intake, const struct intake_means *means, char why[REASON_SIZE])
{
	const struct lineup none = {};
	const struct path *failed;
	int err = 0;

	if (!intake->steer)
		err = place_program(intake, means, why);
	if (!err)
		err = intake_steer_ports(intake, why);
	if (err)
		return err;
	err = intake_set_capacity(intake);
	if (err)
		return explain(why, err, "the maps of %s cannot be written", intake->name);
	intake_describe(intake);
	lineup_join(&intake->now, &intake->kernel);
	if (intake->mode == IFACE_MODE_SKB)
		err = intake_prevent_merging(intake, &intake->link, intake->mode, why);
	if (err)
		return err;
	err = lineup_take_keys(&intake->now, &none, &intake->kernel, &failed);
	if (err)
		return explain(why, err, "rule %s does not fit the XDP map", failed->rule->name);
	/* From one packet to the next. */
	err = intake->adopted ? steer_replace(intake->steer) : 0;
	if (err)
		return explain(why, err, "the XDP program of %s cannot be replaced", intake->name);
	set_state(intake, INTAKE_ATTACHED);
	intake_audit(intake);
	intake->reason[0] = '\0';
	backoff_succeeded(&intake->backoff, clock_ns());
	log_ready(intake);
	intake_note_place(intake, &intake->link);
	if (intake->external)
		intake_check_external(intake);
	return 0;
}

int intake_bring_up(struct intake *intake, enum intake_state state,
		    const struct intake_means *means)
{
	char why[REASON_SIZE] = "";
	int err = 0;

	while (!err && intake->state < state) {
		if (intake->state == INTAKE_STARTED)
			err = add_keys(intake, means, why);
		else if (intake->state == INTAKE_OPEN)
			err = start(intake, means, why);
		else
			err = open_parts(intake, means, why);
	}
	if (!err)
		return 0;
	stop_parts(intake);
	close_parts(intake);
	intake->state = INTAKE_FAILED; /* whichever step has failed */
	backoff_failed(&intake->backoff, clock_ns(), err == -EBUSY);
	if (*why)
		report_failure(intake, err, why);
	return err;
}

bool intake_has_index(const struct intake *intake, int ifindex)
{
	for (unsigned int i = 0; i < intake->nr_ports; i++) {
		if (intake->ports[i].at.ifindex == ifindex)
			return true;
	}
	return intake->ifindex == ifindex;
}

bool intake_can_open(struct intake *intake, const struct link *now, const struct config *config)
{
	char why[REASON_SIZE];
	int err;

	intake->settings = examine_settings(config, intake->name, now->ifindex);
	intake->external = now->ifindex && examine_external(now, &intake->settings);
	intake->ifindex = now->ifindex;
	err = examine(now, intake->external, why);
	if (!err)
		err = prevent_merging(intake, now, why);
	if (!err)
		err = vlans_check(now, intake->hides_tags ? IFACE_MODE_SKB : intake->settings.mode,
				  intake->settings.offloads, why);
	if (err)
		report_failure(intake, err, why);
	return !err;
}
