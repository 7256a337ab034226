/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json_text.h"
#include "control/lines.h"

struct control_client {
	int fd;
	int interrupt_fd; /* -1: none */
	int attended_fd;  /* -1: none */
	bool (*attend)(void *context, short events);
	void *attend_context;
	int timeout_ms;
	int calls;
	bool handed_out; /* the first of the lines */
	struct lines lines;
};

/* The send timeout also bounds how long connect(2) waits for a daemon that does not accept. */
static int connect_to(int fd, const char *path)
{
	const struct timeval timeout = {.tv_sec = CONTROL_TIMEOUT_MS / 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* An empty path would be an abstract name, which anybody can listen at. */
	if (!*path)
		return -ENOENT;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

int control_client_open(struct control_client **out, const char *path)
{
	struct control_client *client = calloc(1, sizeof(*client));
	int err;

	if (!client)
		return -ENOMEM;
	client->interrupt_fd = client->attended_fd = -1;
	client->timeout_ms = CONTROL_TIMEOUT_MS;
	client->lines.most = CONTROL_MAX_ANSWER;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	err = client->fd < 0 ? -errno : connect_to(client->fd, path);
	if (err) {
		control_client_close(client);
		return err;
	}
	*out = client;
	return 0;
}

void control_client_close(struct control_client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	lines_clear(&client->lines);
	free(client);
}

void control_client_timeout(struct control_client *client, int milliseconds)
{
	client->timeout_ms = milliseconds;
}

void control_client_interrupt(struct control_client *client, int fd)
{
	client->interrupt_fd = fd;
}

void control_client_attend(struct control_client *client, int fd,
			   bool (*attend)(void *context, short events), void *context)
{
	client->attended_fd = fd;
	client->attend = attend;
	client->attend_context = context;
}

int control_client_fd(const struct control_client *client)
{
	return client->fd;
}

/* Wait until the socket is ready. The timeout is about one wait, not about a whole line: a daemon
 * that keeps sending is not stuck. */
static int wait_for(const struct control_client *client, short events)
{
	struct pollfd fds[] = {{.fd = client->fd, .events = events},
			       {.fd = client->interrupt_fd, .events = POLLIN},
			       {.fd = client->attended_fd, .events = POLLIN}};

	while (true) {
		int ready = poll(fds, 3, client->timeout_ms);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return -errno;
		if (ready == 0)
			return -ETIMEDOUT;
		if (fds[1].revents)
			return -EINTR;
		if (fds[2].revents && !client->attend(client->attend_context, fds[2].revents))
			return -EINTR;
		if (fds[0].revents)
			return 0;
	}
}

static int send_all(struct control_client *client, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = send(client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		int err = 0;

		if (n < 0 && errno == EAGAIN)
			err = wait_for(client, POLLOUT);
		else if (n < 0 && errno != EINTR)
			err = -errno;
		if (err)
			return err;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

/* The next line, without its newline. Valid until the next call. */
static int receive_line(struct control_client *client, const char **line, size_t *length)
{
	if (client->handed_out)
		lines_drop(&client->lines);
	client->handed_out = false;
	while (!(*line = lines_first(&client->lines, length))) {
		ssize_t n = lines_receive(&client->lines, client->fd);

		if (n == 0)
			return -ECONNRESET;
		if (n == -EAGAIN)
			n = wait_for(client, POLLIN);
		if (n < 0)
			return n == -EMSGSIZE ? -EFBIG : (int)n;
	}
	client->handed_out = true;
	return 0;
}

/* An error about a request that could not be read has no id. */
static bool is_about(const json_t *reply, const json_t *error, int id)
{
	const json_t *theirs = json_object_get(reply, "id");

	return (json_is_integer(theirs) && json_integer_value(theirs) == id) ||
	       (error && json_is_null(theirs));
}

int control_client_parse(const char *line, size_t length, int id, json_t **body)
{
	const char *method;
	json_t *reply;
	json_t *error;
	json_t *found;
	int kind;

	if (json_text_read(&reply, line, length, JSON_REJECT_DUPLICATES, NULL) == -ENOMEM)
		return -ENOMEM;
	error = json_object_get(reply, "error");
	found = error ? error : json_object_get(reply, "result");
	method = json_string_value(json_object_get(reply, "method"));
	kind = error ? 1 : 0;
	if (method && !found && strcmp(method, "event") == 0) {
		found = json_object_get(reply, "params");
		kind = 2;
	} else if (!is_about(reply, error, id)) {
		found = NULL;
	}
	if (!found || (kind && !json_is_object(found)))
		kind = -EPROTO;
	else
		*body = json_incref(found);
	json_decref(reply);
	return kind;
}

static int send_request(struct control_client *client, const char *method, json_t *params)
{
	json_t *request = json_pack("{s:s, s:s, s:i, s:O*}", "jsonrpc", "2.0", "method", method,
				    "id", ++client->calls, "params", params);
	size_t length = 0;
	char *line = request ? json_text_line(request, &length) : NULL;
	int err;

	json_decref(request);
	if (!line)
		return -ENOMEM;
	err = length > CONTROL_MAX_REQUEST ? -EMSGSIZE : send_all(client, line, length);
	free(line);
	return err;
}

int control_client_call(struct control_client *client, const char *method, json_t *params,
			json_t **answer)
{
	const char *line = NULL;
	size_t length = 0;
	int sent = send_request(client, method, params);
	int err;

	/* A daemon that closes because the request is too long has sent the reason before. */
	if (sent && sent != -EPIPE && sent != -ECONNRESET)
		return sent;
	while (true) {
		err = receive_line(client, &line, &length);
		if (err)
			return err;
		err = control_client_parse(line, length, client->calls, answer);
		if (err != 2)
			return err;
		json_decref(*answer); /* an event that was queued before the answer */
		*answer = NULL;
	}
}

int control_client_event(struct control_client *client, json_t **event)
{
	const char *line = NULL;
	size_t length = 0;
	int err = receive_line(client, &line, &length);

	if (err)
		return err;
	/* No request has this id. */
	err = control_client_parse(line, length, -1, event);
	if (err == 2)
		return 0;
	if (err >= 0) {
		json_decref(*event);
		*event = NULL;
	}
	return -EPROTO;
}
