// SPDX-License-Identifier: BSD-2-Clause
/* The program of `monitor --exec`: how it is found, what it gets and does not get, and how it ends.
 * Real programs. */
#include "stamps.h"
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ctl/program.h"

#define PATIENCE_MS 30000

static char directory[64];
static char script[96];
static char output[96];
static int saved_stderr = -1;
static struct program program;

/* ---- the bench ---- */

static void write_script_of(const char *interpreter, const char *text)
{
	FILE *file = fopen(script, "w");

	assert_non_null(file);
	fprintf(file, "#!%s\ncd '%s'\n%s\n", interpreter, directory, text);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(script, 0755), 0);
}

/* The script, ready to be run. */
static void prepare(const char *text)
{
	write_script_of("/bin/sh", text);
	assert_int_equal(program_find(&program, script), 0);
	assert_string_equal(program.path, script);
}

static int set_up(void **state)
{
	sigset_t signals;

	strcpy(directory, "/tmp/xmc-program-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(script, sizeof(script), "%s/program", directory);
	snprintf(output, sizeof(output), "%s/output", directory);
	saved_stderr = dup(STDERR_FILENO);
	watchdog_start(directory);
	setenv("PATH", "/usr/bin:/bin", 1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	program = (struct program){.timeout_ms = PATIENCE_MS};
	program.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return program.signal_fd < 0;
}

static int tear_down(void **state)
{
	sigset_t none;

	watchdog_stop();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close(program.signal_fd);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	unlink(script);
	unlink(output);
	return rmdir(directory);
}

/* Log into a pipe; returns its reading end. */
static int capture(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	return fds[0];
}

/* All that was written until everybody who could write has ended. */
static void read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	without_stamps(text);
	close(fd);
}

static void read_output(char *text, size_t size)
{
	int fd = open(output, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	read_all(fd, text, size);
}

static void run(json_t *event)
{
	assert_non_null(event);
	program_run(&program, event);
	json_decref(event);
}

static void run_named(const char *event)
{
	run(json_pack("{s:s}", "event", event));
}

/* ---- how it is found ---- */

static void expect_found(const char *name, const char *path)
{
	assert_int_equal(program_find(&program, name), 0);
	assert_string_equal(program.path, path);
}

/* As execvp(3) does it: a path if there is a slash in it, otherwise by PATH. */
static void test_find(void **state)
{
	char search[256];
	char path[PATH_MAX];
	char here[PATH_MAX];

	write_script_of("/bin/sh", "exit 0");
	expect_found(script, script);
	assert_int_equal(program_find(&program, "program"), -ENOENT);
	snprintf(search, sizeof(search), "/nonexistent:/dev/null:%s:/bin", directory);
	setenv("PATH", search, 1);
	expect_found("program", script);
	expect_found("sh", "/bin/sh");
	snprintf(path, sizeof(path), "%s/../%s/program", directory, strrchr(directory, '/') + 1);
	expect_found(path, path);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(directory), 0);
	setenv("PATH", "/bin:", 1);
	expect_found("program", "./program");
	expect_found("./program", "./program");
	assert_int_equal(chdir(here), 0);
	unsetenv("PATH");
	expect_found("true", "/usr/bin/true");
}

static void test_not_found(void **state)
{
	char name[2 * PATH_MAX];
	char search[128];

	assert_int_equal(program_find(&program, ""), -ENOENT);
	assert_int_equal(program_find(&program, "/nonexistent/program"), -ENOENT);
	assert_int_equal(program_find(&program, directory), -EACCES);
	write_script_of("/bin/sh", "exit 0");
	chmod(script, 0644);
	assert_int_equal(program_find(&program, script), -EACCES);
	snprintf(search, sizeof(search), "%s:/nonexistent", directory);
	setenv("PATH", search, 1);
	assert_int_equal(program_find(&program, "program"), -EACCES);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(program_find(&program, name), -ENOENT);
	name[0] = '/';
	assert_int_equal(program_find(&program, name), -ENAMETOOLONG);
}

/* ---- what it gets ---- */

static void test_environment(void **state)
{
	static const char rule[] = "cam1; touch /tmp/x $(id) \"'";
	char expected[512];
	char text[4096];

	prepare("tr '\\0' '|' < /proc/$$/environ > output; echo \"$# $1\" >> output");
	setenv("SECRET", "of the caller", 1);
	setenv("XMCAST_REASON", "of the caller", 1);
	run(json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:{s:i, s:i}, s:{}, s:n, s:[], s:s, s:s, "
		      "s:s}",
		      "time", "2026-11-22T15:04:05.123Z", "event", "silent", "rule", rule,
		      "last-seen", "two\nlines", "empty", "", "packets", (json_int_t)1 << 40,
		      "errors", "ENOBUFS", 12, "EAGAIN", 3, "drops", "null", "list", "Key",
		      "not one", "a=b", "not one", "", "not one"));
	unsetenv("SECRET");
	unsetenv("XMCAST_REASON");
	read_output(text, sizeof(text));
	snprintf(expected, sizeof(expected),
		 "PATH=/usr/bin:/bin|XMCAST_TIME=2026-11-22T15:04:05.123Z|XMCAST_EVENT=silent|"
		 "XMCAST_RULE=%s|XMCAST_LAST_SEEN=two\nlines|XMCAST_EMPTY=|"
		 "XMCAST_PACKETS=1099511627776|XMCAST_ERRORS=ENOBUFS:12,EAGAIN:3|XMCAST_DROPS=|"
		 "1 silent\n",
		 rule);
	assert_string_equal(text, expected);
}

