// SPDX-License-Identifier: BSD-2-Clause
/* The log: one line for each event, cut if too long, limited in rate, written without waiting; and
 * counters with one writer. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "stamps.h"
#include "watchdog.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>

#include <jansson.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/counter.h"
#include "base/log.h"
#include "base/log_datagram.h"
#include "base/log_journal.h"
#include "base/log_limiter.h"
#include "base/clock.h"
#include "base/log_stderr.h"
#include "base/log_syslog.h"

#define MANY 200000

static int real_stderr = -1;
static int reader = -1;

static void redirect(int fd)
{
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	log_stderr_open();
}

/* Log into a pipe instead of the terminal. Its writers would wait, as in a pipe that a shell makes.
 */
static void capture(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	real_stderr = dup(STDERR_FILENO);
	redirect(fds[1]);
	reader = fds[0];
}

/* What was written since capture(), without time stamps; must hold `size` bytes. */
static size_t release(char *text, size_t size)
{
	ssize_t n = read(reader, text, size - 1);
	size_t length = n > 0 ? (size_t)n : 0;

	text[length] = '\0';
	length = without_stamps(text);
	redirect(real_stderr);
	close(reader);
	return length;
}

static void test_lines(void **state)
{
	char text[4096];

	capture();
	log_error("join-failed", LOG_NAME("rule", "cam1"));
	log_warning("send-failed", LOG_INT("datagrams", 3));
	log_info("ready", LOG_UINT("rules", 2U));
	log_debug("not-shown");
	release(text, sizeof(text));
	assert_string_equal(text, "error join-failed rule=cam1\n"
				  "warn  send-failed datagrams=3\n"
				  "info  ready rules=2\n");
}

/* Text begins with the time of day in UTC. */
static void test_time(void **state)
{
	char text[256], now[CLOCK_TEXT_SIZE];
	struct timespec before, after;
	ssize_t n;

	capture();
	clock_gettime(CLOCK_REALTIME, &before);
	log_info("event");
	clock_gettime(CLOCK_REALTIME, &after);
	n = read(reader, text, sizeof(text) - 1);
	redirect(real_stderr);
	close(reader);
	assert_true(n > STAMP);
	text[n] = '\0';
	assert_string_equal(text + STAMP, "info  event\n");
	assert_true(strncmp(clock_format(&before, now), text, STAMP - 1) <= 0);
	assert_true(strncmp(clock_format(&after, now), text, STAMP - 1) >= 0);
}

static void test_levels(void **state)
{
	char text[4096];

	capture();
	log_set_level(LOG_FACILITIES, LOG_LEVEL_DEBUG);
	log_debug("shown");
	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	log_warning("not-shown");
	log_error("shown");
	log_set_level(LOG_FACILITIES, LOG_LEVEL_INFO);
	release(text, sizeof(text));
	assert_string_equal(text, "debug shown\nerror shown\n");
}

