/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/follow_intakes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/relay_internal.h"


/* Below these MTUs a protocol leaves an interface, and its memberships are gone (RFC 791, RFC
 * 8200).
 */
#define IPV4_MIN_MTU 68
#define IPV6_MIN_MTU 1280

/* Between two tries to open an intake: while its queues are busy, which takes tens of milliseconds;
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

static bool is_of(const struct intake *intake, const struct link *link)
{
	return link->ifindex == intake->link.ifindex || link_may_be_called(link, intake->name);
}

bool intakes_concern(const struct relay *relay, const struct link *link)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (is_of(relay->intakes[i], link))
			return true;
	}
	return false;
}

static bool has_joined_ipv6(const struct relay *relay, const struct intake *intake)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct route *route = relay->routes[i];

		if (route->intake == intake && route->joined && !addr_is_ipv4(&route->rule->group))
			return true;
	}
	return false;
}

/* Does an intake with this MTU lack memberships that its rules have joined? */
static bool loses_members(const struct relay *relay, const struct intake *intake, uint32_t mtu)
{
	return mtu &&
	       (mtu < IPV4_MIN_MTU || (mtu < IPV6_MIN_MTU && has_joined_ipv6(relay, intake)));
}

void intakes_note(struct relay *relay, const struct link_event *event)
{
	const struct link *link = &event->link;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];

		if (!is_of(intake, link))
			continue;
		/* Something is new: what failed before may succeed. Of one that runs it is when
		 * its program may be attached again, which whoever takes it off must not hurry. */
		if (intake->failed)
			intake->retry_ns = intake->tries = 0;
		if (!intake->failed && link->ifindex == intake->link.ifindex &&
		    (event->kind == LINK_EVENT_GONE || loses_members(relay, intake, link->mtu)))
			intake->torn = true;
	}
}

/* When an intake that failed may be tried again. */
static uint64_t next_try(const struct intake *intake)
{
	uint64_t rested = intake->opened_ns + OPEN_EVERY_NS;

	return intake->retry_ns > rested ? intake->retry_ns : rested;
}

/* ---- giving up ---- */

static void give_up(struct relay *relay, struct intake *intake, const char *why)
{
	if (intake_stop(intake))
		relay->broken = true;
	relay_retire_intake(relay, intake);
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		if (relay->routes[i]->intake == intake)
			route_leave(relay->routes[i], relay->membership);
	}
	intake_lose(intake, why);
	intake->retry_ns = 0;
}

/* ---- opening again ---- */

/* The routes of the intake, with their streams or new ones; those that cannot be are pending. The
 * streams are an array that the caller frees; NULL: no memory. */
static struct stream **reopen_routes(struct relay *relay, struct intake *intake,
				     unsigned int *count)
{
	struct stream **streams = calloc(relay->config.nr_rules + 1, sizeof(struct stream *));

	*count = 0;
	for (unsigned int i = 0; streams && i < relay->config.nr_rules; i++) {
		struct route *route = relay->routes[i];
		int err;

		if (route->intake != intake)
			continue;
		err = route_reopen(route, &relay->config.egress, relay->membership);
		if (err)
			log_write(LOG_FACILITY_RULES, LOG_LEVEL_ERROR, "rule-pending",
				  LOG_NAME("rule", route->rule->name), LOG_ERROR(err),
				  LOG_TEXT("reason", route->reason ? route->reason : ""));
		else
			streams[(*count)++] = route->stream;
	}
	return streams;
}

static int start(struct relay *relay, struct intake *intake)
{
	struct stream **streams;
	unsigned int count;
	int err;

	streams = reopen_routes(relay, intake, &count);
	err = streams ? intake_start(intake, streams, count) : -ENOMEM;
	free(streams);
	if (!err)
		err = relay_watch_port(relay, intake);
	return err ? err : intake_attach(intake, &relay->config);
}

static void close_again(struct relay *relay, struct intake *intake)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		if (relay->routes[i]->intake == intake)
			route_leave(relay->routes[i], relay->membership);
	}
	intake_close(intake);
	intake->failed = true;
}

static void wait_longer(struct intake *intake, int err)
{
	/* While they were busy there was nothing to be patient with. */
	unsigned int first = err == -EBUSY ? BUSY_TRIES : 0;
	uint64_t delay = TRY_FIRST_NS;

	for (unsigned int i = first; i < intake->tries && delay < TRY_MOST_NS; i++)
		delay *= 2;
	if (err == -EBUSY && intake->tries < BUSY_TRIES)
		delay = BUSY_EVERY_NS;
	intake->tries++;
	intake->retry_ns = clock_ns() + (delay < TRY_MOST_NS ? delay : TRY_MOST_NS);
}

/* True: it is open. */
static bool open_again(struct relay *relay, struct intake *intake)
{
	int err = intake_reopen(intake, &relay->config);

	if (!err)
		err = start(relay, intake);
	if (!err) {
		intake->opened_ns = clock_ns();
		return true;
	}
	close_again(relay, intake);
	wait_longer(intake, err);
	return false;
}

/* ---- all of them ---- */

/* Whatever was waited for is waited for no longer. */
static void ask_all(struct relay *relay)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		relay->intakes[i]->attach_asked = true;
		relay->intakes[i]->retry_ns = relay->intakes[i]->tries = 0;
	}
}

static const char *find_loss(const struct relay *relay, struct intake *intake)
{
	const char *why = intake_check(intake, &relay->config);

	if (!why && loses_members(relay, intake, intake->link.mtu))
		why = "has too small an MTU for IPv6 now";
	return why;
}

/* True: there was time for all. */
static bool close_lost(struct relay *relay, uint64_t until)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];
		const char *why = intake->failed ? NULL : find_loss(relay, intake);

		if (!why)
			continue;
		give_up(relay, intake, why);
		if (clock_ns() >= until)
			return false;
	}
	return true;
}

/* The same. Begins where the last turn has ended, so that one that comes and goes takes no time
 * from others. */
static bool open_failed(struct relay *relay, uint64_t until, bool *reopened)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[relay->next_intake++ % relay->nr_intakes];

		if (!intake->failed || !intake_look(intake, &relay->config) ||
		    clock_ns() < next_try(intake))
			continue;
		*reopened |= open_again(relay, intake);
		if (clock_ns() >= until)
			return false;
	}
	return true;
}

bool intakes_follow(struct relay *relay, bool now, bool *reopened)
{
	uint64_t until = now ? UINT64_MAX : clock_ns() + TURN_NS;

	*reopened = false;
	if (now)
		ask_all(relay);
	/* All that go before any that comes: two may have swapped their names. */
	return close_lost(relay, until) && open_failed(relay, until, reopened);
}

uint64_t intakes_next_try(const struct relay *relay)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		const struct intake *intake = relay->intakes[i];

		if (intake->failed && intake->usable && next_try(intake) < next)
			next = next_try(intake);
	}
	return next;
}
