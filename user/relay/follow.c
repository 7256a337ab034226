/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/outputs.h"
#include "relay/follow_intakes.h"
#include "relay/relay_internal.h"
#include "relay/plan.h"
#include "links/watch.h"


/* Between two looks: changes come in bursts, an interface that is made anew announces itself five
 * times. */
#define LOOK_EVERY_NS (50 * NS_PER_MS)

/* Between two looks if nothing was announced: an XDP program that is attached or detached by a
 * bpf_link is not, and half of the second that rules may take to resume is left then. */
#define LOOK_AT_LEAST_NS (500 * NS_PER_MS)

/* Between the beginnings of two rounds through the outputs, and outputs of one turn of a round: a
 * turn takes a millisecond, and then others have theirs. */
#define ROUND_EVERY_NS NS_PER_SECOND
#define ROUND_TURN     64
#define TURN_EVERY_NS  (5 * NS_PER_MS)

/* Between two tries of rules that wait for their outputs, first and at most. */
#define RETRY_FIRST_NS (250 * NS_PER_MS)
#define RETRY_MOST_NS  (10 * NS_PER_SECOND)

struct follow {
	struct relay *relay;
	struct link_watch *watch; /* NULL: there is none */
	int epoll_fd;		  /* of the watch and the timer */
	int timer_fd;
	struct followed_outputs outputs;
	uint64_t generation; /* of the rules that `outputs` are of */
	bool look;	     /* something has changed */
	uint64_t looked_ns;
	bool roads_changed; /* addresses or routes have */
	uint64_t round_ns;  /* when the last round through the outputs began */
	unsigned int next;  /* rule of it */
	bool round;	    /* it runs */
	uint64_t retry_ns;  /* when pending rules are tried again; UINT64_MAX: there are none */
	uint64_t delay_ns;  /* from then to the next time */
	uint64_t retried_ns;
};

/* ---- events ---- */

static bool concerns(const struct follow *follow, const struct link *link)
{
	return intakes_concern(follow->relay, link) || outputs_concern(&follow->outputs, link);
}

/* What a rule waits for may be there now. */
static void expect_change(struct follow *follow)
{
	follow->retry_ns = follow->retried_ns + RETRY_FIRST_NS;
	follow->delay_ns = RETRY_FIRST_NS;
}

static void on_event(void *context, const struct link_event *event)
{
	struct follow *follow = context;

	switch (event->kind) {
	case LINK_EVENT_CHANGED:
	case LINK_EVENT_GONE:
		if (!concerns(follow, &event->link))
			return;
		intakes_note(follow->relay, event);
		follow->look = true;
		expect_change(follow);
		break;
	case LINK_EVENT_ADDRESS:
		follow->roads_changed = true;
		expect_change(follow);
		break;
	case LINK_EVENT_ROUTE:
		follow->roads_changed = true;
		break;
	default:
		break;
	}
}

static void look_at_everything(struct follow *follow)
{
	follow->look = follow->roads_changed = true;
	expect_change(follow);
}

static void read_watch(struct follow *follow)
{
	int err = follow->watch ? link_watch_read(follow->watch, on_event, follow) : 0;

	if (!err)
		return;
	log_debug("link-events-lost", LOG_ERROR(err));
	look_at_everything(follow);
}

/* ---- looking ---- */

/* Rules that wait for something else than their intake. */
static void retry_rules(struct follow *follow, uint64_t now)
{
	struct relay *relay = follow->relay;

	if (!relay_has_waiting(relay)) {
		follow->retry_ns = UINT64_MAX;
		return;
	}
	if (follow->retry_ns == UINT64_MAX)
		expect_change(follow);
	if (now < follow->retry_ns)
		return;
	relay_retry_rules(relay);
	outputs_apply(&follow->outputs, relay, true);
	follow->retried_ns = now;
	follow->retry_ns = now + follow->delay_ns;
	follow->delay_ns =
		follow->delay_ns * 2 > RETRY_MOST_NS ? RETRY_MOST_NS : follow->delay_ns * 2;
}

static void look(struct follow *follow)
{
	struct relay *relay = follow->relay;
	bool at_outputs = follow->look || !follow->watch;
	bool reopened;

	follow->looked_ns = clock_ns();
	follow->look = !intakes_follow(relay, false, &reopened);
	if (follow->generation != relay->generation) {
		if (outputs_collect(&follow->outputs, relay)) /* no memory: soon again */
			return;
		follow->generation = relay->generation;
		at_outputs = reopened = true;
	}
	if (at_outputs && !outputs_query(&follow->outputs, relay))
		follow->look = true; /* soon again */
	if (at_outputs || reopened)
		outputs_apply(&follow->outputs, relay, reopened);
	retry_rules(follow, follow->looked_ns);
}

