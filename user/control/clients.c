/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/clients.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Answers that wait for their readers, all together: with 1 MB each, some 60 slow clients. */
#define UNREAD_MOST (64U << 20)

/* ---- the table ---- */

int clients_open(struct clients *clients, int epoll_fd)
{
	for (unsigned int access = 0; access < 2; access++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients->fds[access]};
		int fd = epoll_create1(EPOLL_CLOEXEC);

		clients->fds[access] = fd;
		if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
			return -errno;
	}
	return 0;
}

void clients_close(struct clients *clients)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (clients->fds[i] >= 0)
			close(clients->fds[i]);
		clients->fds[i] = -1;
	}
}

/* ---- what a session waits for ---- */

/* Epoll events, or -1: it is not to be in the set at all, where the end of a client shows whether
 * that is asked for or not. */
static int64_t wanted(struct session *session)
{
	size_t length;
	uint32_t out = session_is_sending(session) ? EPOLLOUT : 0;

	if (session_is_answering(session))
		return EPOLLOUT;
	if (session_line(session, &length)) {
		/* With a line left we come again at once: a socket can be written to nearly always.
		 */
		return out || !session->resume_ns ? EPOLLOUT : -1;
	}
	return session->ended ? out : out | EPOLLIN;
}

int clients_watch(struct clients *clients, struct session *session)
{
	int64_t mask = wanted(session);
	struct epoll_event event = {.events = (uint32_t)mask, .data.ptr = session};
	int operation = EPOLL_CTL_ADD;

	if (session->is_watched && mask >= 0 && session->watched == (uint32_t)mask)
		return 0;
	if (!session->is_watched && mask < 0)
		return 0;
	if (session->is_watched)
		operation = mask < 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	if (epoll_ctl(clients->fds[session->access], operation, session->fd, &event))
		return -errno;
	session->is_watched = mask >= 0;
	session->watched = (uint32_t)mask;
	return 0;
}

/* ---- they come and go ---- */

int clients_add(struct clients *clients, int fd, enum control_access access, bool kept)
{
	struct session *session = session_new(fd, access, clock_ns());
	int err;

	if (!session)
		return -ENOMEM;
	session->kept = kept;
	err = clients_watch(clients, session);
	if (err) {
		session->fd = -1; /* the caller's */
		session_free(session);
		return err;
	}
	session->slot = clients->count;
	clients->sessions[clients->count++] = session;
	return 0;
}

void clients_remove(struct clients *clients, struct session *session)
{
	struct session *last = clients->sessions[--clients->count];

	clients->nr_monitors -= session->monitor;
	clients->sessions[session->slot] = last;
	last->slot = session->slot;
	session_free(session);
}

void clients_begin_monitor(struct clients *clients, struct session *session)
{
	if (session->monitor)
		return;
	session->monitor = true;
	clients->nr_monitors++;
}

/* Which client goes for a new one? One that nothing is done for, and that is idle for longest; for
 * one who may change things, if there is none, one who may not: else those who only read could
 * keep him out. NULL: none. */
static struct session *find_victim(const struct clients *clients, enum control_access access)
{
	struct session *idle = NULL;
	struct session *reader = NULL;
	size_t length;

	for (unsigned int i = 0; i < clients->count; i++) {
		struct session *session = clients->sessions[i];
		bool waits = session->monitor && !session_is_sending(session);

		if (session->kept)
			continue;
		if (session->access < access && (!reader || session->active_ns < reader->active_ns))
			reader = session;
		if (waits || session_is_answering(session) || session_line(session, &length))
			continue;
		if (!idle || session->active_ns < idle->active_ns)
			idle = session;
	}
	return idle ? idle : reader;
}

int clients_make_room(struct clients *clients, enum control_access access)
{
	struct session *victim;

	if (clients->count < CONTROL_CLIENTS)
		return 0;
	victim = find_victim(clients, access);
	if (!victim)
		return -EMFILE;
	log_debug("control-client-evicted", LOG_UINT("clients", clients->count));
	clients_remove(clients, victim);
	return 0;
}

/* ---- what they make us hold ---- */

unsigned int clients_count_long(const struct clients *clients)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < clients->count; i++)
		count += clients->sessions[i]->request_room > SESSION_REQUEST_MOST;
	return count;
}

bool clients_bound_unread(struct clients *clients)
{
	struct session *oldest = NULL;
	size_t unread = 0;

	for (unsigned int i = 0; i < clients->count; i++) {
		struct session *session = clients->sessions[i];

		if (session->expired || !session_is_answering(session))
			continue;
		unread += session->out_room;
		if (!oldest || session->answer_since_ns < oldest->answer_since_ns)
			oldest = session;
	}
	if (unread <= UNREAD_MOST)
		return false;
	oldest->expired = true;
	return true;
}
