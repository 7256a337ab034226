/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exporter's own process: one thread, one HTTP server (libmicrohttpd) without threads, one
 * connection to the daemon. It logs nothing: its exit status says why it ended, and the daemon
 * tells.
 */
#include "daemon/exporter.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sandbox.h"
#include "control/client.h"
#include "daemon/exporter_process.h"
#include "telemetry/metrics.h"

/* Scrapers: two Prometheus servers, a person, and some to spare. */
#define CONNECTIONS 8

/* Memory of a connection: request line and headers, twice what Prometheus sends. What is longer is
 * answered with 413, 414 or 431 by the library. */
#define REQUEST_MEMORY 8192

/* A connection is for one request, and ends after this time, whatever it has sent by then: as long
 * as Prometheus waits for a scrape unless told otherwise. */
#define DEADLINE_MS 10000

/* Who asks within this time after another gets the same text: rates are made once a second, too,
 * and the daemon is asked no more often than that, however many ask us. */
#define FRESH_MS 1000

/* What a page of `stats.show` may hold. */
#define PAGE 500

/* Where rules change between two pages, one of them may be on neither: so often, and for no longer,
 * the pages are gone through again for those that are missing. Rules may change all the time. */
#define ATTEMPTS    3
#define PATIENCE_MS 3000

/* Descriptors: 5 of ours, the connections, what NSS opens for a moment. */
#define DESCRIPTORS 64

#define FORMATS	    2

struct connection {
	int fd; /* -1: free */
	int64_t deadline;
};

struct process {
	struct MHD_Daemon *http;
	struct control_client *client;
	int epoll_fd;
	bool failed; /* the daemon did not answer: no use in going on */
	bool closed; /* a connection was, in this run of the library */
	struct connection connections[CONNECTIONS];
	struct MHD_Response *texts[FORMATS]; /* by format; NULL: none */
	int64_t made[FORMATS];
};

const char *exporter_exit_reason(int status)
{
	static const char *const reasons[EXPORTER_EXITS] = {
		[EXPORTER_DONE] = "its connection was closed",
		[EXPORTER_MISUSED] = "it was not started by a daemon",
		[EXPORTER_RIGHTS] = "it could not give up its rights",
		[EXPORTER_HTTP] = "the HTTP server did not start",
		[EXPORTER_CONTROL] = "the daemon did not answer it",
	};

	return status >= 0 && status < EXPORTER_EXITS ? reasons[status] : "it ended by itself";
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_ns() / 1000000);
}

/* ---- rights ---- */

static bool limit(int resource, rlim_t most)
{
	const struct rlimit value = {most, most};

	return setrlimit(resource, &value) == 0;
}

