/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client of the control socket: the requests that it has sent, and what it has yet to read. All
 * of it is bounded. Knows the socket, but neither the other clients nor what the requests mean. No
 * call blocks.
 *
 * Main thread. Owned by the server.
 */
#ifndef XMCAST_CONTROL_SESSION_H
#define XMCAST_CONTROL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "control/lines.h"
#include "control/method.h"

/* The longest request line, with its newline: enough for a rule with all its outputs of some 100
 * bytes each; and from clients that may change things, for 65,536 rules at once. */
#define SESSION_REQUEST_MOST	  (64U << 10)
#define SESSION_LONG_REQUEST_MOST (8U << 20)

/* Events that wait for their reader: some 2,000. */
#define SESSION_EVENTS_MOST (256U << 10)

struct session {
	int fd;
	uint64_t number; /* of the connection, from 1 on */
	enum control_access access;
	bool owner;	     /* root or the daemon's user */
	uid_t uid;	     /* the user, as it connected */
	bool monitor;	     /* gets events */
	bool ended;	     /* sends no more; closed once its answers are sent */
	uint32_t watched;    /* epoll events that are asked for */
	unsigned int credit; /* requests that a reader may still make in this second */
	uint64_t turn;	     /* when the server last served it: a count of turns */
	uint64_t active_ns;  /* when something was last read from it or sent to it */
	struct lines requests;

	/* To be sent, but for the first `out_sent` bytes. The next `answer_left` bytes end with an
	 * answer; 0: no answer waits. */
	struct text out;
	size_t out_sent;
	size_t answer_left;
	uint64_t answer_ns; /* when that answer was queued */
	uint64_t lost;	    /* events without room that were not reported to the client yet */

	/* Who gets the socket once all is sent (struct control_reply), or NULL. */
	void (*take)(void *context, int fd);
};

/* Take over a connected socket. NULL: no memory; then the socket stays the caller's. */
struct session *session_new(int fd, enum control_access access, uint64_t now_ns);

/* Close the socket and free the session. Accepts NULL. */
void session_free(struct session *session);

/* Read requests, once. 0; -errno: the client has gone, or there is no memory. */
int session_read(struct session *session, uint64_t now_ns);

/* Whether a whole request has been read. */
bool session_has_request(struct session *session);

/* Read no more, and forget what was read. */
void session_stop_reading(struct session *session);

/* Queue an answer. 0 or -ENOMEM. */
int session_answer(struct session *session, const char *line, size_t length, uint64_t now_ns);

/* Queue an event. Without room it is counted in `lost`, and so are all that follow until
 * session_report_lost(). */
void session_event(struct session *session, const char *line, size_t length);

/* Whether events are missing and there is room to go on. Waits for half of the room, so that a
 * client that is always too slow gets a few large gaps instead of one after each event. */
bool session_may_report_lost(const struct session *session);

/* Queue the line that tells the client how many events are missing at this point. */
void session_report_lost(struct session *session, const char *line, size_t length);

/* Send as much as the client reads. 0; -errno: the client has gone. */
int session_send(struct session *session, uint64_t now_ns);

bool session_is_sending(const struct session *session);	  /* anything */
bool session_is_answering(const struct session *session); /* an answer */

#endif
