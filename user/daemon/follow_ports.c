/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "daemon/follow_ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/relay_internal.h"

#define NS_PER_MS 1000000ull

/* Below this MTU IPv4 leaves an interface, and its memberships are gone (RFC 791). */
#define IPV4_MIN_MTU 68

/* Between two tries to open a port: while its queues are busy, which takes tens of milliseconds;
 * after other failures, first and at most. */
#define BUSY_EVERY_NS (50 * NS_PER_MS)
#define BUSY_TRIES    20
#define TRY_FIRST_NS  (100 * NS_PER_MS)
#define TRY_MOST_NS   (10 * NS_PER_SECOND)

/* From one opening to the next, of an interface that comes and goes: each takes the main thread
 * tens of milliseconds. */
#define OPEN_EVERY_NS (300 * NS_PER_MS)

static bool is_of(const struct port *port, const struct link *link)
{
	return link->ifindex == port->link.ifindex || strcmp(link->name, port->name) == 0;
}

bool ports_concern(const struct relay *relay, const struct link *link)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		if (is_of(relay->ports[i], link))
			return true;
	}
	return false;
}

void ports_note(struct relay *relay, const struct link_event *event)
{
	const struct link *link = &event->link;

	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		struct port *port = relay->ports[i];

		if (!is_of(port, link))
			continue;
		/* Something is new: what failed before may succeed. */
		port->tries = 0;
		port->retry_ns = 0;
		if (!port->failed && link->ifindex == port->link.ifindex &&
		    (event->kind == LINK_EVENT_GONE || (link->mtu && link->mtu < IPV4_MIN_MTU)))
			port->torn = true;
	}
}

/* When a port that failed may be tried again. */
static uint64_t next_try(const struct port *port)
{
	uint64_t rested = port->opened_ns + OPEN_EVERY_NS;

	return port->retry_ns > rested ? port->retry_ns : rested;
}

/* ---- giving up ---- */

static void give_up(struct relay *relay, struct port *port, const char *why)
{
	if (port_stop(port))
		relay->broken = true;
	relay_retire_port(relay, port);
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		if (relay->entries[i]->port == port)
			entry_leave(relay->entries[i], relay->membership);
	}
	port_lose(port, why);
	port->retry_ns = 0;
}

/* ---- opening again ---- */

/* The entries of the port, with their streams or new ones; those that cannot be are pending. The
 * streams are an array that the caller frees; NULL: no memory. */
static struct stream **reopen_entries(struct relay *relay, struct port *port, unsigned int *count)
{
	struct stream **streams = calloc(relay->config.nr_rules + 1, sizeof(struct stream *));

	*count = 0;
	for (unsigned int i = 0; streams && i < relay->config.nr_rules; i++) {
		struct entry *entry = relay->entries[i];
		struct stream *before = entry->stream;
		int err;

		if (entry->port != port)
			continue;
		if (before)
			stream_hold(before);
		err = entry_reopen(entry, &relay->config.egress, relay->membership);
		if (before && entry->stream != before)
			relay_retire_stream(relay, before);
		stream_put(before);
		if (err)
			log_write(LOG_FACILITY_RULES, LOG_LEVEL_ERROR,
				  "rule-pending rule=%s error=\"%s\" reason=\"%s\"",
				  entry->rule->name, strerror(-err),
				  entry->reason ? entry->reason : "");
		else
			streams[(*count)++] = entry->stream;
	}
	return streams;
}

static int start(struct relay *relay, struct port *port)
{
	struct stream **streams;
	unsigned int count;
	int err;

	streams = reopen_entries(relay, port, &count);
	err = streams ? port_start(port, streams, count) : -ENOMEM;
	free(streams);
	if (!err)
		err = relay_watch_port(relay, port);
	return err ? err : port_attach(port, &relay->config);
}

static void close_again(struct relay *relay, struct port *port)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		if (relay->entries[i]->port == port)
			entry_leave(relay->entries[i], relay->membership);
	}
	port_close(port);
	port->failed = true;
}

static void wait_longer(struct port *port, int err)
{
	uint64_t delay = TRY_FIRST_NS;

	for (unsigned int i = 0; i < port->tries && delay < TRY_MOST_NS; i++)
		delay *= 2;
	if (err == -EBUSY && port->tries < BUSY_TRIES)
		delay = BUSY_EVERY_NS;
	port->tries++;
	port->retry_ns = clock_ns() + (delay < TRY_MOST_NS ? delay : TRY_MOST_NS);
}

/* True: it is open. */
static bool open_again(struct relay *relay, struct port *port)
{
	int err = port_reopen(port, &relay->config);

	if (!err)
		err = start(relay, port);
	if (!err) {
		port->opened_ns = clock_ns();
		return true;
	}
	close_again(relay, port);
	wait_longer(port, err);
	return false;
}

/* ---- all of them ---- */

bool ports_follow(struct relay *relay, bool now)
{
	bool reopened = false;

	/* All that go before any that comes: two may have swapped their names. */
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		struct port *port = relay->ports[i];
		const char *why;

		port->attach_asked |= now;
		if (now)
			port->retry_ns = port->tries = 0;
		why = port->failed ? NULL : port_check(port, &relay->config);
		if (why)
			give_up(relay, port, why);
	}
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		struct port *port = relay->ports[i];

		if (port->failed && port_look(port, &relay->config) && clock_ns() >= next_try(port))
			reopened |= open_again(relay, port);
	}
	return reopened;
}

uint64_t ports_next_try(const struct relay *relay)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		const struct port *port = relay->ports[i];

		if (port->failed && port->usable && next_try(port) < next)
			next = next_try(port);
	}
	return next;
}