/* The user nobody, without groups and capabilities; who is not root stays who he is. */
static bool change_user(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	int uid = nobody ? (int)nobody->pw_uid : 65534;
	int gid = nobody ? (int)nobody->pw_gid : 65534;

	capng_clear(CAPNG_SELECT_ALL);
	if (geteuid() != 0)
		return capng_apply(CAPNG_SELECT_CAPS) == 0 &&
		       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
	return capng_change_id(uid, gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0 &&
	       getuid() != 0 && geteuid() != 0 && setuid(0) != 0;
}

static bool give_up_rights(void)
{
	/* Who asks all of us to stop asks the daemon, and with it we end. */
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !change_user())
		return false;
	/* Changing the user has taken these two back. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return false;
	prctl(PR_SET_NAME, EXPORTER_NAME, 0, 0, 0);
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, DESCRIPTORS) && limit(RLIMIT_NPROC, 0);
}

/* When all is open. What libraries read at their first use is read before: the seed of JSON
 * objects' hashes, the time zone (gmtime(3), for the header Date). */
static bool confine(bool filter)
{
	tzset();
	json_object_seed(0);
	return !filter || (sandbox_start(true) == 0 && sandbox_enter(SANDBOX_EXPORTER) == 0);
}

/* ---- asking the daemon ---- */

/* One answer, or NULL; then nobody can tell what comes next on the connection, and it is over. */
static json_t *ask(struct process *process, const char *method, json_t *params)
{
	json_t *answer = NULL;
	int err = control_client_call(process->client, method, params, &answer);

	json_decref(params);
	if (err == 0)
		return answer;
	json_decref(answer);
	process->failed = true;
	return NULL;
}

static json_t *ask_page(struct process *process, size_t offset)
{
	return ask(process, "stats.show",
		   json_pack("{s:I, s:i}", "offset", (json_int_t)offset, "limit", PAGE));
}

static json_int_t integer_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

enum outcome { COMPLETE, CHANGED, FAILED };

/* All pages once; CHANGED: they are not of the same rules. */
static enum outcome add_pages(struct process *process, struct metrics *metrics, bool first)
{
	enum outcome outcome = COMPLETE;
	json_int_t generation = 0;
	size_t offset = 0;
	size_t total = 0;
	size_t rules;

	do {
		json_t *page = ask_page(process, offset);

		if (!page)
			return FAILED;
		if (first && offset == 0)
			metrics_add_machine(metrics, page);
		if (offset && generation != integer_of(page, "generation"))
			outcome = CHANGED;
		generation = integer_of(page, "generation");
		total = (size_t)integer_of(page, "total");
		rules = json_array_size(json_object_get(page, "rules"));
		metrics_add_rules(metrics, page);
		json_decref(page);
		offset += rules;
	} while (rules && offset < total);
	return outcome;
}

/* The text, malloc()ed, or NULL. */
static char *make_text(struct process *process, enum metrics_format format, size_t *length)
{
	struct metrics *metrics = metrics_new(format);
	json_t *version = metrics ? ask(process, "version", NULL) : NULL;
	enum outcome outcome = version ? CHANGED : FAILED;
	int64_t until = now_ms() + PATIENCE_MS;
	char *text = NULL;

	for (unsigned int i = 0; i < ATTEMPTS && outcome == CHANGED; i++) {
		outcome = add_pages(process, metrics, i == 0);
		if (now_ms() >= until)
			break;
	}
	if (outcome != FAILED) {
		metrics_add_version(metrics, version);
		text = metrics_text(metrics, length);
	}
	json_decref(version);
	metrics_free(metrics);
	return text;
}

/* ---- HTTP ---- */

static struct MHD_Response *response(const char *text, const char *type)
{
	struct MHD_Response *made =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);

	if (made)
		MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (made)
		MHD_add_response_header(made, MHD_HTTP_HEADER_CONNECTION, "close");
	return made;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text)
{
	struct MHD_Response *made = response(text, "text/plain; charset=utf-8");
	enum MHD_Result result;

	if (made && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(made, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = made ? MHD_queue_response(connection, status, made) : MHD_NO;
	MHD_destroy_response(made);
	return result;
}

static struct MHD_Response *metrics_response(struct process *process, enum metrics_format format)
{
	struct MHD_Response *made = NULL;
	size_t length = 0;
	char *text = make_text(process, format, &length);

	if (text)
		made = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	if (text && !made)
		free(text);
	if (!made)
		return NULL;
	MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE,
				format == METRICS_OPENMETRICS ? METRICS_OPENMETRICS_TYPE
							      : METRICS_PLAIN_TYPE);
	MHD_add_response_header(made, MHD_HTTP_HEADER_CONNECTION, "close");
	return made;
}

static void forget(struct process *process, enum metrics_format format)
{
	if (process->texts[format])
		MHD_destroy_response(process->texts[format]);
	process->texts[format] = NULL;
}

static enum MHD_Result answer_metrics(struct process *process, struct MHD_Connection *connection)
{
	const char *accept =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	enum metrics_format format = accept && strstr(accept, "application/openmetrics-text")
					     ? METRICS_OPENMETRICS
					     : METRICS_PLAIN;

	if (process->texts[format] && now_ms() - process->made[format] >= FRESH_MS)
		forget(process, format);
	if (!process->texts[format]) {
		process->texts[format] = metrics_response(process, format);
		process->made[format] = now_ms();
	}
	if (!process->texts[format])
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "The daemon does not answer.\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, process->texts[format]);
}

/* Answered as soon as its headers are there: a body is neither expected nor read. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_size, void **request)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only.\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(context, connection);
	if (strcmp(url, "/") == 0)
		return answer_text(connection, MHD_HTTP_OK,
				   "xmcast: the metrics are at /metrics\n");
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "Not found: try /metrics\n");
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct process *process = context;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	process->closed = process->closed || code == MHD_CONNECTION_NOTIFY_CLOSED;
	for (unsigned int i = 0; i < CONNECTIONS && info; i++) {
		struct connection *slot = &process->connections[i];

		if (slot->fd != (code == MHD_CONNECTION_NOTIFY_STARTED ? -1 : info->connect_fd))
			continue;
		slot->fd = code == MHD_CONNECTION_NOTIFY_STARTED ? info->connect_fd : -1;
		slot->deadline = now_ms() + DEADLINE_MS;
		return;
	}
}

/* ---- the loop ---- */

/* Ends the connections that are over their time. Milliseconds until the next is, or -1. */
static int64_t end_overdue(struct process *process)
{
	int64_t now = now_ms();
	int64_t next = -1;

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		const struct connection *slot = &process->connections[i];
		int64_t left = slot->deadline - now;

		if (slot->fd < 0)
			continue;
		if (left <= 0)
			shutdown(slot->fd, SHUT_RDWR); /* the library notices, and closes it */
		else if (next < 0 || left < next)
			next = left;
	}
	return next;
}

