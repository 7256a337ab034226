/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/schedule.h"

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- back-off ---- */

void backoff_failed(struct backoff *backoff, uint64_t now_ns, bool busy)
{
	if (busy && backoff->busy < BUSY_TRIES) {
		backoff->busy++;
		backoff->due_ns = now_ns + BUSY_NS;
		return;
	}
	backoff->delay_ns =
		backoff->delay_ns ? min(2 * backoff->delay_ns, BACKOFF_MOST_NS) : BACKOFF_FIRST_NS;
	backoff->due_ns = now_ns + backoff->delay_ns;
}

void backoff_succeeded(struct backoff *backoff, uint64_t now_ns)
{
	*backoff = (struct backoff){.rest_ns = now_ns + REST_NS};
}

void backoff_forget(struct backoff *backoff)
{
	*backoff = (struct backoff){.rest_ns = backoff->rest_ns};
}

uint64_t backoff_due(const struct backoff *backoff)
{
	return max(backoff->due_ns, backoff->rest_ns);
}

/* ---- looking at the network ---- */

uint64_t schedule_retry_ns(const struct schedule *schedule)
{
	return schedule->waiting ? schedule->retried_ns + schedule->retry_delay_ns : NEVER_NS;
}

/* When the next look is due. */
static uint64_t look_ns(const struct schedule *schedule, uint64_t intakes_ns)
{
	uint64_t soon = schedule->changed ? 0 : min(intakes_ns, schedule_retry_ns(schedule));

	return min(max(soon, schedule->looked_ns + LOOK_EVERY_NS),
		   schedule->looked_ns + LOOK_AT_LEAST_NS);
}

unsigned int schedule_due(const struct schedule *schedule, uint64_t now_ns, uint64_t intakes_ns)
{
	unsigned int due = 0;

	if (now_ns >= look_ns(schedule, intakes_ns))
		due |= DUE_LOOK;
	if (schedule->in_round ||
	    (schedule->routes_changed && now_ns >= schedule->round_ns + ROUND_EVERY_NS))
		due |= DUE_ROUND;
	if (schedule->in_pass)
		due |= DUE_PASS;
	return due;
}

uint64_t schedule_next(const struct schedule *schedule, uint64_t now_ns, uint64_t intakes_ns)
{
	uint64_t next = look_ns(schedule, intakes_ns);

	if (schedule->in_round || schedule->in_pass)
		return min(next, now_ns + ROUND_TURN_NS);
	if (schedule->routes_changed)
		return min(next, schedule->round_ns + ROUND_EVERY_NS);
	return next;
}

void schedule_expect(struct schedule *schedule)
{
	schedule->retry_delay_ns = RETRY_FIRST_NS;
}

void schedule_retried(struct schedule *schedule, uint64_t now_ns)
{
	schedule->retried_ns = now_ns;
	schedule->retry_delay_ns = min(2 * schedule->retry_delay_ns, RETRY_MOST_NS);
}
