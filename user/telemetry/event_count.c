/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/event_count.h"

#include <string.h>

static const char *const names[] = {EVENT_NAMES};

void event_count(void *context, const struct event *event)
{
	struct event_counts *counts = context;

	for (size_t i = 0; i < EVENT_NAME_COUNT; i++) {
		if (strcmp(event->name, names[i]) == 0) {
			counts->counts[i]++;
			return;
		}
	}
	counts->others++;
}

json_t *event_counts_json(const struct event_counts *counts)
{
	json_t *object = json_object();
	int err = 0;

	for (size_t i = 0; i < EVENT_NAME_COUNT; i++)
		err |= json_object_set_new(object, names[i],
					   json_integer((json_int_t)counts->counts[i]));
	err |= json_object_set_new(object, "other", json_integer((json_int_t)counts->others));
	if (!err)
		return object;
	json_decref(object);
	return NULL;
}
