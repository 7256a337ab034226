/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon's answers look like to people. They may hold anything: what is missing or of
 * another type is shown as "-" or 0, what could steer a terminal is escaped. No I/O but on the
 * screen's stream; one thread.
 */
#ifndef XMCAST_CTL_SHOW_H
#define XMCAST_CTL_SHOW_H

#include <jansson.h>

#include "ctl/screen.h"

struct places;

/* A member of an object, whatever that is; "-", 0 or false if it is missing or of another type. */
const char *show_text(const json_t *object, const char *key);
long long show_number(const json_t *object, const char *key);
bool show_true(const json_t *object, const char *key);

/* Room for a reason with a path in it, and counts. */
#define SHOW_COUNTS_SIZE 1024

/* The members of an object that are not 0: "EAGAIN 3, ENOBUFS 1", or "-". Cut at the size of
 * `text`, which is returned. */
const char *show_counts(const json_t *object, char text[SHOW_COUNTS_SIZE]);

/* Why an object is not at work, if it says so, and then its member `counts`, as above: "its
 * interface is down, ENETUNREACH 10". */
const char *show_reason(const json_t *object, const char *counts, char text[SHOW_COUNTS_SIZE]);

/* The same for all that an output has lost: errors of its sends, and drops. */
const char *show_losses(const json_t *output, char text[SHOW_COUNTS_SIZE]);

/* The input of a rule, out of the text of it in the grammar (a RULE has no key of it). Returns
 * `text`. */
const char *show_input(const json_t *rule, char *text, size_t size);

/* A JSON-RPC error: "FILE:LINE:COLUMN: 'WORD': MESSAGE" for each of its errors, and its message.
 * `places` may be NULL. */
void show_refusal(FILE *stream, const json_t *error, const struct places *places);

void show_ping(const struct screen *screen, const json_t *answer);
void show_version(const struct screen *screen, const json_t *answer);
void show_rules(const struct screen *screen, const json_t *answer);
void show_rule(const struct screen *screen, const json_t *answer);
void show_changed(const struct screen *screen, const json_t *answer);
void show_diff(const struct screen *screen, const json_t *answer);
void show_saved(const struct screen *screen, const json_t *answer);
void show_stats(const struct screen *screen, const json_t *answer);
void show_interfaces(const struct screen *screen, const json_t *answer);
void show_interface(const struct screen *screen, const json_t *answer);
void show_workers(const struct screen *screen, const json_t *answer);
void show_groups(const struct screen *screen, const json_t *answer);
void show_log(const struct screen *screen, const json_t *answer);
void show_nothing(const struct screen *screen, const json_t *answer);
void show_event(const struct screen *screen, const json_t *event);

#endif
