/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sender socket shows who sends to some groups on an interface: a packet socket with a filter for
 * them, whose small buffer is the bound. What arrives while it is full is dropped by the kernel in
 * front of any copy, so it costs the same at any rate: it samples. Packets that this host sends are
 * not received. The groups have to be joined by other means (membership.h).
 *
 * Main thread. CAP_NET_RAW to open. Source: packet(7).
 */
#ifndef XMCAST_MEMBERSHIP_SENDER_SOCKET_H
#define XMCAST_MEMBERSHIP_SENDER_SOCKET_H

#include <stdbool.h>

#include "base/addr.h"

/* Groups of one socket: the filter costs two to nine instructions for each, for every packet of
 * their family that the interface receives. */
#define SENDER_GROUPS 32

/* Packets that one sender_socket_read() reports at most. */
#define SENDER_PACKETS 256

struct sender_socket;

/* All groups are of the family of the first one; 1 to SENDER_GROUPS. 0 or -errno. */
int sender_socket_open(struct sender_socket **out, int ifindex, const struct xmc_addr *groups,
		       unsigned int count);
void sender_socket_close(struct sender_socket *sock); /* accepts NULL */

/* Who sent a datagram. Two hosts that keep the source of what they relay differ in the MAC address
 * alone. */
struct sender {
	struct xmc_addr address;
	unsigned char mac[8];
};

typedef void sender_handler(void *context, const struct sender *sender,
			    const struct xmc_addr *group, uint16_t port);

/* Report what has arrived since the last call, in its order: UDP datagrams, of fragmented ones the
 * first fragment. Never blocks. What is beyond SENDER_PACKETS is discarded: the next call would
 * take it for something that has arrived after this one. */
void sender_socket_read(struct sender_socket *sock, sender_handler *handle, void *context);

/* What of a packet, from its IP header on, sender_socket_read() reports. False: nothing. Pure. */
bool sender_parse(const unsigned char *packet, size_t length, struct xmc_addr *source,
		  struct xmc_addr *group, uint16_t *port);

#endif
