/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON-RPC 2.0 on single lines: a request in, its answer out. No I/O.
 *
 * Main thread.
 */
#ifndef XMCAST_CONTROL_RPC_H
#define XMCAST_CONTROL_RPC_H

#include <stddef.h>
#include <stdint.h>

#include "control/method.h"

/* The deepest nesting of arrays and objects in a request, the request itself included. */
#define RPC_DEPTH 16

/* What can be called, and by whom. */
struct rpc {
	const struct control_method *methods; /* the last has a NULL name */
	void *context;			      /* passed to the methods */
	enum control_access access;	      /* of the client */
	unsigned int uid;		      /* likewise */
	uint64_t client;		      /* see struct control_reply */
};

struct rpc_answer {
	char *line; /* malloc()ed, ends with a newline; NULL: none is due (a notification) */
	size_t length;
	bool monitor; /* this, `cost` and `take` as in struct control_reply */
	unsigned int cost;
	void (*take)(void *context, int fd);
};

/* Execute the request [line, line+length), which has no newline. 0; -ENOMEM: there is no memory
 * even for an error. */
int rpc_run(const struct rpc *rpc, const char *line, size_t length, struct rpc_answer *answer);

/* An error answer without an id, for a request that could not be read. 0 or -ENOMEM. */
int rpc_error(int code, const char *message, struct rpc_answer *answer);

/* A notification as a line: malloc()ed, its length in *length. `params` stays the caller's. NULL:
 * no memory. */
char *rpc_notification(const char *method, const json_t *params, size_t *length);

/* The notification that `count` events were lost, with the current time. As above. */
char *rpc_events_lost(uint64_t count, size_t *length);

#endif
