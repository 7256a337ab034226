/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "exporter/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "exporter/connections.h"
#include "exporter/scrape.h"

/* Memory of a connection: request line and headers, twice what Prometheus sends. */
#define REQUEST_MEMORY 8192

/* For how long a text is served. The daemon computes rates once a second as well. */
#define TEXT_MS	   1000

#define FORMATS	   2

#define PLAIN_TYPE "text/plain; charset=utf-8"

/* The answer to /metrics in one format. */
struct answer {
	struct MHD_Response *response; /* NULL: none */
	unsigned int status;
	int64_t until_ms;
};

struct http {
	struct MHD_Daemon *library;
	const char *socket;
	int signal_fd;
	bool closed;   /* a connection was, in this run of the library */
	int reachable; /* the daemon, when last asked; -1: it was not asked yet */
	struct connections connections;
	struct answer answers[FORMATS];
};

static int64_t now_ms(void)
{
	return (int64_t)(clock_ns() / NS_PER_MS);
}

/* ---- the daemon ---- */

/* Log the first failure and the first success after it, not each scrape. A scrape that SIGTERM
 * interrupts says nothing about the daemon. */
static void note_reachable(struct http *http, int err)
{
	if (err == -EINTR)
		return;
	if (err && http->reachable)
		log_warning("daemon-unreachable", LOG_TEXT("socket", http->socket), LOG_ERROR(err),
			    LOG_TEXT("hint", err == -EACCES ? "run xmcast-exporter in the group of "
							      "the socket: see control.group"
							    : "is xmcastd running, with this "
							      "--socket?"));
	else if (!err && http->reachable != 1)
		log_info("daemon-reachable", LOG_TEXT("socket", http->socket));
	http->reachable = !err;
}

/* ---- answers ---- */

/* A response of this malloc()ed text, which it frees; NULL without memory. */
static struct MHD_Response *make_response(char *text, size_t length, const char *type)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);

	if (!response) {
		free(text);
		return NULL;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	return response;
}

static void forget(struct answer *answer)
{
	if (answer->response)
		MHD_destroy_response(answer->response);
	answer->response = NULL;
}

/* That the daemon does not answer is kept for as long as an answer, so that clients do not wait for
 * a stuck daemon one after the other. */
static void make_text(struct http *http, enum metrics_format format)
{
	struct answer *made = &http->answers[format];
	const char *type =
		format == METRICS_OPENMETRICS ? METRICS_OPENMETRICS_TYPE : METRICS_PLAIN_TYPE;
	char *text = NULL;
	size_t length = 0;
	int err = scrape(http->socket, http->signal_fd, format, &text, &length);

	note_reachable(http, err);
	made->status = MHD_HTTP_OK;
	if (err) {
		made->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		type = PLAIN_TYPE;
		text = text_format("xmcastd does not answer at %s: %s\n", http->socket,
				   strerror(-err));
		length = text ? strlen(text) : 0;
	}
	made->response = text ? make_response(text, length, type) : NULL;
	made->until_ms = now_ms() + TEXT_MS;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text)
{
	char *copy = strdup(text);
	struct MHD_Response *response = copy ? make_response(copy, strlen(copy), PLAIN_TYPE) : NULL;
	enum MHD_Result result;

	if (!response)
		return MHD_NO; /* closes the connection */
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	const char *accept =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	enum metrics_format format = accept && strstr(accept, "application/openmetrics-text")
					     ? METRICS_OPENMETRICS
					     : METRICS_PLAIN;
	struct answer *answer = &http->answers[format];

	if (now_ms() >= answer->until_ms)
		forget(answer);
	if (!answer->response)
		make_text(http, format);
	return answer->response ? MHD_queue_response(connection, answer->status, answer->response)
				: MHD_NO;
}

/* Called when the headers are complete: a body is neither expected nor read. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_size, void **request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http *http = context;

	connection_complete(info->socket_context, now_ms());
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only.\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(http, connection);
	if (strcmp(url, "/") == 0)
		return answer_text(connection, MHD_HTTP_OK,
				   "xmcast: the metrics are at /metrics\n");
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "Not found: try /metrics\n");
}

/* ---- connections ---- */

/* The library notices, and closes it. */
static void shut_down(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http *http = context;
	int evicted;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		http->closed = true;
		connection_remove(*socket_context);
		return;
	}
	/* Never NULL: the library has the same limit. */
	*socket_context = connections_add(&http->connections, info->connect_fd, now_ms(), &evicted);
	if (evicted >= 0)
		shut_down(evicted);
}

/* ---- running ---- */

int http_fd(const struct http *http)
{
	return MHD_get_daemon_info(http->library, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int http_wait(const struct http *http)
{
	int64_t now = now_ms();
	int64_t wait = connections_wait(&http->connections, now);
	MHD_UNSIGNED_LONG_LONG library;

	if (MHD_get_timeout(http->library, &library) == MHD_YES &&
	    (wait < 0 || library < (MHD_UNSIGNED_LONG_LONG)wait))
		wait = (int64_t)library;
	/* An old text is freed, instead of being kept until the next scrape. */
	for (unsigned int i = 0; i < FORMATS; i++) {
		int64_t left = http->answers[i].until_ms - now;

		if (http->answers[i].response && (wait < 0 || left < wait))
			wait = left > 0 ? left : 0;
	}
	return (int)wait;
}

int http_run(struct http *http)
{
	int64_t began = now_ms();
	int fd;

	/* Once more after a connection was closed: at its limit the library does not watch its
	 * listening socket, and resumes that only at the start of a run. */
	do {
		http->closed = false;
		if (MHD_run(http->library) != MHD_YES)
			return -EIO;
	} while (http->closed);
	/* By the time before: what arrived while we waited for the daemon has not been read yet. */
	while ((fd = connections_expire(&http->connections, began)) >= 0)
		shut_down(fd);
	for (unsigned int i = 0; i < FORMATS; i++) {
		if (now_ms() >= http->answers[i].until_ms)
			forget(&http->answers[i]);
	}
	return 0;
}

void http_probe(struct http *http)
{
	make_text(http, METRICS_PLAIN);
}

int http_open(struct http **out, int listen_fd, const char *socket, int signal_fd)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return -ENOMEM;
	http->socket = socket;
	http->signal_fd = signal_fd;
	http->reachable = -1;
	http->library =
		MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http,
				 MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
				 (unsigned int)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				 (size_t)REQUEST_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				 MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
	if (!http->library) {
		free(http);
		return -EIO;
	}
	*out = http;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	MHD_quiesce_daemon(http->library); /* which would close the listening socket otherwise */
	MHD_stop_daemon(http->library);
	for (unsigned int i = 0; i < FORMATS; i++)
		forget(&http->answers[i]);
	free(http);
}
