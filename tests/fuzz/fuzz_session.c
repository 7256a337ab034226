// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the framing of requests: any bytes, in pieces that the bytes themselves choose, come
 * out of a session as the lines that they are, whole, once and in order; a line that is too long,
 * as that.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As short as a line may be that grows the buffer twice. */
#define MOST 10000

/* Not assert(), which NDEBUG takes away. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Take the lines that are whole. Returns where in the data they end. */
static size_t take_lines(struct session *session, const uint8_t *data, size_t taken)
{
	const char *line;
	size_t length;

	while ((line = session_line(session, &length))) {
		must(!memchr(line, '\n', length));
		must(memcmp(line, data + taken, length) == 0);
		must(data[taken + length] == '\n');
		taken += length + 1;
		session_drop_line(session);
	}
	return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *session;
	size_t sent = 0;
	size_t taken = 0;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	session = session_new(fds[1], CONTROL_READ, 0);
	must(session != NULL);
	while (sent < size && !session_is_full(session, MOST)) {
		/* Small pieces and large ones. */
		size_t piece = 1 + (data[sent] & 1 ? data[sent] * 64U : data[sent] / 16U);

		if (piece > size - sent)
			piece = size - sent;
		must(send(fds[0], data + sent, piece, 0) == (ssize_t)piece);
		sent += piece;
		for (unsigned int i = 0; i < 10; i++) {
			must(session_read(session, MOST, 0) == 0);
			must(session->request_room <= MOST);
			taken = take_lines(session, data, taken);
		}
		must(!session->ended);
	}
	if (session_is_full(session, MOST))
		must(!memchr(data + taken, '\n', MOST));
	else
		must(!memchr(data + taken, '\n', size - taken));
	session_free(session);
	close(fds[0]);
	return 0;
}
