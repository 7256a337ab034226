/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/follow.h"
#include "relay/relay_internal.h"
#include "relay/plan.h"

/* A thread that has owed a sign of life for longer is not well; a look a second may find it just
 * about to give one. */
#define ALIVE_NS (2 * NS_PER_SECOND)

/* ---- start and stop ---- */

int relay_open(struct relay **out, struct config *config)
{
	struct relay_change change;
	char reason[REASON_SIZE];
	struct relay *relay;
	int err;

	relay = calloc(1, sizeof(*relay));
	if (!relay)
		return -ENOMEM;
	config_init(&relay->config);
	relay->epoll_fd = -1;
	relay->started_ns = clock_ns();
	err = membership_open(&relay->membership);
	/* First listen, then look. */
	if (!err)
		err = follow_open(&relay->follow, relay);
	if (!err)
		err = plan_run(relay, config, PLAN_START, &change, reason);
	if (err) {
		relay_close(relay);
		return err;
	}
	follow_rules_changed(relay->follow);
	*out = relay;
	return 0;
}

int relay_stop(struct relay *relay)
{
	int result = 0;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		int err = intake_stop(relay->intakes[i]);

		if (err)
			result = err;
	}
	return result;
}

void relay_close(struct relay *relay)
{
	if (!relay)
		return;
	follow_close(relay->follow);
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		intake_close(relay->intakes[i]);
		free(relay->intakes[i]);
	}
	/* The sockets that hold memberships are closed as a whole, in the order that is quick. */
	membership_close(relay->membership);
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		relay->routes[i]->joined = false;
		route_free(relay->routes[i], NULL);
	}
	free(relay->routes);
	free(relay->intakes);
	config_free(&relay->config);
	free(relay);
}

/* ---- changes ---- */

int relay_apply(struct relay *relay, struct config *config, struct relay_change *change,
		char reason[REASON_SIZE])
{
	int err;

	follow_sync(relay->follow);
	err = plan_run(relay, config, PLAN_CHANGE, change, reason);
	follow_rules_changed(relay->follow);
	return err;
}

bool relay_has_waiting(const struct relay *relay)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct route *route = relay->routes[i];

		if (!route->rule->disabled && !route->stream && !route->intake->failed)
			return true;
	}
	return false;
}

int relay_retry_rules(struct relay *relay)
{
	struct relay_change change;
	char reason[REASON_SIZE];
	struct config config;
	int err = config_copy(&config, &relay->config);

	if (err)
		return err;
	err = plan_run(relay, &config, PLAN_RETRY, &change, reason);
	config_free(&config);
	if (err == -EIO)
		relay->broken = true;
	return err;
}

int relay_retry(struct relay *relay)
{
	unsigned int before = relay_summary(relay).active;
	int err = follow_retry(relay->follow);

	return err ? err : (int)(relay_summary(relay).active - before);
}

bool relay_uses(const struct relay *relay, const char *iface)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (strcmp(relay->intakes[i]->name, iface) == 0)
			return true;
	}
	return false;
}

void relay_set_log_level(struct relay *relay, enum log_facility facility, enum log_level level)
{
	for (int i = 0; i < LOG_FACILITIES; i++) {
		if (facility == LOG_FACILITIES || (int)facility == i)
			relay->config.logging.levels[i] = level;
	}
	/* The text of the configuration is another one. */
	relay->generation++;
}

const struct config *relay_config(const struct relay *relay)
{
	return &relay->config;
}

uint64_t relay_generation(const struct relay *relay)
{
	return relay->generation;
}

/* ---- while it runs ---- */

struct relay_summary relay_summary(const struct relay *relay)
{
	struct relay_summary sum = {0};

	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct route *route = relay->routes[i];

		if (route->rule->disabled)
			continue;
		sum.pending += route_reason(route) != NULL;
		sum.active += !route_reason(route);
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		sum.interfaces += !relay->intakes[i]->failed;
		sum.workers += relay->intakes[i]->nr_workers;
	}
	return sum;
}

bool relay_failed(const struct relay *relay)
{
	if (relay->broken)
		return true;
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		for (unsigned int j = 0; j < relay->intakes[i]->nr_workers; j++) {
			if (worker_failed(relay->intakes[i]->workers[j]))
				return true;
		}
	}
	return false;
}

int relay_watch_port(const struct relay *relay, const struct intake *intake)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};

	for (unsigned int i = 0; relay->epoll_fd >= 0 && i < intake->nr_workers; i++) {
		int fd = worker_notify_fd(intake->workers[i]);

		if (epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, fd, &event))
			return -errno;
	}
	return 0;
}

int relay_watch(struct relay *relay, int epoll_fd)
{
	int err = 0;

	relay->epoll_fd = epoll_fd;
	for (unsigned int i = 0; !err && i < relay->nr_intakes; i++)
		err = relay_watch_port(relay, relay->intakes[i]);
	return err;
}

int relay_ping(const struct relay *relay)
{
	int count = 0;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		for (unsigned int j = 0; j < relay->intakes[i]->nr_workers; j++) {
			const struct worker *worker = relay->intakes[i]->workers[j];

			if (worker_failed(worker) || worker_overdue_ns(worker) > ALIVE_NS)
				return -EIO;
			count++;
		}
	}
	return count;
}

void relay_check_workers(struct relay *relay)
{
	uint64_t now = clock_ns();

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		for (unsigned int j = 0; j < relay->intakes[i]->nr_workers; j++)
			worker_check(relay->intakes[i]->workers[j], now);
	}
}

int relay_follow_fd(const struct relay *relay)
{
	return follow_fd(relay->follow);
}

int relay_follow(struct relay *relay)
{
	follow_run(relay->follow);
	return relay_failed(relay) ? -EIO : 0;
}

int relay_memberships(const struct relay *relay, struct membership_entry **list)
{
	return membership_list(relay->membership, list);
}