/* A line has at most 1,024 bytes, and always ends with a newline. */
static void test_cut(void **state)
{
	char value[5000];
	char text[8192];
	size_t full = 0;

	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	for (int size = 950; size < 1040; size++) {
		size_t length;

		capture();
		log_info("event", LOG_NAME("value", value + sizeof(value) - 1 - size));
		length = release(text, sizeof(text));
		assert_true(length + STAMP <= 1024);
		assert_ptr_equal(strchr(text, '\n'), text + length - 1);
		if (length == (size_t)size + strlen("info  event value=\n"))
			full = length;
	}
	assert_true(full + STAMP >= 1023); /* and it is not cut much shorter */
	capture();
	log_info("event", LOG_TEXT("value", value));
	assert_true(release(text, sizeof(text)) + STAMP >= 1023);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_errno_is_kept(void **state)
{
	char text[4096];

	capture();
	errno = ENOTTY;
	log_info("event");
	assert_int_equal(errno, ENOTTY);
	release(text, sizeof(text));
}

/* A pipe that nobody reads stops no caller. Lost lines are reported once it is read again. */
static void test_full_pipe(void **state)
{
	static char text[1 << 20];
	unsigned int written = 0;
	char expected[100];

	watchdog_start(__func__);
	capture();
	for (int i = 0; i < 10000; i++)
		log_error("event",
			  LOG_INT("number", i)); /* errors during start-up are not limited */
	assert_true(release(text, sizeof(text)) > 0);
	for (char *line = text; (line = strchr(line, '\n')); line++)
		written++;
	capture();
	log_error("event");
	release(text, sizeof(text));
	snprintf(expected, sizeof(expected), "warn  log-lines-lost count=%u\nerror event\n",
		 10000 - written);
	assert_string_equal(text, expected);
	watchdog_stop();
}

/* Other writers of the pipe may rely on waiting while it is full. */
static void test_flags_are_kept(void **state)
{
	char text[4096];

	capture();
	log_info("event");
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	release(text, sizeof(text));
	assert_string_equal(text, "info  event\n");
}

static void *fill_pipe(void *unused)
{
	static char block[4096];

	/* Ends with the pipe's last reader. */
	while (write(STDERR_FILENO, block, sizeof(block)) > 0)
		;
	return NULL;
}

/* Another writer may fill the pipe at any moment. */
static void test_pipe_of_others(void **state)
{
	static char text[1 << 20];
	pthread_t other;

	watchdog_start(__func__);
	signal(SIGALRM, SIG_DFL); /* the watchdog's message would wait as well */
	signal(SIGPIPE, SIG_IGN);
	capture();
	assert_int_equal(pthread_create(&other, NULL, fill_pipe, NULL), 0);
	for (int i = 0; i < 200000; i++) {
		log_error("event", LOG_INT("number", i));
		if (i % 8 == 0 && read(reader, text, 4096) < 0)
			assert_int_equal(errno, EAGAIN);
	}
	close(reader);
	pthread_join(other, NULL);
	redirect(real_stderr);
	/* Lost lines are reported here, so that the next test need not expect it. */
	capture();
	log_error("event");
	release(text, sizeof(text));
	assert_non_null(strstr(text, "error event\n"));
	watchdog_stop();
}

/* A terminal may have room for a part of a line only. No line is lost in the middle. */
static void test_stopped_terminal(void **state)
{
	static char text[1 << 20];
	unsigned int lost = 0;
	unsigned int lines = 0;
	struct termios raw;
	char value[900];
	int terminal;
	int master;

	watchdog_start(__func__);
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (master < 0)
		skip(); /* there is no devpts */
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(terminal >= 0);
	assert_int_equal(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(terminal, TCSANOW, &raw), 0);
	real_stderr = dup(STDERR_FILENO);
	redirect(terminal);
	for (int i = 0; i < 1000; i++)
		log_error("event", LOG_NAME("value", value));
	/* Read everything; each time there is nothing to read, log a line that ends the loop. */
	for (size_t length = 0; !strstr(text, "error last\n");) {
		ssize_t n = read(master, text + length, sizeof(text) - 1 - length);

		if (n > 0)
			length += (size_t)n;
		else
			log_error("last");
	}
	without_stamps(text);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "warn  log-lines-lost count=%u", &lost) == 1)
			continue;
		lines++;
		if (strcmp(line, "error last") != 0)
			assert_int_equal(strlen(line),
					 strlen("error event value=") + sizeof(value) - 1);
	}
	assert_true(lost > 0);
	assert_true(lines > 1);
	redirect(real_stderr);
	close(master);
	watchdog_stop();
}

/* One line a second; the next line has the number of those held back. */
static void test_allowed(void **state)
{
	struct log_limit limit = {0};
	char text[4096];

	capture();
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back", LOG_INT("number", 1));
	limit.next += 1000000000000ULL; /* far from the end of the second */
	for (int i = 0; i < 5; i++)
		assert_false(log_allowed(&limit, "kept-back"));
	limit.next = 1; /* the second has passed */
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back", LOG_INT("number", 2));
	limit.next = 1;
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back", LOG_INT("number", 3));
	release(text, sizeof(text));
	assert_string_equal(text, "info  kept-back number=1\n"
				  "info  kept-back number=2 suppressed=5\n"
				  "info  kept-back number=3\n");
}

/* ---- limits ---- */

#define SECOND 1000000000ULL

