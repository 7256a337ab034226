/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line per event, key=value, with stable event names (docs/log-events.md has all):
 *
 *     info  ready rules=2 interfaces=1 workers=4
 *     error join-failed rule=cam1 iface=eth0 error="No buffer space available" hint="…"
 *
 * Any thread. A line is written by one system call, so lines do not mix, and by none that waits:
 * what stderr or the syslog daemon does not take at once is lost, counted, and told by the next
 * line that gets through (log-lines-lost). All that a thread may wait for is another one that
 * writes.
 *
 * An event that comes too often is held back: 100 lines in a burst, then 10 a second, for each
 * event name; the next line that comes through says suppressed=N. Never held back are the lines
 * that tell of start and end (ready, stopping, statistics, final-statistics, frame-audit), and
 * errors before log_running().
 *
 * Never called per packet: a caller on the data path counts, and asks log_allowed() first.
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

/*
 * Where lines go.
 * AUTO: stderr; if that leads to the journal (JOURNAL_STREAM, see sd-daemon(3)) with its <N>
 * instead of the level's name. SYSLOG: /dev/log, as LOG_DAEMON; if nobody is there, stderr, until
 * somebody is.
 */
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

/* Start-up is over: from now on errors are held back as all else is. */
void log_running(void);

/* The calling thread may not open sockets any more (base/sandbox.h): while the connection to the
 * syslog daemon is down its lines go to stderr, until another thread has made it anew. */
void log_confine_thread(void);

/*
 * `format` gives the event name and its key=value pairs, without a newline. Values that may have
 * spaces are in quotes: key="%s". They may hold any bytes: control characters, quotes and what is
 * not UTF-8 are escaped. A line longer than 1024 bytes is cut. The event name is in the format, not
 * an argument, but for lines made elsewhere ("%s"), which cost their making even if held back.
 */
void log_write(enum log_facility facility, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...)	 log_write(LOG_FACILITY, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_FACILITY, LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_FACILITY, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_FACILITY, LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For events that may come with every packet: lets one through per second at the cost of reading a
 * clock, without a lock and without making the line's values. Zero-initialised by its owner, used
 * by one thread. */
struct log_limit {
	uint64_t next; /* CLOCK_MONOTONIC_COARSE ns from which the next line may be written */
	uint64_t suppressed;
};

/* True if a line of this event may be written now; those kept back since the last are then in that
 * line's suppressed=N. */
bool log_allowed(struct log_limit *limit, const char *event);

#endif
