/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "control/listener.h"

/* Connections that wait to be accepted, while the exporter waits for the daemon. */
#define BACKLOG 128

struct listen_socket {
	struct listener *file; /* a Unix socket; NULL: TCP */
	int fd;
};

/* A port without sign, blanks or leading zeros; 0: it is none. */
static uint16_t parse_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits && digits <= 5 && !text[digits] ? strtoul(text, NULL, 10) : 0;

	return *text != '0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

const char *listen_parse(const char *text, struct listen_address *where)
{
	static const char expected[] =
		"expected an address and port, such as " LISTEN_DEFAULT ", or unix:PATH";
	const char *colon = strrchr(text, ':');
	char address[ADDR_TEXT_SIZE];
	size_t length = colon ? (size_t)(colon - text) : 0;
	bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';

	*where = (struct listen_address){.text = text};
	if (strncmp(text, "unix:", 5) == 0) {
		where->path = text + 5;
		return *where->path == '/' ? NULL : "the path of a Unix socket must be absolute";
	}
	length -= brackets ? 2 : 0;
	if (!length || length >= sizeof(address))
		return expected;
	memcpy(address, text + brackets, length);
	address[length] = '\0';
	where->port = parse_port(colon + 1);
	if (!where->port || !addr_parse(address, &where->address) ||
	    addr_is_ipv4(&where->address) == brackets)
		return expected;
	return NULL;
}

bool listen_is_local(const struct listen_address *where)
{
	return where->path || addr_is_loopback(&where->address);
}

static int open_tcp(const struct listen_address *where)
{
	struct sockaddr_storage address;
	socklen_t length = addr_to_sockaddr(&where->address, where->port, &address);
	const int on = 1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	/* Connections of the process before us may still be in TIME_WAIT. */
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, (struct sockaddr *)&address, length) && !listen(fd, BACKLOG))
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int listen_open(struct listen_socket **out, const struct listen_address *where)
{
	struct listen_socket *opened = calloc(1, sizeof(*opened));
	int err = 0;

	if (!opened)
		return -ENOMEM;
	if (where->path) {
		err = listener_open(&opened->file, where->path, (gid_t)-1);
		opened->fd = err ? -1 : listener_fd(opened->file);
	} else {
		opened->fd = open_tcp(where);
		err = opened->fd < 0 ? opened->fd : 0;
	}
	if (err) {
		listen_close(opened);
		return err;
	}
	*out = opened;
	return 0;
}

void listen_close(struct listen_socket *socket)
{
	if (!socket)
		return;
	if (!socket->file && socket->fd >= 0)
		close(socket->fd);
	listener_close(socket->file);
	free(socket);
}

int listen_fd(const struct listen_socket *socket)
{
	return socket->fd;
}