/* Milliseconds until there is something to do though nobody comes; -1: nothing. */
static int wait_time(struct process *process)
{
	int64_t wait = end_overdue(process);
	MHD_UNSIGNED_LONG_LONG http;

	if (MHD_get_timeout(process->http, &http) == MHD_YES &&
	    (wait < 0 || http < (MHD_UNSIGNED_LONG_LONG)wait))
		wait = (int64_t)http;
	/* A text that has aged is given up then, so that it does not lie in memory for nothing. */
	for (unsigned int i = 0; i < FORMATS; i++) {
		if (process->texts[i] && (wait < 0 || wait > FRESH_MS))
			wait = FRESH_MS;
	}
	return (int)wait;
}

/* Once more after a connection was closed: with all places taken the library does not watch its
 * listening socket, and begins to do so again only at the start of a run. False: it has failed. */
static bool run_http(struct process *process)
{
	do {
		process->closed = false;
		if (MHD_run(process->http) != MHD_YES)
			return false;
	} while (process->closed);
	return true;
}

static enum exporter_exit loop(struct process *process)
{
	struct epoll_event events[2];

	for (;;) {
		int count = epoll_wait(process->epoll_fd, events, 2, wait_time(process));

		if (count < 0 && errno != EINTR)
			return EXPORTER_HTTP;
		for (int i = 0; i < count; i++) {
			/* The daemon speaks only when spoken to: it has gone. */
			if (events[i].data.fd == EXPORTER_CONTROL_FD)
				return EXPORTER_DONE;
		}
		if (!run_http(process))
			return EXPORTER_HTTP;
		for (unsigned int i = 0; i < FORMATS; i++) {
			if (now_ms() - process->made[i] >= FRESH_MS)
				forget(process, i);
		}
		if (process->failed)
			return EXPORTER_CONTROL;
	}
}

static bool watch(struct process *process, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(process->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_http(struct process *process)
{
	const union MHD_DaemonInfo *info;

	process->http = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, process, MHD_OPTION_LISTEN_SOCKET,
		EXPORTER_LISTEN_FD, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)(DEADLINE_MS / 1000),
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		process, MHD_OPTION_END);
	info = process->http ? MHD_get_daemon_info(process->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	return info && watch(process, info->epoll_fd);
}

int exporter_main(bool filter)
{
	static struct process process;

	for (unsigned int i = 0; i < CONNECTIONS; i++)
		process.connections[i].fd = -1;
	if (!give_up_rights())
		return EXPORTER_RIGHTS;
	process.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (process.epoll_fd < 0 || !watch(&process, EXPORTER_CONTROL_FD) ||
	    control_client_adopt(&process.client, EXPORTER_CONTROL_FD))
		return EXPORTER_MISUSED;
	control_client_timeout(process.client, CONTROL_TIMEOUT_MS);
	if (!open_http(&process))
		return EXPORTER_HTTP;
	if (!confine(filter))
		return EXPORTER_RIGHTS;
	return loop(&process);
}