static void run_round(struct follow *follow, uint64_t now)
{
	if (!follow->round && follow->roads_changed && now >= follow->round_ns + ROUND_EVERY_NS) {
		follow->roads_changed = false;
		follow->round = true;
		follow->round_ns = now;
		follow->next = 0;
		/* A rule may have waited for the address or the route. */
		retry_rules(follow, now);
	}
	if (follow->round)
		follow->round = outputs_refresh(follow->relay, &follow->next, ROUND_TURN);
}

/* ---- when ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void arm_timer(struct follow *follow)
{
	uint64_t next =
		earlier(intakes_next_try(follow->relay), follow->looked_ns + LOOK_AT_LEAST_NS);
	struct itimerspec when = {};

	if (follow->look)
		next = earlier(next, follow->looked_ns + LOOK_EVERY_NS);
	if (follow->round)
		next = earlier(next, clock_ns() + TURN_EVERY_NS);
	else if (follow->roads_changed)
		next = earlier(next, follow->round_ns + ROUND_EVERY_NS);
	next = earlier(next, follow->retry_ns);
	/* All 0 would disarm it. */
	when.it_value.tv_sec = (time_t)(next / NS_PER_SECOND);
	when.it_value.tv_nsec = (long)(next % NS_PER_SECOND) + (next == 0);
	timerfd_settime(follow->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool is_due(const struct follow *follow, uint64_t now)
{
	if (now >= follow->looked_ns + LOOK_AT_LEAST_NS)
		return true;
	return now >= follow->looked_ns + LOOK_EVERY_NS &&
	       (follow->look || now >= intakes_next_try(follow->relay) || now >= follow->retry_ns);
}

void follow_run(struct follow *follow)
{
	uint64_t expirations;
	uint64_t now;

	if (read(follow->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_debug("follow-timer-failed", LOG_ERROR(-errno));
	read_watch(follow);
	now = clock_ns();
	if (is_due(follow, now))
		look(follow);
	run_round(follow, clock_ns());
	arm_timer(follow);
}

void follow_sync(struct follow *follow)
{
	read_watch(follow);
	if (follow->look || !follow->watch)
		look(follow);
	arm_timer(follow);
}

void follow_rules_changed(struct follow *follow)
{
	if (!follow)
		return;
	follow->look = true;
	follow->looked_ns = 0;
	arm_timer(follow);
}

int follow_retry(struct follow *follow)
{
	bool reopened;

	intakes_follow(follow->relay, true, &reopened);
	look_at_everything(follow);
	follow->retry_ns = 0;
	look(follow);
	arm_timer(follow);
	return follow->relay->broken ? -EIO : 0;
}

/* ---- life ---- */

static int add_fd(struct follow *follow, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(follow->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_parts(struct follow *follow)
{
	int err;

	follow->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	follow->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (follow->epoll_fd < 0 || follow->timer_fd < 0)
		return -errno;
	err = add_fd(follow, follow->timer_fd);
	if (err)
		return err;
	err = link_watch_open(&follow->watch);
	if (!err)
		return add_fd(follow, link_watch_fd(follow->watch));
	log_warning("link-watch-failed", LOG_ERROR(err),
		    LOG_TEXT("hint", "changes of interfaces are seen half a second late"));
	return 0;
}

int follow_open(struct follow **out, struct relay *relay)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	int err;

	if (!follow)
		return -ENOMEM;
	follow->relay = relay;
	follow->epoll_fd = follow->timer_fd = -1;
	expect_change(follow);
	err = open_parts(follow);
	if (err) {
		follow_close(follow);
		return err;
	}
	*out = follow;
	return 0;
}

void follow_close(struct follow *follow)
{
	if (!follow)
		return;
	link_watch_close(follow->watch);
	if (follow->timer_fd >= 0)
		close(follow->timer_fd);
	if (follow->epoll_fd >= 0)
		close(follow->epoll_fd);
	outputs_free(&follow->outputs);
	free(follow);
}

int follow_fd(const struct follow *follow)
{
	return follow->epoll_fd;
}
