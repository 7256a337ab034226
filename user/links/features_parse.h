/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing messages of generic netlink about the XDP features of devices: a message in, numbers out,
 * no I/O, no state. The message is one that message_next() has found. Any thread.
 *
 * Source: the kernel's Documentation/netlink/genetlink.rst and specs/netdev.yaml;
 * linux/genetlink.h. linux/netdev.h is newer (Linux 6.3) than the headers that we build with.
 */
#ifndef XMCAST_LINKS_FEATURES_PARSE_H
#define XMCAST_LINKS_FEATURES_PARSE_H

#include <stdbool.h>
#include <stdint.h>

struct nlmsghdr;

#define FEATURES_FAMILY "netdev"

/* Its messages about devices, and their attributes. */
enum {
	NETDEV_CMD_DEV_GET = 1,
	NETDEV_CMD_DEV_ADD_NTF = 2,
	NETDEV_CMD_DEV_CHANGE_NTF = 4,
};
enum {
	NETDEV_A_DEV_IFINDEX = 1,
	NETDEV_A_DEV_XDP_FEATURES = 3,
};

/* Bits of link.xdp_features: what a device can do with XDP (enum netdev_xdp_act). */
#define LINK_XDP_BASIC	   0x01 /* run a program natively */
#define LINK_XDP_NDO_XMIT  0x04 /* transmit frames that are redirected to it */
#define LINK_XDP_ZERO_COPY 0x08 /* AF_XDP sockets without copying */

/* The numbers that the kernel has given to the family. */
struct features_family {
	uint16_t id;	/* the type of its messages; 0: this kernel does not have it */
	uint32_t group; /* multicast group "mgmt": changes; 0: none */
};

/* Parse the answer to CTRL_CMD_GETFAMILY. 0; -EBADMSG: wrong lengths; -EPROTO: another message. */
int features_parse_family(const struct nlmsghdr *message, struct features_family *family);

/*
 * Parse a message of the family: the answer to a query, or the announcement of a new or changed
 * device. 1: *ifindex, *features; 0: another message; -EBADMSG: wrong lengths, or incomplete.
 */
int features_parse(const struct nlmsghdr *message, const struct features_family *family,
		   int *ifindex, uint64_t *features);

#endif
