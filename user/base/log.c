/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_datagram.h"
#include "base/log_journal.h"
#include "base/log_limiter.h"
#include "base/log_stderr.h"
#include "base/log_syslog.h"

/* Zero would mean LOG_LEVEL_ERROR, so the defaults are spelled out. */
static atomic_int levels[LOG_FACILITIES] = {
	LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
	LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
};

static atomic_bool running;

/* Where lines go and how. The mutex is held while a line is printed and written. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static enum log_target target = LOG_TARGET_AUTO;
static bool json;
static bool journal; /* lines to stderr begin with the journal's <N> */
static bool entries; /* the journal gets entries instead of lines */
static struct log_datagram to_syslog = {.path = LOG_SYSLOG_PATH, .fd = -1};
static struct log_datagram to_journal = {.path = LOG_JOURNAL_PATH, .fd = -1};
static uint64_t lost; /* lines, since the last log-lines-lost */

/* This thread may not connect to the syslog daemon or the journal. */
static _Thread_local bool confined;

/* The main thread's. */
static struct {
	log_watcher *call;
	void *context;
} watcher;

static pthread_mutex_t limiter_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_limiter limiter;

const struct log_config log_config_default = {
	.levels = {LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
		   LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO},
	.target = LOG_TARGET_AUTO,
};

/* Find out whether LOG_TARGET_AUTO means the journal. JOURNAL_STREAM names the socket that the
 * journal gave us, and stderr may have been redirected since. If it names something that is no
 * socket, its setter reads lines only. */
static void look_for_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char ours[48];

	journal = entries = false;
	if (target != LOG_TARGET_AUTO || !stream || fstat(STDERR_FILENO, &status))
		return;
	snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino);
	journal = !strcmp(stream, ours);
	entries = journal && S_ISSOCK(status.st_mode);
}

void log_configure(const struct log_config *config)
{
	for (int i = 0; i < LOG_FACILITIES; i++)
		log_set_level((enum log_facility)i, config->levels[i]);
	/* Reads the time zone's file now, because packet threads may open none. */
	tzset();
	pthread_mutex_lock(&mutex);
	target = config->target;
	json = config->json;
	look_for_journal();
	if (target != LOG_TARGET_SYSLOG)
		log_datagram_close(&to_syslog);
	if (!entries)
		log_datagram_close(&to_journal);
	to_syslog.retry = to_journal.retry = 0;
	pthread_mutex_unlock(&mutex);
}

void log_confine_thread(void)
{
	confined = true;
}

void log_current(struct log_config *config)
{
	pthread_mutex_lock(&mutex);
	config->target = target;
	config->json = json;
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < LOG_FACILITIES; i++)
		config->levels[i] = (enum log_level)atomic_load(&levels[i]);
}

void log_set_level(enum log_facility facility, enum log_level level)
{
	for (int i = 0; i < LOG_FACILITIES; i++) {
		if (facility == LOG_FACILITIES || (int)facility == i)
			atomic_store(&levels[i], (int)level);
	}
}

void log_running(void)
{
	atomic_store(&running, true);
}

/* ---- limits ---- */

/* Rare by themselves, and the first to be read when something went wrong. */
static bool is_never_suppressed(const char *event)
{
	static const char *const names[] = {"ready", "stopping", "statistics", "final-statistics",
					    "frame-audit"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], event) == 0)
			return true;
	}
	return false;
}

static bool may_pass(enum log_level level, const char *event, uint64_t *suppressed)
{
	bool pass = true;

	pthread_mutex_lock(&limiter_mutex);
	if ((level == LOG_LEVEL_ERROR && !atomic_load(&running)) || is_never_suppressed(event))
		*suppressed = log_limiter_take(&limiter, event);
	else
		pass = log_limiter_pass(&limiter, event, clock_coarse_ns(), suppressed);
	pthread_mutex_unlock(&limiter_mutex);
	return pass;
}

