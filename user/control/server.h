/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: JSON-RPC 2.0, one request and one answer per line, on a Unix stream socket of
 * mode 0660. The server knows framing and errors; what the methods do is the daemon's.
 *
 * Everything a client can make it hold is bounded: clients, bytes of an unfinished request, one
 * answer at a time per client. A client that does not read its answer is not read from. No call
 * blocks. Main thread.
 */
#ifndef XMCAST_CONTROL_SERVER_H
#define XMCAST_CONTROL_SERVER_H

#include <jansson.h>

/* Where the daemon listens unless told otherwise. */
#define CONTROL_DEFAULT_PATH "/run/xmcast/xmcast.sock"

/* JSON-RPC 2.0 error codes. */
enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
};

/* One method. `call` returns the result (a new reference), or NULL: no memory. */
struct control_method {
	const char *name;
	json_t *(*call)(void *context, const json_t *params);
};

struct control_server;

/*
 * Listen at `path` (its folder is made if only the last part is missing). `methods` ends with a
 * NULL name and must outlive the server. A socket file that nobody answers is replaced. 0;
 * -EADDRINUSE: another daemon answers there; -errno.
 */
int control_server_open(struct control_server **out, const char *path,
			const struct control_method *methods, void *context);

/* Close all clients and remove the socket file. Takes NULL. */
void control_server_close(struct control_server *server);

/* Readable (epoll) whenever control_server_run() has something to do. */
int control_server_fd(const struct control_server *server);

/* Serve what is ready. */
void control_server_run(struct control_server *server);

#endif