static unsigned int pass_many(struct log_limiter *limiter, const char *event, unsigned int n,
			      uint64_t now, uint64_t *suppressed)
{
	unsigned int passed = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t count = 0;

		passed += log_limiter_pass(limiter, event, now, &count);
		*suppressed += count;
	}
	return passed;
}

static void test_limiter(void **state)
{
	static struct log_limiter limiter;
	uint64_t now = 5 * SECOND;
	uint64_t suppressed = 0;

	assert_int_equal(pass_many(&limiter, "a", 1000, now, &suppressed), 100);
	assert_int_equal(suppressed, 0);
	/* Another event has a limit of its own, also if the one name is the beginning of the other.
	 */
	assert_int_equal(pass_many(&limiter, "ab", 1000, now, &suppressed), 100);
	assert_int_equal(suppressed, 0);
	/* 10 a second; the first one has the number of those held back. */
	assert_int_equal(pass_many(&limiter, "a", 1000, now + SECOND, &suppressed), 10);
	assert_int_equal(suppressed, 900);
	suppressed = 0;
	assert_int_equal(pass_many(&limiter, "a", 1000, now + 3 * SECOND, &suppressed), 20);
	assert_int_equal(suppressed, 990);
	/* Never more than a burst, after any time. */
	assert_int_equal(pass_many(&limiter, "a", 1000, now + 3600 * SECOND, &suppressed), 100);
	log_limiter_add(&limiter, "c", 7);
	assert_int_equal(log_limiter_take(&limiter, "c"), 7);
	assert_int_equal(log_limiter_take(&limiter, "c"), 0);
}

/* More names than the table can hold, and names longer than it keeps, are limited as well. */
static void test_limiter_full(void **state)
{
	static struct log_limiter limiter;
	char longer[2 * LOG_LIMITER_NAME] = {0};
	uint64_t suppressed = 0;
	char name[20];

	memset(longer, 'x', sizeof(longer) - 1);
	assert_int_equal(pass_many(&limiter, longer, 150, SECOND, &suppressed), 100);
	longer[LOG_LIMITER_NAME] = 'y';
	assert_int_equal(pass_many(&limiter, longer, 1, SECOND, &suppressed), 0);
	assert_int_equal(pass_many(&limiter, "", 150, SECOND, &suppressed), 100);
	log_limiter_take(&limiter, "");
	for (int i = 0; i < LOG_LIMITER_EVENTS - 1; i++) {
		snprintf(name, sizeof(name), "event-%d", i);
		assert_int_equal(pass_many(&limiter, name, 1, SECOND, &suppressed), 1);
	}
	/* All further names share one limit, with the empty name. */
	assert_int_equal(pass_many(&limiter, "one-more", 5, SECOND, &suppressed), 0);
	assert_int_equal(pass_many(&limiter, "and-another", 5, 2 * SECOND, &suppressed), 5);
	assert_int_equal(suppressed, 5);
	assert_int_equal(pass_many(&limiter, "event-7", 200, SECOND, &suppressed), 99);
}

/* Of a storm of one event, some records are written, at any level. */
static void test_storm(void **state)
{
	static char text[1 << 20];
	unsigned int lines = 0;

	capture();
	fcntl(reader, F_SETPIPE_SZ, 1 << 20);
	for (int i = 0; i < 5000; i++)
		log_warning("storm", LOG_INT("number", i));
	for (int i = 0; i < 200; i++)
		log_info("statistics", LOG_INT("number", i)); /* never limited */
	release(text, sizeof(text));
	for (char *at = text; (at = strstr(at, "storm ")); at++)
		lines++;
	/* 100, and 10 for each second that the loop took. */
	assert_in_range(lines, 100, 2000);
	assert_non_null(strstr(text, "statistics number=199\n"));
}

/* Errors are held back only when the start is over. The last of these tests: there is no way back.
 */
static void test_storm_of_errors(void **state)
{
	static char text[1 << 20];
	unsigned int before = 0;
	unsigned int after = 0;

	capture();
	fcntl(reader, F_SETPIPE_SZ, 1 << 20);
	for (int i = 0; i < 5000; i++)
		log_error("before", LOG_INT("number", i));
	log_running();
	for (int i = 0; i < 5000; i++)
		log_error("after", LOG_INT("number", i));
	release(text, sizeof(text));
	for (char *at = text; (at = strstr(at, "before ")); at++)
		before++;
	for (char *at = text; (at = strstr(at, "after ")); at++)
		after++;
	assert_int_equal(before, 5000);
	assert_in_range(after, 100, 2000);
}

