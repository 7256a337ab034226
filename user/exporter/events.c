/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/events.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/text.h"
#include "control/client.h"
#include "exporter/scrape.h"

/* Read at once, so that a daemon with many events does not keep clients waiting: it sends at most
 * 100 in a second. */
#define AT_ONCE 100

struct events {
	struct control_client *client; /* NULL: no connection */
	uint64_t since_ms;
	uint64_t last;		 /* id of the newest; 0: none yet */
	char *kept[EVENTS_KEPT]; /* that with id N at N % EVENTS_KEPT, as JSON with a newline */
};

struct events *events_new(void)
{
	struct events *events = calloc(1, sizeof(*events));
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (events)
		events->since_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
	return events;
}

static void disconnect(struct events *events)
{
	control_client_close(events->client);
	events->client = NULL;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	disconnect(events);
	for (unsigned int i = 0; i < EVENTS_KEPT; i++)
		free(events->kept[i]);
	free(events);
}

int events_connect(struct events *events, const char *socket, int signal_fd)
{
	json_t *answer = NULL;
	int err;

	if (events->client)
		return 0;
	err = control_client_open(&events->client, socket);
	if (!err) {
		control_client_timeout(events->client, SCRAPE_ANSWER_MS);
		control_client_interrupt(events->client, signal_fd);
		err = control_client_call(events->client, "monitor.start", NULL, &answer);
		err = err > 0 ? -EPROTO : err;
		json_decref(answer);
	}
	if (err)
		disconnect(events);
	else
		control_client_timeout(events->client, 0); /* from now on, do not wait */
	return err;
}

int events_fd(const struct events *events)
{
	return events->client ? control_client_fd(events->client) : -1;
}

void events_run(struct events *events)
{
	for (unsigned int i = 0; i < AT_ONCE && events->client; i++) {
		json_t *event = NULL;
		int err = control_client_event(events->client, &event);

		if (!err)
			events_add(events, event);
		json_decref(event);
		if (err == -ETIMEDOUT)
			return;
		if (err)
			disconnect(events);
	}
}

/* {"id", "time", "event"}, and all other keys unless that is too long. NULL: no memory. */
static char *event_text(uint64_t id, const json_t *event)
{
	json_t *object =
		json_pack("{s:I, s:O*, s:O*}", "id", (json_int_t)id, "time",
			  json_object_get(event, "time"), "event", json_object_get(event, "event"));
	json_t *whole = object ? json_copy(object) : NULL;
	size_t length = 0;
	char *text = NULL;

	if (whole && !json_object_update_missing(whole, (json_t *)event))
		text = json_text_line(whole, &length);
	if (text && length > EVENTS_LENGTH) {
		free(text);
		text = json_text_line(object, &length);
	}
	if (text && length > EVENTS_LENGTH) {
		free(text);
		text = text_format("{\"id\":%llu}\n", (unsigned long long)id);
	}
	json_decref(whole);
	json_decref(object);
	return text;
}

void events_add(struct events *events, const json_t *event)
{
	char *text = event_text(events->last + 1, event);
	char **slot = &events->kept[(events->last + 1) % EVENTS_KEPT];

	if (!text)
		return;
	free(*slot);
	*slot = text;
	events->last++;
}

int events_text(const struct events *events, uint64_t after, char **text, size_t *length)
{
	uint64_t oldest = events->last < EVENTS_KEPT ? 1 : events->last - EVENTS_KEPT + 1;
	uint64_t seen = after < events->last ? after : events->last;
	struct text whole = {0};

	text_add_format(&whole, "{\"since\":%llu,\"last\":%llu,\"events\":[",
			(unsigned long long)events->since_ms, (unsigned long long)events->last);
	for (uint64_t id = seen < oldest ? oldest : seen + 1; id <= events->last; id++) {
		text_add(&whole, events->kept[id % EVENTS_KEPT]);
		text_add(&whole, id < events->last ? "," : "");
	}
	text_add(&whole, "]}\n");
	if (whole.failed)
		text_free(&whole);
	*text = whole.bytes;
	*length = whole.length;
	return whole.bytes ? 0 : -ENOMEM;
}
