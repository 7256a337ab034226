/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket that HTTP clients connect to: TCP or a Unix socket. */
#ifndef XMCAST_EXPORTER_LISTEN_H
#define XMCAST_EXPORTER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

#define LISTEN_DEFAULT "127.0.0.1:9710"

/* Where to listen. */
struct listen_address {
	const char *text; /* as it was given */
	const char *path; /* of a Unix socket; NULL: the two below */
	struct xmc_addr address;
	uint16_t port;
};

/* Parse "ADDR:PORT", "[ADDR]:PORT" or "unix:PATH"; `text` must stay valid. NULL, or what is wrong
 * with it, a constant text. Pure. */
const char *listen_parse(const char *text, struct listen_address *where);

/* Whether only processes of this host can connect: a loopback address or a Unix socket. */
bool listen_is_local(const struct listen_address *where);

struct listen_socket;

/*
 * Listen there. A Unix socket has mode 0660 and belongs to the process's own user and group; a
 * socket file that nobody answers is replaced. 0; -EADDRINUSE: another process listens there;
 * -errno as bind(2) or, of a Unix socket, listener_open(). Needs the right to make the file.
 */
int listen_open(struct listen_socket **out, const struct listen_address *where);
void listen_close(
	struct listen_socket *socket); /* accepts NULL; removes the socket file, if it may */

int listen_fd(const struct listen_socket *socket);

#endif