/* Long values and many keys are cut, and it runs nevertheless. */
static void test_bounds(void **state)
{
	static char value[3 * PROGRAM_VALUE_SIZE];
	static char text[3 * PROGRAM_VALUE_SIZE];
	json_t *event = json_pack("{s:s}", "event", "silent");
	json_t *counts = json_object();
	unsigned int lines = 0;
	char key[64];

	prepare("tr '\\0' '\\n' < /proc/$$/environ > output");
	memset(value, 'v', sizeof(value) - 1);
	for (unsigned int i = 1; i < PROGRAM_VALUE_SIZE; i++) {
		snprintf(key, sizeof(key), "count%u", i);
		json_object_set_new(counts, key, json_integer(i));
	}
	json_object_set_new(event, "counts", counts);
	for (unsigned int i = 2; i < PROGRAM_KEYS + 5; i++) {
		snprintf(key, sizeof(key), "k%u%.*s", i, i == 3 ? 60 : 0, value);
		json_object_set_new(event, key, json_string(i == 2 ? value : "x"));
	}
	run(event);
	read_output(text, sizeof(text));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		lines++;
	assert_int_equal(lines, 1 + PROGRAM_KEYS);
	assert_non_null(strstr(text, "XMCAST_K17=x\n"));
	assert_null(strstr(text, "XMCAST_K18"));
	assert_non_null(strstr(text, "XMCAST_K3VVVVVVVVVVVVVVVVVVVVVVVVVVVVV=x\n"));
	assert_non_null(strstr(text, "XMCAST_COUNTS=count1:1,count2:2,"));
	value[PROGRAM_VALUE_SIZE - 1] = '\0';
	assert_non_null(strstr(text, value));
	value[PROGRAM_VALUE_SIZE - 1] = 'v';
	value[PROGRAM_VALUE_SIZE] = '\0';
	assert_null(strstr(text, value));
}

/* No descriptor of ours but stdout and stderr; no signal blocked or ignored. */
static void test_descriptors_and_signals(void **state)
{
	unsigned long long ignored;
	unsigned long long mask;
	char text[4096];
	int end = 0;

	prepare("grep -E '^Sig(Blk|Ign)' /proc/self/status > output\n"
		"readlink /proc/$$/fd/0 >> output\n"
		"ls /proc/self/fd >> output");
	assert_int_equal(dup2(STDIN_FILENO, 77), 77); /* not close-on-exec */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	run_named("silent");
	signal(SIGPIPE, SIG_DFL);
	close(77);
	read_output(text, sizeof(text));
	assert_int_equal(sscanf(text, "SigBlk: %llx SigIgn: %llx%n", &mask, &ignored, &end), 2);
	assert_int_equal(mask, 0);
	/* 32 and 33 are glibc's own: its posix_spawn(3) lets them be ignored until they are used.
	 */
	assert_int_equal(ignored & ~0x180000000ULL, 0);
	/* 3 is the directory that ls reads. */
	assert_string_equal(text + end, "\n/dev/null\n0\n1\n2\n3\n");
}

/* ---- how it ends ---- */

