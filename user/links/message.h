/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Netlink messages as bytes: finding them, and their attributes, within the memory that holds them.
 * No I/O, no state. Every length is checked, as if anybody could have sent the message. Any thread.
 *
 * Source: netlink(7), linux/netlink.h. libmnl's own iterators read up to the next multiple of 4
 * bytes, even past the end of the memory.
 */
#ifndef XMCAST_LINKS_MESSAGE_H
#define XMCAST_LINKS_MESSAGE_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>

/*
 * Find the next of *length bytes of messages at *data, which is aligned to 4 bytes, and advance
 * both. 1: *message, which is completely within the memory; 0: there are no more messages;
 * -EBADMSG: not a netlink message (then *length is 0, since nothing further can be read).
 */
int message_next(const void **data, size_t *length, const struct nlmsghdr **message);

/* The family's header at the beginning of the payload, or NULL if the payload is shorter. */
const void *message_header(const struct nlmsghdr *message, size_t size);

/* Call `parse` for the attributes that follow the family's header of `size` bytes. 0; -EBADMSG: the
 * header is missing, or `parse` has returned MNL_CB_ERROR. */
int message_attributes(const struct nlmsghdr *message, size_t size, mnl_attr_cb_t parse, void *out);

/* The errno of an NLMSG_ERROR message: 0 (an acknowledgement) or -errno in *error. 0; -EBADMSG:
 * truncated, or not an errno. */
int message_error(const struct nlmsghdr *message, int *error);

/*
 * Find the answer to a request among the messages of one receive: the sequence number and the port
 * of the request, and this type (`type` 0: the acknowledgement). Messages for others are skipped.
 * 1: *answer; 0: it is not there; -EBADMSG; -EPROTO: an answer of another type; other -errno: the
 * kernel has refused the request.
 */
int message_answer(const void *data, size_t length, const struct nlmsghdr *request, uint16_t type,
		   const struct nlmsghdr **answer);

/* Read an attribute that is an IP address of this family. 0; -EBADMSG: it has another length. */
int message_address(const struct nlattr *attribute, int family, struct xmc_addr *address);

/* The bytes of an address in netlink messages, and their number: 4 or 16. */
const void *message_address_bytes(const struct xmc_addr *address);
size_t message_address_length(const struct xmc_addr *address);

#endif
