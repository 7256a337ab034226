/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: JSON-RPC 2.0, one request and one answer per line, on a Unix stream socket of
 * mode 0660. The server knows framing, rights, limits and errors (docs/control-protocol.md); the
 * methods are the daemon's (method.h).
 *
 *     server      clients: who may connect, whose turn it is, who makes room for whom
 *     session     one client: its buffers
 *     rpc         one line: request in, answer out; no I/O
 *     peer        what a client may do
 *     listener    the socket file
 *
 * Everything that a client can make the daemon hold or do is bounded. Readers are served in turn,
 * one request each; clients that may change things are served first, and again after every request
 * of a reader. A client that does not read its answer is not read from. No call blocks.
 *
 * Main thread.
 */
#ifndef XMCAST_CONTROL_SERVER_H
#define XMCAST_CONTROL_SERVER_H

#include <jansson.h>
#include <stdint.h>

#include "control/method.h"

/* Clients at once: the administrators, scripts and exporters of one host. */
#define CONTROL_CLIENTS 64

/* Requests of one reader: CONTROL_BURST at once, and CONTROL_RATE more each second. */
#define CONTROL_BURST 200
#define CONTROL_RATE  100

/* How long a client may take to read an answer. */
#define CONTROL_ANSWER_NS 30000000000ULL

struct control_server;

/* The listening socket of another process, and the descriptor of its lock. Borrowed. */
struct control_adoption {
	int listen_fd;
	int lock_fd;
};

struct control_options {
	const char *path;
	const char *group;	 /* of the socket file: a name or a number; NULL or "": our own */
	const char *admin_group; /* may change things; NULL or "": only root and our own user */
	/* Go on with the socket of another process, so that no client is refused; NULL: open one.
	 */
	const struct control_adoption *adopt;
};

/*
 * Listen. `methods` ends with a NULL name; it and `context`, which the methods are called with,
 * must outlive the server. The options are copied. 0; -EADDRINUSE: another daemon has the socket;
 * -ESRCH: no such group; other -errno as listener_open().
 */
int control_server_open(struct control_server **out, const struct control_options *options,
			const struct control_method *methods, void *context);

/* Close all clients and remove the socket file. Events that are queued are sent first, as far as
 * the clients read them. Accepts NULL. */
void control_server_close(struct control_server *server);

/* For another process to go on with the socket. */
void control_server_describe(const struct control_server *server, struct control_adoption *as);

/* Whether the socket file is removed when the server is closed. If not, another process goes on
 * with it, and no client is accepted any more. */
void control_server_set_owner(struct control_server *server, bool owner);

/* A descriptor that is readable when control_server_run() has something to do. */
int control_server_fd(const struct control_server *server);

/* Serve clients for some milliseconds at most. */
void control_server_run(struct control_server *server);

/* Call once a second, with clock_ns(): grants readers new requests, and closes clients that have
 * not read an answer in time. */
void control_server_tick(struct control_server *server, uint64_t now_ns);

/* Another admin group from now on, for clients to come. 0; -ESRCH: no such group, nothing changes.
 */
int control_server_set_admins(struct control_server *server, const char *group);

/* Whether the connection of this number (struct control_reply) is open at both ends. Accepts a NULL
 * server. */
bool control_server_has(const struct control_server *server, uint64_t client);

/* Queue an event for all clients that monitor. `event` stays the caller's. Takes a NULL server, for
 * events before the server is open and after it is closed. */
void control_server_publish(struct control_server *server, const json_t *event);

#endif
