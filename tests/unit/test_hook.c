// SPDX-License-Identifier: BSD-2-Clause
/* The hook: what it gets and what it does not, how many run, and how they end. Real programs. */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "daemon/hook.h"
#include "daemon/launcher.h"

#define PATIENCE_MS 30000

static char folder[64];
static char script[96];
static char output[96];
static char fifo[96];
static int saved_stderr = -1;
static struct launcher *launcher;

/* ---- the bench ---- */

static void write_script_of(const char *interpreter, const char *text)
{
	FILE *file = fopen(script, "w");

	assert_non_null(file);
	fprintf(file, "#!%s\ncd '%s'\n%s\n", interpreter, folder, text);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(script, 0755), 0);
}

static void write_script(const char *text)
{
	write_script_of("/bin/sh", text);
}

static int set_up(void **state)
{
	strcpy(folder, "/tmp/xmc-hook-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(script, sizeof(script), "%s/hook", folder);
	snprintf(output, sizeof(output), "%s/output", folder);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	saved_stderr = dup(STDERR_FILENO);
	watchdog_start(folder);
	setenv("PATH", "/usr/bin:/bin", 1);
	return mkfifo(fifo, 0600) || launcher_open(&launcher);
}

static int tear_down(void **state)
{
	watchdog_stop();
	launcher_close(launcher);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	unlink(script);
	unlink(output);
	unlink(fifo);
	return rmdir(folder);
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
	close(fd);
}

static void read_output(char *text, size_t size)
{
	int fd = open(output, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	read_all(fd, text, size);
}

static struct hook *open_hook(const char *text)
{
	struct hook *hook;

	write_script(text);
	assert_int_equal(hook_open(&hook, launcher, script), 0);
	return hook;
}

/* Until all that was started has ended. */
static void wait_ended(struct hook *hook)
{
	struct pollfd fds[] = {{.fd = hook_fd(hook), .events = POLLIN},
			       {.fd = launcher_fd(launcher), .events = POLLIN}};

	while (hook_running(hook)) {
		assert_true(poll(fds, 2, PATIENCE_MS) > 0);
		assert_true(launcher_run(launcher));
		hook_expire(hook);
	}
}

/* ---- what it gets ---- */

static void test_environment(void **state)
{
	static const char *const env[][2] = {
		{"rule", "cam1; touch /tmp/x $(id) \"'"},
		{"last-seen", "two\nlines"},
		{"empty", ""},
		{"event", "forged"},
		{"Key", "not one"},
		{"a=b", "not one"},
		{"", "not one"},
	};
	struct hook *hook = open_hook("tr '\\0' '|' < /proc/$$/environ > output; "
				      "echo \"$# $1\" >> output");
	char expected[512];
	char text[4096];

	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("SECRET", "of the daemon", 1);
	assert_true(hook_run(hook, "silent", env, 7));
	wait_ended(hook);
	hook_close(hook);
	read_output(text, sizeof(text));
	snprintf(
		expected, sizeof(expected),
		"PATH=/usr/bin:/bin|XMCAST_EVENT=silent|XMCAST_RULE=%s|XMCAST_LAST_SEEN=two\nlines|"
		"XMCAST_EMPTY=|1 silent\n",
		env[0][1]);
	assert_string_equal(text, expected);
}

/* Long values and many keys are cut, and it runs nevertheless. */
static void test_bounds(void **state)
{
	struct hook *hook = open_hook("tr '\\0' '\\n' < /proc/$$/environ > output");
	const char *env[HOOK_KEYS + 5][2];
	static char value[3 * HOOK_VALUE_SIZE];
	static char text[2 * HOOK_VALUE_SIZE];
	char keys[HOOK_KEYS + 5][8];
	unsigned int lines = 0;

	memset(value, 'v', sizeof(value) - 1);
	for (unsigned int i = 0; i < HOOK_KEYS + 5; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		env[i][0] = keys[i];
		env[i][1] = i ? "x" : value;
	}
	assert_true(hook_run(hook, "silent", env, HOOK_KEYS + 5));
	wait_ended(hook);
	hook_close(hook);
	read_output(text, sizeof(text));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		lines++;
	assert_int_equal(lines, 2 + HOOK_KEYS);
	value[HOOK_VALUE_SIZE - 1] = '\0';
	assert_non_null(strstr(text, "XMCAST_K15=x\n"));
	assert_non_null(strstr(text, value));
	value[HOOK_VALUE_SIZE - 1] = 'v';
	value[HOOK_VALUE_SIZE] = '\0';
	assert_null(strstr(text, value));
}

/* No descriptor of ours but stdout and stderr; no signal blocked or ignored. */
static void test_descriptors_and_signals(void **state)
{
	struct hook *hook = open_hook("grep -E '^Sig(Blk|Ign)' /proc/self/status > output\n"
				      "readlink /proc/$$/fd/0 >> output\n"
				      "ls /proc/self/fd >> output");
	unsigned long long ignored;
	unsigned long long mask;
	sigset_t blocked;
	sigset_t before;
	char text[4096];
	int end = 0;

	assert_int_equal(dup2(STDIN_FILENO, 77), 77); /* not close-on-exec */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	assert_true(hook_run(hook, "silent", NULL, 0));
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	wait_ended(hook);
	hook_close(hook);
	close(77);
	read_output(text, sizeof(text));
	assert_int_equal(sscanf(text, "SigBlk: %llx SigIgn: %llx%n", &mask, &ignored, &end), 2);
	assert_int_equal(mask, 0);
	/* 32 and 33 are glibc's own: its posix_spawn(3) lets them be ignored until they are used.
	 */
	assert_int_equal(ignored & ~0x180000000ULL, 0);
	/* 3 is the folder that ls reads. */
	assert_string_equal(text + end, "\n/dev/null\n0\n1\n2\n3\n");
}

/* ---- how many, and how they end ---- */

static void test_at_most_eight(void **state)
{
	struct hook *hook = open_hook("read line < fifo");
	int fd = open(fifo, O_RDWR | O_CLOEXEC);
	struct hook_counts counts;
	char text[4096];
	int log = capture();

	for (int i = 0; i < HOOK_RUNNING; i++)
		assert_true(hook_run(hook, "silent", NULL, 0));
	assert_false(hook_run(hook, "ninth", NULL, 0));
	assert_false(hook_run(hook, "tenth", NULL, 0));
	assert_int_equal(write(fd, "\n\n\n\n\n\n\n\n", HOOK_RUNNING), HOOK_RUNNING);
	wait_ended(hook);
	assert_int_equal(write(fd, "\n", 1), 1);
	assert_true(hook_run(hook, "eleventh", NULL, 0));
	wait_ended(hook);
	hook_counts(hook, &counts);
	hook_close(hook);
	close(fd);
	read_all(log, text, sizeof(text));
	assert_int_equal(counts.started, HOOK_RUNNING + 1);
	assert_int_equal(counts.skipped, 2);
	assert_int_equal(counts.failed, 0);
	assert_string_equal(text, "warn  hook-skipped event_name=\"ninth\" running=8\n"
				  "warn  hook-skipped event_name=\"tenth\" running=8\n");
}

static void test_failures_are_told(void **state)
{
	struct hook *hook = open_hook("[ $1 = status ] && exit 3; kill -9 $$");
	struct hook_counts counts;
	char text[4096];
	int log = capture();

	assert_true(hook_run(hook, "status", NULL, 0));
	wait_ended(hook);
	assert_true(hook_run(hook, "signal", NULL, 0));
	wait_ended(hook);
	write_script_of("/no/such/interpreter", "");
	assert_true(hook_run(hook, "broken", NULL, 0)); /* which shows only then: */
	wait_ended(hook);
	hook_counts(hook, &counts);
	hook_close(hook);
	read_all(log, text, sizeof(text));
	assert_int_equal(counts.failed, 2);
	assert_int_equal(counts.skipped, 1);
	assert_string_equal(text, "warn  hook-failed event_name=\"status\" status=3\n"
				  "warn  hook-failed event_name=\"signal\" signal=9\n"
				  "error hook-start-failed event_name=\"broken\" "
				  "error=\"No such file or directory\"\n");
}

/* What it runs from now on has the stderr that we have now. */
static void start_launcher_anew(void)
{
	launcher_close(launcher);
	assert_int_equal(launcher_open(&launcher), 0);
}

/* What runs for too long is killed, and its children are: the pipe's end comes when all have gone.
 * If it did not even get to start its child in time, it is given more. */
static void test_timeout(void **state)
{
	struct hook_counts counts;
	char text[4096] = "";

	for (unsigned int ms = 250; !strstr(text, "started") && ms < PATIENCE_MS; ms *= 2) {
		int log = capture();
		struct hook *hook;

		start_launcher_anew();
		hook = open_hook("sleep 1000 & echo started >&2; wait");
		hook_set_timeout(hook, ms);
		assert_true(hook_run(hook, "slow", NULL, 0));
		wait_ended(hook);
		hook_counts(hook, &counts);
		hook_close(hook);
		launcher_close(launcher);
		launcher = NULL;
		read_all(log, text, sizeof(text));
		assert_non_null(strstr(text, "warn  hook-killed event_name=\"slow\" timeout_ms="));
		assert_null(strstr(text, "hook-failed"));
		assert_int_equal(counts.killed, 1);
		assert_int_equal(counts.failed, 0);
	}
	assert_non_null(strstr(text, "started"));
}

/* The end of hook and launcher, in order, lets it run on. */
static void test_close_leaves_it_alone(void **state)
{
	struct hook *hook = open_hook("read line < fifo; echo done > output");
	int fd = open(fifo, O_RDWR | O_CLOEXEC);
	char text[16];

	assert_int_equal(mkfifo(output, 0600), 0);
	assert_true(hook_run(hook, "silent", NULL, 0));
	hook_close(hook);
	launcher_close(launcher);
	launcher = NULL;
	assert_int_equal(write(fd, "\n", 1), 1);
	read_output(text, sizeof(text));
	close(fd);
	assert_string_equal(text, "done\n");
}

/* No capabilities, none to be had, whatever we have. */
static void test_rights(void **state)
{
	struct hook *hook = open_hook("grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' "
				      "/proc/self/status > output");
	char text[4096];

	assert_true(hook_run(hook, "silent", NULL, 0));
	wait_ended(hook);
	hook_close(hook);
	read_output(text, sizeof(text));
	assert_string_equal(text, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
				  "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n"
				  "NoNewPrivs:\t1\n");
}

/* The launcher dies: what it had started counts as failed, nothing more is started, nobody waits.
 */
static void test_launcher_dies(void **state)
{
	struct hook *hook = open_hook("kill -9 $PPID");
	struct hook_counts counts;
	struct pollfd fd = {.fd = launcher_fd(launcher), .events = POLLIN};
	char text[4096];
	int log = capture();

	assert_true(hook_run(hook, "killer", NULL, 0));
	do {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	} while (launcher_run(launcher));
	assert_int_equal(hook_running(hook), 0);
	assert_false(hook_run(hook, "next", NULL, 0));
	hook_counts(hook, &counts);
	hook_close(hook);
	read_all(log, text, sizeof(text));
	assert_int_equal(counts.failed, 1);
	assert_int_equal(counts.skipped, 1);
	assert_non_null(strstr(text, "error launcher-failed error=\"it has ended\""));
	assert_non_null(strstr(text, "error hook-start-failed event_name=\"next\" "
				     "error=\"Broken pipe\"\n"));
}

/* With another path, or none, what runs is reaped nevertheless. */
static void test_another_path(void **state)
{
	struct hook *hook = open_hook("read line < fifo; exit 7");
	int fd = open(fifo, O_RDWR | O_CLOEXEC);
	struct hook_counts counts;

	assert_true(hook_run(hook, "silent", NULL, 0));
	assert_int_equal(hook_set_path(hook, ""), 0);
	assert_false(hook_run(hook, "silent", NULL, 0));
	assert_int_equal(hook_set_path(hook, "relative"), -EINVAL);
	assert_false(hook_run(hook, "silent", NULL, 0));
	assert_int_equal(hook_set_path(hook, "/bin/true"), 0);
	assert_true(hook_run(hook, "silent", NULL, 0));
	assert_int_equal(write(fd, "\n", 1), 1);
	wait_ended(hook);
	hook_counts(hook, &counts);
	hook_close(hook);
	close(fd);
	assert_int_equal(counts.started, 2);
	assert_int_equal(counts.skipped, 0);
	assert_int_equal(counts.failed, 1);
}

/* Started with children ignored (a parent's SIG_IGN stays over exec), it still learns of their end.
 */
static void test_ignored_children(void **state)
{
	struct hook_counts counts;
	struct hook *hook;

	signal(SIGCHLD, SIG_IGN);
	start_launcher_anew();
	signal(SIGCHLD, SIG_DFL);
	hook = open_hook("exit 1");
	assert_true(hook_run(hook, "silent", NULL, 0));
	wait_ended(hook);
	hook_counts(hook, &counts);
	hook_close(hook);
	assert_int_equal(counts.failed, 1);
}

/* ---- what is refused ---- */

static void refuse(const char *path, int err, const char *why)
{
	struct hook *hook;
	char text[1024];
	int log = capture();

	assert_int_equal(hook_open(&hook, launcher, path), err);
	assert_null(hook);
	read_all(log, text, sizeof(text));
	if (!strstr(text, "error hook-refused path=\"") || !strstr(text, why))
		fail_msg("not refused because \"%s\": %s", why, text);
}

static void test_refused(void **state)
{
	refuse("hook", -EINVAL, "not an absolute path");
	refuse(folder, -EINVAL, "not a regular file");
	refuse(fifo, -EINVAL, "not a regular file");
	refuse(script, -ENOENT, "No such file");
	write_script("exit 0");
	chmod(script, 0644);
	refuse(script, -EACCES, "not executable");
	chmod(script, 0757);
	refuse(script, -EACCES, "everybody may write it");
	chmod(script, 0755);
	if (geteuid() == 0) {
		assert_int_equal(chown(script, 65534, 65534), 0);
		refuse(script, -EACCES, "somebody else");
		assert_int_equal(chown(script, 0, 65534), 0);
		chmod(script, 0775);
		refuse(script, -EACCES, "its group may write it");
	}
}

/* Good when it was set, and then not any more, and then again. */
static void test_refused_later(void **state)
{
	struct hook *hook = open_hook("exit 0");
	struct hook_counts counts;
	char text[4096];
	int log = capture();

	chmod(script, 0757);
	assert_false(hook_run(hook, "silent", NULL, 0));
	unlink(script);
	assert_false(hook_run(hook, "silent", NULL, 0));
	write_script("exit 0");
	assert_true(hook_run(hook, "silent", NULL, 0));
	wait_ended(hook);
	hook_counts(hook, &counts);
	hook_close(hook);
	read_all(log, text, sizeof(text));
	assert_int_equal(counts.started, 1);
	assert_int_equal(counts.skipped, 2);
	assert_non_null(strstr(text, "error=\"everybody may write it\"\n"));
	assert_non_null(strstr(text, "error=\"No such file or directory\"\n"));
}

static void test_none(void **state)
{
	assert_false(hook_run(NULL, "silent", NULL, 0));
	hook_close(NULL);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_environment),
		WITH_FOLDER(test_bounds),
		WITH_FOLDER(test_descriptors_and_signals),
		WITH_FOLDER(test_at_most_eight),
		WITH_FOLDER(test_failures_are_told),
		WITH_FOLDER(test_timeout),
		WITH_FOLDER(test_close_leaves_it_alone),
		WITH_FOLDER(test_rights),
		WITH_FOLDER(test_launcher_dies),
		WITH_FOLDER(test_another_path),
		WITH_FOLDER(test_ignored_children),
		WITH_FOLDER(test_refused),
		WITH_FOLDER(test_refused_later),
		cmocka_unit_test(test_none),
	};

	if (strcmp(argv[0], LAUNCHER_NAME) == 0)
		return launcher_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