/* ---- the watcher ---- */

struct seen {
	unsigned int count;
	char event[32];
	uint64_t number;
};

static void see(void *context, const struct log_record *record)
{
	struct seen *seen = context;

	seen->count++;
	snprintf(seen->event, sizeof(seen->event), "%s", record->event);
	for (unsigned int i = 0; i < record->nr_fields; i++) {
		if (record->fields[i].kind == LOG_FIELD_UINT)
			seen->number = record->fields[i].unsigned_number;
	}
}

/* The watcher gets events only, including those that the log does not write. */
static void test_watcher(void **state)
{
	struct seen seen = {0};
	struct timespec before;
	char text[16384];

	capture();
	clock_gettime(CLOCK_REALTIME, &before);
	log_event(LOG_LEVEL_INFO, "nobody-watches");
	log_watch(see, &seen);
	log_info("record", LOG_UINT("number", 1));
	assert_int_equal(seen.count, 0);
	log_event(LOG_LEVEL_WARNING, "silent", LOG_UINT("number", 2));
	log_write_event(LOG_FACILITY_RULES, LOG_LEVEL_DEBUG, "not-written", LOG_UINT("number", 3));
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.event, "not-written");
	assert_int_equal(seen.number, 3);
	for (unsigned int i = 0; i < 300; i++)
		log_event(LOG_LEVEL_INFO, "many", LOG_UINT("number", i));
	assert_int_equal(seen.count, 302);
	log_watch(NULL, NULL);
	log_event(LOG_LEVEL_INFO, "last");
	assert_int_equal(seen.count, 302);
	release(text, sizeof(text));
	assert_int_equal(strncmp(text,
				 "info  nobody-watches\ninfo  record number=1\n"
				 "warn  silent number=2\ninfo  many number=0\n",
				 80),
			 0);
	assert_null(strstr(text, "not-written"));
	assert_non_null(strstr(text, "info  last\n"));
}

/* ---- where to ---- */

static void test_json_lines(void **state)
{
	struct log_config config = log_config_default;
	struct log_config current;
	char text[4096];
	json_t *json;

	config.json = true;
	config.levels[LOG_FACILITY_EGRESS] = LOG_LEVEL_DEBUG;
	log_configure(&config);
	log_current(&current);
	capture();
	log_write(LOG_FACILITY_EGRESS, LOG_LEVEL_DEBUG, "event", LOG_NAME("rule", "7"),
		  LOG_INT("n", 7));
	release(text, sizeof(text));
	log_configure(&log_config_default);
	assert_true(current.json);
	assert_int_equal(current.target, LOG_TARGET_AUTO);
	assert_int_equal(current.levels[LOG_FACILITY_EGRESS], LOG_LEVEL_DEBUG);
	assert_int_equal(current.levels[LOG_FACILITY_DAEMON], LOG_LEVEL_INFO);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "facility")), "egress");
	assert_string_equal(json_string_value(json_object_get(json, "level")), "debug");
	assert_string_equal(json_string_value(json_object_get(json, "event")), "event");
	assert_string_equal(json_string_value(json_object_get(json, "rule")), "7");
	assert_int_equal(json_integer_value(json_object_get(json, "n")), 7);
	json_decref(json);
}

/* <N> only if JOURNAL_STREAM names the current stderr, and the target is AUTO. */
static void test_journal(void **state)
{
	struct log_config config = log_config_default;
	struct stat status;
	char stream[64];
	char text[4096];

	capture();
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(&config);
	log_error("one");
	log_warning("two");
	log_info("three");
	config.target = LOG_TARGET_STDERR;
	log_configure(&config);
	log_info("four");
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(&log_config_default);
	log_info("five");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_configure(&log_config_default);
	log_info("six");
	unsetenv("JOURNAL_STREAM");
	log_configure(&log_config_default);
	release(text, sizeof(text));
	assert_string_equal(text, "<3>one\n<4>two\n<6>three\ninfo  four\ninfo  five\ninfo  six\n");
}

