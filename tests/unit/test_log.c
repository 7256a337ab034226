// SPDX-License-Identifier: BSD-2-Clause
/* The log: one line for each event, cut if too long, written without waiting, in any thread. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <termios.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "log_capture.h"

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

/* ---- configured while others write ---- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_errno_is_kept),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_watcher),
		cmocka_unit_test(test_flags_are_kept),
		cmocka_unit_test(test_pipe_of_others),
		cmocka_unit_test(test_stopped_terminal),
		cmocka_unit_test(test_configure_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
