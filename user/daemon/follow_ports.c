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

/* Below these MTUs a protocol leaves an interface, and its memberships are gone (RFC 791, RFC
 * 8200).
 */
#define IPV4_MIN_MTU 68
#define IPV6_MIN_MTU 1280

/* Between two tries to open a port: while its queues are busy, which takes tens of milliseconds;
 * after other failures, first and at most. */
#define BUSY_EVERY_NS (50 * NS_PER_MS)
#define BUSY_TRIES    20
#define TRY_FIRST_NS  (100 * NS_PER_MS)
#define TRY_MOST_NS   (10 * NS_PER_SECOND)

/* From one opening to the next, of an interface that comes and goes: each takes the main thread
 * tens of milliseconds. */
#define OPEN_EVERY_NS (300 * NS_PER_MS)

/* What many interfaces that change at once take of the main thread's time, before others have
 * theirs: a control client waits, and so does the service manager's watchdog. */
#define TURN_NS (40 * NS_PER_MS)

static bool is_of(const struct port *port, const struct link *link)
{
	return link->ifindex == port->link.ifindex || link_may_be_called(link, port->name);
}

bool ports_concern(const struct relay *relay, const struct link *link)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		if (is_of(relay->ports[i], link))
			return true;
	}
	return false;
}

static bool has_joined_ipv6(const struct relay *relay, const struct port *port)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct entry *entry = relay->entries[i];

		if (entry->port == port && entry->joined && !addr_is_ipv4(&entry->rule->group))
			return true;
	}
	return false;
}

/* Does a port with this MTU lack memberships that its rules have joined? */
static bool loses_members(const struct relay *relay, const struct port *port, uint32_t mtu)
{
	return mtu && (mtu < IPV4_MIN_MTU || (mtu < IPV6_MIN_MTU && has_joined_ipv6(relay, port)));
}

void ports_note(struct relay *relay, const struct link_event *event)
{
	const struct link *link = &event->link;

	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		struct port *port = relay->ports[i];

		if (!is_of(port, link))
			continue;
		/* Something is new: what failed before may succeed. Of one that runs it is when
		 * its program may be attached again, which whoever takes it off must not hurry. */
		if (port->failed)
			port->retry_ns = port->tries = 0;
		if (!port->failed && link->ifindex == port->link.ifindex &&
		    (event->kind == LINK_EVENT_GONE || loses_members(relay, port, link->mtu)))
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
	/* While they were busy there was nothing to be patient with. */
	unsigned int first = err == -EBUSY ? BUSY_TRIES : 0;
	uint64_t delay = TRY_FIRST_NS;

	for (unsigned int i = first; i < port->tries && delay < TRY_MOST_NS; i++)
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

/* Whatever was waited for is waited for no longer. */
static void ask_all(struct relay *relay)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		relay->ports[i]->attach_asked = true;
		relay->ports[i]->retry_ns = relay->ports[i]->tries = 0;
	}
}

static const char *find_loss(const struct relay *relay, struct port *port)
{
	const char *why = port_check(port, &relay->config);

	if (!why && loses_members(relay, port, port->link.mtu))
		why = "has too small an MTU for IPv6 now";
	return why;
}

/* True: there was time for all. */
static bool close_lost(struct relay *relay, uint64_t until)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		struct port *port = relay->ports[i];
		const char *why = port->failed ? NULL : find_loss(relay, port);

		if (!why)
			continue;
		give_up(relay, port, why);
		if (clock_ns() >= until)
			return false;
	}
	return true;
}

/* The same. Begins where the last turn has ended, so that one that comes and goes takes no time
 * from others. */
static bool open_failed(struct relay *relay, uint64_t until, bool *reopened)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		struct port *port = relay->ports[relay->next_port++ % relay->nr_ports];

		if (!port->failed || !port_look(port, &relay->config) ||
		    clock_ns() < next_try(port))
			continue;
		*reopened |= open_again(relay, port);
		if (clock_ns() >= until)
			return false;
	}
	return true;
}

bool ports_follow(struct relay *relay, bool now, bool *reopened)
{
	uint64_t until = now ? UINT64_MAX : clock_ns() + TURN_NS;

	*reopened = false;
	if (now)
		ask_all(relay);
	/* All that go before any that comes: two may have swapped their names. */
	return close_lost(relay, until) && open_failed(relay, until, reopened);
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
