/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "control/rpc.h"

/* Far more than people and scrapers of one host. */
#define MAX_CLIENTS 64

/* A request line: the longest rule has XMC_MAX_OUTPUTS outputs of some 100 bytes each. */
#define MAX_REQUEST 65536

struct client {
	int fd;	    /* -1: free */
	bool ended; /* it sends no more; gone once its answers are out */
	char *request;
	size_t request_length;
	char *answer; /* being sent; no request is read until it is gone */
	size_t answer_length;
	size_t answer_sent;
};

struct control_server {
	int epoll_fd;
	int listen_fd;
	int spare_fd; /* given up for a moment to turn a client away when there is no other */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	dev_t device; /* of our socket file: only that is removed at the end */
	ino_t inode;
	const struct control_method *methods;
	void *context;
	struct client clients[MAX_CLIENTS];
};

/* ---- listening ---- */

static int watch(struct control_server *server, int operation, int fd, uint32_t events, void *who)
{
	struct epoll_event event = {.events = events, .data.ptr = who};

	return epoll_ctl(server->epoll_fd, operation, fd, &event) ? -errno : 0;
}

/* Is this the socket of a daemon that has gone? Any other is not ours to take: one that answers, or
 * whose backlog is full (EAGAIN), or of another type (EPROTOTYPE), or of another user (EACCES). */
static bool is_abandoned(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool abandoned;

	if (fd < 0)
		return false;
	abandoned = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
		    errno == ECONNREFUSED;
	close(fd);
	return abandoned;
}

static void make_folder(const char *path)
{
	char copy[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	strcpy(copy, path);
	/* If that fails, bind() says why. */
	if (mkdir(dirname(copy), 0755) && errno != EEXIST)
		log_debug("control-folder-failed path=\"%s\" error=\"%s\"", path, strerror(errno));
}

static int listen_at(struct control_server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	mode_t mask;
	int err;

	strcpy(address.sun_path, server->path);
	make_folder(server->path);
	if (lstat(server->path, &status) == 0) {
		if (!S_ISSOCK(status.st_mode))
			return -ENOTSOCK;
		if (!is_abandoned(&address))
			return -EADDRINUSE;
		unlink(server->path);
	}
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listen_fd < 0)
		return -errno;
	/* The mode is right from the first moment. */
	mask = umask(0117);
	err = bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (err) {
		/* Not ours to remove. */
		server->path[0] = '\0';
		return err;
	}
	if (listen(server->listen_fd, MAX_CLIENTS) || lstat(server->path, &status))
		return -errno;
	server->device = status.st_dev;
	server->inode = status.st_ino;
	return watch(server, EPOLL_CTL_ADD, server->listen_fd, EPOLLIN, NULL);
}

int control_server_open(struct control_server **out, const char *path,
			const struct control_method *methods, void *context)
{
	struct control_server *server;
	int err;

	if (strlen(path) >= sizeof(server->path) || !*path)
		return -ENAMETOOLONG;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	strcpy(server->path, path);
	server->methods = methods;
	server->context = context;
	server->listen_fd = -1;
	server->spare_fd = -1;
	for (int i = 0; i < MAX_CLIENTS; i++)
		server->clients[i].fd = -1;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = server->epoll_fd < 0 ? -errno : listen_at(server);
	server->spare_fd = fcntl(server->epoll_fd, F_DUPFD_CLOEXEC, 0);
	if (err) {
		if (server->listen_fd < 0)
			server->path[0] = '\0';
		control_server_close(server);
		return err;
	}
	*out = server;
	return 0;
}

/* ---- clients ---- */

static void close_client(struct client *client)
{
	close(client->fd);
	free(client->request);
	free(client->answer);
	memset(client, 0, sizeof(*client));
	client->fd = -1;
}

/* Somebody may have put another one in its place. */
static void remove_socket(const struct control_server *server)
{
	struct stat status;

	if (lstat(server->path, &status) == 0 && status.st_dev == server->device &&
	    status.st_ino == server->inode)
		unlink(server->path);
}

void control_server_close(struct control_server *server)
{
	if (!server)
		return;
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (server->clients[i].fd >= 0)
			close_client(&server->clients[i]);
	}
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	if (server->path[0])
		remove_socket(server);
	free(server);
}

/* There is no descriptor for a client who waits. Left waiting, he would keep the listening socket
 * readable, and the main thread in circles. */
static void turn_away(struct control_server *server)
{
	close(server->spare_fd);
	close(accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	server->spare_fd = fcntl(server->epoll_fd, F_DUPFD_CLOEXEC, 0);
}

static void accept_client(struct control_server *server)
{
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		turn_away(server);
	if (fd < 0)
		return;
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &server->clients[i];

		if (client->fd >= 0)
			continue;
		client->request = malloc(MAX_REQUEST);
		if (!client->request || watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, client)) {
			free(client->request);
			client->request = NULL;
			break;
		}
		client->fd = fd;
		return;
	}
	close(fd);
}

/* Send what is left of the answer. False: the client is gone. */
static bool send_answer(struct client *client)
{
	while (client->answer_sent < client->answer_length) {
		ssize_t n = send(client->fd, client->answer + client->answer_sent,
				 client->answer_length - client->answer_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return false;
		client->answer_sent += (size_t)n;
	}
	free(client->answer);
	client->answer = NULL;
	client->answer_length = client->answer_sent = 0;
	return true;
}

static const char *whole_line(const struct client *client)
{
	return memchr(client->request, '\n', client->request_length);
}

/* Answer the first whole line that has been read, if there is one. One at a time, so that a client
 * with many does not keep the others, or a signal, waiting. False: the client is gone, or has to
 * go. */
static bool answer_line(struct control_server *server, struct client *client)
{
	const char *end = whole_line(client);
	size_t used;

	if (end) {
		used = (size_t)(end - client->request) + 1;
		client->answer = rpc_answer(client->request, used - 1, server->methods,
					    server->context, &client->answer_length);
		client->request_length -= used;
		memmove(client->request, end + 1, client->request_length);
	} else if (client->request_length == MAX_REQUEST) {
		client->answer = rpc_error(RPC_INVALID_REQUEST, "request longer than 65535 bytes",
					   &client->answer_length);
		client->request_length = 0;
		client->ended = true;
	}
	if (client->answer && !send_answer(client))
		return false;
	return !client->ended || client->answer || whole_line(client);
}

static bool read_requests(struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->request_length,
			 MAX_REQUEST - client->request_length, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->request_length += (size_t)n;
	client->ended = n == 0;
	return true;
}

/* Something can be done for this client: send, or else answer what it has asked, or else read. */
static bool serve_client(struct control_server *server, struct client *client)
{
	bool busy;

	if (client->answer && !send_answer(client))
		return false;
	if (!client->answer) {
		if (!whole_line(client) && !client->ended && !read_requests(client))
			return false;
		if (!answer_line(server, client))
			return false;
	}
	/* With a line left we come again at once: a socket can be written to nearly always. */
	busy = client->answer || whole_line(client);
	return watch(server, EPOLL_CTL_MOD, client->fd, busy ? EPOLLOUT : EPOLLIN, client) == 0;
}

int control_server_fd(const struct control_server *server)
{
	return server->epoll_fd;
}

void control_server_run(struct control_server *server)
{
	struct epoll_event events[MAX_CLIENTS];
	int count;

	count = epoll_wait(server->epoll_fd, events, MAX_CLIENTS, 0);
	for (int i = 0; i < count; i++) {
		struct client *client = events[i].data.ptr;

		if (!client) {
			accept_client(server);
			continue;
		}
		if (!serve_client(server, client))
			close_client(client);
	}
}
