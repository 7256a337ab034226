// SPDX-License-Identifier: BSD-2-Clause
/* The control server over a real Unix socket: the socket file, requests and answers. */
#include "server_env.c"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/account.h"
#include "control/client.h"
#include "control/peer.h"
#include "control/session.h"

/* ---- the socket file ---- */

static int bind_socket(int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void test_mode(void **state)
{
	struct stat status;
	mode_t mask = umask(0);

	assert_int_equal(open_server(state), 0);
	assert_int_equal(umask(mask), 0); /* unchanged */
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(close_server(state), 0);
}

static void test_directory_is_made(void **state)
{
	struct stat status;
	char parent[64];

	snprintf(parent, sizeof(parent), "%s/new", directory);
	snprintf(path, sizeof(path), "%s/new/socket", directory);
	assert_int_equal(open_at_path(&server), 0);
	assert_int_equal(stat(parent, &status), 0);
	assert_int_equal(close_server(state), 0);
	snprintf(path, sizeof(path), "%s/new/socket.lock", directory);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(parent), 0);
	snprintf(path, sizeof(path), "%s/no/such/socket", directory);
	assert_int_equal(open_at_path(&server), -ENOENT);
}

static void test_stale_socket(void **state)
{
	int fd;

	snprintf(path, sizeof(path), "%s/socket", directory);
	fd = bind_socket(SOCK_STREAM);
	assert_int_equal(listen(fd, 1), 0);
	close(fd); /* as a killed daemon leaves it */
	assert_int_equal(open_server(state), 0);
	fd = connect_client();
	put_echo(fd, 1);
	expect_echo(fd, 1);
	close(fd);
	assert_int_equal(close_server(state), 0);
}

static void test_live_socket(void **state)
{
	struct control_server *second = NULL;
	unsigned int before;
	int fd;

	assert_int_equal(open_server(state), 0);
	before = count_fds();
	assert_int_equal(open_at_path(&second), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(count_fds(), before);
	serve();
	fd = connect_client(); /* it is still there */
	put_echo(fd, 1);
	expect_echo(fd, 1);
	close(fd);
	assert_int_equal(close_server(state), 0);
}

/* Only the socket of a dead daemon may be removed. */
static void expect_kept(mode_t type)
{
	struct stat status;

	assert_true(open_at_path(&server) < 0);
	assert_null(server);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode & S_IFMT, type);
}

static void test_not_ours(void **state)
{
	char target[64];
	int fd;

	snprintf(path, sizeof(path), "%s/socket", directory);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	expect_kept(S_IFREG);
	unlink(path);

	assert_int_equal(mkdir(path, 0700), 0);
	expect_kept(S_IFDIR);
	rmdir(path);

	snprintf(target, sizeof(target), "%s/nothing", directory);
	assert_int_equal(symlink(target, path), 0);
	expect_kept(S_IFLNK);
	unlink(path);

	/* A live socket of another type, such as /dev/log. */
	fd = bind_socket(SOCK_DGRAM);
	expect_kept(S_IFSOCK);
	close(fd);
	unlink(path);
	fd = bind_socket(SOCK_SEQPACKET);
	assert_int_equal(listen(fd, 1), 0);
	expect_kept(S_IFSOCK);
	close(fd);
	unlink(path);
}

static void test_bad_paths(void **state)
{
	char name[200];
	const struct control_options too_long = {.path = name};
	const struct control_options empty = {.path = ""};

	memset(name, 'a', sizeof(name));
	memcpy(name, "/tmp/", 5);
	name[108] = '\0'; /* sun_path has 108 bytes, the NUL included */
	assert_int_equal(control_server_open(&server, &too_long, methods, NULL), -ENAMETOOLONG);
	assert_true(control_server_open(&server, &empty, methods, NULL) < 0);
	assert_null(server);
	control_server_close(NULL);
}

/* Many processes start at the same moment where a killed daemon has left its socket: one gets it. A
 * child that gets it reports that, and keeps it until all are done. */
static void race(int wins, int go, int done)
{
	char byte;

	if (read(go, &byte, 1) == 0 && open_at_path(&server) == 0 && write(wins, "w", 1) != 1)
		_exit(1);
	if (write(wins, "d", 1) != 1)
		_exit(1);
	_exit(read(done, &byte, 1) != 0);
}

static void test_race(void **state)
{
	enum { RACERS = 8, ROUNDS = 20 };
	unsigned int before = count_fds();

	snprintf(path, sizeof(path), "%s/socket", directory);
	for (int round = 0; round < ROUNDS; round++) {
		int wins[2], go[2], done[2];
		unsigned int won = 0;
		unsigned int ready = 0;
		int fd = bind_socket(SOCK_STREAM);

		close(fd); /* abandoned: nobody ever listened */
		assert_int_equal(pipe(wins) | pipe(go) | pipe(done), 0);
		for (int i = 0; i < RACERS; i++) {
			if (fork() == 0) {
				close(go[1]);
				close(done[1]);
				race(wins[1], go[0], done[0]);
			}
		}
		close(go[1]);
		while (ready < RACERS) {
			char byte;

			assert_int_equal(read(wins[0], &byte, 1), 1);
			won += byte == 'w';
			ready += byte == 'd';
		}
		close(done[1]);
		for (int i = 0; i < RACERS; i++)
			wait(NULL);
		assert_int_equal(won, 1);
		close(wins[0]), close(wins[1]), close(go[0]), close(done[0]);
		unlink(path);
	}
	assert_int_equal(count_fds(), before);
}

