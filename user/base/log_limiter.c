/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_limiter.h"

#include <string.h>

#include "base/lookup.h"

static struct log_limiter_event *find(struct log_limiter *limiter, const char *event)
{
	size_t length = strnlen(event, LOG_LIMITER_NAME - 1);
	uint32_t start = lookup_hash(event, length);

	for (uint32_t i = 0; length && i < LOG_LIMITER_EVENTS; i++) {
		struct log_limiter_event *slot = &limiter->events[(start + i) % LOG_LIMITER_EVENTS];

		if (!slot->name[0]) {
			memcpy(slot->name, event, length);
			return slot;
		}
		if (!strncmp(slot->name, event, length) && !slot->name[length])
			return slot;
	}
	return &limiter->others;
}

bool log_limiter_pass(struct log_limiter *limiter, const char *event, uint64_t now,
		      uint64_t *suppressed)
{
	struct log_limiter_event *slot = find(limiter, event);

	if (slot->next > now + (LOG_LIMITER_BURST - 1) * LOG_LIMITER_PERIOD_NS) {
		slot->suppressed++;
		return false;
	}
	slot->next = (slot->next > now ? slot->next : now) + LOG_LIMITER_PERIOD_NS;
	*suppressed = slot->suppressed;
	slot->suppressed = 0;
	return true;
}

uint64_t log_limiter_take(struct log_limiter *limiter, const char *event)
{
	struct log_limiter_event *slot = find(limiter, event);
	uint64_t suppressed = slot->suppressed;

	slot->suppressed = 0;
	return suppressed;
}

void log_limiter_add(struct log_limiter *limiter, const char *event, uint64_t suppressed)
{
	find(limiter, event)->suppressed += suppressed;
}
