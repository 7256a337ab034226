/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a method of the control protocol is: its name, who may call it, what it takes, and how it
 * answers. The server (server.h) calls; what the methods do is the daemon's. Main thread.
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

/* Error codes: those of JSON-RPC 2.0, then our own. docs/control-protocol.md says when. */
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
};

/* What a client may do, and what a method takes. */
enum control_access { CONTROL_READ, CONTROL_CHANGE };

/* An answer in the making; starts zeroed. One of `result` and `code` is set; neither: no memory. */
struct control_reply {
	json_t *result; /* the method's new reference, handed over */
	int code;
	char message[256]; /* of the error: for people, one line */
	json_t *data;	   /* of the error, or NULL; a new reference, handed over */
	bool monitor;	   /* from now on the client gets what control_server_publish() is given */
};

/* The answer is this error. `format` gives its message, which is cut where it is too long. */
void control_fail(struct control_reply *reply, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One method; a list of them ends with a NULL name. */
struct control_method {
	const char *name;
	enum control_access access;
	const char *const *keys; /* that params may have, NULL-ended; NULL: none */
	/* `params` is an object with no other keys, or NULL. */
	void (*call)(void *context, const json_t *params, struct control_reply *reply);
};

/*
 * Parameters. Each says on failure what was expected (RPC_INVALID_PARAMS); then the method returns.
 * What they return belongs to `params`.
 */

/* A string that must be there and is not empty. NULL: failed. */
const char *control_param_string(const json_t *params, const char *key,
				 struct control_reply *reply);

/* An array of 1 to `most` strings that must be there, none empty. NULL: failed. */
const json_t *control_param_strings(const json_t *params, const char *key, size_t most,
				    struct control_reply *reply);

/* An array of 1 to `most` objects that must be there. NULL: failed. */
const json_t *control_param_objects(const json_t *params, const char *key, size_t most,
				    struct control_reply *reply);

/* An integer from `least` to `most`. Leaves *value, the default, as it is if there is none. */
bool control_param_unsigned(const json_t *params, const char *key, size_t least, size_t most,
			    size_t *value, struct control_reply *reply);

/* Items in one answer. */
#define CONTROL_PAGE_MOST    500
#define CONTROL_PAGE_DEFAULT 100

/* A part of a list: the keys "offset" and "limit". */
struct control_page {
	size_t offset;
	size_t limit;
};

bool control_param_page(const json_t *params, struct control_page *page,
			struct control_reply *reply);

/* How many of `total` items are on that page. */
size_t control_page_count(const struct control_page *page, size_t total);

#endif