/* ---- its group ---- */

static void test_groups(void **state)
{
	struct control_options options = {.path = path, .group = "0"};
	struct rlimit none = {.rlim_cur = 0};
	struct rlimit files;
	struct stat status;
	gid_t gid = 77;
	int err;

	snprintf(path, sizeof(path), "%s/socket", directory);
	assert_int_equal(account_find_group("root", &gid), 0);
	assert_int_equal(gid, 0);
	assert_int_equal(account_find_group("4711", &gid), 0);
	assert_int_equal(gid, 4711);
	gid = 77;
	assert_int_equal(account_find_group("no-such-group", &gid), -ESRCH);
	assert_int_equal(account_find_group("12x", &gid), -ESRCH);
	assert_int_equal(account_find_group("-1", &gid), -ESRCH);
	assert_int_equal(account_find_group("4294967295", &gid), -ESRCH);
	assert_int_equal(account_find_group("99999999999999999999", &gid), -ESRCH);
	/* A group that cannot be looked up is not one that is missing. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none.rlim_max = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	err = account_find_group("no-such-group", &gid);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(err, -EMFILE);
	assert_int_equal(gid, 77);

	options.group = "no-such-group";
	assert_int_equal(control_server_open(&server, &options, methods, NULL), -ESRCH);
	options.group = NULL;
	options.admin_group = "no-such-group";
	assert_int_equal(control_server_open(&server, &options, methods, NULL), -ESRCH);
	assert_int_equal(lstat(path, &status), -1); /* nothing was created */
	if (geteuid() != 0)
		return; /* only root can give files to other groups */
	options.group = "4711";
	options.admin_group = NULL;
	assert_int_equal(control_server_open(&server, &options, methods, NULL), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_gid, 4711);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(close_server(state), 0);
}

/* ---- requests ---- */

static void test_byte_by_byte(void **state)
{
	int fd = connect_client();
	char line[100];
	size_t length = request_echo(line, sizeof(line), 7);

	for (size_t i = 0; i < length; i++) {
		expect_nothing(fd);
		put(fd, line + i, 1);
	}
	serve();
	expect_echo(fd, 7);
	expect_nothing(fd);
	close(fd);
	serve();
}

static void test_many_in_one_write(void **state)
{
	int fd = connect_client();
	char lines[10000];
	size_t length = 0;

	for (int i = 0; i < 100; i++)
		length += request_echo(lines + length, sizeof(lines) - length, i);
	put(fd, lines, length - 10); /* the last one in two pieces */
	serve();
	for (int i = 0; i < 99; i++)
		expect_echo(fd, i);
	expect_nothing(fd);
	put(fd, lines + length - 10, 10);
	serve();
	expect_echo(fd, 99);
	close(fd);
	serve();
}

static void test_errors_and_notifications(void **state)
{
	static const char notification[] = "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n";
	int fd = connect_client();

	put(fd, "\n", 1);
	put(fd, notification, sizeof(notification) - 1);
	put(fd, "nonsense\n", 9);
	put_echo(fd, 3);
	serve();
	expect_code(fd, RPC_PARSE_ERROR);
	expect_code(fd, RPC_PARSE_ERROR);
	expect_echo(fd, 3);
	expect_nothing(fd);
	close(fd);
	serve();
}

/* A client that has shut down its sending side waits for its answers. */
static void test_half_closed(void **state)
{
	int fd = connect_client();

	for (int i = 0; i < 50; i++)
		put_echo(fd, i);
	shutdown(fd, SHUT_WR);
	serve();
	for (int i = 0; i < 50; i++)
		expect_echo(fd, i);
	expect_end(fd);
	/* The same with answers that do not fit the socket's buffer. */
	fd = connect_client();
	for (int i = 0; i < 5; i++)
		put_large(fd, i, 1000000);
	shutdown(fd, SHUT_WR);
	serve();
	for (int i = 0; i < 5; i++)
		expect_large(fd, i, 1000000);
	expect_end(fd);
}

