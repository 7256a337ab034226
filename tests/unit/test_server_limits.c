// SPDX-License-Identifier: BSD-2-Clause
/* What the control server lets a client do: rights, how many, how often, how much unread. */
#include "server_env.c"

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>

#include "control/peer.h"
#include "control/session.h"

#define STRANGER 65534
#define GROUP	 4711

static int everybody[CONTROL_CLIENTS];

/* Both ends of all clients are ours. */
static int raise_limit(void **state)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
	return setrlimit(RLIMIT_NOFILE, &limit) || make_folder(state);
}

static void fill_up(int first)
{
	for (int i = first; i < CONTROL_CLIENTS; i++)
		everybody[i] = connect_client();
}

static void empty(void)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		close(everybody[i]);
	serve();
}

/* Many requests in one write: each one of its own would be charged for by the socket. */
static void put_many(int fd, int count)
{
	static char lines[400 * 60];
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += request_echo(lines + length, sizeof(lines) - length, i);
	put(fd, lines, length);
}

/* It has been closed; what it was sent before does not matter. */
static bool has_ended(int fd)
{
	char byte;
	ssize_t n;

	do
		n = recv(fd, &byte, 1, 0);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

/* ---- rights ---- */

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("needs root: to be somebody else\n");
	skip();
}

/* Connect as somebody else. */
static int connect_as(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(setgroups(count, groups), 0);
	assert_int_equal(setegid(gid), 0);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	serve();
	return fd;
}

static void expect_rights(int fd, bool change)
{
	json_t *answer;

	put_call(fd, "change", 1);
	answer = get(fd);
	assert_non_null(answer);
	assert_int_equal(json_is_true(json_object_get(answer, "result")), change);
	if (!change)
		assert_int_equal(json_integer_value(
					 json_object_get(json_object_get(answer, "error"), "code")),
				 CONTROL_FORBIDDEN);
	json_decref(answer);
	put_echo(fd, 2); /* everybody may read */
	expect_echo(fd, 2);
	close(fd);
	serve();
}

static void test_rights(void **state)
{
	const struct control_options options = {.path = path, .admin_group = "4711"};
	gid_t many[300];

	for (gid_t i = 0; i < 300; i++)
		many[i] = 10000 + i;
	need_root();
	snprintf(path, sizeof(path), "%s/socket", folder);
	assert_int_equal(control_server_open(&server, &options, methods, NULL), 0);
	expect_rights(connect_as(0, 0, NULL, 0), true);
	expect_rights(connect_as(0, STRANGER, NULL, 0), true);
	expect_rights(connect_as(STRANGER, STRANGER, NULL, 0), false);
	expect_rights(connect_as(STRANGER, 0, many, 300), false);
	expect_rights(connect_as(STRANGER, GROUP, NULL, 0), true);
	many[299] = GROUP;
	expect_rights(connect_as(STRANGER, STRANGER, many, 300), true);
	expect_rights(connect_as(STRANGER, STRANGER, &many[299], 1), true);
	assert_int_equal(close_server(state), 0);
	/* Without that group, and as the daemon's own user. */
	assert_int_equal(open_server(state), 0);
	expect_rights(connect_as(STRANGER, GROUP, many, 300), false);
	expect_rights(connect_reader(), false);
	expect_rights(connect_client(), true);
	/* Another group from now on; one that does not exist changes nothing. */
	assert_int_equal(control_server_set_admins(server, "4711"), 0);
	expect_rights(connect_as(STRANGER, GROUP, NULL, 0), true);
	assert_int_equal(control_server_set_admins(server, "no-such-group"), -ESRCH);
	expect_rights(connect_as(STRANGER, GROUP, NULL, 0), true);
	assert_int_equal(control_server_set_admins(server, ""), 0);
	expect_rights(connect_as(STRANGER, GROUP, NULL, 0), false);
	assert_int_equal(close_server(state), 0);
}

