/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON-RPC 2.0 on single lines, without I/O. Main thread. */
#ifndef XMCAST_CONTROL_RPC_H
#define XMCAST_CONTROL_RPC_H

#include <stddef.h>
#include <stdint.h>

#include "control/method.h"

/* How deep arrays and objects of a request may be nested, the request itself included. */
#define RPC_DEPTH 16

/* What there is to be called, and for whom. */
struct rpc {
	const struct control_method *methods; /* the last has a NULL name */
	void *context;			      /* handed to the methods */
	enum control_access access;	      /* what the client may do */
	bool monitors_full;		      /* it may not become a monitor */
};

struct rpc_answer {
	char *line; /* malloc()ed, ends with a newline; NULL: none is due (a notification) */
	size_t length;
	bool monitor; /* as control_reply has it */
};

/* Do what a request line [line, line+length), without its newline, asks for. 0; -ENOMEM: there is
 * no memory even for an error. */
int rpc_run(const struct rpc *rpc, const char *line, size_t length, struct rpc_answer *answer);

/* An error answer without an id, for a request that could not be read at all. 0 or -ENOMEM. */
int rpc_error(int code, const char *message, struct rpc_answer *answer);

/* A notification, as a line: malloc()ed, its length in *length. `params` stays the caller's. NULL:
 * no memory. */
char *rpc_notification(const char *method, const json_t *params, size_t *length);

/* The event that so many events were lost, now. As above. */
char *rpc_events_lost(uint64_t count, size_t *length);

#endif
