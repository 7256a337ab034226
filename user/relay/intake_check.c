/* SPDX-License-Identifier: BSD-2-Clause */
/* intake_check(): the state of a running intake's interface. */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/xsk.h"
#include "relay/intake.h"
#include "relay/merging.h"
#include "relay/vlans.h"

/* Least time between attaching a lost program and attaching it again, in case another tool keeps
 * removing it. */
#define ATTACH_EVERY_NS (NS_PER_SECOND / 2)

/* Characters of a directory's path that a reason shows. */
#define DIRECTORY_SHOWN 60

/* The devices below an interface are looked for again after this time even if no change of them was
 * announced, because an announcement may be lost. */
#define BELOW_EVERY_NS (5 * NS_PER_SECOND)

int intake_prevent_merging(struct intake *intake, const struct link *now, enum iface_mode mode,
			   char why[REASON_SIZE])
{
	if (!now->ifindex || !merging_is_possible(now, mode))
		return 0;
	/* If the query fails, what was found so far is checked. */
	if (clock_ns() >= intake->below_ns && !below_query(now, &intake->below))
		intake->below_ns = clock_ns() + BELOW_EVERY_NS;
	return merging_prevent(&intake->below, now->name, intake->settings.offloads,
			       intake->offloads, intake, why);
}

/* The bridge or bond of which the link is a port. False: it is not. */
static bool find_master(const struct link *link, struct link *master)
{
	char name[IF_NAMESIZE];

	return link->master && if_indextoname((unsigned int)link->master, name) &&
	       !link_query(name, master);
}

static void note_master(struct intake *intake, const struct link *master, bool known)
{
	if (strcmp(master->kind, LINK_KIND_BRIDGE) == 0) {
		explain(intake->hint, 0,
			"%s is a port of the bridge %s: it answers no membership queries, so that "
			"a snooping switch ends the stream, and other ports of the bridge no "
			"longer receive it: name %s in the rules",
			intake->name, master->name, master->name);
		if (!known)
			log_warning("bridge-port", LOG_IFACE(intake->name),
				    LOG_NAME("bridge", master->name),
				    LOG_TEXT("hint", intake->hint));
	} else if (link_is_bond(master)) {
		explain(intake->hint, 0,
			"%s is a member of the bond %s: what arrives by other members is not "
			"relayed, and the bond no longer receives the stream: name %s in the rules",
			intake->name, master->name, master->name);
		if (!known)
			log_warning("bond-port", LOG_IFACE(intake->name),
				    LOG_NAME("bond", master->name), LOG_TEXT("hint", intake->hint));
	}
}

void intake_note_place(struct intake *intake, const struct link *now)
{
	bool known = *intake->hint;
	struct link master;

	intake->hint[0] = '\0';
	if (find_master(now, &master))
		note_master(intake, &master, known);
	if (link_is_bond(now) && !intake->on_members && intake->settings.mode == IFACE_MODE_AUTO)
		explain(intake->hint, 0,
			"the members of %s, or its mode, do not support native XDP: skb mode is "
			"slower, see docs/network-cards.md",
			intake->name);
}

bool intake_is_above(struct intake *intake, const struct link *changed)
{
	if (changed->ifindex != intake->ifindex && !below_has(&intake->below, changed->ifindex) &&
	    (!changed->master ||
	     (changed->master != intake->ifindex && !below_has(&intake->below, changed->master))))
		return false;
	intake->below_ns = 0;
	return true;
}

/* Its program is in skb mode for certain. */
static bool receives_merged(struct intake *intake, const struct link *now)
{
	char why[REASON_SIZE];

	return intake->mode == IFACE_MODE_SKB &&
	       intake_prevent_merging(intake, now, IFACE_MODE_SKB, why);
}

static bool has_lost_device(const struct intake *intake)
{
	/* Of a bond, only the workers of a deleted member are closed: intake_follow_ports(). */
	for (unsigned int i = 0; !intake->on_members && i < intake->nr_workers; i++) {
		if (xsk_has_lost_device(worker_xsk(intake->workers[i])))
			return true;
	}
	return false;
}

/* Would untagged rules take packets of VLANs now? */
static bool hides_tags(const struct intake *intake, const struct link *now)
{
	char reason[REASON_SIZE];
	struct link link = *now;

	if (intake->settings.offloads == OFFLOADS_MANAGE)
		vlans_keep_tags(intake->offloads, intake, &link);
	return vlans_check(&link, intake->mode, OFFLOADS_REPORT, reason) == -EOPNOTSUPP;
}

/* Has anything happened that workers, sockets or memberships do not survive? NULL: no. */
static const char *find_loss(struct intake *intake, const struct link *now)
{
	if (!now->ifindex)
		return "does not exist";
	if (now->ifindex != intake->ifindex)
		return "was replaced by another one";
	if (now->type != intake->link.type)
		return "has another link type now";
	if (intake->state == INTAKE_LOST)
		return intake->loss;
	if (has_lost_device(intake))
		return "was removed for a moment";
	if (now->mtu < IPV4_MIN_MTU || xsk_is_jumbo(now->mtu) != intake->jumbo ||
	    xsk_frame_size(now->mtu) > xsk_frame_size(intake->link.mtu))
		return "has another MTU now";
	if (receives_merged(intake, now))
		return "receives merged datagrams now";
	if (hides_tags(intake, now))
		return "hides the tags of its VLANs now";
	return NULL;
}

