/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/clients.h"
#include "control/listener.h"
#include "control/peer.h"
#include "control/rpc.h"
#include "control/session.h"

/* Served in one run, and for how long, so that the daemon looks after its other descriptors and new
 * clients in between. */
#define EVENTS_PER_RUN 64
#define RUN_NS	       10000000ULL

/* Accepted in one run: a flood of connections does not keep those waiting who are there. */
#define ACCEPTS_PER_RUN 16

/* Who may have a long request under way: 64 MiB in all. */
#define LONG_REQUESTS 8

/* Who has not read an answer by then does not want it: an answer of 1 MB in a moment is usual. */
#define ANSWER_MS 30000

/* Nobody is accepted for so long when there is neither a descriptor nor memory. */
#define PAUSE_NS 100000000ULL

#define NEVER	 UINT64_MAX

struct control_server {
	int epoll_fd; /* of these: */
	int timer_fd;
	int spare_fd; /* given up for a moment to turn a client away when there is no other */
	struct listener *listener;
	struct peer_policy policy;
	const struct control_method *methods;
	void *context;
	uint64_t answer_ns; /* within which an answer has to be read */
	uint64_t alarm_ns;  /* when the timer fires, or NEVER */
	uint64_t paused_ns; /* nobody is accepted until then; 0: everybody is */
	struct log_limit refused_limit;
	struct log_limit dropped_limit;
	struct clients clients;
};

/* Come back soon after that time. In steps, so that a thousand clients with a time of their own
 * each make one alarm. */
static void schedule(struct control_server *server, uint64_t when_ns)
{
	const uint64_t step = SESSION_INTERVAL_NS;
	const uint64_t alarm_ns = (when_ns / step + 1) * step;
	const struct itimerspec alarm = {
		.it_value.tv_sec = (time_t)(alarm_ns / 1000000000ULL),
		.it_value.tv_nsec = (long)(alarm_ns % 1000000000ULL),
	};

	if (alarm_ns >= server->alarm_ns)
		return;
	if (timerfd_settime(server->timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL) == 0)
		server->alarm_ns = alarm_ns;
}

/* A descriptor that nobody else takes meanwhile. */
static void spare(struct control_server *server)
{
	if (server->spare_fd < 0)
		server->spare_fd = fcntl(server->epoll_fd, F_DUPFD_CLOEXEC, 0);
}

static void close_session(struct control_server *server, struct session *session)
{
	clients_remove(&server->clients, session);
	spare(server);
}

static int make_room(struct control_server *server, enum control_access access)
{
	int err = clients_make_room(&server->clients, access);

	spare(server);
	return err;
}

/* ---- events ---- */

static void tell_lost(struct session *session)
{
	size_t length = 0;
	char *line;

	/* Not before there is room for many: a client that is slow all the time reads of few gaps,
	 * and not of one after each event. */
	if (!session->lost || session_events(session) > SESSION_EVENTS_MOST / 2)
		return;
	line = rpc_events_lost(session->lost, &length);
	if (line)
		session_tell_lost(session, line, length);
	free(line);
}

void control_server_publish(struct control_server *server, const json_t *event)
{
	size_t length = 0;
	char *line;

	if (!server || !server->clients.nr_monitors)
		return;
	line = rpc_notification("event", event, &length);
	for (unsigned int i = 0; i < server->clients.count; i++) {
		struct session *session = server->clients.sessions[i];

		if (!session->monitor)
			continue;
		tell_lost(session);
		if (line)
			session_event(session, line, length);
		else
			session->lost++;
		/* Sent by the next run: who is found gone here would be pulled from under the run
		 * that has called the method that has called us. */
		if (clients_watch(&server->clients, session))
			log_debug("control-watch-failed", LOG_ERROR(-errno));
	}
	free(line);
}

/* ---- requests ---- */

static size_t request_most(const struct control_server *server, const struct session *session)
{
	if (session->access != CONTROL_CHANGE || session->request_length < SESSION_REQUEST_MOST)
		return SESSION_REQUEST_MOST;
	if (session->request_room > SESSION_REQUEST_MOST ||
	    clients_count_long(&server->clients) < LONG_REQUESTS)
		return SESSION_LONG_REQUEST_MOST;
	return SESSION_REQUEST_MOST;
}

static int give_answer(struct control_server *server, struct session *session,
		       struct rpc_answer *answer, uint64_t now)
{
	int err = 0;

	if (answer->line)
		err = session_answer(session, answer->line, answer->length, now);
	free(answer->line);
	if (err)
		return err;
	if (answer->monitor)
		clients_begin_monitor(&server->clients, session);
	err = session_send(session, now);
	if (session_is_answering(session)) {
		schedule(server, session->answer_since_ns + server->answer_ns);
		if (clients_bound_unread(&server->clients))
			schedule(server, 0);
	}
	return err;
}

