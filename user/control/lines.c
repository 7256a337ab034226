/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Enough for nearly all requests. */
#define FIRST_ROOM 4096

/* Room for at least one byte more. */
static int make_room(struct lines *lines)
{
	size_t room = lines->room ? 2 * lines->room : FIRST_ROOM;
	char *larger;

	if (lines->start) {
		lines->length -= lines->start;
		lines->seen -= lines->start;
		memmove(lines->bytes, lines->bytes + lines->start, lines->length);
		lines->start = 0;
	}
	if (lines->length < lines->room)
		return 0;
	if (room > lines->most)
		room = lines->most;
	larger = realloc(lines->bytes, room);
	if (!larger)
		return -ENOMEM;
	lines->bytes = larger;
	lines->room = room;
	return 0;
}

ssize_t lines_receive(struct lines *lines, int fd)
{
	ssize_t n;
	int err;

	if (lines->length - lines->start >= lines->most)
		return -EMSGSIZE;
	err = make_room(lines);
	if (err)
		return err;
	do
		n = recv(fd, lines->bytes + lines->length, lines->room - lines->length,
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		lines->length += (size_t)n;
	else if (n < 0)
		n = -errno;
	if (!lines->length)
		lines_clear(lines);
	return n;
}

const char *lines_first(struct lines *lines, size_t *length)
{
	const char *end;

	/* No byte is searched twice, however small the pieces are that arrive. */
	if (lines->seen == lines->length)
		return NULL;
	end = memchr(lines->bytes + lines->seen, '\n', lines->length - lines->seen);
	lines->seen = end ? (size_t)(end - lines->bytes) : lines->length;
	if (!end)
		return NULL;
	*length = lines->seen - lines->start;
	return lines->bytes + lines->start;
}

void lines_drop(struct lines *lines)
{
	lines->start = ++lines->seen;
	if (lines->start == lines->length)
		lines_clear(lines);
}

bool lines_is_full(struct lines *lines)
{
	size_t length;

	return lines->length - lines->start >= lines->most && !lines_first(lines, &length);
}

void lines_clear(struct lines *lines)
{
	free(lines->bytes);
	*lines = (struct lines){.most = lines->most};
}
