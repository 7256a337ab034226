/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A method of the control protocol: its name, who may call it, its parameters and its answer. The
 * server (server.h) calls the methods; the daemon implements them. Main thread.
 *
 *     static void rule_del(void *context, const json_t *params, struct control_reply *reply)
 *     {
 *             const json_t *names = control_param_strings(params, "names", MOST, reply);
 *
 *             if (!names)
 *                     return;
 *             if (...)
 *                     control_fail(reply, CONTROL_NOT_FOUND, "no rule %s", name);
 *             else
 *                     reply->result = json_pack(...);
 *     }
 */
#ifndef XMCAST_CONTROL_METHOD_H
#define XMCAST_CONTROL_METHOD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Error codes: those of JSON-RPC 2.0, then our own (docs/control-protocol.md). */
enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	CONTROL_REFUSED = -32001,
	CONTROL_FAILED = -32002,
	CONTROL_FORBIDDEN = -32003,
	CONTROL_NOT_FOUND = -32004,
	CONTROL_TAKEN = -32005,
};

/* What a client may do, and what a method needs. CONTROL_OWN: only root and the daemon's user. */
enum control_access { CONTROL_READ, CONTROL_CHANGE, CONTROL_OWN };

/* The outcome of a method; starts zeroed, but for `uid` and `client`. A method sets `result`, or
 * calls control_fail(). Neither means that there was no memory. */
struct control_reply {
	unsigned int uid; /* the user who asks, for the log */
	uint64_t client;  /* its connection, for control_server_has() */
	json_t *result;	  /* a new reference, handed over */
	int code;
	char message[256]; /* of the error: one line, for people */
	json_t *data;	   /* of the error, or NULL; a new reference, handed over */
	bool monitor;	   /* from now on the client gets all events (control_server_publish()) */
	unsigned int cost; /* further requests that it counts as, if a reader has made it */
	/* Called once the answer is sent: the connection, which is non-blocking, is the callee's
	 * from then on. NULL: it stays the server's. */
	void (*take)(void *context, int fd);
};

/* Answer with this error. A message that is too long is cut. */
void control_fail(struct control_reply *reply, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One method; a list of them ends with a NULL name. */
struct control_method {
	const char *name;
	enum control_access access;
	const char *const *keys; /* allowed in params; the last is NULL; NULL: none */
	/* `params` is an object with no other keys, or NULL if the request has none. */
	void (*call)(void *context, const json_t *params, struct control_reply *reply);
};

/*
 * Parameters. On failure each of these sets the error (RPC_INVALID_PARAMS), and the method just
 * returns. What they return belongs to `params`.
 */

/* A required, non-empty string. NULL: failed. */
const char *control_param_string(const json_t *params, const char *key,
				 struct control_reply *reply);

/* A required array of 1 to `most` non-empty strings. NULL: failed. */
const json_t *control_param_strings(const json_t *params, const char *key, size_t most,
				    struct control_reply *reply);

/* A required array of 1 to `most` objects. NULL: failed. */
const json_t *control_param_objects(const json_t *params, const char *key, size_t most,
				    struct control_reply *reply);

/* An optional integer from `least` to `most`. Without it, *value keeps its default. */
bool control_param_unsigned(const json_t *params, const char *key, size_t least, size_t most,
			    size_t *value, struct control_reply *reply);

/* The longest time to confirm of config.apply: a day, in seconds. */
#define CONTROL_CONFIRM_MOST 86400

/* Items in one answer. */
#define CONTROL_PAGE_MOST    500
#define CONTROL_PAGE_DEFAULT 100

/* One page of a list: the keys "offset" and "limit". */
struct control_page {
	size_t offset;
	size_t limit;
};

bool control_param_page(const json_t *params, struct control_page *page,
			struct control_reply *reply);

/* How many of `total` items are on the page. */
size_t control_page_count(const struct control_page *page, size_t total);

#endif
