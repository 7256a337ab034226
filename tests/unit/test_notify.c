// SPDX-License-Identifier: BSD-2-Clause
/* What a service manager gets to read, on a socket that the test has made; and names, numbers and
 * sockets that are of no use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"

/* A manager: its socket, and its name for $NOTIFY_SOCKET. */
struct manager {
	int fd;
	char directory[32];
	char name[108];
};

static void bind_at(struct manager *manager, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

	if (name != manager->name)
		snprintf(manager->name, sizeof(manager->name), "%s", name);
	memcpy(address.sun_path, name, strlen(name));
	if (*name == '@')
		address.sun_path[0] = '\0';
	manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(manager->fd >= 0);
	assert_int_equal(bind(manager->fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static int setup(void **state)
{
	static struct manager manager;
	char name[64];

	strcpy(manager.directory, "/tmp/xmc-notify-XXXXXX");
	assert_non_null(mkdtemp(manager.directory));
	snprintf(name, sizeof(name), "%s/socket", manager.directory);
	bind_at(&manager, name);
	*state = &manager;
	return 0;
}

static int teardown(void **state)
{
	struct manager *manager = *state;

	close(manager->fd);
	if (manager->name[0] == '/')
		unlink(manager->name);
	rmdir(manager->directory);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* The next message, or "" if there is none. */
static const char *next(const struct manager *manager)
{
	static char text[1024];
	ssize_t n = recv(manager->fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static struct notify *open_notify(void)
{
	struct notify *notify;

	assert_int_equal(notify_open(&notify), 0);
	assert_non_null(notify);
	return notify;
}

static void expect_cycle(const struct manager *manager)
{
	struct notify *notify = open_notify();
	unsigned long long us;
	uint64_t before;

	notify_ready(notify);
	assert_string_equal(next(manager), "READY=1\n");
	notify_status(notify, "2 rules");
	assert_string_equal(next(manager), "STATUS=2 rules");
	notify_status(notify, "2 rules");
	assert_string_equal(next(manager), "");
	notify_alive(notify);
	assert_string_equal(next(manager), "WATCHDOG=1");
	before = clock_ns() / 1000;
	notify_reloading(notify);
	assert_int_equal(sscanf(next(manager), "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
	assert_true(us >= before && us <= clock_ns() / 1000);
	notify_ready(notify);
	assert_string_equal(next(manager), "READY=1\nSTATUS=2 rules");
	notify_retry(notify);
	assert_string_equal(next(manager), "");
	notify_stopping(notify);
	notify_stopping(notify);
	notify_status(notify, "too late");
	notify_ready(notify);
	assert_string_equal(next(manager), "STOPPING=1");
	assert_string_equal(next(manager), "");
	notify_close(notify);
}

static void test_path(void **state)
{
	setenv("WATCHDOG_USEC", "1", 1);
	expect_cycle(*state);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
}

static void test_abstract(void **state)
{
	struct manager *manager = *state;
	struct manager other = *manager;
	char name[32];

	snprintf(name, sizeof(name), "@xmc-notify-%d", (int)getpid());
	bind_at(&other, name);
	expect_cycle(&other);
	close(other.fd);
}

/* The longest name: 107 bytes, followed by a NUL if it is a path. */
static void test_longest(void **state)
{
	struct manager *manager = *state;
	struct manager other = *manager;
	char name[108];

	memset(name, 'x', sizeof(name));
	name[107] = '\0';
	name[0] = '@';
	bind_at(&other, name);
	expect_cycle(&other);
	close(other.fd);
	memcpy(name, manager->directory, strlen(manager->directory));
	name[strlen(manager->directory)] = '/';
	bind_at(&other, name);
	expect_cycle(&other);
	close(other.fd);
	unlink(name);
}

static void test_nobody(void **state)
{
	struct notify *notify = (struct notify *)1;

	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000000", 1);
	assert_int_equal(notify_open(&notify), 0);
	assert_null(notify);
	assert_null(getenv("WATCHDOG_USEC"));
	notify_ready(notify);
	notify_reloading(notify);
	notify_status(notify, "x");
	notify_alive(notify);
	notify_retry(notify);
	notify_stopping(notify);
	assert_int_equal(notify_watchdog_ns(notify), 0);
	notify_close(notify);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_open(&notify), 0);
	assert_null(notify);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {"/", "@", "relative", "vsock:2:1234", " /run/x"};
	struct notify *notify = (struct notify *)1;
	char name[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(notify_open(&notify), -EINVAL);
		assert_null(notify);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[108] = '\0'; /* all of sun_path, without room for the NUL */
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(&notify), -EINVAL);
	name[108] = 'x';
	name[199] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(&notify), -EINVAL);
}

static uint64_t watchdog_with(const struct manager *manager, const char *us, const char *pid)
{
	struct notify *notify;
	uint64_t ns;

	setenv("NOTIFY_SOCKET", manager->name, 1);
	setenv("WATCHDOG_USEC", us, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	notify = open_notify();
	ns = notify_watchdog_ns(notify);
	notify_close(notify);
	assert_null(getenv("WATCHDOG_PID"));
	return ns;
}

static void test_watchdog(void **state)
{
	static const char *const bad[] = {
		"", "-1", "x", "1s", " 1", "18446744073709552", "99999999999999999999999"};
	const struct manager *manager = *state;
	char own[16];

	assert_int_equal(watchdog_with(manager, "30000000", NULL), 30 * NS_PER_SECOND);
	snprintf(own, sizeof(own), "%d", (int)getpid());
	assert_int_equal(watchdog_with(manager, "1", own), 1000);
	assert_int_equal(watchdog_with(manager, "18446744073709551", own), 18446744073709551000ULL);
	assert_int_equal(watchdog_with(manager, "30000000", "1"), 0);
	assert_int_equal(watchdog_with(manager, "30000000", "x"), 0);
	assert_int_equal(watchdog_with(manager, "0", own), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(watchdog_with(manager, bad[i], NULL), 0);
}

/* Send until the queue of the socket is full (net.unix.max_dgram_qlen). */
static unsigned int fill(const struct manager *manager)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unsigned int count = 0;

	strcpy(address.sun_path, manager->name);
	while (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1)
		assert_true(++count < 100000);
	assert_int_equal(errno, EAGAIN);
	close(fd);
	return count;
}

static void drain(const struct manager *manager, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		assert_string_equal(next(manager), "x");
	assert_string_equal(next(manager), "");
}

/* A manager that does not read: nothing waits, and the state is sent when it reads again, once,
 * in order, and with its values at that time. */
static void test_full(void **state)
{
	const struct manager *manager = *state;
	struct notify *notify = open_notify();
	unsigned int count = fill(manager);

	notify_ready(notify);
	notify_status(notify, "old");
	notify_alive(notify);
	notify_reloading(notify);
	notify_ready(notify);
	notify_status(notify, "new");
	notify_retry(notify);
	drain(manager, count);
	notify_retry(notify);
	assert_memory_equal(next(manager), "RELOADING=1\nMONOTONIC_USEC=", 27);
	assert_string_equal(next(manager), "READY=1\nSTATUS=new");
	assert_string_equal(next(manager), "");
	notify_retry(notify);
	assert_string_equal(next(manager), "");
	notify_close(notify);
}

/* A manager that ends and starts again at the same address. */
static void test_restarted(void **state)
{
	struct manager *manager = *state;
	struct notify *notify = open_notify();

	close(manager->fd);
	notify_ready(notify); /* ECONNREFUSED */
	unlink(manager->name);
	notify_retry(notify); /* ENOENT */
	bind_at(manager, manager->name);
	notify_retry(notify);
	assert_string_equal(next(manager), "READY=1\n");
	notify_close(notify);
}

static void test_long_status(void **state)
{
	const struct manager *manager = *state;
	struct notify *notify = open_notify();
	char text[2 * NOTIFY_STATUS_SIZE];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	notify_status(notify, text);
	assert_int_equal(strlen(next(manager)), strlen("STATUS=") + NOTIFY_STATUS_SIZE - 1);
	notify_status(notify, text);
	assert_string_equal(next(manager), "");
	notify_close(notify);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_path),   TEST(test_abstract),	 TEST(test_longest),
		TEST(test_nobody), TEST(test_bad_names), TEST(test_watchdog),
		TEST(test_full),   TEST(test_restarted), TEST(test_long_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
