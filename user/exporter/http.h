/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HTTP server: libmicrohttpd without threads, driven by the main loop.
 *
 *     GET /               the status page (page.h), which asks for the next two once a second
 *     GET /api/stats      the counters, as `xmcastctl -j stats show` prints them
 *     GET /api/events     the latest events; ?after=N: those after the one with this id
 *     GET /metrics        the counters for Prometheus
 *     GET /-/healthy      200: this process runs
 *     GET /-/ready        200: the daemon relays
 *
 * What needs the daemon (scrape.h) is answered with 503 and the reason if the daemon does not
 * answer. A connection serves one request. connections.h decides how long it may take and which one
 * goes if there are too many; the library refuses what is too long (413, 414, 431). Requests within
 * a second of each other get the same text, so that no number of clients makes the daemon work more
 * than that; it is served for longer if it took longer to make. Main thread.
 */
#ifndef XMCAST_EXPORTER_HTTP_H
#define XMCAST_EXPORTER_HTTP_H

#include <stdbool.h>

struct credentials;
struct http;

/* All of it stays the caller's, and must outlive the server. */
struct http_options {
	int listen_fd;	     /* a listening socket of any family */
	bool local;	     /* it has a loopback address: accept only requests for such a host */
	const char *socket;  /* the daemon's control socket */
	const char *cluster; /* that of xmcast-cluster, which need not run */
	int signal_fd;	     /* a wait for the daemon ends as soon as this is readable */
	const char *certificate; /* PEM texts: serve TLS; NULL: plain */
	const char *key;
	const struct credentials *credentials; /* NULL: everybody may ask */
};

/* 0; -EKEYREJECTED: the library refuses certificate or key, and has logged why (http-library);
 * -errno. */
int http_open(struct http **out, const struct http_options *options);
void http_close(struct http *http); /* accepts NULL */

/* Ask the daemon once, so that the log shows from the start whether it answers. */
void http_probe(struct http *http);

/* Readable when http_run() has something to do. The second one is -1 while there is no connection
 * to the daemon. */
int http_fd(const struct http *http);
int http_events_fd(const struct http *http);

/* Milliseconds after which http_run() has something to do anyway; -1: it has not. */
int http_wait(const struct http *http);

/* Serve what is ready. Waits for the daemon if a text has to be made. 0 or -EIO: the library has
 * failed. */
int http_run(struct http *http);

#endif
