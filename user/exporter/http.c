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
#include "exporter/cluster.h"
#include "exporter/connections.h"
#include "exporter/credentials.h"
#include "exporter/events.h"
#include "exporter/page.h"
#include "exporter/scrape.h"

/* Memory of a connection: request line and headers, twice what Prometheus sends. */
#define REQUEST_MEMORY 8192

/* Bytes of texts that clients are still reading, above which no further one is made: several of the
 * largest. */
#define HELD_MOST (64u << 20)

/* For how long a text is served at least. The daemon computes rates once a second as well. */
#define TEXT_MS	   1000

#define PLAIN_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE  "application/json; charset=utf-8"

enum answer_kind {
	ANSWER_PLAIN,
	ANSWER_OPENMETRICS,
	ANSWER_STATS,
	ANSWER_READY,
	ANSWER_CLUSTER,
	ANSWERS
};

/* An answer that the daemon was needed for. */
struct answer {
	struct MHD_Response *response; /* NULL: none */
	unsigned int status;
	int64_t until_ms;
};

/* Runs of the library in one turn, while connections are closed. */
#define MOST_PASSES 4

struct http {
	struct MHD_Daemon *library;
	struct http_options options;
	bool closed;   /* a connection was, in this run of the library */
	int reachable; /* the daemon, when last asked; -1: it was not asked yet */
	struct events *events;
	struct connections connections;
	struct answer answers[ANSWERS];
	size_t held;		 /* bytes of all texts that are not freed yet */
	uint64_t closed_clients; /* shut down by us, so far */
};

/* A text that the library frees once nobody reads it any more. */
struct held_text {
	struct http *http;
	char *text;
	size_t length;
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
		log_warning("daemon-unreachable", LOG_TEXT("socket", http->options.socket),
			    LOG_ERROR(err),
			    LOG_TEXT("hint", err == -EACCES ? "run xmcast-exporter in the group of "
							      "the socket: see control.group"
							    : "is xmcastd running, with this "
							      "--socket?"));
	else if (!err && http->reachable != 1)
		log_info("daemon-reachable", LOG_TEXT("socket", http->options.socket));
	http->reachable = !err;
}

/* ---- answers ---- */

