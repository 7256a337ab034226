/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/listener.h"
#include "control/peer.h"
#include "control/rpc.h"
#include "control/session.h"

/* The longest run, so that the daemon looks after its other descriptors in between. */
#define RUN_NS 10000000ULL

/* Accepted between two requests of readers: enough that a flood of readers does not keep the
 * backlog full, where administrators wait as well; few enough to take no longer than a request. */
#define ACCEPTS_PER_TURN 256

struct control_server {
	int epoll_fd; /* the listening socket (data.ptr NULL) and all sessions */
	int spare_fd; /* given up to accept a client when no other descriptor is free; -1: none */
	bool deaf;    /* the listening socket is not watched until the next tick */
	struct listener *listener;
	struct peer_policy policy;
	const struct control_method *methods;
	void *context;
	struct log_limit refused_limit;
	struct log_limit dropped_limit;
	uint64_t turns;	   /* taken by all sessions */
	uint64_t accepted; /* sessions so far */
	unsigned int count;
	struct session *sessions[CONTROL_CLIENTS];
};

/* ---- sessions ---- */

/* Ask epoll for what the session waits for. 0 or -errno. */
static int watch(struct control_server *server, struct session *session)
{
	struct epoll_event event = {.data.ptr = session};

	if (session_is_sending(session))
		event.events |= EPOLLOUT;
	/* A request that was read already shows in no descriptor; but the socket is writable. */
	if (session_has_request(session))
		event.events |= session->credit ? EPOLLOUT : 0;
	else if (!session->ended && !session_is_answering(session))
		event.events |= EPOLLIN;
	if (event.events == session->watched)
		return 0;
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, session->fd, &event))
		return -errno;
	session->watched = event.events;
	return 0;
}

static int add_session(struct control_server *server, int fd, enum control_access access)
{
	struct session *session = session_new(fd, access, clock_ns());
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
	int err;

	if (!session)
		return -ENOMEM;
	session->number = ++server->accepted;
	session->credit = CONTROL_BURST;
	session->owner = peer_is_owner(fd, &session->uid);
	session->watched = event.events;
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		err = -errno;
		session->fd = -1; /* it stays the caller's */
		session_free(session);
		return err;
	}
	server->sessions[server->count++] = session;
	return 0;
}

/* Keep a descriptor that no other part of the daemon can use up. */
static void keep_spare(struct control_server *server)
{
	if (server->spare_fd < 0)
		server->spare_fd = fcntl(server->epoll_fd, F_DUPFD_CLOEXEC, 0);
}

static void close_session(struct control_server *server, struct session *session)
{
	unsigned int i = 0;

	while (server->sessions[i] != session)
		i++;
	server->sessions[i] = server->sessions[--server->count];
	session_free(session);
	keep_spare(server);
}

/* Disconnects are not logged. A client that is dropped for lack of memory may have had its request
 * executed without seeing the answer. */
static void drop_session(struct control_server *server, struct session *session, int err)
{
	if (err != -EPIPE && err != -ECONNRESET &&
	    log_allowed(&server->dropped_limit, "control-client-dropped"))
		log_warning("control-client-dropped", LOG_ERROR(err));
	close_session(server, session);
}

/* ---- making room ---- */

/* A client that others with the same rights must not displace: it is being served, or waits for
 * events and has read all so far. */
static bool is_busy(struct session *session)
{
	return session_is_answering(session) || session_has_request(session) ||
	       (session->monitor && !session_is_sending(session));
}

/* Close the client that is idle for longest to make room for one with this access; a reader rather
 * than one with more rights. 0; -EMFILE: nobody may be closed for it. */
static int make_room(struct control_server *server, enum control_access access)
{
	struct session *victim = NULL;

	for (unsigned int i = 0; i < server->count; i++) {
		struct session *session = server->sessions[i];

		if (session->access > access || (session->access == access && is_busy(session)))
			continue;
		if (!victim || session->access < victim->access ||
		    (session->access == victim->access && session->active_ns < victim->active_ns))
			victim = session;
	}
	if (!victim)
		return -EMFILE;
	log_debug("control-client-evicted", LOG_UINT("clients", server->count));
	close_session(server, victim);
	return 0;
}

/* A client that waits and cannot be accepted keeps the listening socket readable: without this the
 * main thread would spin. */
static void set_deaf(struct control_server *server, bool deaf)
{
	struct epoll_event event = {.events = deaf ? 0 : EPOLLIN, .data.ptr = NULL};

	if (!epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, listener_fd(server->listener), &event))
		server->deaf = deaf;
}

static void log_refused(struct control_server *server, int err)
{
	if (log_allowed(&server->refused_limit, "control-client-refused"))
		log_warning("control-client-refused", LOG_UINT("clients", server->count),
			    LOG_ERROR(err));
}

