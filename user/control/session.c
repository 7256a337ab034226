/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Buffers begin with this, and are given back once they are empty: 1,024 idle clients hold none. */
#define FIRST_ROOM 4096

struct session *session_new(int fd, enum control_access access, uint64_t now_ns)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->fd = fd;
	session->access = access;
	session->active_ns = now_ns;
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	close(session->fd);
	free(session->request);
	free(session->out);
	free(session);
}

/* ---- requests ---- */

const char *session_line(struct session *session, size_t *length)
{
	const char *end;

	/* What was looked at is not looked at again, however small the pieces are that come. */
	if (session->request_seen == session->request_length)
		return NULL;
	end = memchr(session->request + session->request_seen, '\n',
		     session->request_length - session->request_seen);
	session->request_seen = end ? (size_t)(end - session->request) : session->request_length;
	if (!end)
		return NULL;
	*length = session->request_seen - session->request_start;
	return session->request + session->request_start;
}

static void forget_requests(struct session *session)
{
	free(session->request);
	session->request = NULL;
	session->request_room = session->request_length = 0;
	session->request_start = session->request_seen = 0;
}

void session_drop_line(struct session *session)
{
	session->request_start = ++session->request_seen;
	if (session->request_start == session->request_length)
		forget_requests(session);
}

static int make_room(struct session *session, size_t most)
{
	size_t room = session->request_room ? 2 * session->request_room : FIRST_ROOM;
	char *larger;

	/* The lines that are done make room for the one that is not. */
	if (session->request_start) {
		session->request_length -= session->request_start;
		session->request_seen -= session->request_start;
		memmove(session->request, session->request + session->request_start,
			session->request_length);
		session->request_start = 0;
	}
	if (session->request_length < session->request_room)
		return 0;
	larger = realloc(session->request, room < most ? room : most);
	if (!larger)
		return -ENOMEM;
	session->request = larger;
	session->request_room = room < most ? room : most;
	return 0;
}

int session_read(struct session *session, size_t most, uint64_t now_ns)
{
	ssize_t n;
	int err;

	if (session_is_full(session, most))
		return 0;
	err = make_room(session, most);
	if (err)
		return err;
	n = recv(session->fd, session->request + session->request_length,
		 session->request_room - session->request_length, 0);
	if (n < 0)
		err = errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n <= 0 && !session->request_length)
		forget_requests(session);
	if (n < 0)
		return err;
	session->request_length += (size_t)n;
	session->ended = n == 0;
	session->active_ns = now_ns;
	return 0;
}

bool session_is_full(struct session *session, size_t most)
{
	size_t length;

	return session->request_length - session->request_start >= most &&
	       !session_line(session, &length);
}

void session_stop_reading(struct session *session)
{
	session->ended = true;
	forget_requests(session);
}

bool session_may_ask(struct session *session, uint64_t now_ns)
{
	const uint64_t tolerance = (SESSION_BURST - 1) * SESSION_INTERVAL_NS;
	uint64_t from = session->allowance_ns > now_ns ? session->allowance_ns : now_ns;

	if (from > now_ns + tolerance) {
		session->resume_ns = from - tolerance;
		return false;
	}
	session->allowance_ns = from + SESSION_INTERVAL_NS;
	session->resume_ns = 0;
	return true;
}

/* ---- what it is sent ---- */

bool session_is_sending(const struct session *session)
{
	return session->sent < session->queued;
}

bool session_is_answering(const struct session *session)
{
	return session->sent < session->answer_end;
}

static int queue(struct session *session, const char *line, size_t length)
{
	size_t unsent = (size_t)(session->queued - session->sent);
	size_t room = session->out_room ? session->out_room : FIRST_ROOM;
	char *larger;

	if (session->out_start && session->out_start + unsent + length > room) {
		memmove(session->out, session->out + session->out_start, unsent);
		session->out_start = 0;
	}
	while (room < session->out_start + unsent + length)
		room *= 2;
	if (room > session->out_room) {
		larger = realloc(session->out, room);
		if (!larger)
			return -ENOMEM;
		session->out = larger;
		session->out_room = room;
	}
	memcpy(session->out + session->out_start + unsent, line, length);
	session->queued += length;
	return 0;
}

int session_answer(struct session *session, const char *line, size_t length, uint64_t now_ns)
{
	uint64_t start = session->queued;
	int err = queue(session, line, length);

	if (err)
		return err;
	session->answer_start = start;
	session->answer_end = session->queued;
	session->answer_since_ns = now_ns;
	return 0;
}

size_t session_events(const struct session *session)
{
	uint64_t from =
		session->sent > session->answer_start ? session->sent : session->answer_start;
	uint64_t answer = session_is_answering(session) ? session->answer_end - from : 0;

	return (size_t)(session->queued - session->sent - answer);
}

void session_event(struct session *session, const char *line, size_t length)
{
	if (session->lost || session_events(session) + length > SESSION_EVENTS_MOST ||
	    queue(session, line, length))
		session->lost++;
}

void session_tell_lost(struct session *session, const char *line, size_t length)
{
	if (queue(session, line, length) == 0)
		session->lost = 0;
}

int session_send(struct session *session, uint64_t now_ns)
{
	while (session_is_sending(session)) {
		ssize_t n = send(session->fd, session->out + session->out_start,
				 (size_t)(session->queued - session->sent),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		session->out_start += (size_t)n;
		session->sent += (uint64_t)n;
		session->active_ns = now_ns;
	}
	free(session->out);
	session->out = NULL;
	session->out_room = session->out_start = 0;
	return 0;
}
