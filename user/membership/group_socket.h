/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A group socket receives IGMP and MLD messages of one interface, and sends queries there: two
 * packet sockets, one for each family, with filters, so that the kernel copies nothing else. While
 * it is open the interface accepts packets to any group (IFF_ALLMULTI), because hosts of IGMPv1,
 * IGMPv2 and MLDv1 report to the group itself. Packets that this host sends are not received.
 *
 * Main thread. CAP_NET_RAW to open; CAP_NET_ADMIN for a receive buffer above net.core.rmem_max.
 *
 * Source: packet(7).
 */
#ifndef XMCAST_MEMBERSHIP_GROUP_SOCKET_H
#define XMCAST_MEMBERSHIP_GROUP_SOCKET_H

#include "links/next_hop_parse.h"
#include "membership/group_message.h"

struct group_socket;

/* What it has counted. */
struct group_socket_counts {
	uint64_t messages;		 /* queries and reports */
	uint64_t defects[GROUP_DEFECTS]; /* other packets, by what is wrong with them */
	uint64_t lost;			 /* dropped by the kernel, whose buffer was full */
};

/* 0 or -errno. Its descriptors are added to the epoll set. */
int group_socket_open(struct group_socket **out, int ifindex, int epoll_fd);
void group_socket_close(struct group_socket *sock); /* accepts NULL */

/* `mac`: of the sender. The message is valid during the call. */
typedef void group_socket_handler(void *context, const struct group_message *message,
				  const uint8_t mac[MAC_LENGTH]);

/* Call `handler` for what has arrived, until `until_ns`. Never blocks. */
void group_socket_read(struct group_socket *sock, uint64_t until_ns, group_socket_handler *handler,
		       void *context);

/* Send a packet, from its IP header on, to a group's MAC address. 0 or -errno. */
int group_socket_send(struct group_socket *sock, const struct xmc_addr *to, const void *packet,
		      size_t length);

void group_socket_read_counts(struct group_socket *sock, struct group_socket_counts *counts);

#endif
