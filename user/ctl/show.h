/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon's answers look like to people. An answer may contain anything: a member that is
 * missing or has another type is shown as "-" or 0, and what could control a terminal is escaped.
 * No I/O except on the screen's stream. One thread.
 */
#ifndef XMCAST_CTL_SHOW_H
#define XMCAST_CTL_SHOW_H

#include <jansson.h>

#include "ctl/screen.h"

/* A member of an object, or of anything else; "-", 0 or false if it is missing or has another
 * type. */
const char *show_text(const json_t *object, const char *key);
long long show_number(const json_t *object, const char *key);
bool show_true(const json_t *object, const char *key);

/* Large enough for a reason with a path in it, and counts. What is longer is cut. */
#define SHOW_TEXT_SIZE 1024

/* The members of an object that are not 0: "EAGAIN 3, ENOBUFS 1", or "-". Returns `text` or "-". */
const char *show_counts(const json_t *object, char text[SHOW_TEXT_SIZE]);

/* Why an object is not active, if it has a reason, and then its member `counts` as above: "its
 * interface is down, ENETUNREACH 10". Returns `text` or "-". */
const char *show_reason(const json_t *object, const char *counts, char text[SHOW_TEXT_SIZE]);

/* The same with all that an output has lost: errors of its sends, and drops. */
const char *show_losses(const json_t *output, char text[SHOW_TEXT_SIZE]);

void show_nothing(const struct screen *screen, const json_t *answer);
void show_ping(const struct screen *screen, const json_t *answer);
void show_version(const struct screen *screen, const json_t *answer);
void show_pending(const struct screen *screen, const json_t *answer);
void show_changed(const struct screen *screen, const json_t *answer);
void show_diff(const struct screen *screen, const json_t *answer);
void show_applied(const struct screen *screen, const json_t *answer);
void show_confirmed(const struct screen *screen, const json_t *answer);
void show_config_status(const struct screen *screen, const json_t *answer);

/* That a change waits to be confirmed, if `config`, of stats.show or config.status, says so. */
void show_unconfirmed(const struct screen *screen, const json_t *config);
void show_saved(const struct screen *screen, const json_t *answer);
void show_log(const struct screen *screen, const json_t *answer);
void show_event(const struct screen *screen, const json_t *event);

/* Tables. */
void show_rules(const struct screen *screen, const json_t *answer);
void show_rule(const struct screen *screen, const json_t *answer);
void show_interfaces(const struct screen *screen, const json_t *answer);
void show_interface(const struct screen *screen, const json_t *answer);
void show_workers(const struct screen *screen, const json_t *answer);
void show_groups(const struct screen *screen, const json_t *answer);
void show_cluster(const struct screen *screen, const json_t *answer);
void show_leases(const struct screen *screen, const json_t *answer);
void show_output_devices(const struct screen *screen, const json_t *devices);
void show_stats(const struct screen *screen, const json_t *answer);

#endif