/* What a browser may do with any answer: nothing but show it, or load it for our own page. */
static const char *const safe_headers[][2] = {
	{MHD_HTTP_HEADER_CONNECTION, "close"},	  {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
	{"Content-Security-Policy", PAGE_POLICY}, {"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},	  {"X-Content-Type-Options", "nosniff"},
};

static struct MHD_Response *add_headers(struct MHD_Response *response, const char *type)
{
	if (!response)
		return NULL;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (size_t i = 0; i < sizeof(safe_headers) / sizeof(safe_headers[0]); i++)
		MHD_add_response_header(response, safe_headers[i][0], safe_headers[i][1]);
	return response;
}

/* A response of a constant text; NULL without memory. */
static struct MHD_Response *make_constant(const char *text, size_t length, const char *type)
{
	return add_headers(
		MHD_create_response_from_buffer(length, (char *)text, MHD_RESPMEM_PERSISTENT),
		type);
}

static void free_held(void *context)
{
	struct held_text *held = context;

	held->http->held -= held->length;
	free(held->text);
	free(held);
}

/* The same of a text that it frees, in any case. */
static struct MHD_Response *make_response(struct http *http, char *text, size_t length,
					  const char *type)
{
	struct held_text *held = malloc(sizeof(*held));
	struct MHD_Response *response;

	if (!held) {
		free(text);
		return NULL;
	}
	*held = (struct held_text){http, text, length};
	http->held += length;
	response = MHD_create_response_from_buffer_with_free_callback_cls(length, text, free_held,
									  held);
	if (!response)
		free_held(held);
	return add_headers(response, type);
}

static void forget(struct answer *answer)
{
	if (answer->response)
		MHD_destroy_response(answer->response);
	answer->response = NULL;
}

static int scrape(struct http *http, enum answer_kind kind, char **text, size_t *length)
{
	const char *socket = http->options.socket, *cluster = http->options.cluster;
	int signal_fd = http->options.signal_fd;
	uint64_t closed = http->closed_clients;

	switch (kind) {
	case ANSWER_PLAIN:
		return scrape_metrics(socket, cluster, signal_fd, METRICS_PLAIN, closed, text,
				      length);
	case ANSWER_OPENMETRICS:
		return scrape_metrics(socket, cluster, signal_fd, METRICS_OPENMETRICS, closed, text,
				      length);
	case ANSWER_STATS:
		return scrape_stats(socket, signal_fd, text, length);
	case ANSWER_CLUSTER:
		return cluster_text(cluster, signal_fd, text, length);
	default:
		return scrape_ready(socket, signal_fd, text, length);
	}
}

/* That the daemon does not answer is kept for as long as an answer, so that clients do not wait for
 * a stuck daemon one after the other. */
static void make_text(struct http *http, enum answer_kind kind)
{
	static const char *const types[ANSWERS] = {METRICS_PLAIN_TYPE, METRICS_OPENMETRICS_TYPE,
						   JSON_TYPE, PLAIN_TYPE, JSON_TYPE};
	struct answer *made = &http->answers[kind];
	const char *type = types[kind];
	int64_t began = now_ms();
	int64_t ended;
	char *text = NULL;
	size_t length = 0;
	int err = scrape(http, kind, &text, &length);

	/* The answer about the cluster says nothing about the daemon. */
	if (kind != ANSWER_CLUSTER)
		note_reachable(http, err == -EIO ? 0 : err);
	if (!err && kind != ANSWER_CLUSTER)
		events_connect(http->events, http->options.socket, http->options.signal_fd);
	made->status = MHD_HTTP_OK;
	if (err) {
		made->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		type = PLAIN_TYPE;
		text = err == -EIO ? text_format("xmcastd answers, but a worker is stuck\n")
				   : text_format("xmcastd does not answer at %s: %s\n",
						 http->options.socket, strerror(-err));
		length = text ? strlen(text) : 0;
	}
	made->response = text ? make_response(http, text, length, type) : NULL;
	ended = now_ms();
	made->until_ms = ended + (ended - began > TEXT_MS ? ended - began : TEXT_MS);
}

/* Answer once with this response, which may be NULL: then the connection is closed. */
static enum MHD_Result answer_once(struct MHD_Connection *connection, unsigned int status,
				   struct MHD_Response *response)
{
	enum MHD_Result result =
		response ? MHD_queue_response(connection, status, response) : MHD_NO;

	if (response)
		MHD_destroy_response(response);
	return result;
}

/* `header` NULL: none. */
static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text, const char *header, const char *value)
{
	struct MHD_Response *response = make_constant(text, strlen(text), PLAIN_TYPE);

	if (response && header)
		MHD_add_response_header(response, header, value);
	return answer_once(connection, status, response);
}

/* The library notices, and closes it. */
static void shut_down(struct http *http, int fd)
{
	shutdown(fd, SHUT_RDWR);
	http->closed_clients++;
}

/* Ask the daemon, unless the last answer of this kind is still served. False: clients that read
 * slowly hold too many old ones. They are closed, and with them the texts go. */
static bool refresh(struct http *http, enum answer_kind kind)
{
	int fd;

	if (now_ms() >= http->answers[kind].until_ms)
		forget(&http->answers[kind]);
	if (http->answers[kind].response)
		return true;
	if (http->held > HELD_MOST) {
		log_warning("slow-clients-closed", LOG_UINT("bytes", http->held));
		while ((fd = connections_end_answering(&http->connections)) >= 0)
			shut_down(http, fd);
		return false;
	}
	make_text(http, kind);
	return true;
}

static enum MHD_Result answer_cached(struct http *http, struct MHD_Connection *connection,
				     enum answer_kind kind)
{
	struct answer *answer = &http->answers[kind];

	if (!refresh(http, kind))
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "Clients that read slowly held too much memory; try again.\n",
				   MHD_HTTP_HEADER_RETRY_AFTER, "1");
	return answer->response ? MHD_queue_response(connection, answer->status, answer->response)
				: MHD_NO;
}

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
	const char *accept = header_of(connection, MHD_HTTP_HEADER_ACCEPT);

	return answer_cached(http, connection,
			     accept && strstr(accept, "application/openmetrics-text")
				     ? ANSWER_OPENMETRICS
				     : ANSWER_PLAIN);
}

static enum MHD_Result answer_events(struct http *http, struct MHD_Connection *connection)
{
	const char *after = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "after");
	size_t digits = after ? strspn(after, "0123456789") : 0;
	size_t length;
	char *text;

	if (after && (!digits || digits > 18 || after[digits]))
		return answer_text(connection, MHD_HTTP_BAD_REQUEST,
				   "after: expected the id of an event\n", NULL, NULL);
	refresh(http, ANSWER_READY); /* connects again if the daemon was restarted */
	if (events_text(http->events, after ? strtoull(after, NULL, 10) : 0, &text, &length))
		return MHD_NO;
	return answer_once(connection, MHD_HTTP_OK, make_response(http, text, length, JSON_TYPE));
}

