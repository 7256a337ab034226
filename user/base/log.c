/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE	1024
#define LIMIT_PERIOD_NS 1000000000ULL

/* "error" of all facilities is 0, so that nothing but the others need be said. */
static atomic_int levels[LOG_FACILITIES] = {
	LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
	LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
};

const struct log_config log_config_default = {
	.levels = {LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
		   LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO},
	.target = LOG_TARGET_AUTO,
};

const char *log_facility_name(enum log_facility facility)
{
	static const char *const names[LOG_FACILITIES] = {
		"daemon", "rules",	"steering", "ingress",
		"egress", "membership", "links",    "control",
	};

	return names[facility];
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[LOG_LEVELS] = {"error", "warning", "info", "debug"};

	return names[level];
}

void log_configure(const struct log_config *config)
{
	for (int i = 0; i < LOG_FACILITIES; i++)
		log_set_level((enum log_facility)i, config->levels[i]);
}

void log_current(struct log_config *config)
{
	*config = log_config_default;
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

/*
 * A log that nobody reads (a stalled pipe, a terminal after Ctrl-S) must not stop the relay: a line
 * that would block is lost, and counted. A pipe that is writable has room for a whole line
 * (PIPE_BUF). O_NONBLOCK is no way, because the description is shared with whoever started us.
 */
static void put_line(const char *line, size_t length)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static unsigned long long lost;
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	char note[64];
	int n;

	pthread_mutex_lock(&mutex);
	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT)) {
		lost++;
	} else {
		n = lost ? snprintf(note, sizeof(note), "warn  log-lines-lost count=%llu\n", lost)
			 : 0;
		if (n > 0 && write(STDERR_FILENO, note, (size_t)n) == n)
			lost = 0;
		if (n > 0 && poll(&fd, 1, 0) != 1)
			lost++;
		else if (write(STDERR_FILENO, line, length) < 0)
			lost++;
	}
	pthread_mutex_unlock(&mutex);
}

void log_write(enum log_facility facility, enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warn ", "info ", "debug"};
	int saved_errno = errno;
	char line[LINE_SIZE];
	size_t length;
	va_list args;
	int n;

	if ((int)level > atomic_load_explicit(&levels[facility], memory_order_relaxed))
		return;
	length = (size_t)snprintf(line, sizeof(line), "%s ", names[level]);
	va_start(args, format);
	n = vsnprintf(line + length, sizeof(line) - length, format, args);
	va_end(args);
	if (n > 0)
		length += (size_t)n;
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	put_line(line, length);
	errno = saved_errno;
}

bool log_allowed(struct log_limit *limit, uint64_t *suppressed)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	if (now < limit->next) {
		limit->suppressed++;
		return false;
	}
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	limit->next = now + LIMIT_PERIOD_NS;
	return true;
}
