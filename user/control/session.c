/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct session *session_new(int fd, enum control_access access, uint64_t now_ns)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->fd = fd;
	session->access = access;
	session->active_ns = now_ns;
	session->requests.most =
		access == CONTROL_CHANGE ? SESSION_LONG_REQUEST_MOST : SESSION_REQUEST_MOST;
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	if (session->fd >= 0)
		close(session->fd);
	lines_clear(&session->requests);
	text_free(&session->out);
	free(session);
}

/* ---- requests ---- */

int session_read(struct session *session, uint64_t now_ns)
{
	ssize_t n = lines_receive(&session->requests, session->fd);

	if (n < 0)
		return n == -EAGAIN || n == -EMSGSIZE ? 0 : (int)n;
	session->ended = n == 0;
	session->active_ns = now_ns;
	return 0;
}

bool session_has_request(struct session *session)
{
	size_t length;

	return lines_first(&session->requests, &length) != NULL;
}

void session_stop_reading(struct session *session)
{
	session->ended = true;
	lines_clear(&session->requests);
}

/* ---- answers and events ---- */

static size_t unsent(const struct session *session)
{
	return session->out.length - session->out_sent;
}

bool session_is_sending(const struct session *session)
{
	return unsent(session) > 0;
}

bool session_is_answering(const struct session *session)
{
	return session->answer_left > 0;
}

static int queue(struct session *session, const char *line, size_t length)
{
	struct text *out = &session->out;

	if (session->out_sent) {
		memmove(out->bytes, out->bytes + session->out_sent, unsent(session));
		text_cut(out, unsent(session));
		session->out_sent = 0;
	}
	text_add_bytes(out, line, length);
	if (!out->failed)
		return 0;
	out->failed = false; /* the lines before this one are complete */
	return -ENOMEM;
}

int session_answer(struct session *session, const char *line, size_t length, uint64_t now_ns)
{
	int err = queue(session, line, length);

	if (err)
		return err;
	session->answer_left = unsent(session);
	session->answer_ns = now_ns;
	return 0;
}

/* Bytes of events behind the answer; without an answer, all. */
static size_t count_events(const struct session *session)
{
	return unsent(session) - session->answer_left;
}

void session_event(struct session *session, const char *line, size_t length)
{
	if (session->lost || count_events(session) + length > SESSION_EVENTS_MOST ||
	    queue(session, line, length))
		session->lost++;
}

bool session_may_report_lost(const struct session *session)
{
	return session->lost && count_events(session) <= SESSION_EVENTS_MOST / 2;
}

void session_report_lost(struct session *session, const char *line, size_t length)
{
	if (queue(session, line, length) == 0)
		session->lost = 0;
}

int session_send(struct session *session, uint64_t now_ns)
{
	while (session_is_sending(session)) {
		ssize_t n = send(session->fd, session->out.bytes + session->out_sent,
				 unsent(session), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		session->out_sent += (size_t)n;
		session->answer_left -=
			(size_t)n < session->answer_left ? (size_t)n : session->answer_left;
		session->active_ns = now_ns;
	}
	text_free(&session->out);
	session->out_sent = 0;
	return 0;
}
