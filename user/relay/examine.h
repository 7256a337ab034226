/* SPDX-License-Identifier: BSD-2-Clause */
/* Can an interface carry an intake, and with which settings? Asks the kernel, changes nothing. Main
 * thread. */
#ifndef XMCAST_RELAY_EXAMINE_H
#define XMCAST_RELAY_EXAMINE_H

#include "links/link.h"
#include "relay/reason.h"
#include "rules/config.h"

/*
 * The settings of an interface: its section under this name, otherwise that under another of its
 * names (an alternative one, say), otherwise the defaults.
 */
struct iface_config examine_settings(const struct config *config, const char *name, int ifindex);

/* Does an administrator attach the XDP program of this interface (setting `attach`), rather than
 * this daemon? With `attach: auto` this depends on what is attached and pinned now. */
bool examine_external(const struct link *link, const struct iface_config *settings);

/*
 * Why this interface cannot carry an intake, by our own program or by an external one. `link` is as
 * link_query() filled it; ifindex 0: it does not exist. 0: it can; otherwise -errno, and `reason`
 * says why and what to do.
 */
int examine(const struct link *link, bool external, char reason[REASON_SIZE]);

#endif