static void test_own_user(void **state)
{
	const struct peer_policy policy = {0};
	int fds[2];

	need_root();
	assert_int_equal(seteuid(STRANGER), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(peer_access(fds[0], &policy), CONTROL_CHANGE);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(peer_access(fds[0], &policy), CONTROL_READ);
	assert_int_equal(peer_access(-1, &policy), CONTROL_READ);
	close(fds[0]);
	close(fds[1]);
}

/* ---- how many ---- */

static void test_idle_one_goes(void **state)
{
	fill_up(0);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (i != 13 && i != 700)
			expect_alive(everybody[i], i);
	}
	expect_alive(everybody[13], 13); /* so that the 700th is idle for longest, then the 0th */
	for (int i = 0; i < 2; i++) {
		int victim = i ? 0 : 700;
		int fd = connect_client();

		expect_alive(fd, 1);
		assert_true(has_ended(everybody[victim]));
		close(everybody[victim]);
		everybody[victim] = fd;
	}
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		expect_alive(everybody[i], i);
	empty();
}

/* A monitor that has read all, one in the midst of an answer, one that waits its turn, and one that
 * was adopted stay; half a request is not work. */
static void test_busy_ones_stay(void **state)
{
	enum { MONITOR, ANSWERING, WAITING, ADOPTED, OTHERS };

	everybody[MONITOR] = connect_monitor();
	everybody[ANSWERING] = connect_client();
	put_large(everybody[ANSWERING], 1, 3000000);
	everybody[WAITING] = connect_client();
	put_many(everybody[WAITING], 2 * SESSION_BURST);
	everybody[ADOPTED] = connect_reader();
	serve();
	fill_up(OTHERS);
	put(everybody[OTHERS], "{\"jsonrpc\"", 10);
	serve();
	for (int i = OTHERS + 1; i < CONTROL_CLIENTS; i++) {
		int fd = connect_client();

		expect_alive(fd, i);
		assert_true(has_ended(everybody[i]));
		close(everybody[i]);
		everybody[i] = fd;
	}
	close(everybody[OTHERS]);
	serve();
	everybody[OTHERS] = connect_client();
	expect_large(everybody[ANSWERING], 1, 3000000);
	expect_alive(everybody[ADOPTED], 5);
	publish(7);
	serve();
	expect_event(everybody[MONITOR], 7);
	for (int i = 0; i < SESSION_BURST; i++)
		expect_echo(everybody[WAITING], i);
	empty();
}

/* More than the socket takes. */
static void put_too_much(int fd)
{
	for (int i = 0; i < 14; i++)
		put_large(fd, i, 20000);
	serve();
}

/* If all are busy the new one is turned away; but those who only read do not keep out who may
 * change things. */
static void test_all_busy(void **state)
{
	int fd;

	need_root();
	everybody[0] = connect_client();
	put_too_much(everybody[0]);
	for (int i = 1; i < CONTROL_CLIENTS; i++) {
		everybody[i] = connect_as(STRANGER, STRANGER, NULL, 0);
		put_too_much(everybody[i]);
	}
	expect_end(connect_as(STRANGER, STRANGER, NULL, 0));
	fd = connect_client();
	expect_alive(fd, 1);
	close(fd);
	serve();
	assert_true(has_ended(everybody[1]));
	for (int i = 0; i < CONTROL_CLIENTS; i += 100) {
		for (int j = 0; j < 14; j++)
			expect_large(everybody[i], j, 20000);
	}
	empty();
}

/* ---- how often ---- */

/* 400 requests in one write: 200 are answered, then 100 a second; nobody else waits for that. */
static void test_too_often(void **state)
{
	int other = connect_client();
	int fd = connect_client();
	struct timespec from, to;
	char byte;

	clock_gettime(CLOCK_MONOTONIC, &from);
	put_many(fd, 400);
	serve();
	for (int i = 0; i < SESSION_BURST; i++)
		expect_echo(fd, i);
	expect_alive(other, 1);
	shutdown(fd, SHUT_WR); /* it has said all: that is no reason to forget it */
	for (int i = SESSION_BURST; i < 400; i++) {
		while (recv(fd, &byte, 1, MSG_PEEK) < 0)
			serve_for(10);
		expect_echo(fd, i);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >=
		    (400 - SESSION_BURST) * 10 - 10);
	expect_end(fd);
	close(other);
	serve();
}

