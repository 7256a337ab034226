/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line per event on stderr, key=value, with stable event names:
 *
 *     info  ready rules=2 interfaces=1 workers=4
 *     error join-failed rule=cam1 iface=eth0 error="No buffer space available" hint="…"
 *
 * Any thread; a line is written by one write(2), so lines do not mix. Never called per packet: a
 * caller on the data path counts, and reports through log_limited().
 */
#ifndef XMCAST_BASE_LOG_H
#define XMCAST_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are not written; default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* `format` gives the event name and its key=value pairs, without a newline. A line longer than 1024
 * bytes is cut. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Lets one event through per second; zero-initialised by its owner, used by one thread. */
struct log_limit {
	uint64_t next; /* CLOCK_MONOTONIC_COARSE ns from which the next line may be written */
	uint64_t suppressed;
};

/* True if the line may be written now; then *suppressed is the number kept back since the last. */
bool log_allowed(struct log_limit *limit, uint64_t *suppressed);

#endif