static enum MHD_Result answer_url(struct http *http, struct MHD_Connection *connection,
				  const char *url)
{
	const struct page_file *file = page_file(url);

	if (file)
		return answer_once(connection, MHD_HTTP_OK,
				   make_constant(file->bytes, file->length, file->type));
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(http, connection);
	if (strcmp(url, "/api/stats") == 0)
		return answer_cached(http, connection, ANSWER_STATS);
	if (strcmp(url, "/api/cluster") == 0)
		return answer_cached(http, connection, ANSWER_CLUSTER);
	if (strcmp(url, "/api/events") == 0)
		return answer_events(http, connection);
	if (strcmp(url, "/-/ready") == 0)
		return answer_cached(http, connection, ANSWER_READY);
	if (strcmp(url, "/-/healthy") == 0)
		return answer_text(connection, MHD_HTTP_OK, "xmcast-exporter runs.\n", NULL, NULL);
	return answer_text(connection, MHD_HTTP_NOT_FOUND,
			   "Not found: try /, /metrics, /api/stats, /api/events, /api/cluster, "
			   "/-/healthy or /-/ready\n",
			   NULL, NULL);
}

static enum MHD_Result answer_request(struct http *http, struct MHD_Connection *connection,
				      const char *url, const char *method)
{
	const struct http_options *options = &http->options;

	if (options->local && !credentials_local_host(header_of(connection, MHD_HTTP_HEADER_HOST)))
		return answer_text(connection, MHD_HTTP_MISDIRECTED_REQUEST,
				   "This server is asked as localhost or by its loopback address. "
				   "A proxy must send such a header Host.\n",
				   NULL, NULL);
	if (options->credentials &&
	    !credentials_match(options->credentials,
			       header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION))) {
		log_warning("client-refused", LOG_TEXT("reason", "no such user or token"));
		return answer_text(connection, MHD_HTTP_UNAUTHORIZED,
				   "A user or token is needed.\n", MHD_HTTP_HEADER_WWW_AUTHENTICATE,
				   "Basic realm=\"xmcast\", charset=\"UTF-8\"");
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only.\n",
				   MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return answer_url(http, connection, url);
}

/* Called when the headers are complete: a body is neither expected nor read. The client's time to
 * read begins when there is something to read. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_size, void **request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *entry = info->socket_context;
	enum MHD_Result result = answer_request(context, connection, url, method);

	connection_complete(entry, now_ms());
	return result;
}

/* ---- connections ---- */

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
		shut_down(http, evicted);
}

/* ---- running ---- */

int http_fd(const struct http *http)
{
	return MHD_get_daemon_info(http->library, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int http_events_fd(const struct http *http)
{
	return events_fd(http->events);
}

int http_wait(const struct http *http)
{
	int64_t now = now_ms();
	int64_t wait = http->closed ? 0 : connections_wait(&http->connections, now);
	MHD_UNSIGNED_LONG_LONG library;

	if (MHD_get_timeout(http->library, &library) == MHD_YES &&
	    (wait < 0 || library < (MHD_UNSIGNED_LONG_LONG)wait))
		wait = (int64_t)library;
	/* An old text is freed, instead of being kept until the next scrape. */
	for (unsigned int i = 0; i < ANSWERS; i++) {
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

	events_run(http->events);
	/* Once more after a connection was closed: at its limit the library does not watch its
	 * listening socket, and resumes that only at the start of a run. But not for ever:
	 * the rest of the work must be done as well. */
	for (int pass = 0; !pass || (http->closed && pass < MOST_PASSES); pass++) {
		http->closed = false;
		if (MHD_run(http->library) != MHD_YES)
			return -EIO;
	}
	/* By the time before: what arrived while we waited for the daemon has not been read yet. */
	while ((fd = connections_expire(&http->connections, began)) >= 0)
		shut_down(http, fd);
	for (unsigned int i = 0; i < ANSWERS; i++) {
		if (now_ms() >= http->answers[i].until_ms)
			forget(&http->answers[i]);
	}
	return 0;
}

void http_probe(struct http *http)
{
	make_text(http, ANSWER_PLAIN);
}

/* What the library says: about a certificate that it does not accept; later on about clients. */
static void log_library(void *context, const char *format, va_list arguments)
{
	const struct http *http = context;
	char *text = text_format_list(format, arguments);

	if (text)
		text[strcspn(text, "\n")] = '\0';
	if (text && http->library)
		log_debug("http-library", LOG_TEXT("reason", text));
	else if (text)
		log_error("http-library", LOG_TEXT("reason", text));
	free(text);
}

int http_open(struct http **out, const struct http_options *options)
{
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL},
	};
	const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return -ENOMEM;
	http->options = *options;
	http->reachable = -1;
	http->connections.tls = options->certificate != NULL;
	http->events = events_new();
	if (options->certificate)
		flags |= MHD_USE_TLS;
	if (http->events)
		http->library = MHD_start_daemon(
			flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
			log_library, http, MHD_OPTION_LISTEN_SOCKET, options->listen_fd,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY,
			MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
			on_connection, http, MHD_OPTION_ARRAY, options->certificate ? tls : none,
			MHD_OPTION_END);
	if (!http->library) {
		events_free(http->events);
		free(http);
		return options->certificate ? -EKEYREJECTED : -EIO;
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
	for (unsigned int i = 0; i < ANSWERS; i++)
		forget(&http->answers[i]);
	events_free(http->events);
	free(http);
}