bool log_allowed(struct log_limit *limit, const char *event)
{
	uint64_t now = clock_coarse_ns();

	if (now < limit->next) {
		limit->suppressed++;
		return false;
	}
	limit->next = now + NS_PER_SECOND;
	if (limit->suppressed) {
		pthread_mutex_lock(&limiter_mutex);
		log_limiter_add(&limiter, event, limit->suppressed);
		pthread_mutex_unlock(&limiter_mutex);
		limit->suppressed = 0;
	}
	return true;
}

/* ---- writing ---- */

static size_t print(const struct log_record *record, const char *prefix, char line[LOG_JSON_SIZE])
{
	return json ? log_record_json(record, prefix, line) : log_record_text(record, prefix, line);
}

static bool put_stderr(const struct log_record *record, char line[LOG_JSON_SIZE])
{
	static const char *const journal_prefixes[] = {"<3>", "<4>", "<6>", "<7>"};
	static const char *const names[] = {"error ", "warn  ", "info  ", "debug "};
	char time[CLOCK_TEXT_SIZE], stamped[sizeof(time) + sizeof("debug ")] = "";
	const char *prefix = journal ? journal_prefixes[record->level] : stamped;

	if (!journal && !json)
		snprintf(stamped, sizeof(stamped), "%s %s", clock_format(&record->time, time),
			 names[record->level]);
	return !log_stderr_write(line, print(record, prefix, line));
}

static int put_datagram(struct log_datagram *to, const char *bytes, size_t length)
{
	return confined ? log_datagram_send_connected(to, bytes, length)
			: log_datagram_send(to, bytes, length, clock_coarse_ns());
}

/* Under the mutex. False: the line is lost. */
static bool put(const struct log_record *record)
{
	static char line[LOG_JSON_SIZE];
	static char entry[LOG_JOURNAL_SIZE];
	char prefix[LOG_SYSLOG_PREFIX_SIZE];
	int err = -ENOTCONN;
	size_t length;

	/* Without the newline. */
	if (target == LOG_TARGET_SYSLOG) {
		log_syslog_prefix(record->level, prefix);
		length = print(record, prefix, line) - 1;
		err = put_datagram(&to_syslog, line, length);
	} else if (entries) {
		length = print(record, "", line) - 1;
		length = log_journal_entry(record, line, length, entry);
		err = put_datagram(&to_journal, entry, length);
	}
	if (err == -EAGAIN)
		return false;
	return !err || put_stderr(record, line);
}

/* First the number of lost lines: if that gets through, so may this record. Under the mutex. */
static bool put_lost(const struct timespec *now)
{
	const struct log_field count = LOG_UINT("count", lost);
	const struct log_record record = {
		.time = *now,
		.facility = LOG_FACILITY_DAEMON,
		.level = LOG_LEVEL_WARNING,
		.event = "log-lines-lost",
		.fields = &count,
		.nr_fields = 1,
	};

	if (!lost)
		return true;
	if (!put(&record))
		return false;
	lost = 0;
	return true;
}

void log_put(enum log_facility facility, enum log_level level, bool is_event, const char *name,
	     const struct log_field *fields, unsigned int nr_fields)
{
	struct log_record record = {
		.facility = facility,
		.level = level,
		.event = name,
		.fields = fields,
		.nr_fields = nr_fields,
	};
	bool written = (int)level <= atomic_load_explicit(&levels[facility], memory_order_relaxed);
	int saved_errno = errno;

	if (!written && !is_event)
		return;
	clock_gettime(CLOCK_REALTIME, &record.time);
	if (written && may_pass(level, name, &record.suppressed)) {
		pthread_mutex_lock(&mutex);
		if (!put_lost(&record.time) || !put(&record))
			lost++;
		pthread_mutex_unlock(&mutex);
	}
	if (is_event && watcher.call)
		watcher.call(watcher.context, &record);
	errno = saved_errno;
}

void log_watch(log_watcher *function, void *context)
{
	watcher.call = function;
	watcher.context = context;
}
