/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UDP socket of an output: not connected, and set up so that every send tells the truth.
 *
 * - IP_RECVERR: without it a send succeeds although the queueing discipline dropped the packet
 *   (ENOBUFS). Its price: an ICMP error (a host refuses its port, say) fails a later send that has
 *   nothing to do with it. So a unicast output has a decoy, a second socket on the same port that
 * is connected to the destination: the kernel prefers it when it looks for whom an ICMP error is
 * for
 *   (__udp4_lib_err()), and nobody sends through it. Of an output that keeps ports it is connected
 *   to port 0, which the kernel takes for every port of the host.
 * - Not connected: a connected socket keeps a source address that the host may no longer have.
 * - IP_PMTUDISC_OMIT: what does not fit the device is fragmented, DF stays clear, so that routers
 *   behind us may fragment, and no ICMP message from outside can shrink the MTU.
 * - Bound to the interface that its output names (SO_BINDTOIFINDEX), for a group as well: what
 *   IP_MULTICAST_IF does, and it can be pointed at an interface that does not exist, so that
 *   nothing leaves by another one meanwhile.
 * - It receives nothing: a filter drops what anybody sends to its port.
 *
 * Sources: ip(7), udp(7), socket(7). Main thread. CAP_NET_ADMIN lets the send buffer be larger than
 * net.core.wmem_max.
 */
#ifndef XMCAST_DATAPLANE_OUTPUT_SOCKET_H
#define XMCAST_DATAPLANE_OUTPUT_SOCKET_H

#include <stdbool.h>

struct output;

/*
 * Open the socket and the decoy of output->rule: fills output->fd and output->decoy_fd (-1: an
 * output to a group, or a host to which there is no route at the time). If its interface does not
 * exist, output->ifindex is 0, and what is sent is refused (ENODEV) until output_socket_follow()
 * has it. 0 or -errno (-EMFILE); on failure *step names what failed, as constant text, and none is
 * open.
 */
int output_socket_open(struct output *output, unsigned int send_buffer, const char **step);

/*
 * Use the socket of another output to the same destination, instead of a new one: when a rule is
 * replaced, its datagrams keep their source port and their order, and no descriptor is needed.
 * Fills what output_socket_open() fills. False: the two differ in what a socket is set up for, or
 * the interface is another one than when that was opened.
 */
bool output_socket_share(struct output *output, const struct output *with);

/* Does it wait for the interface that it names? */
bool output_socket_is_away(const struct output *output);

/*
 * The interface that the output names is this one now (0: none). The socket stays, with its port:
 * it sends there from its next datagram on, whoever is sending at the time. Needs CAP_NET_RAW. 0
 * or -errno.
 */
int output_socket_follow(struct output *output, int ifindex);

/*
 * Addresses or routes have changed: the decoy is connected to its host anew, or had if there was
 * none. Does nothing for an output to a group.
 */
void output_socket_refresh(struct output *output);

/* The last of those that share it closes it. Takes an output whose descriptors are -1. */
void output_socket_close(struct output *output);

#endif