/* Returns whether to go on, because another client may be waiting. Who the client is can be seen
 * only once it has been accepted, so the spare descriptor is used for that first. */
static bool accept_client(struct control_server *server)
{
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = accept4(listener_fd(server->listener), NULL, NULL, flags);
	bool scarce = fd < 0 && (errno == EMFILE || errno == ENFILE);
	enum control_access access;
	int err = 0;

	if (scarce && server->spare_fd >= 0) {
		close(server->spare_fd);
		server->spare_fd = -1;
		fd = accept4(listener_fd(server->listener), NULL, NULL, flags);
	}
	if (fd < 0) {
		err = -errno;
		keep_spare(server);
		if (err != -EAGAIN && err != -EINTR && err != -ECONNABORTED) {
			log_refused(server, err);
			set_deaf(server, true);
		}
		return false;
	}
	access = peer_access(fd, &server->policy);
	if (scarce || server->count == CONTROL_CLIENTS)
		err = make_room(server, access);
	if (!err)
		err = add_session(server, fd, access);
	if (err) {
		log_refused(server, err);
		close(fd);
	}
	keep_spare(server);
	return true;
}

/* ---- events ---- */

static void report_lost(struct session *session)
{
	size_t length = 0;
	char *line;

	if (!session_may_report_lost(session))
		return;
	line = rpc_events_lost(session->lost, &length);
	if (line)
		session_report_lost(session, line, length);
	free(line);
}

void control_server_publish(struct control_server *server, const json_t *event)
{
	size_t length = 0;
	char *line = NULL;

	for (unsigned int i = 0; server && i < server->count; i++) {
		struct session *session = server->sessions[i];

		if (!session->monitor)
			continue;
		if (!line)
			line = rpc_notification("event", event, &length);
		report_lost(session);
		if (line)
			session_event(session, line, length);
		else
			session->lost++;
		/* The next run sends it: the caller may be a method that a session of the present
		 * run has called. */
		if (watch(server, session))
			log_debug("control-watch-failed", LOG_ERROR(-errno));
	}
	free(line);
}

/* ---- requests ---- */

static int give_answer(struct session *session, struct rpc_answer *answer, uint64_t now)
{
	int err = 0;

	if (answer->line)
		err = session_answer(session, answer->line, answer->length, now);
	free(answer->line);
	session->monitor |= answer->monitor;
	session->take = answer->take;
	return err ? err : session_send(session, now);
}

/* Answer the first request, if there is one and the client may make one now. 0 or -errno. */
static int answer_line(struct control_server *server, struct session *session, uint64_t now)
{
	const struct rpc rpc = {server->methods, server->context,
				session->owner ? CONTROL_OWN : session->access, session->uid,
				session->number};
	struct rpc_answer answer = {0};
	const char *line;
	size_t length;
	char text[64];
	int err;

	line = lines_first(&session->requests, &length);
	if (line) {
		if (!session->credit)
			return 0;
		session->credit -= session->access == CONTROL_READ;
		err = rpc_run(&rpc, line, length, &answer);
		if (session->access == CONTROL_READ)
			session->credit -=
				answer.cost < session->credit ? answer.cost : session->credit;
		lines_drop(&session->requests);
	} else if (lines_is_full(&session->requests)) {
		snprintf(text, sizeof(text), "request longer than %zu bytes",
			 session->requests.most - 1);
		err = rpc_error(RPC_INVALID_REQUEST, text, &answer);
		session_stop_reading(session);
	} else {
		return 0;
	}
	return err ? err : give_answer(session, &answer, now);
}

/* Do the next thing for this client: send what waits, otherwise answer what it has asked, otherwise
 * read. 0; -errno: it has gone, or has to go. */
static int serve_session(struct control_server *server, struct session *session, uint32_t events)
{
	bool hung_up = events & (EPOLLHUP | EPOLLERR);
	uint64_t now = clock_ns();
	int err;

	session->turn = ++server->turns;
	/* A reader that has closed its socket cannot see an answer, and its requests do nothing
	 * else. Changes that were asked for before closing are made. */
	if (hung_up && session->access == CONTROL_READ)
		return -EPIPE;
	err = session_send(session, now);
	if (!err && !session_is_answering(session)) {
		if (!session_has_request(session) && !session->ended)
			err = session_read(session, now);
		if (!err)
			err = answer_line(server, session, now);
	}
	if (err)
		return err;
	report_lost(session);
	/* A client that has shut down only its sending side still gets the answers that are due,
	 * and events. */
	if (session->ended && !session_is_answering(session) && !session_has_request(session) &&
	    (hung_up || !session->monitor))
		return -EPIPE;
	return watch(server, session);
}

