/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UDP socket of an output, set up so that the result of a send is about that send: success
 * means that the queueing discipline has accepted the packet, an error that nothing has left.
 *
 * IP_RECVERR
 *     Without it the kernel hides that the queueing discipline dropped a packet (ENOBUFS).
 * UDP_ENCAP
 *     IP_RECVERR makes every ICMP error that matches the socket the result of its next send, and
 *     anybody can forge one. The kernel passes the errors of an encapsulation socket to the tunnel
 *     protocol instead (__udp4_lib_err(), __udp6_lib_err(): Linux 5.15 and later), and
 *     UDP_ENCAP_L2TPINUDP attaches none, so they end there. Nothing else about the socket changes.
 * Not connected
 *     A connected socket keeps a source address that the host may no longer have.
 * IP_PMTUDISC_OMIT
 *     A packet larger than the interface's MTU is fragmented. DF stays clear, so that routers may
 *     fragment as well, and no ICMP message can lower the MTU that the socket uses.
 * SO_BINDTOIFINDEX
 *     For an output that names an interface. Unlike IP_MULTICAST_IF it can be set to an interface
 *     that does not exist, so that nothing leaves by another one in the meantime.
 * SO_ATTACH_FILTER
 *     Drops whatever is sent to the socket's port.
 *
 * Sockets are counted: the streams of a rule and of its replacement share one. Ports are assigned
 * by the first send, or by output_socket_port(). All functions are the main thread's; the egress
 * threads send through the descriptor. CAP_NET_ADMIN allows a send buffer larger than
 * net.core.wmem_max.
 *
 * Sources: ip(7), ipv6(7), udp(7), socket(7).
 */
#ifndef XMCAST_DATAPLANE_OUTPUT_SOCKET_H
#define XMCAST_DATAPLANE_OUTPUT_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/rule.h"

struct output_socket;

/*
 * Open the socket of an output whose datagrams go to `port` (RULE_PORT_KEPT: each to its own). Its
 * interface need not exist: then sends fail with ENODEV until output_socket_follow() names one.
 * One reference. 0 or -errno (-EMFILE, -ENOMEM); on failure *step says what failed, as constant
 * text.
 */
int output_socket_open(struct output_socket **out, const struct rule_output *output, uint16_t port,
		       unsigned int send_buffer, const char **step);

struct output_socket *output_socket_hold(struct output_socket *socket);

/* Drop a reference; the last one closes the socket. Accepts NULL. */
void output_socket_put(struct output_socket *socket);

/*
 * Can this output use the socket instead of a new one? It must have the same destination, options
 * and interface. When a rule is replaced, its datagrams then keep their source port and their
 * order, and no further descriptor is needed.
 */
bool output_socket_fits(const struct output_socket *socket, const struct rule_output *output,
			uint16_t port);

int output_socket_fd(const struct output_socket *socket);

/* The socket's UDP port, which is assigned now if it has none yet: packets that leave on the kernel
 * path have it as their source port, too. 0 or -errno (-EAGAIN: no port is free). */
int output_socket_port(struct output_socket *socket, uint16_t *port);

/* Index of the interface that the output names; 0: it names none, or that does not exist. */
int output_socket_ifindex(const struct output_socket *socket);

/* Is the interface that the output names missing? */
bool output_socket_is_away(const struct output_socket *socket);

/*
 * The interface that the output names has this index now (0: none). The socket keeps its port and
 * uses the interface from the next datagram on, even while an egress thread is sending. Needs
 * CAP_NET_RAW. 0 or -errno.
 */
int output_socket_follow(struct output_socket *socket, int ifindex);

#endif
