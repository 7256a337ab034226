/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/source_ports.h"

#include <string.h>
#include <unistd.h>

void source_ports_init(struct source_ports *ports)
{
	memset(ports, 0, sizeof(*ports));
	for (unsigned int i = 0; i < SOURCE_PORTS; i++)
		ports->slots[i].fd = -1;
}

/* False: a send uses it. */
static bool empty(struct source_port *slot)
{
	atomic_store(&slot->port, 0);
	if (atomic_load(&slot->sends))
		return false;
	if (slot->fd >= 0)
		close(slot->fd);
	slot->fd = -1;
	slot->idle = 0;
	return true;
}

void source_ports_close(struct source_ports *ports)
{
	for (unsigned int i = 0; i < SOURCE_PORTS; i++)
		empty(&ports->slots[i]);
}

bool source_ports_want(struct source_ports *ports, in_port_t port)
{
	_Atomic in_port_t *wish = &ports->wishes[ntohs(port) % SOURCE_PORT_WISHES];

	if (atomic_load_explicit(&ports->paused, memory_order_relaxed) ||
	    atomic_load_explicit(wish, memory_order_relaxed))
		return false;
	atomic_store_explicit(wish, port, memory_order_release);
	return !atomic_exchange(&ports->asked, true);
}

in_port_t source_ports_next_wish(struct source_ports *ports)
{
	for (unsigned int i = 0; i < SOURCE_PORT_WISHES; i++) {
		in_port_t port = atomic_exchange(&ports->wishes[i], 0);

		if (port)
			return port;
	}
	return 0;
}

int source_ports_make_room(struct source_ports *ports, in_port_t port)
{
	int best = -1;

	for (unsigned int i = 0; i < SOURCE_PORT_PLACES; i++) {
		unsigned int place = source_port_place(port, i);
		struct source_port *slot = &ports->slots[place];

		if (atomic_load(&slot->port) == port)
			return -1;
		/* A slot without a port may still have a socket that a send uses. */
		if (slot->fd < 0)
			return (int)place;
		if (slot->idle && (best < 0 || slot->idle > ports->slots[best].idle))
			best = (int)place;
	}
	return best >= 0 && empty(&ports->slots[best]) ? best : -1;
}

void source_ports_put(struct source_ports *ports, int slot, in_port_t port, int fd)
{
	if (++ports->openings == SOURCE_PORT_OPENINGS)
		source_ports_pause(ports);
	ports->slots[slot].fd = fd;
	ports->slots[slot].idle = 0;
	atomic_store(&ports->slots[slot].used, true);
	atomic_store(&ports->slots[slot].port, port);
}

void source_ports_pause(struct source_ports *ports)
{
	atomic_store_explicit(&ports->paused, true, memory_order_relaxed);
}

void source_ports_age(struct source_ports *ports)
{
	ports->openings = 0;
	atomic_store_explicit(&ports->paused, false, memory_order_relaxed);
	for (unsigned int i = 0; i < SOURCE_PORTS; i++) {
		struct source_port *slot = &ports->slots[i];

		if (slot->fd < 0)
			continue;
		if (atomic_exchange(&slot->used, false))
			slot->idle = 0;
		else
			slot->idle++;
		if (slot->idle >= SOURCE_PORT_IDLE || !atomic_load(&slot->port))
			empty(slot);
	}
}
