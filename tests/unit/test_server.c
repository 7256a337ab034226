// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control server over a real Unix socket. It is single-threaded and never blocks, so the test
 * plays both ends: it writes as a client, lets the server run until it has nothing to do, and
 * reads.
 */
#include "watchdog.h"
#include "fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control/client.h"
#include "control/server.h"

/* Passes after which a server that still has something to do turns in circles. */
#define MANY_RUNS   100000

#define MAX_CLIENTS 64
#define MAX_REQUEST 65536

static char folder[] = "/tmp/xmcast-server-XXXXXX";
static char path[64];
static struct control_server *server;

/* ---- the server's end ---- */

static json_t *echo(void *context, const json_t *params)
{
	return params ? json_deep_copy(params) : json_null();
}

/* As many bytes as "bytes" says. */
static json_t *large(void *context, const json_t *params)
{
	size_t size = (size_t)json_integer_value(json_object_get(params, "bytes"));
	char *text = malloc(size + 1);
	json_t *result;

	assert_non_null(text);
	memset(text, 'x', size);
	text[size] = '\0';
	result = json_string(text);
	free(text);
	return result;
}

static const struct control_method methods[] = {
	{"echo", echo},
	{"large", large},
	{NULL, NULL},
};

static bool has_work(void)
{
	struct pollfd fd = {.fd = control_server_fd(server), .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

/* Let it run until it has nothing to do. */
static void serve(void)
{
	for (int i = 0; i < MANY_RUNS; i++) {
		if (!has_work())
			return;
		control_server_run(server);
	}
	fail_msg("the server is never done");
}

static int open_server(void **state)
{
	watchdog_start("server");
	snprintf(path, sizeof(path), "%s/socket", folder);
	return control_server_open(&server, path, methods, NULL);
}

static int close_server(void **state)
{
	struct stat status;

	control_server_close(server);
	server = NULL;
	watchdog_stop();
	return lstat(path, &status) == 0; /* it has removed its socket */
}

/* ---- the client's end ---- */

static int connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	serve();
	return fd;
}

static void put(int fd, const char *bytes, size_t length)
{
	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

/* "echo", with this id. */
static size_t request_echo(char *line, size_t size, int id)
{
	return (size_t)snprintf(line, size, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":%d}\n",
				id);
}

static void put_echo(int fd, int id)
{
	char line[100];

	put(fd, line, request_echo(line, sizeof(line), id));
}

static void put_large(int fd, int id, size_t bytes)
{
	char line[150];

	put(fd, line,
	    (size_t)snprintf(line, sizeof(line),
			     "{\"jsonrpc\":\"2.0\",\"method\":\"large\",\"id\":%d,"
			     "\"params\":{\"bytes\":%zu}}\n",
			     id, bytes));
}

/* Read up to the end of the line, at most. As recv(2). */
static ssize_t read_part(int fd, char *line, size_t room)
{
	ssize_t n = recv(fd, line, room, MSG_PEEK);
	const char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;

	return n > 0 ? recv(fd, line, end ? (size_t)(end - line) + 1 : (size_t)n, 0) : n;
}

/* The next line, letting the server run as long as it is not whole. NULL: end of file. */
static json_t *get(int fd)
{
	size_t room = 1 << 16;
	char *line = malloc(room);
	size_t length = 0;
	json_t *answer;

	assert_non_null(line);
	while (!length || line[length - 1] != '\n') {
		ssize_t n = read_part(fd, line + length, room - length);

		if (n < 0 && errno == EAGAIN && has_work()) {
			serve();
			continue;
		}
		if (n < 0 && errno == EAGAIN)
			fail_msg("no answer, only: %.*s", (int)length, line);
		if (n <= 0) {
			assert_int_equal(length, 0);
			free(line);
			return NULL;
		}
		length += (size_t)n;
		if (length == room)
			line = realloc(line, room *= 2);
		assert_non_null(line);
	}
	answer = json_loadb(line, length, 0, NULL);
	assert_non_null(answer);
	free(line);
	return answer;
}

static void expect_echo(int fd, int id)
{
	json_t *answer = get(fd);

	assert_non_null(answer);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
	assert_true(json_is_null(json_object_get(answer, "result")));
	json_decref(answer);
}

static void expect_large(int fd, int id, size_t bytes)
{
	json_t *answer = get(fd);

	assert_non_null(answer);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
	assert_int_equal(json_string_length(json_object_get(answer, "result")), bytes);
	json_decref(answer);
}

static void expect_code(int fd, int code)
{
	json_t *answer = get(fd);

	assert_non_null(answer);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
		code);
	json_decref(answer);
}

static void expect_nothing(int fd)
{
	char byte;

	serve();
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void expect_end(int fd)
{
	serve();
	if (get(fd))
		fail_msg("an answer instead of the end");
	close(fd);
}

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
	assert_int_equal(umask(mask), 0); /* left as it was */
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(close_server(state), 0);
}

static void test_folder_is_made(void **state)
{
	struct stat status;
	char parent[64];

	snprintf(parent, sizeof(parent), "%s/new", folder);
	snprintf(path, sizeof(path), "%s/new/socket", folder);
	assert_int_equal(control_server_open(&server, path, methods, NULL), 0);
	assert_int_equal(stat(parent, &status), 0);
	assert_int_equal(close_server(state), 0);
	assert_int_equal(rmdir(parent), 0);
	snprintf(path, sizeof(path), "%s/no/such/socket", folder);
	assert_int_equal(control_server_open(&server, path, methods, NULL), -ENOENT);
}

static void test_stale_socket(void **state)
{
	int fd;

	snprintf(path, sizeof(path), "%s/socket", folder);
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
	assert_int_equal(control_server_open(&second, path, methods, NULL), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(count_fds(), before);
	serve();
	fd = connect_client(); /* it is still there */
	put_echo(fd, 1);
	expect_echo(fd, 1);
	close(fd);
	assert_int_equal(close_server(state), 0);
}

/* Whatever is no socket of a dead daemon is not ours to remove. */
static void expect_kept(mode_t type)
{
	struct stat status;

	assert_true(control_server_open(&server, path, methods, NULL) < 0);
	assert_null(server);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode & S_IFMT, type);
}

static void test_not_ours(void **state)
{
	char target[64];
	int fd;

	snprintf(path, sizeof(path), "%s/socket", folder);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	expect_kept(S_IFREG);
	unlink(path);

	assert_int_equal(mkdir(path, 0700), 0);
	expect_kept(S_IFDIR);
	rmdir(path);

	snprintf(target, sizeof(target), "%s/nothing", folder);
	assert_int_equal(symlink(target, path), 0);
	expect_kept(S_IFLNK);
	unlink(path);

	/* Somebody's live socket, though of another type: /dev/log, for one. */
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

	memset(name, 'a', sizeof(name));
	memcpy(name, "/tmp/", 5);
	name[108] = '\0'; /* sun_path has 108 bytes, the NUL included */
	assert_int_equal(control_server_open(&server, name, methods, NULL), -ENAMETOOLONG);
	assert_true(control_server_open(&server, "", methods, NULL) < 0);
	assert_null(server);
	control_server_close(NULL);
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

/* A client that has said all and waits for its answers. */
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

/* A request of this length, its newline not counted, padded with spaces. */
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

static void test_longest_request(void **state)
{
	int fd = connect_client();

	put_padded(fd, MAX_REQUEST - 1);
	expect_echo(fd, 9);
	put_echo(fd, 10);
	serve();
	expect_echo(fd, 10);
	close(fd);
	serve();
}

static void test_oversize_request(void **state)
{
	static const size_t sizes[] = {MAX_REQUEST, MAX_REQUEST + 1, 3 * MAX_REQUEST, 1 << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int other = connect_client();
		int fd = connect_client();
		char byte;

		put_padded(fd, sizes[i]);
		expect_code(fd, RPC_INVALID_REQUEST);
		serve();
		if (recv(fd, &byte, 1, 0) > 0)
			fail_msg("it goes on after a request of %zu bytes", sizes[i]);
		close(fd);
		put_echo(other, 4);
		serve();
		expect_echo(other, 4);
		close(other);
		serve();
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

/* Who does not read his answers waits alone, and has them all in the end. */
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

/* Clients that go at the worst moment: in a request, before and in an answer. */
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

static void test_too_many_clients(void **state)
{
	int fds[MAX_CLIENTS];

	for (int i = 0; i < MAX_CLIENTS; i++)
		fds[i] = connect_client();
	expect_end(connect_client());
	for (int i = 0; i < MAX_CLIENTS; i++) {
		put_echo(fds[i], i);
		serve();
		expect_echo(fds[i], i);
	}
	close(fds[13]);
	serve();
	fds[13] = connect_client(); /* its place is free again */
	put_echo(fds[13], 1);
	serve();
	expect_echo(fds[13], 1);
	expect_end(connect_client());
	for (int i = 0; i < MAX_CLIENTS; i++)
		close(fds[i]);
	serve();
}

/* Without a descriptor for a new client it is turned away; the server must not turn in circles. */
static void test_no_descriptor(void **state)
{
	int fd = connect_client();
	struct rlimit tight;
	struct rlimit old;
	int refused;
	int lowest;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	lowest = dup(fd);
	close(lowest);
	tight = old;
	tight.rlim_cur = (rlim_t)lowest + 1; /* the new client's own end takes the last one */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	refused = connect_client();
	put_echo(fd, 1);
	serve();
	expect_echo(fd, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	expect_end(refused);
	refused = connect_client();
	put_echo(refused, 2);
	serve();
	expect_echo(refused, 2);
	close(refused);
	close(fd);
	serve();
}

static void test_close_ends_clients(void **state)
{
	unsigned int before = count_fds();
	struct control_server *kept = server;
	char own[64];
	int fd;

	strcpy(own, path);
	snprintf(path, sizeof(path), "%s/second", folder);
	assert_int_equal(control_server_open(&server, path, methods, NULL), 0);
	fd = connect_client();
	put_large(fd, 1, 3000000);
	serve();
	control_server_close(server);
	assert_int_equal(shutdown(fd, SHUT_WR), 0); /* it has ended already */
	close(fd);
	server = kept;
	strcpy(path, own);
	assert_int_equal(count_fds(), before);
}

/* ---- xmcastctl's end ---- */

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
}

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_folder_is_made),
		cmocka_unit_test(test_stale_socket),
		cmocka_unit_test(test_live_socket),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_bad_paths),
		SERVED(test_byte_by_byte),
		SERVED(test_many_in_one_write),
		SERVED(test_errors_and_notifications),
		SERVED(test_half_closed),
		SERVED(test_longest_request),
		SERVED(test_oversize_request),
		SERVED(test_large_answer),
		SERVED(test_client_that_does_not_read),
		SERVED(test_clients_that_vanish),
		SERVED(test_too_many_clients),
		SERVED(test_no_descriptor),
		SERVED(test_close_ends_clients),
		SERVED(test_client_calls),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