/* Answer the first whole line that has been read, if there is one, and it may ask. 0 or -errno. */
static int answer_line(struct control_server *server, struct session *session, uint64_t now)
{
	const struct rpc rpc = {server->methods, server->context, session->access,
				server->clients.nr_monitors == CONTROL_MONITORS &&
					!session->monitor};
	size_t most = request_most(server, session);
	struct rpc_answer answer = {0};
	const char *line;
	size_t length;
	char text[64];
	int err;

	line = session_line(session, &length);
	if (line && !session_may_ask(session, now)) {
		schedule(server, session->resume_ns);
		return 0;
	}
	if (line) {
		err = rpc_run(&rpc, line, length, &answer);
		session_drop_line(session);
	} else if (session_is_full(session, most)) {
		snprintf(text, sizeof(text), "request longer than %zu bytes", most - 1);
		err = rpc_error(RPC_INVALID_REQUEST, text, &answer);
		session_stop_reading(session);
	} else {
		return 0;
	}
	return err ? err : give_answer(server, session, &answer, now);
}

/* Something can be done for this client: send, or else answer what it has asked, or else read. 0,
 * or -errno: it is gone, or has to go. */
static int serve_session(struct control_server *server, struct session *session, uint32_t events)
{
	uint64_t now = clock_ns();
	size_t length;
	int err;

	/* Who has closed both ways gets no answer, and what he may ask for does nothing else. */
	if (session->access == CONTROL_READ && (events & (EPOLLHUP | EPOLLERR)))
		return -EPIPE;
	err = session_send(session, now);
	if (!err && !session_is_answering(session)) {
		if (!session_line(session, &length) && !session->ended)
			err = session_read(session, request_most(server, session), now);
		if (!err)
			err = answer_line(server, session, now);
	}
	if (err)
		return err;
	tell_lost(session);
	if (session->ended && !session_is_answering(session) && !session_line(session, &length)) {
		/* Who has asked for events goes on getting them until it has closed both ways. */
		if (!session->monitor || (events & (EPOLLHUP | EPOLLERR)))
			return -EPIPE;
	}
	return clients_watch(&server->clients, session);
}

/* ---- clients come ---- */

int control_server_adopt(struct control_server *server, int fd, enum control_access access)
{
	int flags = fcntl(fd, F_GETFL);
	int err;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	err = make_room(server, CONTROL_CHANGE);
	return err ? err : clients_add(&server->clients, fd, access, true);
}

/* Take whoever waits with the descriptor that is kept for that, and let him go. 0 or -errno. */
static int turn_away(struct control_server *server)
{
	int err = 0;
	int fd;

	if (server->spare_fd < 0)
		return -EMFILE;
	close(server->spare_fd);
	fd = accept4(listener_fd(server->listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	else if (errno != EAGAIN) /* which says that nobody waits */
		err = -errno;
	server->spare_fd = fcntl(server->epoll_fd, F_DUPFD_CLOEXEC, 0);
	return server->spare_fd < 0 ? -EMFILE : err;
}

/* A client who waits and cannot be accepted would keep the listening socket readable, and the main
 * thread in circles. */
static void pause_accepting(struct control_server *server)
{
	struct epoll_event event = {.events = 0, .data.ptr = NULL};

	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, listener_fd(server->listener), &event))
		return;
	server->paused_ns = clock_ns() + PAUSE_NS;
	schedule(server, server->paused_ns);
}

static void resume_accepting(struct control_server *server)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	spare(server);
	server->paused_ns = 0;
	if (!epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, listener_fd(server->listener), &event))
		return;
	server->paused_ns = clock_ns() + PAUSE_NS;
	schedule(server, server->paused_ns);
}

static void refused(struct control_server *server, int err)
{
	if (log_allowed(&server->refused_limit, "control-client-refused"))
		log_warning("control-client-refused", LOG_UINT("clients", server->clients.count),
			    LOG_ERROR(err));
}