/* A request of this length without its newline, padded with spaces. */
static void put_padded(int fd, size_t length)
{
	char *line = malloc(length + 1);
	size_t used;
	size_t sent = 0;

	assert_non_null(line);
	memset(line, ' ', length);
	used = request_echo(line, length, 9);
	memset(line + used - 1, ' ', length - used + 1);
	line[length] = '\n';
	while (sent < length + 1) {
		ssize_t n = send(fd, line + sent, length + 1 - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break; /* refused before its end */
		if (n > 0)
			sent += (size_t)n;
		serve();
	}
	free(line);
}

static void expect_longest(int fd, size_t most)
{
	put_padded(fd, most - 1);
	expect_echo(fd, 9);
	put_echo(fd, 10);
	serve();
	expect_echo(fd, 10);
	close(fd);
	serve();
}

static void test_longest_request(void **state)
{
	expect_longest(connect_reader(), SESSION_REQUEST_MOST);
	expect_longest(connect_client(), SESSION_LONG_REQUEST_MOST);
}

static void expect_too_long(int fd, size_t length)
{
	int other = connect_client();
	char byte;

	put_padded(fd, length);
	expect_code(fd, RPC_INVALID_REQUEST);
	serve();
	if (recv(fd, &byte, 1, 0) > 0)
		fail_msg("it goes on after a request of %zu bytes", length);
	close(fd);
	put_echo(other, 4);
	serve();
	expect_echo(other, 4);
	close(other);
	serve();
}

static void test_oversize_request(void **state)
{
	static const size_t more[] = {0, 1, 100000, 1 << 20};

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		expect_too_long(connect_reader(), SESSION_REQUEST_MOST + more[i]);
		expect_too_long(connect_client(), SESSION_LONG_REQUEST_MOST + more[i]);
	}
}

/* ---- clients ---- */

static void test_large_answer(void **state)
{
	int fd = connect_client();

	put_large(fd, 1, 4 << 20);
	put_echo(fd, 2);
	serve();
	expect_large(fd, 1, 4 << 20);
	expect_echo(fd, 2);
	close(fd);
	serve();
}

/* A client that does not read its answers delays nobody else, and gets them all in the end. */
static void test_client_that_does_not_read(void **state)
{
	int lazy = connect_client();
	int fd = connect_client();

	for (int i = 0; i < 100; i++) {
		put_large(lazy, i, 100000);
		serve();
		put_echo(fd, i);
		serve();
		expect_echo(fd, i);
	}
	for (int i = 0; i < 100; i++)
		expect_large(lazy, i, 100000);
	expect_nothing(lazy);
	close(lazy);
	close(fd);
	serve();
}

/* Clients that disconnect at the worst moment: within a request, before and within an answer. */
static void test_clients_that_vanish(void **state)
{
	unsigned int before = count_fds();
	int other = connect_client();

	for (int i = 0; i < 20; i++) {
		int fd = connect_client();

		if (i % 4 == 0)
			put(fd, "{\"jsonrpc\"", 10);
		else
			put_large(fd, i, i % 4 == 1 ? 10 : 3000000);
		if (i % 4 != 2)
			serve();
		close(fd);
		serve();
		put_echo(other, i);
		serve();
		expect_echo(other, i);
	}
	close(other);
	serve();
	assert_int_equal(count_fds(), before);
}

static void test_close_ends_clients(void **state)
{
	unsigned int before = count_fds();
	struct control_server *kept = server;
	char own[64];
	int fd;

	strcpy(own, path);
	snprintf(path, sizeof(path), "%s/second", directory);
	assert_int_equal(open_at_path(&server), 0);
	fd = connect_client();
	put_large(fd, 1, 3000000);
	serve();
	control_server_close(server);
	assert_int_equal(shutdown(fd, SHUT_WR), 0); /* the server has closed it */
	close(fd);
	strcat(path, ".lock");
	assert_int_equal(unlink(path), 0);
	server = kept;
	strcpy(path, own);
	assert_int_equal(count_fds(), before);
}

/* ---- control/client.h ---- */

static atomic_bool stop;

static void *serve_thread(void *arg)
{
	while (!atomic_load(&stop)) {
		struct pollfd fd = {.fd = control_server_fd(server), .events = POLLIN};

		if (poll(&fd, 1, 10) > 0)
			control_server_run(server);
	}
	return NULL;
}

static void test_client_calls(void **state)
{
	struct control_client *client;
	json_t *params = json_pack("{s:i}", "bytes", 1000000);
	json_t *answer = NULL;
	pthread_t thread;

	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, serve_thread, NULL), 0);
	assert_int_equal(control_client_open(&client, path), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(control_client_call(client, "large", params, &answer), 0);
		assert_int_equal(json_string_length(answer), 1000000);
		json_decref(answer);
		assert_int_equal(control_client_call(client, "none", NULL, &answer), 1);
		assert_int_equal(json_integer_value(json_object_get(answer, "code")),
				 RPC_NO_METHOD);
		json_decref(answer);
	}
	control_client_close(client);
	control_client_close(NULL);
	json_decref(params);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	serve();
	assert_int_equal(control_client_open(&client, "/nonexistent/socket"), -ENOENT);
	assert_int_equal(control_client_open(&client, ""), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_directory_is_made),
		cmocka_unit_test(test_stale_socket),
		cmocka_unit_test(test_live_socket),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_groups),
		SERVED(test_byte_by_byte),
		SERVED(test_many_in_one_write),
		SERVED(test_errors_and_notifications),
		SERVED(test_half_closed),
		SERVED(test_longest_request),
		SERVED(test_oversize_request),
		SERVED(test_large_answer),
		SERVED(test_client_that_does_not_read),
		SERVED(test_clients_that_vanish),
		SERVED(test_close_ends_clients),
		SERVED(test_client_calls),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
