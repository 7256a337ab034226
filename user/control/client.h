/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to a daemon's control socket: one call at a time, blocking. For command-line tools.
 * What comes from the other end is bounded and checked; it may be anything. One thread.
 */
#ifndef XMCAST_CONTROL_CLIENT_H
#define XMCAST_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Longest line that is read from a daemon: far above 500 rules of 256 outputs each. */
#define CONTROL_MAX_ANSWER (64U << 20)

/* Longest request line that a daemon takes, and only from those who may change things. */
#define CONTROL_MAX_REQUEST (8U << 20)

/* A daemon that is stopped or stuck must not hang its user for ever: milliseconds that a call waits
 * for the next byte, unless told otherwise. */
#define CONTROL_TIMEOUT_MS 10000

struct control_client;

/* 0; -errno: nobody answers at this path (-ENOENT, -ECONNREFUSED), or no right to (-EACCES). */
int control_client_open(struct control_client **out, const char *path);
void control_client_close(struct control_client *client); /* takes NULL */

/* A connection that is there already: a stream socket whose other end is a daemon's. It waits
 * for ever, unless told otherwise. 0, and it is the client's; -ENOMEM, and it stays the caller's.
 */
int control_client_adopt(struct control_client **out, int fd);

/* Wait for so many milliseconds at most, from now on; -1: for ever. */
void control_client_timeout(struct control_client *client, int milliseconds);

/* From now on a wait ends with -EINTR as soon as this descriptor is readable (a signalfd). It stays
 * the caller's. */
void control_client_interrupt(struct control_client *client, int fd);

/* From now on, whenever this descriptor has something (POLLIN) or has gone during a wait, call
 * `attend` with poll(2)'s events, so that a user's keys do not wait for a daemon. False: the wait
 * ends with -EINTR. It stays the caller's. */
void control_client_attend(struct control_client *client, int fd,
			   bool (*attend)(void *context, short events), void *context);

/* Readable or hung up when the daemon has something to say, or has gone; for poll(2). */
int control_client_fd(const struct control_client *client);

/*
 * Call a method; `params` may be NULL and stays the caller's. 0: *answer is the result; 1: the
 * daemon refused, *answer is its JSON-RPC error object; -errno: no answer (-ETIMEDOUT,
 * -ECONNRESET), not one of this protocol (-EPROTO), a request or an answer too large (-EMSGSIZE,
 * -EFBIG); then the connection is of no more use. The caller owns *answer.
 */
int control_client_call(struct control_client *client, const char *method, json_t *params,
			json_t **answer);

/* Wait for the next event (a notification; monitor.start asks for them). 0: *event is its params,
 * an object, the caller's; -errno as above. */
int control_client_event(struct control_client *client, json_t **event);

/*
 * What a line from the daemon means to one who waits for the answer to request `id`. Pure. 0: it
 * is the result (any JSON); 1: it is the error, an object; 2: it is an event, *body its params;
 * -EPROTO: it is nothing of this protocol, or the answer to something else; -ENOMEM. The caller
 * owns *body.
 */
int control_client_parse(const char *line, size_t length, int id, json_t **body);

#endif