/* Attach the program in the mode that it had; if the driver refuses native mode now, in skb mode,
 * in which the kernel path can carry less. */
static int attach_in_mode(struct intake *intake)
{
	enum iface_mode *mode = &intake->mode;
	int err = steer_attach(intake->steer, intake->ifindex, *mode, mode);

	if (!err || *mode == IFACE_MODE_SKB || intake->settings.mode != IFACE_MODE_AUTO)
		return err;
	*mode = IFACE_MODE_SKB;
	err = intake_set_capacity(intake);
	if (err)
		return err;
	intake_update(intake);
	return steer_attach(intake->steer, intake->ifindex, IFACE_MODE_AUTO, mode);
}

/* Attach the program again. NULL: it is attached; otherwise why not. */
static const char *attach_again(struct intake *intake, char text[REASON_SIZE])
{
	struct link now;

	if (clock_ns() < intake->attach_ns)
		return "has lost its XDP program";
	/* Drop our link first: another tool may have put its own program into it. */
	steer_detach(intake->steer);
	if (link_query(intake->name, &now))
		return "has lost its XDP program";
	if (now.xdp_program) {
		explain(text, 0,
			"has another XDP program (id %u): ours is attached again once that is "
			"detached",
			now.xdp_program);
		return text;
	}
	if (attach_in_mode(intake))
		return "has lost its XDP program, and does not accept it again";
	intake->attach_ns = clock_ns() + ATTACH_EVERY_NS;
	return NULL;
}

static void recover_program(struct intake *intake, bool asked)
{
	char text[REASON_SIZE];

	if (intake->settings.lost_program == LOST_PROGRAM_LEAVE && !asked) {
		intake_impair(intake, "has lost its XDP program, and stays without (lost_program: "
				      "leave): a reload attaches it again");
		return;
	}
	/* Logged even if it can be attached again at once, because another tool removes it. */
	if (intake->state == INTAKE_ATTACHED)
		intake_impair(intake, "has lost its XDP program");
	intake_impair(intake, attach_again(intake, text));
}

void intake_check_external(struct intake *intake)
{
	const struct pins *pins = steer_pins(intake->steer);
	uint32_t seen = pins_interface(pins);
	char why[PINS_TEXT_SIZE];
	char text[REASON_SIZE];

	if (seen && intake_has_index(intake, (int)seen))
		text[0] = '\0';
	else if (pins_check_interface(pins, intake->ifindex, why))
		explain(text, 0, "has pinned maps in %.*s that are not its own: %.150s",
			DIRECTORY_SHOWN, pins->directory, why);
	else
		explain(text, 0,
			"has an XDP program (id %u), but no packet has shown yet that it uses the "
			"maps in %.*s",
			intake->program, DIRECTORY_SHOWN, pins->directory);
	intake_impair(intake, *text ? text : NULL);
}

static void set_mode(struct intake *intake, enum iface_mode mode)
{
	int err = 0;

	if (mode == intake->mode)
		return;
	err = steer_set_mode(intake->steer, mode);
	if (err)
		return;
	intake->mode = mode;
	err = intake_set_capacity(intake);
	if (err)
		log_debug("capacity-failed", LOG_IFACE(intake->name), LOG_ERROR(err));
}

/* As intake_check(), of an external program. */
static const char *check_external(struct intake *intake, const struct link *now)
{
	const struct iface_config *settings = &intake->settings;

	if (!pins_are_current(steer_pins(intake->steer)))
		return "has other pinned maps now, or none";
	/* The program or its dispatcher was replaced: packets have to prove again that it uses our
	 * maps. */
	if (intake->program && intake->program != now->xdp_program)
		pins_forget_interface(steer_pins(intake->steer));
	intake->program = now->xdp_program;
	if (now->xdp_program) {
		set_mode(intake, now->xdp_skb ? IFACE_MODE_SKB : IFACE_MODE_NATIVE);
		intake_check_external(intake);
		return NULL;
	}
	if (settings->attach == IFACE_ATTACH_AUTO &&
	    settings->lost_program == LOST_PROGRAM_REATTACH)
		return "has lost the XDP program that somebody else attached";
	intake_impair(intake, "has lost the XDP program that somebody else attached: load "
			      "xmcast.bpf.o with xdp-loader again");
	return NULL;
}

/* As intake_check(), of our own program. */
static void check_own(struct intake *intake, const struct link *now, bool asked)
{
	if (intake->program && now->xdp_program != intake->program)
		recover_program(intake, asked);
	else
		intake_impair(intake, NULL);
}

const char *intake_check(struct intake *intake, const struct link *now, bool asked,
			 const struct intake_means *means)
{
	const char *loss = find_loss(intake, now);
	char down[REASON_SIZE];

	if (loss)
		return loss;
	if (intake->link.mtu != now->mtu) {
		intake->link.mtu = now->mtu;
		if (intake_set_capacity(intake))
			return "has maps that cannot be written";
	}
	if (intake->link.master != now->master) {
		intake->link.master = now->master;
		intake_note_place(intake, now);
	}
	if (!now->up) {
		explain(down, 0, "is down: run \"ip link set %s up\"", intake->name);
		intake_impair(intake, down);
		return NULL;
	}
	if (intake->external)
		loss = check_external(intake, now);
	else
		check_own(intake, now, asked);
	/* Without the program the driver may have fewer RX queues. */
	return loss || !now->xdp_program || now->xdp_program != intake->program
		       ? loss
		       : intake_follow_ports(intake, now, means);
}
