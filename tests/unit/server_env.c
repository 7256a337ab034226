// SPDX-License-Identifier: BSD-2-Clause
#include "watchdog.h"
#include "fds.h"
#include "server_env.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define STRANGER 65534

/* A server that still has something to do after this number of runs is spinning. */
#define MANY_RUNS 100000

char directory[] = "/tmp/xmcast-server-XXXXXX";
char path[64];
struct control_server *server;

/* ---- the server ---- */

static void echo(void *context, const json_t *params, struct control_reply *reply)
{
	reply->result = params ? json_deep_copy(params) : json_null();
}

/* Answers with that many bytes. */
static void large(void *context, const json_t *params, struct control_reply *reply)
{
	size_t size = (size_t)json_integer_value(json_object_get(params, "bytes"));
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, 'x', size);
	text[size] = '\0';
	reply->result = json_string(text);
	free(text);
}

static void change(void *context, const json_t *params, struct control_reply *reply)
{
	reply->result = json_true();
}

static void watch(void *context, const json_t *params, struct control_reply *reply)
{
	reply->monitor = true;
	reply->result = json_null();
}

/* Publishes an event from within a method. */
static void emit(void *context, const json_t *params, struct control_reply *reply)
{
	control_server_publish(server, params);
	reply->result = json_null();
}

/* Counts as 100. */
static void dear(void *context, const json_t *params, struct control_reply *reply)
{
	reply->cost = 99;
	reply->result = json_null();
}

static const char *const large_keys[] = {"bytes", NULL};
static const char *const emit_keys[] = {"number", NULL};

const struct control_method methods[] = {
	{"echo", CONTROL_READ, NULL, echo},
	{"large", CONTROL_READ, large_keys, large},
	{"change", CONTROL_CHANGE, NULL, change},
	{"watch", CONTROL_READ, NULL, watch},
	{"emit", CONTROL_READ, emit_keys, emit},
	{"dear", CONTROL_READ, NULL, dear},
	{},
};

bool has_work(void)
{
	struct pollfd fd = {.fd = control_server_fd(server), .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

void serve(void)
{
	for (int i = 0; i < MANY_RUNS; i++) {
		if (!has_work())
			return;
		control_server_run(server);
	}
	fail_msg("the server is never done");
}

void tick(unsigned int seconds)
{
	control_server_tick(server, clock_ns() + seconds * NS_PER_SECOND);
	serve();
}

int open_at_path(struct control_server **out)
{
	const struct control_options options = {.path = path};

	return control_server_open(out, &options, methods, NULL);
}

int open_server(void **state)
{
	watchdog_start("server");
	snprintf(path, sizeof(path), "%s/socket", directory);
	return open_at_path(&server);
}

int close_server(void **state)
{
	struct stat status;

	control_server_close(server);
	server = NULL;
	watchdog_stop();
	return lstat(path, &status) == 0; /* the socket file has been removed */
}

int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

int remove_directory(void **state)
{
	char lock[80];

	/* The server never removes it. */
	snprintf(lock, sizeof(lock), "%s/socket.lock", directory);
	unlink(lock);
	return rmdir(directory);
}

/* ---- clients ---- */

int connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	serve();
	return fd;
}

void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("needs root: to be somebody else\n");
	skip();
}

int connect_as(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(chmod(directory, 0755), 0);
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

int connect_reader(void)
{
	need_root();
	return connect_as(STRANGER, STRANGER, NULL, 0);
}

int connect_monitor(void)
{
	int fd = connect_client();

	put_call(fd, "watch", 1);
	serve();
	json_decref(get(fd));
	return fd;
}

void put(int fd, const char *bytes, size_t length)
{
	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

void put_call(int fd, const char *method, int id)
{
	char line[100];

	put(fd, line,
	    (size_t)snprintf(line, sizeof(line),
			     "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"id\":%d}\n", method, id));
}

size_t request_echo(char *line, size_t size, int id)
{
	return (size_t)snprintf(line, size, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":%d}\n",
				id);
}

void put_echo(int fd, int id)
{
	put_call(fd, "echo", id);
}

void put_large(int fd, int id, size_t bytes)
{
	char line[150];

	put(fd, line,
	    (size_t)snprintf(line, sizeof(line),
			     "{\"jsonrpc\":\"2.0\",\"method\":\"large\",\"id\":%d,"
			     "\"params\":{\"bytes\":%zu}}\n",
			     id, bytes));
}

/* Read up to the end of the line at most. Returns what recv(2) does. */
static ssize_t read_part(int fd, char *line, size_t room)
{
	ssize_t n = recv(fd, line, room, MSG_PEEK);
	const char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;

	return n > 0 ? recv(fd, line, end ? (size_t)(end - line) + 1 : (size_t)n, 0) : n;
}

json_t *get(int fd)
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

void expect_echo(int fd, int id)
{
	json_t *answer = get(fd);

	assert_non_null(answer);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
	assert_true(json_is_null(json_object_get(answer, "result")));
	json_decref(answer);
}

void expect_alive(int fd, int id)
{
	put_echo(fd, id);
	serve();
	expect_echo(fd, id);
}

void expect_large(int fd, int id, size_t bytes)
{
	json_t *answer = get(fd);

	assert_non_null(answer);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
	assert_int_equal(json_string_length(json_object_get(answer, "result")), bytes);
	json_decref(answer);
}

void expect_code(int fd, int code)
{
	json_t *answer = get(fd);

	assert_non_null(answer);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
		code);
	json_decref(answer);
}

void expect_nothing(int fd)
{
	char byte;

	serve();
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

void expect_end(int fd)
{
	serve();
	if (get(fd))
		fail_msg("an answer instead of the end");
	close(fd);
}

void publish(int number)
{
	json_t *event = json_pack("{s:s, s:i}", "event", "test", "number", number);

	control_server_publish(server, event);
	json_decref(event);
}

void expect_event(int fd, int number)
{
	json_t *line = get(fd);
	const json_t *params = json_object_get(line, "params");

	assert_string_equal(json_string_value(json_object_get(line, "method")), "event");
	assert_null(json_object_get(line, "id"));
	assert_int_equal(json_integer_value(json_object_get(params, "number")), number);
	json_decref(line);
}
