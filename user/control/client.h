/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to a daemon's control socket: one call at a time, blocking. For command-line tools
 * and the exporter. Whatever the other end sends is bounded and checked.
 *
 * One thread. Needs no privilege but access to the socket.
 */
#ifndef XMCAST_CONTROL_CLIENT_H
#define XMCAST_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The longest line that is read from a daemon: far above 500 rules of 256 outputs each. */
#define CONTROL_MAX_ANSWER (64U << 20)

/* The longest request line that a daemon accepts, and only from clients that may change things. */
#define CONTROL_MAX_REQUEST (8U << 20)

/* By default a call waits this long for the next byte, so that a daemon that is stopped or stuck
 * does not hang its user for ever. */
#define CONTROL_TIMEOUT_MS 10000

struct control_client;

/* 0; -ENOENT, -ECONNREFUSED: no daemon listens at this path; -EACCES: no right to connect; -errno.
 */
int control_client_open(struct control_client **out, const char *path);
void control_client_close(struct control_client *client); /* accepts NULL */

/* The longest wait for the next byte, from now on; -1: for ever. */
void control_client_timeout(struct control_client *client, int milliseconds);

/* From now on a wait ends with -EINTR as soon as this descriptor (a signalfd) is readable. It stays
 * the caller's. */
void control_client_interrupt(struct control_client *client, int fd);

/* From now on, whenever this descriptor is readable or hung up during a wait, call `attend` with
 * poll(2)'s events, so that a user's keys do not wait for a daemon. If that returns false, the wait
 * ends with -EINTR. The descriptor stays the caller's. */
void control_client_attend(struct control_client *client, int fd,
			   bool (*attend)(void *context, short events), void *context);

/* For poll(2): readable or hung up when the daemon has sent something or has gone. */
int control_client_fd(const struct control_client *client);

/*
 * Call a method; `params` may be NULL and stays the caller's. 0: *answer is the result; 1: the
 * daemon refused, *answer is its JSON-RPC error object; -errno: no answer (-ETIMEDOUT,
 * -ECONNRESET), not an answer of this protocol (-EPROTO), request or answer too long (-EMSGSIZE,
 * -EFBIG). After -errno the connection can only be closed. The caller owns *answer.
 */
int control_client_call(struct control_client *client, const char *method, json_t *params,
			json_t **answer);

/* Wait for the next event, after monitor.start. 0: *event is its params, an object, which the
 * caller owns; -errno as above. */
int control_client_event(struct control_client *client, json_t **event);

/*
 * What a line from the daemon means while the answer to request `id` is expected. Pure. 0: it is
 * the result (any JSON); 1: the error, an object; 2: an event, *body is its params; -EPROTO: it is
 * not of this protocol, or answers another request; -ENOMEM. The caller owns *body.
 */
int control_client_parse(const char *line, size_t length, int id, json_t **body);

#endif