/* A syslog daemon that is missing, slow or restarted: no caller waits. */
static void test_datagrams(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char directory[] = "/tmp/xmc-syslog-XXXXXX";
	struct log_datagram syslog = {.path = address.sun_path, .fd = -1};
	char prefix[LOG_SYSLOG_PREFIX_SIZE];
	char text[256];
	int server;
	int err = 0;
	int sent;

	watchdog_start(__func__);
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/log", directory);
	assert_int_equal(log_datagram_send(&syslog, "line", 4, SECOND), -ENOENT);
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	/* Connecting is tried once a second. */
	assert_int_not_equal(log_datagram_send(&syslog, "line", 4, SECOND + 1), 0);
	assert_int_equal(log_datagram_send(&syslog, "line", 4, 2 * SECOND), 0);
	assert_int_equal(recv(server, text, sizeof(text), 0), 4);
	assert_memory_equal(text, "line", 4);
	for (sent = 0; sent < 1000000 && !err; sent++)
		err = log_datagram_send(&syslog, "line", 4, 2 * SECOND);
	assert_int_equal(err, -EAGAIN);
	assert_true(sent > 1);
	assert_int_equal(recv(server, text, sizeof(text), 0), 4);
	assert_int_equal(log_datagram_send(&syslog, "line", 4, 2 * SECOND), 0);
	close(server);
	unlink(address.sun_path);
	assert_int_not_equal(log_datagram_send(&syslog, "line", 4, 3 * SECOND), 0);
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(log_datagram_send(&syslog, "again", 5, 4 * SECOND), 0);
	assert_int_equal(recv(server, text, sizeof(text), 0), 5);
	log_datagram_close(&syslog);
	close(server);
	unlink(address.sun_path);
	rmdir(directory);
	log_syslog_prefix(LOG_LEVEL_ERROR, prefix);
	assert_int_equal(strncmp(prefix, "<27>", 4), 0);
	snprintf(text, sizeof(text), " xmcastd[%d]: ", (int)getpid());
	assert_string_equal(prefix + 4 + strlen("Nov 22 15:04:05"), text);
	watchdog_stop();
}

/* The value of a field of an entry, which must have it once; NULL: none. */
static const char *journal_value(const char *entry, size_t length, const char *name, size_t *size)
{
	const char *value = NULL;

	for (size_t at = 0; at < length;) {
		const char *end = memchr(entry + at, '\n', length - at);
		size_t name_length = end ? (size_t)(end - entry) - at : 0;
		uint64_t bytes;

		assert_non_null(end);
		memcpy(&bytes, end + 1, sizeof(bytes));
		bytes = le64toh(bytes);
		assert_true(at + name_length + 9 + bytes < length);
		if (name_length == strlen(name) && memcmp(entry + at, name, name_length) == 0) {
			assert_null(value);
			value = end + 9;
			*size = bytes;
		}
		at += name_length + 9 + bytes;
		assert_int_equal(entry[at++], '\n');
	}
	return value;
}

/* Every key becomes a field, whatever bytes its value has; one that does not fit is left out. */
static void test_journal_entry(void **state)
{
	static char large[LOG_JOURNAL_SIZE];
	static char entry[LOG_JOURNAL_SIZE];
	const struct log_count counts[] = {{"ENOBUFS", 12}, {"EAGAIN", 3}};
	const struct log_field fields[] = {
		LOG_NAME("rule", "cam1\nPRIORITY=0"),
		LOG_IFACE("eth0"),
		LOG_UINT("owed_ms", 7),
		LOG_ERROR(-ENODEV),
		LOG_COUNTS("errors", counts, 2),
		LOG_TEXT("reason", NULL),
		LOG_TEXT("large", large),
		LOG_TEXT("hint", "\xff"),
	};
	const struct log_record record = {
		.facility = LOG_FACILITY_RULES,
		.level = LOG_LEVEL_WARNING,
		.event = "dropping",
		.fields = fields,
		.nr_fields = sizeof(fields) / sizeof(fields[0]),
		.suppressed = 5,
	};
	static const struct {
		const char *name;
		const char *value; /* NULL: no such field */
	} expected[] = {
		{"MESSAGE", "the line"},
		{"PRIORITY", "4"},
		{"SYSLOG_IDENTIFIER", "test_log"},
		{"XMCAST_EVENT", "dropping"},
		{"XMCAST_FACILITY", "rules"},
		{"XMCAST_RULE", "cam1\nPRIORITY=0"},
		{"XMCAST_INTERFACE", "eth0"},
		{"XMCAST_OWED_MS", "7"},
		{"XMCAST_ERROR", "No such device"},
		{"XMCAST_ERRORS", "ENOBUFS:12,EAGAIN:3"},
		{"XMCAST_HINT", "\xff"},
		{"XMCAST_SUPPRESSED", "5"},
		{"XMCAST_REASON", NULL},
		{"XMCAST_LARGE", NULL},
	};
	size_t length;

	memset(large, 'x', sizeof(large) - 1);
	length = log_journal_entry(&record, "the line, newline", strlen("the line"), entry);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		size_t size = 0;
		const char *value = journal_value(entry, length, expected[i].name, &size);

		if (!expected[i].value) {
			assert_null(value);
			continue;
		}
		assert_non_null(value);
		assert_int_equal(size, strlen(expected[i].value));
		assert_memory_equal(value, expected[i].value, size);
	}
}

