/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: JSON-RPC 2.0, one request and one answer per line, on a Unix stream socket of
 * mode 0660. The server knows framing, rights, limits and errors (docs/control-protocol.md has them
 * all); what the methods do is the daemon's (method.h).
 *
 * Everything a client can make it hold is bounded, and every client in turn has one request
 * answered, so that none keeps the others waiting; those who may change things have their turn
 * after each request of one who may not. A client that does not read its answer is not read from.
 * No call blocks. Main thread.
 */
#ifndef XMCAST_CONTROL_SERVER_H
#define XMCAST_CONTROL_SERVER_H

#include <jansson.h>

#include "control/method.h"

/* Where the daemon listens unless told otherwise. */
#define CONTROL_DEFAULT_PATH "/run/xmcast/xmcast.sock"

/* Clients at once: each person, script and scraper of a host, many times over. */
#define CONTROL_CLIENTS 1024

/* Of these, who gets events: each may hold SESSION_EVENTS_MOST. */
#define CONTROL_MONITORS 256

struct control_server;

struct control_options {
	const char *path;
	const char *group;	 /* of the socket file: a name or a number; NULL or "": our own */
	const char *admin_group; /* may change things; NULL or "": only root and our own user */
	unsigned int answer_ms;	 /* within which an answer has to be read; 0: 30 s */
};

/*
 * Listen. `methods` ends with a NULL name, and must outlive the server as `context` must, which the
 * methods are called with. The options are copied. 0; -EADDRINUSE: another daemon has the socket;
 * -ESRCH: there is no such group, which a log line has told; others as listener_open().
 */
int control_server_open(struct control_server **out, const struct control_options *options,
			const struct control_method *methods, void *context);

/* Members of this group may change things from now on, "": nobody but root and our own user; of
 * those who are connected nothing changes. 0; -ESRCH: there is no such group, which a log line has
 * told, and all stays as it is. */
int control_server_set_admins(struct control_server *server, const char *group);

/* Send the monitors what they can take at once, close all clients, remove the socket file. Takes
 * NULL. */
void control_server_close(struct control_server *server);

/* Readable (epoll) whenever control_server_run() has something to do. */
int control_server_fd(const struct control_server *server);

/* Serve what is ready, for some 10 ms; who may change things first. */
void control_server_run(struct control_server *server);

/*
 * A connected stream socket becomes a client with these rights, and is never closed to make room
 * for others. 0, and the server owns the descriptor; -errno (-EMFILE: too many clients), and the
 * caller does.
 */
int control_server_adopt(struct control_server *server, int fd, enum control_access access);

/* Queue an event, the params of its notification, for every client that monitors. A method may call
 * it, too. `event` stays the caller's. Takes a NULL server, so that start and end need no if. */
void control_server_publish(struct control_server *server, const json_t *event);

#endif
