/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: records with stable event names and typed fields (log_record.h; docs/log-events.md lists
 * them all), printed as text or as JSON:
 *
 *     log_error("join-failed", LOG_NAME("rule", rule->name), LOG_ERROR(err));
 *     log_event(LOG_LEVEL_WARNING, "silent", LOG_NAME("rule", rule->name));
 *
 * An event is a record that is also given to the watcher, whatever the log's level. Main thread;
 * all other functions: any thread.
 *
 * A line is written by one system call, so lines do not mix, and no call waits: a line that stderr
 * or the syslog daemon does not accept at once is lost. Lost lines are counted and reported by
 * the next line that gets through (log-lines-lost). A thread waits only while another one writes.
 *
 * The rate of each event name is limited: 100 lines in a burst, then 10 a second; the next line
 * that is written has suppressed=N. Never limited are records of the start and the end (ready,
 * stopping, statistics, final-statistics, frame-audit), and errors before log_running().
 *
 * Never called per packet: the data path counts, and calls log_allowed() first.
 */
#ifndef XMCAST_BASE_LOG_H
#define XMCAST_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log_record.h"

/*
 * Where lines go.
 * Lines of text on stderr begin with the time of day, unless the journal adds it.
 * AUTO: stderr; if that is the journal (JOURNAL_STREAM, see sd-daemon(3)), entries with fields to
 * the journal (log_journal.h), or lines with the journal's <N> instead of the level's name while it
 * does not listen. SYSLOG: /dev/log, facility LOG_DAEMON; stderr while nothing listens
 * there.
 */
enum log_target { LOG_TARGET_AUTO, LOG_TARGET_STDERR, LOG_TARGET_SYSLOG };

struct log_config {
	enum log_level levels[LOG_FACILITIES]; /* records above this level are not written */
	enum log_target target;
	bool json; /* lines are JSON objects */
};

/* Everything up to "info", as text, to LOG_TARGET_AUTO. */
extern const struct log_config log_config_default;

/* Main thread; other threads may be logging meanwhile. */
void log_configure(const struct log_config *config);
void log_current(struct log_config *config);

/* The level of one facility, or of all of them (LOG_FACILITIES). Any thread. */
void log_set_level(enum log_facility facility, enum log_level level);

/* Start-up is over: errors are limited from now on as well. */
void log_running(void);

/* The calling thread may not open sockets any more (base/sandbox.h): while the connection to the
 * syslog daemon or the journal is down its lines go to stderr, until another thread has
 * reconnected. */
void log_confine_thread(void);

/*
 * Write a record. The macros take the event's name and any number of fields. The first four write
 * for the facility of the file, which it defines before it includes this header:
 * #define LOG_FACILITY LOG_FACILITY_EGRESS
 */
#define log_error(...)	 log_write(LOG_FACILITY, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_FACILITY, LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_FACILITY, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_FACILITY, LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Write a record and give it to the watcher. */
#define log_event(level, ...) log_write_event(LOG_FACILITY, level, __VA_ARGS__)

/* The same, with the facility. */
#define log_write(facility, level, ...)	      LOG_PUT(facility, level, false, __VA_ARGS__)
#define log_write_event(facility, level, ...) LOG_PUT(facility, level, true, __VA_ARGS__)

/* What the macros do. LOG_NONE, because an array needs one element. */
void log_put(enum log_facility facility, enum log_level level, bool is_event, const char *name,
	     const struct log_field *fields, unsigned int nr_fields);
#define LOG_FIELD_LIST(...) ((const struct log_field[]){LOG_NONE, ##__VA_ARGS__})
#define LOG_PUT(facility, level, is_event, name, ...)                                              \
	log_put(facility, level, is_event, name, LOG_FIELD_LIST(__VA_ARGS__),                      \
		sizeof(LOG_FIELD_LIST(__VA_ARGS__)) / sizeof(struct log_field))

/* Have events given to this function, or to nobody (NULL). A record and all it points to is valid
 * until it returns. */
typedef void log_watcher(void *context, const struct log_record *record);
void log_watch(log_watcher *function, void *context);

/* For records that may come with every packet: lets one through per second at the cost of reading a
 * clock, without a lock. Zero-initialised by its owner, used by one thread. */
struct log_limit {
	uint64_t next; /* CLOCK_MONOTONIC_COARSE ns from which the next line may be written */
	uint64_t suppressed;
};

/* True if a record of this event may be written now; its suppressed=N then includes those that were
 * not since the last one. */
bool log_allowed(struct log_limit *limit, const char *event);

#endif