/* How often the log has been configured, -1: enough. The writers keep pace, so that their lines do
 * not fill the pipe in the first form. */
static atomic_int round_number;

static void *write_lines(void *arg)
{
	int written = 0;

	for (;;) {
		int now = atomic_load(&round_number);

		if (now < 0)
			return NULL;
		if (written > now) {
			sched_yield();
			continue;
		}
		log_error("from-thread", LOG_INT("thread", *(int *)arg), LOG_TEXT("value", "a b"));
		written++;
	}
}

/* Configured again while other threads write: every line is complete, in one form or the other. */
static void test_configure_meanwhile(void **state)
{
	struct log_config config = log_config_default;
	static char text[1 << 20];
	pthread_t threads[3];
	int numbers[3] = {0, 1, 2};
	unsigned int forms[2] = {0};

	watchdog_start(__func__);
	capture();
	fcntl(reader, F_SETPIPE_SZ, 1 << 20);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	for (int i = 0; i < 2000; i++) {
		config.json = i % 2;
		log_configure(&config);
		log_error("from-main", LOG_INT("number", i));
		atomic_store(&round_number, i);
	}
	atomic_store(&round_number, -1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	log_configure(&log_config_default);
	release(text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *json = line[0] == '{' ? json_loads(line, 0, NULL) : NULL;

		if (!json && strncmp(line, "error from-", 11) != 0 &&
		    strncmp(line, "warn  log-lines-lost ", 21) != 0)
			fail_msg("not whole: %s", line);
		forms[json != NULL]++;
		json_decref(json);
	}
	assert_true(forms[0] && forms[1]);
	/* Lost lines are reported here, so that the next test need not expect it. */
	capture();
	log_error("event");
	release(text, sizeof(text));
	watchdog_stop();
}

static counter_t counter;

static void *count(void *arg)
{
	for (int i = 0; i < MANY; i++)
		counter_add(&counter, 3);
	return NULL;
}

/* Readers see a counter grow, never torn and never decreasing. */
static void test_counter(void **state)
{
	const uint64_t start = UINT32_MAX - MANY; /* it exceeds 32 bits on the way */
	uint64_t last = start;
	pthread_t thread;

	watchdog_start(__func__);
	counter_add(&counter, start);
	assert_int_equal(pthread_create(&thread, NULL, count, NULL), 0);
	while (last != start + 3ULL * MANY) {
		uint64_t now = counter_read(&counter);

		if (now < last || (now - start) % 3)
			fail_msg("from %llu to %llu", (unsigned long long)last,
				 (unsigned long long)now);
		last = now;
	}
	pthread_join(thread, NULL);
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_errno_is_kept),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_limiter),
		cmocka_unit_test(test_limiter_full),
		cmocka_unit_test(test_watcher),
		cmocka_unit_test(test_flags_are_kept),
		cmocka_unit_test(test_pipe_of_others),
		cmocka_unit_test(test_stopped_terminal),
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_journal_entry),
		cmocka_unit_test(test_configure_meanwhile),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_storm_of_errors),
		cmocka_unit_test(test_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
