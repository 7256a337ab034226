/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client of the control socket: what it has sent and not been answered, what it is to be sent
 * and has not read, how much it may ask for. All of it bounded. Knows the socket, and nothing of
 * the other clients or of what the lines mean. No call blocks. Main thread.
 *
 * Requests are lines in a buffer that grows with them. Answers and events leave through one queue,
 * line after line; there is one answer in it at most, and 256 KiB of events.
 */
#ifndef XMCAST_CONTROL_SESSION_H
#define XMCAST_CONTROL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/method.h"

/* A request line with its newline: as many names as a person types, or a rule with all its outputs
 * of some 100 bytes each; and 65,536 rules at once. */
#define SESSION_REQUEST_MOST	  (64U << 10)
#define SESSION_LONG_REQUEST_MOST (8U << 20)

/* Events that wait for their reader: some 2,000. */
#define SESSION_EVENTS_MOST (256U << 10)

/* What a client may ask for: so many at once, then one in each interval (100 a second). */
#define SESSION_BURST	    200
#define SESSION_INTERVAL_NS 10000000ULL

struct session {
	int fd;
	enum control_access access;
	bool kept;	    /* never closed to make room for others */
	bool monitor;	    /* gets events */
	bool ended;	    /* sends no more; gone once its answers are out */
	unsigned int slot;  /* its owner's place for it */
	uint32_t watched;   /* epoll events asked for */
	bool is_watched;    /* in the epoll set */
	uint64_t active_ns; /* when something was last read from it or sent to it */

	/* Requests. */
	char *request;
	size_t request_room;
	size_t request_start;  /* lines before it are done */
	size_t request_length; /* bytes in all */
	size_t request_seen;   /* no newline from the start up to here */
	uint64_t allowance_ns; /* generic cell rate algorithm: when all is forgotten */
	uint64_t resume_ns;    /* it has asked too often, and waits until then; 0: it does not */

	/* What it is to be sent; positions count all bytes ever queued. */
	char *out;
	size_t out_room;
	size_t out_start; /* bytes of `out` that are sent */
	uint64_t sent;
	uint64_t queued;
	uint64_t answer_start;
	uint64_t answer_end;
	uint64_t answer_since_ns;
	bool expired;  /* its answer has been unread for too long: it is to be closed */
	uint64_t lost; /* events that had no room, and were not yet told of */
};

/* Takes over a connected, non-blocking socket. NULL: no memory, then the socket stays the caller's.
 */
struct session *session_new(int fd, enum control_access access, uint64_t now_ns);

/* Closes the socket. Takes NULL. */
void session_free(struct session *session);

/* The first request line that is whole, without its newline, or NULL. Valid until session_read().
 */
const char *session_line(struct session *session, size_t *length);

/* That line is done with. */
void session_drop_line(struct session *session);

/* Read what there is, up to `most` bytes of one unfinished line. 0, or -errno: it is gone. */
int session_read(struct session *session, size_t most, uint64_t now_ns);

/* There is a line of that many bytes, and no end of it. */
bool session_is_full(struct session *session, size_t most);

/* It sends no more, and what it has sent is forgotten. */
void session_stop_reading(struct session *session);

/* May the client make a request now? If not, resume_ns says when. */
bool session_may_ask(struct session *session, uint64_t now_ns);

/* Queue an answer. 0 or -ENOMEM. */
int session_answer(struct session *session, const char *line, size_t length, uint64_t now_ns);

/* Queue an event. One without room is counted in `lost`, and so are those that come after it, until
 * session_tell_lost(): the gap is where the client is told of it. */
void session_event(struct session *session, const char *line, size_t length);

/* Queue the line that tells how many were lost. */
void session_tell_lost(struct session *session, const char *line, size_t length);

/* Bytes of events that wait. */
size_t session_events(const struct session *session);

/* Send what is queued, as far as the client reads. 0, or -errno: it is gone. */
int session_send(struct session *session, uint64_t now_ns);

bool session_is_sending(const struct session *session);	  /* anything */
bool session_is_answering(const struct session *session); /* an answer */

#endif
