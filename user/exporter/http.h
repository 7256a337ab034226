/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HTTP server: libmicrohttpd without threads, driven by the main loop.
 *
 *     GET /metrics    what scrape.h reads from the daemon; 503 and the reason if it does not answer
 *     GET /           where the metrics are
 *
 * A connection serves one request. connections.h decides how long it may take and which one goes if
 * there are too many; the library refuses what is too long (413, 414, 431). Scrapes within a second
 * of each other get the same text, so that no number of clients makes the daemon work more than
 * that. Main thread.
 */
#ifndef XMCAST_EXPORTER_HTTP_H
#define XMCAST_EXPORTER_HTTP_H

#include <stdbool.h>

struct http;

/*
 * Serve the metrics of the daemon at the control socket `socket`. `listen_fd` is a listening socket
 * of any family. Both stay the caller's, and must outlive the server. A wait for the daemon ends as
 * soon as `signal_fd` is readable. 0 or -errno.
 */
int http_open(struct http **out, int listen_fd, const char *socket, int signal_fd);
void http_close(struct http *http); /* accepts NULL */

/* Ask the daemon once, so that the log shows from the start whether it answers. */
void http_probe(struct http *http);

/* Readable (epoll) when http_run() has something to do. */
int http_fd(const struct http *http);

/* Milliseconds after which http_run() has something to do anyway; -1: it has not. */
int http_wait(const struct http *http);

/* Serve what is ready. Waits for the daemon if a text has to be made. 0 or -EIO: the library has
 * failed. */
int http_run(struct http *http);

#endif
