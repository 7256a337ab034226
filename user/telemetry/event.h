/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events: what happens to rules and interfaces, told to everybody who wants to know: the log, the
 * clients that monitor, the hook. Who emits one does not know the sinks, which the daemon adds.
 *
 *     struct event event;
 *
 *     event_init(&event, "silent", LOG_FACILITY_RULES, LOG_LEVEL_WARNING);
 *     event_add_text(&event, "rule", rule->name);
 *     event_emit(events, &event);
 *
 * An event and all that it points to is valid until event_emit() returns: a sink copies what it
 * keeps. Names and keys are a contract (docs/control-protocol.md), never renamed. Main thread.
 */
#ifndef XMCAST_TELEMETRY_EVENT_H
#define XMCAST_TELEMETRY_EVENT_H

#include <jansson.h>
#include <stdint.h>
#include <time.h>

#include "base/log.h"

#define EVENT_FIELDS 8 /* of one event; more are left out */
#define EVENT_SINKS  4

/* Bytes of a value as text, with its NUL; a longer one is cut. */
#define EVENT_TEXT_SIZE 512

/* Part of a list: 12 of "ENOBUFS". */
struct event_number {
	const char *name;
	uint64_t value;
};

struct event_field {
	const char *key;
	enum { EVENT_TEXT, EVENT_NUMBER, EVENT_NUMBERS } kind;
	const char *text;
	uint64_t number; /* the number; or how many `numbers` there are */
	const struct event_number *numbers;
};

struct event {
	const char *name;
	enum log_facility facility;
	enum log_level level; /* EVENT_NOT_LOGGED: the log has a line of its own about it */
	struct timespec time; /* of the wall clock */
	unsigned int nr_fields;
	struct event_field fields[EVENT_FIELDS];
};

#define EVENT_NOT_LOGGED LOG_LEVELS

/* Begin an event, which happens now. */
void event_init(struct event *event, const char *name, enum log_facility facility,
		enum log_level level);

/* Add a field. A text is UTF-8; NULL is left out. */
void event_add_text(struct event *event, const char *key, const char *text);
void event_add_number(struct event *event, const char *key, uint64_t number);
void event_add_numbers(struct event *event, const char *key, const struct event_number *numbers,
		       unsigned int count);

/* ---- who listens ---- */

struct event_sink {
	void (*take)(void *context, const struct event *event);
	void *context;
};

/* Starts as all zero. */
struct events {
	unsigned int nr_sinks;
	struct event_sink sinks[EVENT_SINKS];
};

/* Add a sink behind those that are there. 0, or -ENOSPC. */
int events_add_sink(struct events *events, void (*take)(void *context, const struct event *event),
		    void *context);

/* Tell all sinks, in the order in which they were added. NULL: nobody listens. */
void event_emit(const struct events *events, const struct event *event);

/* ---- forms ---- */

/* {"time": "2026-11-22T15:04:05.123Z", "event": NAME, KEY: VALUE…}; a list is an object. The
 * caller's reference; NULL: no memory. */
json_t *event_json(const struct event *event);

/* "NAME key=value key="two words"", a list as ENOBUFS:12,EAGAIN:3; cut at `size`. As log_write()
 * takes it: values are not escaped yet. */
void event_line(const struct event *event, char *line, size_t size);

/* A sink that writes that line to the log. No context. */
void event_log(void *context, const struct event *event);

/* Fields as pairs of key and text, for programs. */
struct event_pairs {
	size_t count;
	const char *pairs[EVENT_FIELDS][2];
	char text[EVENT_FIELDS][EVENT_TEXT_SIZE];
};

void event_to_pairs(const struct event *event, struct event_pairs *pairs);

#endif
