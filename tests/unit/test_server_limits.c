// SPDX-License-Identifier: BSD-2-Clause
/* Limits of the control server: rights, number of clients, rate, unread answers, descriptors. */
#include "server_env.c"

#include <fcntl.h>
#include <sys/resource.h>

#include "control/peer.h"
#include "control/session.h"

#define GROUP 4711

static int everybody[CONTROL_CLIENTS];

/* This process has both ends of all connections. */
static int raise_limit(void **state)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
	return setrlimit(RLIMIT_NOFILE, &limit) || make_directory(state);
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

/* Many requests in one write: the socket accounts for far more than their bytes if each is a write.
 */
static void put_many(int fd, int count)
{
	static char lines[400 * 60];
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += request_echo(lines + length, sizeof(lines) - length, i);
	put(fd, lines, length);
}

/* Whether the server has closed it, whatever it had sent before. */
static bool has_ended(int fd)
{
	char byte;
	ssize_t n;

	do
		n = recv(fd, &byte, 1, 0);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

static bool has_answer(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == 1;
}

/* ---- rights ---- */

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
	put_echo(fd, 2); /* all clients may read */
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
	snprintf(path, sizeof(path), "%s/socket", directory);
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
	/* Change the group; one that does not exist changes nothing. */
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
	enum { FIRST = 40, SECOND = 13 };

	fill_up(0);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (i != FIRST && i != SECOND)
			expect_alive(everybody[i], i);
	}
	expect_alive(everybody[SECOND], 13); /* now FIRST is idle for longest, then client 0 */
	for (int i = 0; i < 2; i++) {
		int victim = i ? 0 : FIRST;
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

/* A monitor that has read all and a client in the midst of an answer stay; half a request does not
 * count. */
static void test_busy_ones_stay(void **state)
{
	enum { MONITOR, ANSWERING, OTHERS };

	everybody[MONITOR] = connect_monitor();
	everybody[ANSWERING] = connect_client();
	put_large(everybody[ANSWERING], 1, 3000000);
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
	publish(7);
	serve();
	expect_event(everybody[MONITOR], 7);
	empty();
}

/* Request more than the socket's buffer holds. */
static void put_too_much(int fd)
{
	for (int i = 0; i < 14; i++)
		put_large(fd, i, 20000);
	serve();
}

/* If all are busy, a new reader is refused; but readers do not keep out a client that may change
 * things, and never displace one. */
static void test_all_busy(void **state)
{
	int fd;

	need_root();
	everybody[0] = connect_client(); /* idle */
	for (int i = 1; i < CONTROL_CLIENTS; i++) {
		everybody[i] = connect_reader();
		put_too_much(everybody[i]);
	}
	expect_end(connect_reader());
	fd = connect_client();
	expect_alive(fd, 1);
	assert_true(has_ended(everybody[1]));
	close(everybody[1]);
	everybody[1] = fd;
	expect_end(connect_reader());
	expect_alive(everybody[0], 1);
	for (int i = 2; i < CONTROL_CLIENTS; i += 20) {
		for (int j = 0; j < 14; j++)
			expect_large(everybody[i], j, 20000);
	}
	/* The same with monitors that have read all events. */
	for (int i = 2; i < CONTROL_CLIENTS; i++) {
		close(everybody[i]);
		serve();
		everybody[i] = connect_reader();
		put_call(everybody[i], "watch", 1);
		serve();
		json_decref(get(everybody[i]));
	}
	expect_end(connect_reader());
	for (int i = 2; i < CONTROL_CLIENTS; i++) {
		fd = connect_client();
		put_too_much(fd);
		assert_true(has_ended(everybody[i]));
		close(everybody[i]);
		everybody[i] = fd;
	}
	put_too_much(everybody[0]);
	put_too_much(everybody[1]);
	expect_end(connect_client());
	empty();
}

/* ---- how often ---- */

/* 350 requests in one write: 200 are answered, then 100 a second; other clients do not wait. */
static void test_too_often(void **state)
{
	int other = connect_reader();
	int fd = connect_reader();

	put_many(fd, 350);
	serve();
	for (int i = 0; i < CONTROL_BURST; i++)
		expect_echo(fd, i);
	expect_nothing(fd);
	assert_false(has_work());
	expect_alive(other, 1);
	shutdown(fd, SHUT_WR); /* its requests are not forgotten */
	expect_nothing(fd);
	tick(0);
	for (int i = CONTROL_BURST; i < CONTROL_BURST + CONTROL_RATE; i++)
		expect_echo(fd, i);
	expect_nothing(fd);
	tick(0);
	for (int i = CONTROL_BURST + CONTROL_RATE; i < 350; i++)
		expect_echo(fd, i);
	expect_end(fd);
	/* Credit does not accumulate beyond 200. */
	for (int i = 0; i < 10; i++)
		tick(0);
	put_many(other, 250);
	for (int i = 0; i < CONTROL_BURST; i++)
		expect_echo(other, i);
	expect_nothing(other);
	close(other);
	/* Administrators do not wait. */
	fd = connect_client();
	put_many(fd, 350);
	for (int i = 0; i < 350; i++)
		expect_echo(fd, i);
	close(fd);
	serve();
}

/* What costs the server much leaves less credit, but never keeps a client for good. */
static void test_dear_requests(void **state)
{
	int fd = connect_reader();

	for (int i = 0; i < 4; i++)
		put_call(fd, "dear", i);
	serve();
	for (int i = 0; i < 4; i++) {
		json_t *answer;

		if (i >= 2) {
			expect_nothing(fd);
			tick(0);
		}
		answer = get(fd);
		assert_int_equal(json_integer_value(json_object_get(answer, "id")), i);
		json_decref(answer);
	}
	close(fd);
	serve();
}

/* A client that waits for credit and disconnects. */
static void test_too_often_and_gone(void **state)
{
	unsigned int before = count_fds();
	int fd = connect_reader();

	put_many(fd, 350);
	for (int i = 0; i < CONTROL_BURST; i++)
		expect_echo(fd, i);
	close(fd);
	serve();
	assert_int_equal(count_fds(), before);
}

/* ---- how much unread ---- */

static void test_answer_not_read(void **state)
{
	int lazy = connect_client();
	int quick = connect_client();

	put_large(lazy, 1, 3000000);
	put_large(quick, 2, 30000); /* fits the socket's buffer */
	serve();
	tick(29);
	assert_true(has_answer(lazy));
	tick(31);
	expect_large(quick, 2, 30000);
	expect_alive(quick, 3);
	assert_true(has_ended(lazy)); /* and what it did not read is lost */
	close(quick);
	close(lazy);
	serve();
}

/* ---- without descriptors ---- */

/* Use up all descriptors but one, which the client's end takes. */
static struct shortage {
	struct rlimit old;
	int fds[256];
	int count;
} shortage;

static void begin_shortage(void)
{
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &shortage.old), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){256, shortage.old.rlim_max}), 0);
	shortage.count = 0;
	while ((shortage.fds[shortage.count] = dup(0)) >= 0)
		shortage.count++;
	close(shortage.fds[--shortage.count]);
}

