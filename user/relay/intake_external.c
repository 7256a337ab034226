/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports whose program somebody else attaches: when, and what becomes of it. */
#include <stdio.h>

#include "relay/intake.h"

/* Of a folder's path, in a reason. */
#define FOLDER_SHOWN 60

bool intake_wants_external(const char *name, const struct link *link, const struct config *config)
{
	const struct iface_config *iface = config_iface(config, name);
	char folder[PINS_PATH_SIZE];

	if (iface && iface->attach != IFACE_ATTACH_AUTO)
		return iface->attach == IFACE_ATTACH_EXTERNAL;
	pins_folder(name, iface, folder);
	return link->xdp_program && !steer_is_ours(link->xdp_program) && pins_exist(folder);
}

bool intake_is_proven(const struct intake *intake, char text[REASON_SIZE])
{
	const struct pins *pins = steer_pins(intake->steer);
	char why[PINS_TEXT_SIZE];

	if (pins_check_interface(pins, intake->link.ifindex, why))
		snprintf(text, REASON_SIZE, "has pinned maps in %.*s that are not its own: %.150s",
			 FOLDER_SHOWN, pins->folder, why);
	else if (pins_interface(pins) != (uint32_t)intake->link.ifindex)
		snprintf(text, REASON_SIZE,
			 "has an XDP program (id %u) of which no packet has shown yet that it uses "
			 "the maps in %.*s",
			 intake->program, FOLDER_SHOWN, pins->folder);
	else
		return true;
	return false;
}

const char *intake_check_external(struct intake *intake, const struct link *now,
				  const struct config *config)
{
	const struct iface_config *iface = config_iface(config, intake->name);
	char text[REASON_SIZE];

	if (!pins_are_current(steer_pins(intake->steer)))
		return "has other pinned maps now, or none";
	/* Also if a dispatcher was replaced, in which ours may be or not. What a packet says after
	 * there was none at all, holds. */
	if (intake->program && intake->program != now->xdp_program)
		pins_forget_interface(steer_pins(intake->steer));
	intake->program = now->xdp_program;
	if (!now->xdp_program) {
		if (!iface || (iface->attach == IFACE_ATTACH_AUTO &&
			       iface->lost_program == LOST_PROGRAM_REATTACH))
			return "has lost the XDP program that somebody else attached";
		intake_impair(intake, "has lost the XDP program that somebody else attached: load "
				      "xmcast.bpf.o with xdp-loader again");
	} else {
		intake->mode = now->xdp_skb ? IFACE_MODE_SKB : IFACE_MODE_NATIVE;
		intake_impair(intake, intake_is_proven(intake, text) ? NULL : text);
	}
	return NULL;
}
