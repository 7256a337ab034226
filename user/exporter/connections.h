/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of HTTP clients: which of them is closed, and when, so that clients that say
 * nothing, say half of a request or do not read their answer cannot keep others out.
 *
 *     free ──add──▶ reading ──complete──▶ answering ──remove──▶ free
 *                      └── deadline passed, or room is needed ──▶ ended ──remove──▶ free
 *
 * Pure: times are the caller's, in milliseconds of any monotonic clock. One thread.
 */
#ifndef XMCAST_EXPORTER_CONNECTIONS_H
#define XMCAST_EXPORTER_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Connections that are kept. Scrapers are few: two Prometheus servers, and people. */
#define CONNECTIONS_KEPT 48

/* Including those that have been ended, and that the HTTP library has still to close: it accepts up
 * to ten connections before it looks at any of them. */
#define CONNECTIONS_MAX 64

/* Time for the whole request line and all headers. A scraper sends them at once. With TLS, its
 * handshake is included: slow machines need seconds for it. */
#define REQUEST_MS     2000
#define TLS_REQUEST_MS 10000

/* Time to read the answer: the default scrape_timeout of Prometheus. */
#define ANSWER_MS 10000

enum connection_state {
	CONNECTION_FREE,
	CONNECTION_READING,   /* the request is incomplete */
	CONNECTION_ANSWERING, /* the request is complete */
	CONNECTION_ENDED,     /* shut down by us, but not yet closed */
};

struct connection {
	enum connection_state state;
	int fd;
	int64_t deadline_ms;
};

/* All zero: none is open, without TLS. */
struct connections {
	bool tls;
	struct connection list[CONNECTIONS_MAX];
};

/*
 * A client has connected. NULL if all CONNECTIONS_MAX are in use. If more than CONNECTIONS_KEPT are
 * now open, *evicted is set to the descriptor of the one to be shut down, which is marked as ended:
 * the oldest of those whose request is incomplete or, if there is none, of the others, but not the
 * new one. Otherwise *evicted is -1.
 */
struct connection *connections_add(struct connections *connections, int fd, int64_t now_ms,
				   int *evicted);

/* Its request is complete: from now on it has ANSWER_MS. */
void connection_complete(struct connection *connection, int64_t now_ms);

/* It has been closed. */
void connection_remove(struct connection *connection);

/* The descriptor of a connection whose deadline has passed, which is marked as ended and to be shut
 * down; -1: there is none (any more). */
int connections_expire(struct connections *connections, int64_t now_ms);

/* The descriptor of a connection whose client reads its answer, which is marked as ended and to be
 * shut down; -1: there is none (any more). */
int connections_end_answering(struct connections *connections);

/* Milliseconds until the next deadline, 0 if it has passed, -1 if there is none. */
int64_t connections_wait(const struct connections *connections, int64_t now_ms);

#endif