static void end_shortage(void)
{
	while (shortage.count)
		close(shortage.fds[--shortage.count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &shortage.old), 0);
}

/* Without a descriptor the client that is idle for longest is closed, as if there were too many. */
static void test_no_descriptor(void **state)
{
	int idle, busy, fd;

	need_root();
	busy = connect_monitor();
	idle = connect_reader();
	begin_shortage();
	fd = connect_client();
	expect_alive(fd, 1);
	assert_true(has_ended(idle));
	end_shortage();
	close(idle);
	/* A reader does not displace an administrator, and the server does not spin. */
	begin_shortage();
	expect_end(connect_reader());
	assert_false(has_work());
	end_shortage();
	expect_alive(fd, 2);
	publish(3);
	expect_event(busy, 3);
	close(fd);
	close(busy);
	serve();
}

/* Again and again: the spare descriptor is restored each time. */
static void test_no_descriptor_for_a_crowd(void **state)
{
	int fds[20];

	need_root();
	for (int i = 0; i < 20; i++)
		fds[i] = connect_reader();
	for (int i = 0; i < 20; i++) {
		begin_shortage();
		everybody[i] = connect_client();
		expect_alive(everybody[i], i);
		end_shortage();
		assert_true(has_ended(fds[i]));
	}
	for (int i = 0; i < 20; i++) {
		expect_alive(everybody[i], i);
		close(fds[i]);
		close(everybody[i]);
	}
	serve();
}

/* If even the spare descriptor does not help, no client is accepted, and the server does not spin.
 */
static void test_no_descriptor_at_all(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct rlimit old;

	strcpy(address.sun_path, path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){1, old.rlim_max}),
			 0); /* poll(2) needs 1 */
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	serve();
	assert_false(has_work());
	tick(0);
	assert_false(has_work());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	put_echo(fd, 1);
	assert_false(has_work());
	tick(0);
	expect_echo(fd, 1);
	close(fd);
	serve();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_own_user),
		SERVED(test_idle_one_goes),
		SERVED(test_busy_ones_stay),
		SERVED(test_all_busy),
		SERVED(test_too_often),
		SERVED(test_dear_requests),
		SERVED(test_too_often_and_gone),
		SERVED(test_answer_not_read),
		SERVED(test_no_descriptor),
		SERVED(test_no_descriptor_for_a_crowd),
		SERVED(test_no_descriptor_at_all),
	};

	return cmocka_run_group_tests(tests, raise_limit, remove_directory);
}
