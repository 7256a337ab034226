/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UDP sockets of an output that sends from ports that it did not choose: one socket for each
 * source port, because a UDP socket sends from its own. They are opened when a port is used, and
 * closed when it has not been used for some seconds. Datagrams of a port without a socket are sent
 * one by one by the output's raw socket (output_socket.h), which is slower but needs no port.
 *
 * Threads: source_ports_take(), _fd(), _give_back() and _want() are the egress threads', which may
 * share a table. All others are the main thread's. A socket is closed only while no send uses it: a
 * send first counts itself in and then looks whether the slot still has its port, and the main
 * thread first takes the port out and then looks whether a send is counted. Both orders are
 * sequentially consistent, so one of them sees the other.
 */
#ifndef XMCAST_DATAPLANE_SOURCE_PORTS_H
#define XMCAST_DATAPLANE_SOURCE_PORTS_H

#include <netinet/in.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"

/* Sockets of one output. */
#define SOURCE_PORTS 256

/* Slots in which a port may be: the first, and the ones behind it. */
#define SOURCE_PORT_PLACES 8

/* Ports that may be wanted at once. */
#define SOURCE_PORT_WISHES 16

/* Sockets that are opened in one second, at most: senders that change their ports shall not
 * keep the main thread busy. */
#define SOURCE_PORT_OPENINGS 256

/* Seconds without a datagram after which a port's socket is closed. */
#define SOURCE_PORT_IDLE 10

struct source_port {
	_Atomic in_port_t port; /* network order; 0: the slot is free */
	atomic_uint sends;	/* that use it now */
	atomic_bool used;	/* since the last source_ports_age() */
	unsigned int idle;	/* seconds; the main thread's */
	int fd;			/* -1: none. Written only while `port` and `sends` are 0 */
};

struct source_ports {
	alignas(CACHE_LINE) struct source_port slots[SOURCE_PORTS];
	_Atomic in_port_t wishes[SOURCE_PORT_WISHES]; /* ports without a socket; 0: none */
	atomic_bool asked;     /* the main thread has been woken because of them */
	atomic_bool paused;    /* no wishes in this second */
	unsigned int openings; /* in this second; the main thread's */
};

void source_ports_init(struct source_ports *ports);

/* Close all sockets. No egress thread uses the table any more. */
void source_ports_close(struct source_ports *ports);

static inline unsigned int source_port_place(in_port_t port, unsigned int i)
{
	/* The golden ratio spreads neighbouring ports. */
	return (((uint32_t)port * 0x9e3779b1U >> 16) + i) % SOURCE_PORTS;
}

/* Use the socket of this port for a send: its slot, or -1: there is none. */
static inline int source_ports_take(struct source_ports *ports, in_port_t port)
{
	for (unsigned int i = 0; i < SOURCE_PORT_PLACES; i++) {
		unsigned int place = source_port_place(port, i);
		struct source_port *slot = &ports->slots[place];

		if (atomic_load_explicit(&slot->port, memory_order_relaxed) != port)
			continue;
		atomic_fetch_add(&slot->sends, 1);
		if (atomic_load(&slot->port) == port) {
			if (!atomic_load_explicit(&slot->used, memory_order_relaxed))
				atomic_store_explicit(&slot->used, true, memory_order_relaxed);
			return (int)place;
		}
		atomic_fetch_sub(&slot->sends, 1);
	}
	return -1;
}

static inline int source_ports_fd(const struct source_ports *ports, int slot)
{
	return ports->slots[slot].fd;
}

/* The send has completed. */
static inline void source_ports_give_back(struct source_ports *ports, int slot)
{
	atomic_fetch_sub(&ports->slots[slot].sends, 1);
}

/* A socket for this port is wanted. True: wake the main thread. Nothing is wanted while wishes are
 * paused. */
bool source_ports_want(struct source_ports *ports, in_port_t port);

/* Do egress threads want any? Then take the wishes out. */
static inline bool source_ports_has_wishes(struct source_ports *ports)
{
	return atomic_exchange(&ports->asked, false);
}

/* Take a wish out. 0: there is none. */
in_port_t source_ports_next_wish(struct source_ports *ports);

/* Find a slot for a socket with this port, and empty it: a free one, or the one that has not been
 * used for longest. -1: all were used in this second, or the port has a socket. */
int source_ports_make_room(struct source_ports *ports, in_port_t port);

/* Egress threads may use the socket from now on. The table owns the descriptor. */
void source_ports_put(struct source_ports *ports, int slot, in_port_t port, int fd);

/* No socket could be opened: no wishes until source_ports_age(). */
void source_ports_pause(struct source_ports *ports);

/* Once a second: close the sockets that have been idle for SOURCE_PORT_IDLE seconds. */
void source_ports_age(struct source_ports *ports);

#endif