/* One who asks too often and goes meanwhile. */
static void test_too_often_and_gone(void **state)
{
	unsigned int before = count_fds();
	int other = connect_client();
	int fd = connect_client();

	put_many(fd, 2 * SESSION_BURST);
	for (int i = 0; i < SESSION_BURST; i++)
		expect_echo(fd, i);
	close(fd);
	expect_alive(other, 1);
	while (count_fds() > before + 2)
		serve_for(10);
	close(other);
	serve();
	assert_int_equal(count_fds(), before);
}

/* ---- how much unread ---- */

static void test_answer_not_read(void **state)
{
	const struct control_options options = {.path = path, .answer_ms = 50};
	int lazy;
	int quick;

	snprintf(path, sizeof(path), "%s/socket", folder);
	assert_int_equal(control_server_open(&server, &options, methods, NULL), 0);
	lazy = connect_client();
	quick = connect_client();
	put_large(lazy, 1, 3000000);
	put_large(quick, 2, 30000); /* the socket takes it all */
	serve();
	serve_for(200);
	expect_large(quick, 2, 30000);
	expect_alive(quick, 3);
	assert_true(has_ended(lazy)); /* and what it did not read is lost */
	close(quick);
	close(lazy);
	assert_int_equal(close_server(state), 0);
}

/* A hundred who let a large answer lie: the memory for that is bounded, and who came first goes. */
static void test_answers_not_read(void **state)
{
	int other = connect_client();

	for (int i = 0; i < 100; i++) {
		everybody[i] = connect_client();
		put_large(everybody[i], i, 2000000);
		serve();
	}
	expect_alive(other, 1);
	serve_for(50);
	assert_true(has_ended(everybody[0]));
	assert_true(has_ended(everybody[50]));
	expect_large(everybody[99], 99, 2000000);
	expect_large(everybody[90], 90, 2000000);
	expect_alive(other, 2);
	for (int i = 0; i < 100; i++)
		close(everybody[i]);
	close(other);
	serve();
}

/* ---- the machine's limits ---- */

/* Not even the descriptor that is kept for it can be had: nobody is accepted, and nothing spins. */
static void test_no_descriptor_at_all(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct rlimit old;

	strcpy(address.sun_path, path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, old.rlim_max}), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	serve();
	assert_false(has_work());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	put_echo(fd, 1);
	while (!has_work())
		serve_for(10);
	expect_echo(fd, 1);
	close(fd);
	serve();
}

/* Only so many may have a long request under way; the others have what everybody has. */
static void test_long_requests(void **state)
{
	static char spaces[100000];
	int fds[9];

	memset(spaces, ' ', sizeof(spaces));
	for (int i = 0; i < 9; i++) {
		fds[i] = connect_client();
		put(fds[i], spaces, sizeof(spaces));
		serve();
	}
	expect_code(fds[8], RPC_INVALID_REQUEST);
	for (int i = 0; i < 8; i++) {
		put_echo(fds[i], i);
		serve();
		expect_echo(fds[i], i);
		close(fds[i]);
	}
	close(fds[8]);
	serve();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),	 cmocka_unit_test(test_own_user),
		SERVED(test_idle_one_goes),	 SERVED(test_busy_ones_stay),
		SERVED(test_all_busy),		 SERVED(test_too_often),
		SERVED(test_too_often_and_gone), cmocka_unit_test(test_answer_not_read),
		SERVED(test_answers_not_read),	 SERVED(test_no_descriptor_at_all),
		SERVED(test_long_requests),
	};

	return cmocka_run_group_tests(tests, raise_limit, remove_folder);
}
