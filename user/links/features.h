/* SPDX-License-Identifier: BSD-2-Clause */
/* The XDP features of devices (generic netlink family "netdev", Linux 6.3). Main thread; no
 * privilege. */
#ifndef XMCAST_LINKS_FEATURES_H
#define XMCAST_LINKS_FEATURES_H

#include "links/features_parse.h"

/*
 * The numbers of the family, or NULL: this kernel does not have it, or it could not be queried. It
 * is queried until there is an answer, and then never again: a kernel without the family would
 * start modprobe(8) each time.
 */
const struct features_family *features_family(void);

/* Query a device: bits LINK_XDP_…. 0; -EOPNOTSUPP: this kernel does not report them; -ENODEV: no
 * such device; other -errno: the question could not be answered. */
int features_query(int ifindex, uint64_t *features);

#endif
