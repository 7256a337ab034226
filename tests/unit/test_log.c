// SPDX-License-Identifier: BSD-2-Clause
/* The log: one line per event, cut if too long, limited in rate; and the counters of one writer. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "base/counter.h"
#include "base/log.h"

#define MANY 200000

static int real_stderr = -1;
static int reader = -1;

/* Log into a pipe instead of the terminal. */
static void capture(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	real_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	reader = fds[0];
}

/* What was written since capture(); must hold `size` bytes. */
static size_t release(char *text, size_t size)
{
	ssize_t n = read(reader, text, size - 1);
	size_t length = n > 0 ? (size_t)n : 0;

	text[length] = '\0';
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(reader);
	return length;
}

static void test_lines(void **state)
{
	char text[4096];

	capture();
	log_error("join-failed rule=%s", "cam1");
	log_warning("send-failed datagrams=%d", 3);
	log_info("ready rules=%u", 2U);
	log_debug("not shown");
	release(text, sizeof(text));
	assert_string_equal(text, "error join-failed rule=cam1\n"
				  "warn  send-failed datagrams=3\n"
				  "info  ready rules=2\n");
}

static void test_levels(void **state)
{
	char text[4096];

	capture();
	log_set_level(LOG_FACILITIES, LOG_LEVEL_DEBUG);
	log_debug("shown");
	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	log_warning("not shown");
	log_error("shown");
	log_set_level(LOG_FACILITIES, LOG_LEVEL_INFO);
	release(text, sizeof(text));
	assert_string_equal(text, "debug shown\nerror shown\n");
}

/* A line of 1,024 bytes at the most, its newline included and always there. */
static void test_cut(void **state)
{
	char argument[5000];
	char text[8192];
	size_t full = 0;

	memset(argument, 'x', sizeof(argument));
	for (int size = 1000; size < 1040; size++) {
		size_t length;

		capture();
		log_info("%.*s", size, argument);
		length = release(text, sizeof(text));
		assert_true(length <= 1024);
		assert_ptr_equal(strchr(text, '\n'), text + length - 1);
		if (length == (size_t)size + 7) /* "info  " and the newline */
			full = length;
	}
	assert_true(full >= 1023); /* and not cut long before */
	capture();
	log_info("%.*s", (int)sizeof(argument), argument);
	assert_true(release(text, sizeof(text)) >= 1023);
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

/* A log that nobody reads must not stop anybody; what was lost is told when it is read again. */
static void test_full_pipe(void **state)
{
	static char text[1 << 20];
	unsigned int written = 0;
	char expected[100];

	watchdog_start(__func__);
	capture();
	for (int i = 0; i < 10000; i++)
		log_error("event number=%d", i); /* errors of start-up are not held back */
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

/* One line a second, and how many were kept back is in the next. */
static void test_allowed(void **state)
{
	struct log_limit limit = {0};
	char text[4096];

	capture();
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back number=%d", 1);
	limit.next += 1000000000000ULL; /* the second is not over for long */
	for (int i = 0; i < 5; i++)
		assert_false(log_allowed(&limit, "kept-back"));
	limit.next = 1; /* it is over */
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back number=%d", 2);
	limit.next = 1;
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back number=%d", 3);
	release(text, sizeof(text));
	assert_string_equal(text, "info  kept-back number=1\n"
				  "info  kept-back number=2 suppressed=5\n"
				  "info  kept-back number=3\n");
}

static counter_t counter;

static void *count(void *arg)
{
	for (int i = 0; i < MANY; i++)
		counter_add(&counter, 3);
	return NULL;
}

/* Readers see a counter grow and never tear or fall. */
static void test_counter(void **state)
{
	const uint64_t start = UINT32_MAX - MANY; /* it passes 32 bits on the way */
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
		cmocka_unit_test(test_lines),	  cmocka_unit_test(test_levels),
		cmocka_unit_test(test_cut),	  cmocka_unit_test(test_errno_is_kept),
		cmocka_unit_test(test_full_pipe), cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
