/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The latest events of the daemon, for any number of clients that ask for those after a number: a
 * client has no state here, so none can make the exporter hold more. They are read over a
 * connection to the daemon that stays open. If the daemon ends, what happens until
 * events_connect() is called again is missing. Main thread.
 */
#ifndef XMCAST_EXPORTER_EVENTS_H
#define XMCAST_EXPORTER_EVENTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* How many are kept, and how long the text of each may be: of a longer one, only time and name are
 * kept. */
#define EVENTS_KEPT   256
#define EVENTS_LENGTH 4096

struct events;

/* No connection yet. NULL: no memory. */
struct events *events_new(void);
void events_free(struct events *events); /* accepts NULL */

/* Connect to the daemon, unless there is a connection. Waits as scrape.h does. 0 or -errno. */
int events_connect(struct events *events, const char *socket, int signal_fd);

/* Readable when events_run() has something to do; -1: there is no connection. */
int events_fd(const struct events *events);

/* Read what has arrived. Does not wait. */
void events_run(struct events *events);

/* Keep this event, an object. For events_run(), and tests. */
void events_add(struct events *events, const json_t *event);

/*
 * {"since": MS, "last": N, "events": [{"id": N, "time", "event", KEY: VALUE...}...]}: those with an
 * id above `after`, the oldest first. `since`: when the exporter was started, in Unix time: ids
 * start again at 1. *text is malloc()ed, the caller's. 0 or -ENOMEM.
 */
int events_text(const struct events *events, uint64_t after, char **text, size_t *length);

#endif
