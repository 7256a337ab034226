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

/* Which part of the program speaks. A file that logs says which it is part of, before it includes
 * this header: #define LOG_FACILITY LOG_FACILITY_EGRESS */
enum log_facility {
	LOG_FACILITY_DAEMON,
	LOG_FACILITY_RULES,
	LOG_FACILITY_STEERING,
	LOG_FACILITY_INGRESS,
	LOG_FACILITY_EGRESS,
	LOG_FACILITY_MEMBERSHIP,
	LOG_FACILITY_LINKS,
	LOG_FACILITY_CONTROL,
	LOG_FACILITIES,
};

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVELS };

/* Where lines go. AUTO: stderr, with the journal's <N> prefixes if that is what stderr leads to. */
enum log_target { LOG_TARGET_AUTO, LOG_TARGET_STDERR, LOG_TARGET_SYSLOG };

struct log_config {
	enum log_level levels[LOG_FACILITIES]; /* what is above is not written */
	enum log_target target;
	bool json; /* lines are JSON objects */
};

/* Everything up to "info", as text, wherever AUTO leads. */
extern const struct log_config log_config_default;

/* Names as a configuration has them; constant text. */
const char *log_facility_name(enum log_facility facility);
const char *log_level_name(enum log_level level);

/* Main thread; other threads may be logging meanwhile. */
void log_configure(const struct log_config *config);
void log_current(struct log_config *config);

/* The level of one facility, or of all of them (LOG_FACILITIES). Any thread. */
void log_set_level(enum log_facility facility, enum log_level level);

/* `format` gives the event name and its key=value pairs, without a newline. A line longer than 1024
 * bytes is cut. */
void log_write(enum log_facility facility, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...)	 log_write(LOG_FACILITY, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_FACILITY, LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_FACILITY, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_FACILITY, LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Lets one event through per second; zero-initialised by its owner, used by one thread. */
struct log_limit {
	uint64_t next; /* CLOCK_MONOTONIC_COARSE ns from which the next line may be written */
	uint64_t suppressed;
};

/* True if the line may be written now; then *suppressed is the number kept back since the last. */
bool log_allowed(struct log_limit *limit, uint64_t *suppressed);

#endif