/* False: look again later whether somebody waits. */
static bool accept_client(struct control_server *server)
{
	int fd = accept4(listener_fd(server->listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int err = fd < 0 ? -errno : 0;
	enum control_access access;

	if (err == -EAGAIN || err == -EINTR || err == -ECONNABORTED)
		return false;
	/* That comes before a look whether anybody waits. */
	if (err == -EMFILE || err == -ENFILE) {
		refused(server, err);
		err = turn_away(server);
	}
	if (err)
		pause_accepting(server);
	if (fd < 0)
		return false;
	access = peer_access(fd, &server->policy);
	err = make_room(server, access);
	if (!err)
		err = clients_add(&server->clients, fd, access, false);
	if (err) {
		refused(server, err);
		close(fd);
	}
	return true;
}

/* ---- time ---- */

/* Who has waited for his turn goes on; who has not read his answer goes. */
static void on_alarm(struct control_server *server)
{
	uint64_t expirations;
	uint64_t now = clock_ns();
	uint64_t next = server->paused_ns ? server->paused_ns : NEVER;

	if (read(server->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	server->alarm_ns = NEVER;
	if (server->paused_ns && server->paused_ns <= now) {
		resume_accepting(server);
		next = NEVER;
	}
	/* Backwards, because the last takes the place of one that is closed. */
	for (unsigned int i = server->clients.count; i-- > 0;) {
		struct session *session = server->clients.sessions[i];
		uint64_t deadline = NEVER;

		if (session_is_answering(session))
			deadline = session->answer_since_ns + server->answer_ns;
		if (session->resume_ns && session->resume_ns <= now)
			session->resume_ns = 0;
		if (session->expired || deadline <= now ||
		    clients_watch(&server->clients, session)) {
			close_session(server, session);
			continue;
		}
		if (deadline < next)
			next = deadline;
		if (session->resume_ns && session->resume_ns < next)
			next = session->resume_ns;
	}
	if (next != NEVER)
		schedule(server, next);
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

static int open_descriptors(struct control_server *server)
{
	struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL};
	struct epoll_event timer = {.events = EPOLLIN, .data.ptr = server};

	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll_fd < 0)
		return -errno;
	server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (server->timer_fd < 0)
		return -errno;
	server->spare_fd = fcntl(server->epoll_fd, F_DUPFD_CLOEXEC, 0);
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, listener_fd(server->listener), &listening) ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->timer_fd, &timer))
		return -errno;
	return clients_open(&server->clients, server->epoll_fd);
}

int control_server_open(struct control_server **out, const struct control_options *options,
			const struct control_method *methods, void *context)
{
	struct control_server *server;
	gid_t group = (gid_t)-1;
	bool found;
	int err;

	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->methods = methods;
	server->context = context;
	server->alarm_ns = NEVER;
	server->answer_ns = 1000000ULL * (options->answer_ms ? options->answer_ms : ANSWER_MS);
	server->epoll_fd = server->timer_fd = server->spare_fd = -1;
	server->clients.fds[0] = server->clients.fds[1] = -1;
	err = peer_find_option(options->group, &group, &found);
	if (!err)
		err = peer_find_option(options->admin_group, &server->policy.group,
				       &server->policy.has_group);
	if (!err)
		err = listener_open(&server->listener, options->path, group);
	if (!err)
		err = open_descriptors(server);
	if (err) {
		control_server_close(server);
		return err;
	}
	*out = server;
	return 0;
}

void control_server_close(struct control_server *server)
{
	if (!server)
		return;
	while (server->clients.count) {
		struct session *session = server->clients.sessions[server->clients.count - 1];

		/* As far as it goes; who has left is closed all the same. */
		if (session->monitor && session_send(session, 0))
			log_debug("control-client-left", LOG_TEXT("reason", "it did not read"));
		close_session(server, session);
	}
	listener_close(server->listener);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	if (server->timer_fd >= 0)
		close(server->timer_fd);
	clients_close(&server->clients);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	free(server);
}

int control_server_fd(const struct control_server *server)
{
	return server->epoll_fd;
}

/* Who is gone has gone; who has to go for want of memory may have had something done, and hears no
 * more of it: the log does. */
static void drop_session(struct control_server *server, struct session *session, int err)
{
	if (err != -EPIPE && err != -ECONNRESET &&
	    log_allowed(&server->dropped_limit, "control-client-dropped"))
		log_warning("control-client-dropped", LOG_ERROR(err));
	close_session(server, session);
}

/* Serve up to `most` of those who are ready and may do that. How many there were. */
static int serve_clients(struct control_server *server, enum control_access access, int most)
{
	struct epoll_event events[EVENTS_PER_RUN];
	int count = epoll_wait(server->clients.fds[access], events, most, 0);

	for (int i = 0; i < count; i++) {
		struct session *session = events[i].data.ptr;

		int err = serve_session(server, session, events[i].events);

		if (err)
			drop_session(server, session, err);
	}
	return count;
}

/* Those who may change things go first, after each of the others: who may only read does not keep
 * them waiting, however many he is. One at a time, as epoll goes round among those that it has told
 * of, and not among those whom we have served. */
static void serve(struct control_server *server)
{
	uint64_t end = clock_ns() + RUN_NS;
	unsigned int served = 0;

	do
		serve_clients(server, CONTROL_CHANGE, EVENTS_PER_RUN);
	while (serve_clients(server, CONTROL_READ, 1) > 0 && ++served < EVENTS_PER_RUN &&
	       clock_ns() < end);
}

void control_server_run(struct control_server *server)
{
	struct epoll_event events[4]; /* the listening socket, the timer, two sets of clients */
	bool knocked = false;
	bool alarmed = false;
	int count;

	count = epoll_wait(server->epoll_fd, events, 4, 0);
	for (int i = 0; i < count; i++) {
		knocked |= !events[i].data.ptr;
		alarmed |= events[i].data.ptr == server;
	}
	serve(server);
	if (alarmed)
		on_alarm(server);
	for (unsigned int i = 0; knocked && i < ACCEPTS_PER_RUN; i++)
		knocked = accept_client(server);
}