static void test_one_after_the_other(void **state)
{
	char text[64];

	prepare("echo begin $1 >> output; sleep 0.1; echo end $1 >> output");
	run_named("a");
	run_named("b");
	read_output(text, sizeof(text));
	assert_string_equal(text, "begin a\nend a\nbegin b\nend b\n");
}

static void test_failures_are_logged(void **state)
{
	char text[4096];
	int log = capture();

	prepare("[ $1 = status ] && exit 3; [ $1 = good ] || kill -9 $$");
	run_named("status");
	run_named("signal");
	run_named("good");
	write_script_of("/no/such/interpreter", "");
	run_named("broken");
	run(json_object());
	read_all(log, text, sizeof(text));
	assert_string_equal(text, "warn  hook-failed event_name=\"status\" status=3\n"
				  "warn  hook-failed event_name=\"signal\" signal=9\n"
				  "error hook-start-failed event_name=\"broken\" "
				  "error=\"No such file or directory\"\n"
				  "error hook-start-failed event_name=\"\" "
				  "error=\"No such file or directory\"\n");
	/* All were reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Good when it was found, removed, and there again. */
static void test_replaced(void **state)
{
	char text[4096];
	int log = capture();

	prepare("echo one >> output");
	run_named("silent");
	unlink(script);
	run_named("silent");
	write_script_of("/bin/sh", "echo two >> output");
	run_named("silent");
	read_all(log, text, sizeof(text));
	assert_string_equal(text, "error hook-start-failed event_name=\"silent\" "
				  "error=\"No such file or directory\"\n");
	read_output(text, sizeof(text));
	assert_string_equal(text, "one\ntwo\n");
}

/* What runs for too long is killed, and its children are: the pipe's end comes when all have gone.
 * If it did not even get to start its child in time, it is given more. */
static void test_timeout(void **state)
{
	char text[4096] = "";

	prepare("sleep 1000 & echo started >&2; wait");
	for (unsigned int ms = 250; !strstr(text, "started") && ms < PATIENCE_MS; ms *= 2) {
		int log = capture();

		program.timeout_ms = ms;
		run_named("slow");
		read_all(log, text, sizeof(text));
		assert_non_null(strstr(text, "warn  hook-killed event_name=\"slow\" timeout_ms="));
		assert_null(strstr(text, "hook-failed"));
	}
	assert_non_null(strstr(text, "started"));
}

/* A program that has joined another process group is killed as well. */
static void test_other_group(void **state)
{
	char text[4096] = "";

	prepare("exec perl -e 'setpgrp(0, getpgrp(getppid())); print STDERR \"moved\"; sleep "
		"1000'");
	for (unsigned int ms = 250; !strstr(text, "moved") && ms < PATIENCE_MS; ms *= 2) {
		int log = capture();

		program.timeout_ms = ms;
		run_named("slow");
		read_all(log, text, sizeof(text));
		assert_non_null(strstr(text, "hook-killed event_name=\"slow\""));
	}
	assert_non_null(strstr(text, "moved"));
}

/* A child that it leaves behind is left alone: not everything that it starts is to end with it. */
static void test_background(void **state)
{
	char text[64];

	assert_int_equal(mkfifo(output, 0600), 0);
	prepare("{ echo done > output; } & exit 0");
	run_named("silent");
	read_output(text, sizeof(text));
	assert_string_equal(text, "done\n");
}

/* The first signal lets it finish, the second one kills it. */
static void test_signals(void **state)
{
	char text[4096];
	int log;

	prepare("kill -TERM $PPID; echo done > output");
	run_named("silent");
	assert_int_equal(program.signals, 1);
	read_output(text, sizeof(text));
	assert_string_equal(text, "done\n");
	log = capture();
	prepare("kill -HUP $PPID; sleep 1000");
	run_named("second");
	assert_int_equal(program.signals, 2);
	read_all(log, text, sizeof(text));
	assert_non_null(strstr(text, "hook-killed event_name=\"second\""));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_find),
		WITH_FOLDER(test_not_found),
		WITH_FOLDER(test_environment),
		WITH_FOLDER(test_bounds),
		WITH_FOLDER(test_descriptors_and_signals),
		WITH_FOLDER(test_one_after_the_other),
		WITH_FOLDER(test_failures_are_logged),
		WITH_FOLDER(test_replaced),
		WITH_FOLDER(test_timeout),
		WITH_FOLDER(test_other_group),
		WITH_FOLDER(test_background),
		WITH_FOLDER(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