/* Another part of the daemon goes on with the connection. */
static void give_away(struct control_server *server, struct session *session)
{
	void (*take)(void *context, int fd) = session->take;
	int fd = session->fd;

	epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	session->fd = -1;
	close_session(server, session);
	take(server->context, fd);
}

static void serve(struct control_server *server, const struct epoll_event *event)
{
	struct session *session = event->data.ptr;
	int err = serve_session(server, session, event->events);

	if (err)
		drop_session(server, session, err);
	else if (session->take && !session_is_sending(session))
		give_away(server, session);
}

/* Serve all clients that may change things, and the reader that was served longest ago. Returns
 * whether there was a reader: others may be waiting for their turn. */
static bool serve_turn(struct control_server *server)
{
	struct epoll_event events[CONTROL_CLIENTS + 1];
	const struct epoll_event *next = NULL;
	bool knocked = false;
	int count = epoll_wait(server->epoll_fd, events, CONTROL_CLIENTS + 1, 0);

	for (int i = 0; i < count; i++) {
		const struct session *session = events[i].data.ptr;

		if (!session)
			knocked = true;
		else if (session->access == CONTROL_CHANGE)
			serve(server, &events[i]);
		else if (!next || session->turn < ((struct session *)next->data.ptr)->turn)
			next = &events[i];
	}
	if (next)
		serve(server, next);
	/* Last, because it may close a client that is in `events`. */
	for (unsigned int i = 0; knocked && i < ACCEPTS_PER_TURN; i++)
		knocked = accept_client(server);
	return next != NULL;
}

void control_server_run(struct control_server *server)
{
	uint64_t end = clock_ns() + RUN_NS;

	while (serve_turn(server) && clock_ns() < end)
		;
}

void control_server_tick(struct control_server *server, uint64_t now_ns)
{
	/* Backwards, because the last one takes the place of one that is closed. */
	for (unsigned int i = server->count; i-- > 0;) {
		struct session *session = server->sessions[i];
		int err;

		session->credit += CONTROL_RATE;
		if (session->credit > CONTROL_BURST)
			session->credit = CONTROL_BURST;
		if (session_is_answering(session) &&
		    now_ns >= session->answer_ns + CONTROL_ANSWER_NS)
			err = -EPIPE;
		else
			err = watch(server, session);
		if (err)
			drop_session(server, session, err);
	}
	keep_spare(server);
	if (server->deaf)
		set_deaf(server, false);
}

/* ---- the server ---- */

int control_server_set_admins(struct control_server *server, const char *group)
{
	struct peer_policy policy = {0};
	int err = peer_find_option(group, &policy.group, &policy.has_group);

	if (!err)
		server->policy = policy;
	return err;
}

int control_server_open(struct control_server **out, const struct control_options *options,
			const struct control_method *methods, void *context)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	struct control_server *server;
	gid_t group = (gid_t)-1;
	bool found;
	int err;

	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->methods = methods;
	server->context = context;
	server->epoll_fd = server->spare_fd = -1;
	err = peer_find_option(options->group, &group, &found);
	if (!err)
		err = control_server_set_admins(server, options->admin_group);
	if (!err)
		err = options->adopt ? listener_adopt(&server->listener, options->path,
						      options->adopt->listen_fd,
						      options->adopt->lock_fd, group)
				     : listener_open(&server->listener, options->path, group);
	if (err)
		goto out;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll_fd < 0 ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, listener_fd(server->listener), &event)) {
		err = -errno;
		goto out;
	}
	keep_spare(server);
	*out = server;
	return 0;
out:
	control_server_close(server);
	return err;
}

void control_server_close(struct control_server *server)
{
	if (!server)
		return;
	while (server->count) {
		struct session *session = server->sessions[server->count - 1];

		if (session->monitor && session_send(session, 0))
			log_debug("control-client-left", LOG_TEXT("reason", "it did not read"));
		close_session(server, session);
	}
	listener_close(server->listener);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	free(server);
}

bool control_server_has(const struct control_server *server, uint64_t client)
{
	for (unsigned int i = 0; server && i < server->count; i++) {
		struct pollfd poll_fd = {.fd = server->sessions[i]->fd};

		/* The client may have been killed a moment ago: what it has sent before is read
		 * first, but the kernel knows already. */
		if (server->sessions[i]->number == client)
			return poll(&poll_fd, 1, 0) == 0;
	}
	return false;
}

void control_server_describe(const struct control_server *server, struct control_adoption *as)
{
	as->listen_fd = listener_fd(server->listener);
	as->lock_fd = listener_lock_fd(server->listener);
}

void control_server_set_owner(struct control_server *server, bool owner)
{
	if (!owner)
		epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, listener_fd(server->listener), NULL);
	listener_set_owner(server->listener, owner);
}

int control_server_fd(const struct control_server *server)
{
	return server->epoll_fd;
}
