/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A daemon that is stopped or stuck must not hang its user for ever. */
#define TIMEOUT_SECONDS 10

/* 65,536 rules with a few outputs each; more is not an answer of ours. */
#define MAX_ANSWER (256U << 20)

struct control_client {
	int fd;
	int calls;
};

int control_client_open(struct control_client **out, const char *path)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control_client *client;
	int err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
	    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    connect(client->fd, (struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		control_client_close(client);
		return err;
	}
	*out = client;
	return 0;
}

int control_client_adopt(struct control_client **out, int fd)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->fd = fd;
	*out = client;
	return 0;
}

void control_client_close(struct control_client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client);
}

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Read up to the newline. 0 or -errno; *line is malloc()ed. */
static int receive_line(int fd, char **line, size_t *length)
{
	size_t room = 65536;
	char *buffer = malloc(room);
	size_t used = 0;
	ssize_t n;
	int err = -ENOMEM;

	while (buffer) {
		n = recv(fd, buffer + used, room - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? (errno == EAGAIN ? -ETIMEDOUT : -errno) : n == 0 ? -ECONNRESET : 0;
		if (err)
			break;
		used += (size_t)n;
		if (buffer[used - 1] == '\n') {
			*line = buffer;
			*length = used;
			return 0;
		}
		if (used == room) {
			char *larger = room < MAX_ANSWER ? realloc(buffer, room * 2) : NULL;

			err = room < MAX_ANSWER ? -ENOMEM : -EPROTO;
			if (!larger)
				break;
			buffer = larger;
			room *= 2;
		}
	}
	free(buffer);
	return err;
}

int control_client_call(struct control_client *client, const char *method, json_t *params,
			json_t **answer)
{
	json_t *request;
	json_t *reply;
	json_t *body;
	size_t length = 0;
	char *line;
	int err;

	request = json_pack("{s:s, s:s, s:i, s:O*}", "jsonrpc", "2.0", "method", method, "id",
			    ++client->calls, "params", params);
	line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (!line)
		return -ENOMEM;
	err = send_all(client->fd, line, strlen(line));
	free(line);
	line = NULL;
	if (!err)
		err = send_all(client->fd, "\n", 1);
	if (!err)
		err = receive_line(client->fd, &line, &length);
	if (err)
		return err;
	reply = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	free(line);
	body = json_object_get(reply, "error");
	err = body ? 1 : 0;
	if (!body)
		body = json_object_get(reply, "result");
	*answer = json_incref(body);
	json_decref(reply);
	return body ? err : -EPROTO;
}
