/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection to a daemon's control socket: one call at a time, blocking. For command-line tools.
 */
#ifndef XMCAST_CONTROL_CLIENT_H
#define XMCAST_CONTROL_CLIENT_H

#include <jansson.h>

struct control_client;

/* 0; -errno: nobody answers at this path (-ENOENT, -ECONNREFUSED), or no right to (-EACCES). */
int control_client_open(struct control_client **out, const char *path);
void control_client_close(struct control_client *client); /* takes NULL */

/* A connection that is there already: a stream socket whose other end is a daemon's. 0, and it is
 * the client's; -ENOMEM, and it stays the caller's. */
int control_client_adopt(struct control_client **out, int fd);

/*
 * Call a method; `params` may be NULL and stays the caller's. 0: *answer is the result; 1: the
 * daemon refused, *answer is its JSON-RPC error object; -errno: no answer (-ETIMEDOUT after 10 s)
 * or not one of this protocol (-EPROTO). The caller owns *answer.
 */
int control_client_call(struct control_client *client, const char *method, json_t *params,
			json_t **answer);

#endif
