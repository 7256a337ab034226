/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing what rtnetlink says about virtual links (IFLA_LINKINFO): their kind, bonds with their
 * members, and VLANs. As link_parse.h, of which it is a part. Any thread.
 *
 * Source: linux/if_link.h; bond_fill_info() in drivers/net/bonding/bond_netlink.c.
 */
#ifndef XMCAST_LINKS_LINKINFO_PARSE_H
#define XMCAST_LINKS_LINKINFO_PARSE_H

#include <libmnl/libmnl.h>

struct link;

/* Parse the attribute IFLA_LINKINFO into `link`. As mnl_attr_cb_t: MNL_CB_OK or MNL_CB_ERROR. */
int linkinfo_parse(const struct nlattr *attr, struct link *link);

#endif
