/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing rtnetlink messages: bytes in, a struct out, no I/O, no state. Every length and every
 * attribute's type is checked, as if anybody could have sent the message. Any thread.
 *
 * Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h.
 */
#ifndef XMCAST_LINKS_LINK_PARSE_H
#define XMCAST_LINKS_LINK_PARSE_H

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "links/ethtool_features.h"
#include "links/features_parse.h"
#include "links/next_hop_parse.h"

/* Alternative names that are kept. Names too long for a rule are left out. */
#define LINK_ALTERNATIVES 8

/* Kinds of virtual links, as the kernel names them (IFLA_INFO_KIND). */
#define LINK_KIND_SIZE	 16
#define LINK_KIND_BOND	 "bond"
#define LINK_KIND_TEAM	 "team"
#define LINK_KIND_BRIDGE "bridge"
#define LINK_KIND_VLAN	 "vlan"
#define LINK_KIND_VETH	 "veth"
#define LINK_KIND_TUN	 "tun"

/* BOND_MODE_… of linux/if_bonding.h, which cannot be included beside net/if.h. */
enum link_bond_mode {
	LINK_BOND_BALANCE_RR,
	LINK_BOND_ACTIVE_BACKUP,
	LINK_BOND_BALANCE_XOR,
	LINK_BOND_BROADCAST,
	LINK_BOND_8023AD,
	LINK_BOND_BALANCE_TLB,
	LINK_BOND_BALANCE_ALB,
};

struct link {
	char name[IF_NAMESIZE];
	/* Its alternative names ("ip link property add … altname"); unused entries are empty. */
	char alternatives[LINK_ALTERNATIVES][IF_NAMESIZE];
	bool more_names; /* it has further names, for which there was no room */
	int ifindex;
	unsigned short type;	 /* ARPHRD_ETHER, ARPHRD_NONE, …: the header of its frames */
	unsigned int mtu;	 /* bytes of the IP packet */
	uint8_t mac[MAC_LENGTH]; /* of the interface; all zero: it has no Ethernet address */
	bool up;      /* IFF_UP: enabled by the administrator; the carrier may be missing */
	bool carrier; /* IFF_LOWER_UP: the driver has a carrier, and its lower interface is up */
	unsigned int rx_queues;
	char kind[LINK_KIND_SIZE]; /* "bond", "vlan", "veth", …; empty: hardware, or too long */
	int master; /* ifindex of the bond, bridge, … of which it is a port; 0: of none */
	/* IFLA_LINK: the link on which it is stacked, or a veth's peer; 0: none, or in another
	 * network namespace. */
	int lower;
	uint16_t vlan_id;	/* of a VLAN, on `lower` */
	bool vlan_8021ad;	/* likewise: its tags are those of 802.1ad, otherwise of 802.1Q */
	uint8_t bond_mode;	/* of a bond: enum link_bond_mode */
	bool bond_delivers_all; /* of a bond: also what backup members receive (all_slaves_active)
				 */
	bool in_bond;		/* it is a member of a bond, its `master` */
	bool bond_backup;	/* of a member: the bond does not use it now */
	uint32_t xdp_program;	/* id of an attached XDP program, 0: none */
	bool xdp_skb;		/* that program runs in skb mode */
	struct ethtool_features offloads;
	uint64_t xdp_features; /* bits LINK_XDP_… */
	bool features_known; /* false: xdp_features is 0, because the kernel does not report them */
};

/* Whether this is one of its names. True as well if it has more names than are kept here. */
bool link_may_be_called(const struct link *link, const char *name);

/* Is it a bond? */
bool link_is_bond(const struct link *link);

enum link_event_kind {
	LINK_EVENT_OTHER,   /* nothing of interest */
	LINK_EVENT_CHANGED, /* RTM_NEWLINK: `link` is its new state */
	LINK_EVENT_GONE,    /* RTM_DELLINK: it was removed, or moved to another namespace */
	LINK_EVENT_ADDRESS, /* an address was added or removed; of `link` only ifindex is set */
	LINK_EVENT_ROUTE, /* a route, a rule or a next hop object has changed; nothing of `link` is
			     set */
	LINK_EVENT_NEIGHBOUR, /* the state or MAC address of `neighbour` has changed */
	LINK_EVENT_FEATURES,  /* the XDP features of a device; of `link` only they and ifindex are
				 set */
	LINK_EVENT_ERROR,     /* NLMSG_ERROR: `error` */
	LINK_EVENT_OVERRUN,   /* NLMSG_OVERRUN: messages were lost */
};

struct link_event {
	enum link_event_kind kind;
	int error;		    /* LINK_EVENT_ERROR: 0 (an acknowledgement) or -errno */
	struct neighbour neighbour; /* LINK_EVENT_NEIGHBOUR */
	/* From the message; empty or 0 where it has no name, MTU or number of queues. offloads
	 * are never set, features only by LINK_EVENT_FEATURES. */
	struct link link;
};

/*
 * Parse the next of *length bytes of rtnetlink messages at *data, which is aligned to 4 bytes, and
 * advance both. 1: *event; 0: there are no more messages; -EBADMSG: not a netlink message, or one
 * with wrong lengths (then *length is 0, since nothing further can be read).
 */
int link_parse(const void **data, size_t *length, struct link_event *event);

/* A part of it: parse the attribute IFLA_LINKINFO into `link`. MNL_CB_OK or MNL_CB_ERROR. Source:
 * bond_fill_info() in drivers/net/bonding/bond_netlink.c. */
int linkinfo_parse(const struct nlattr *attr, struct link *link);

/* The same for generic netlink: announcements of the family "netdev". */
int link_parse_features(const void **data, size_t *length, const struct features_family *family,
			struct link_event *event);

#endif
