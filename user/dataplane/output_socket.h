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
 * SO_BROADCAST
 *     Whether the destination is a broadcast address depends on the addresses of the host.
 *
 * Sources (`from`). The address goes with each send (IP_PKTINFO, IPV6_PKTINFO), so no socket has to
 * follow it: while the host does not have it, the kernel refuses the send. The port is that of the
 * socket. An output that sends from given ports has therefore
 *
 *   - one socket for each port (source_ports.h), which is bound to an address that no host has, and
 *     to the port. Nothing can be sent to that socket, so it takes no datagram from any other
 *     socket with the port, whether that was opened earlier or later. With SO_REUSEADDR it is in
 *     the way of nobody but a socket that is bound to the port of every address without
 *     SO_REUSEADDR: the second of the two is refused.
 *   - a raw socket, which sends from any port. It makes one packet of each send, to which the
 *     caller adds the UDP header. It is used for datagrams whose port has no socket: because that is
 *     being opened, because there are too many ports, or because the port is taken or privileged
 *     (net.ipv4.ip_unprivileged_port_start).
 *
 * For `from keep` these are transparent (IP_TRANSPARENT, IPV6_TRANSPARENT), so that the kernel
 * accepts addresses of other hosts. That needs CAP_NET_RAW or CAP_NET_ADMIN.
 *
 * Sockets are counted: the streams of a rule and of its replacement share one. Ports are assigned
 * by the first send, or by output_socket_port(). All functions are the main thread's; the egress
 * threads send through the descriptors, and use the ports. CAP_NET_ADMIN allows a send buffer
 * larger than net.core.wmem_max.
 *
 * Sources: ip(7), ipv6(7), udp(7), raw(7), socket(7).
 */
#ifndef XMCAST_DATAPLANE_OUTPUT_SOCKET_H
#define XMCAST_DATAPLANE_OUTPUT_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/rule.h"

struct output_socket;
struct source_ports;

/*
 * Open the socket of an output whose datagrams go to `port` (RULE_PORT_KEPT: each to its own). Its
 * interface need not exist: then sends fail with ENODEV until output_socket_follow() names one.
 * One reference. 0 or -errno (-EMFILE, -ENOMEM); on failure *step says what failed, as constant
 * text.
 */
int output_socket_open(struct output_socket **out, const struct rule_output *output, uint16_t port,
		       unsigned int send_buffer, const char **step);

/*
 * Go on with the socket of another process, which opened it for this output and port. The
 * descriptor is duplicated; its source port, its options and what it has queued stay. 0;
 * -ENOTSOCK: it is no UDP socket of this family; -errno.
 */
int output_socket_adopt(struct output_socket **out, int fd, const struct rule_output *output,
			uint16_t port);

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

/* Let the kernel check the lease in this slot (0: none) before each send. `map`: the map of sockets
 * of steering/guard.h; -1: there is none. */
void output_socket_guard(struct output_socket *socket, int map, uint32_t slot);

/* The socket; the raw one if it has ports. */
int output_socket_fd(const struct output_socket *socket);

/* The sockets of the source ports; NULL: the output has one socket, which has its own port. */
struct source_ports *output_socket_ports(const struct output_socket *socket);

/* Open the sockets of source ports that egress threads want. Call it when a worker notifies. */
void output_sockets_serve(void);

/* Once a second: the same, and close those of ports that are not used any more. */
void output_sockets_age(void);

/* The UDP port from which the output sends, which is assigned now if it has none yet: packets that
 * leave on the kernel path have it as their source port, too. 0 with `from keep`: they have
 * several. Returns 0 or -errno (-EAGAIN: no port is free). */
int output_socket_port(struct output_socket *socket, uint16_t *port);

/* Does it send from this UDP port? Assigns none. */
bool output_socket_has_port(const struct output_socket *socket, uint16_t port);

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
