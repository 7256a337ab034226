/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* The watch begins again at the next endpoint, but not sooner than this after it began. */
#define WATCH_RETRY (200 * NS_PER_MS)

/* An endpoint that could not be connected to is left out for this time, unless all were. */
#define SHUN (2 * NS_PER_SECOND)

/* What one request is doing. */
struct call {
	CURL *easy;
	struct store *store;
	struct curl_slist *headers;
	char *body;
	struct text answer;
	unsigned int endpoint;
	bool busy;
};

enum watch_state { WATCH_OFF, WATCH_LOGIN, WATCH_READING, WATCH_ON };

struct store {
	struct store_settings settings;
	struct store_listener listener;
	CURLM *multi;
	struct call txn, watch;
	uint64_t shunned[STORE_ENDPOINTS]; /* until then */
	bool login;			   /* what `txn` does */
	bool failed; /* the transaction could not even be sent: to be reported by store_run() */
	enum watch_state watching;
	uint64_t watch_at; /* when to begin it again */
	int64_t shown;	   /* the highest revision of a key that it has shown */
	int64_t awaited;   /* that of a transaction of ours, which it has to show; 0: none */
	uint64_t awaited_at;
	uint64_t now;
	char token[ETCD_TOKEN_SIZE];
	struct store_status status;
	char error[ETCD_WORDS_SIZE + 256];
};

/* ---- one request ---- */

static void watch_lines(struct store *store);

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
	struct call *call = context;

	if (call->answer.length + count > ETCD_ANSWER_MAX)
		return 0; /* an error of the transfer */
	text_add_bytes(&call->answer, bytes, count);
	if (call->answer.failed)
		return 0;
	if (call == &call->store->watch && call->store->watching == WATCH_ON)
		watch_lines(call->store);
	return count;
}

static void set_path(CURL *easy, CURLoption option, const char *path)
{
	if (*path)
		curl_easy_setopt(easy, option, path);
}

static int call_open(struct call *call, struct store *store)
{
	const struct store_settings *settings = &store->settings;

	call->store = store;
	call->easy = curl_easy_init();
	if (!call->easy)
		return -ENOMEM;
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(call->easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	set_path(call->easy, CURLOPT_CAINFO, settings->ca);
	set_path(call->easy, CURLOPT_SSLCERT, settings->certificate);
	set_path(call->easy, CURLOPT_SSLKEY, settings->key);
	return 0;
}

static void call_end(struct call *call)
{
	if (call->busy)
		curl_multi_remove_handle(call->store->multi, call->easy);
	call->busy = false;
	curl_slist_free_all(call->headers);
	call->headers = NULL;
	if (call->body)
		explicit_bzero(call->body, strlen(call->body)); /* it may be a login */
	free(call->body);
	call->body = NULL;
	text_free(&call->answer);
}

static void call_close(struct call *call)
{
	if (!call->easy)
		return;
	call_end(call);
	curl_easy_cleanup(call->easy);
}

/* Takes the body. `milliseconds` 0: without a limit. */
static bool call_start(struct call *call, const char *path, char *body, long milliseconds)
{
	struct store *store = call->store;
	char url[300], header[ETCD_TOKEN_SIZE + 32];

	call_end(call);
	call->body = body;
	snprintf(header, sizeof(header), "Authorization: %s", store->token);
	call->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (*store->token && call->headers)
		call->headers = curl_slist_append(call->headers, header);
	if (!body || !call->headers)
		return false;
	snprintf(url, sizeof(url), "%s%s", store->settings.endpoints[call->endpoint], path);
	curl_easy_setopt(call->easy, CURLOPT_URL, url);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, milliseconds);
	curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(store->settings.timeout / NS_PER_MS));
	call->busy = curl_multi_add_handle(store->multi, call->easy) == CURLM_OK;
	return call->busy;
}

/* A host that is gone does not refuse a connection, it says nothing. */
static void shun(struct store *store, const struct call *call, CURLcode code)
{
	curl_off_t connected = 0;

	curl_easy_getinfo(call->easy, CURLINFO_CONNECT_TIME_T, &connected);
	if (code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && !connected))
		store->shunned[call->endpoint] = store->now + SHUN;
}

static void next_endpoint(struct call *call)
{
	const struct store *store = call->store;
	unsigned int count = store->settings.nr_endpoints, i = 1;

	if (count < 2)
		return; /* there is no other one */
	while (i < count && store->shunned[(call->endpoint + i) % count] > store->now)
		i++;
	/* The last one that is tried is itself. */
	if (i == count && store->shunned[call->endpoint] > store->now)
		i = 1;
	call->endpoint = (call->endpoint + i) % count;
}

static void note_error(struct store *store, const struct call *call, const char *words)
{
	snprintf(store->error, sizeof(store->error), "%s: %s",
		 store->settings.endpoints[call->endpoint], words);
}

/* Whether etcd wants to know who we are, and we have not said it yet. */
static bool needs_login(const struct store *store)
{
	return *store->settings.user && !*store->token;
}

static char *login_body(const struct store *store)
{
	return etcd_login_body(store->settings.user, store->settings.password);
}

/* ---- transactions ---- */

void store_send(struct store *store, char *body)
{
	long timeout = (long)(store->settings.timeout / NS_PER_MS);

	store->login = needs_login(store);
	if (store->login) {
		/* The transaction is reported as unanswered, and the next one has the token. */
		free(body);
		store->failed = !call_start(&store->txn, "/v3/auth/authenticate", login_body(store),
					    timeout);
		return;
	}
	store->failed = !call_start(&store->txn, "/v3/kv/txn", body, timeout);
}

static void end_txn(struct store *store, CURLcode code)
{
	struct answer answer = {.kind = ANSWER_UNKNOWN};
	char words[ETCD_WORDS_SIZE];
	const struct text *text = &store->txn.answer;
	int err = -ETIMEDOUT;

	snprintf(words, sizeof(words), "%s", curl_easy_strerror(code));
	if (code == CURLE_OK && store->login)
		err = etcd_read_login(text->bytes, text->length, store->token, words);
	else if (code == CURLE_OK)
		err = etcd_read_txn(text->bytes, text->length, &answer, words);
	if (err == -EACCES)
		*store->token = '\0';
	store->status.reachable = !err;
	if (answer.kind == ANSWER_DONE && store->watching == WATCH_ON && !store->awaited) {
		store->awaited = answer.revision;
		store->awaited_at = store->now;
	}
	if (err) {
		note_error(store, &store->txn, words);
		store->status.failures++;
		shun(store, &store->txn, code);
		next_endpoint(&store->txn);
	} else if (store->watching == WATCH_ON) {
		*store->error = '\0';
	}
	call_end(&store->txn);
	store->listener.answer(store->listener.context, &answer);
}

/* ---- the watch ---- */

static void report_key(void *context, const struct etcd_key *key)
{
	struct store *store = context;

	if (key->mod > store->shown)
		store->shown = key->mod;
	store->listener.key(store->listener.context, key);
}

static void watch_off(struct store *store, const char *words)
{
	note_error(store, &store->watch, words);
	if (store->watching == WATCH_ON)
		store->status.watch_losses++;
	store->watching = WATCH_OFF;
}

/* Of the keys that are read, and of the watch: lines as they come. */
static void watch_lines(struct store *store)
{
	struct text *text = &store->watch.answer;
	char words[ETCD_WORDS_SIZE];
	unsigned int strange = 0;
	size_t done = 0;
	char *end;

	while (store->watching == WATCH_ON &&
	       (end = memchr(text->bytes + done, '\n', text->length - done))) {
		const char *line = text->bytes + done;
		int err = etcd_read_watch(line, (size_t)(end - line), store->settings.prefix,
					  report_key, store, &strange, words);

		done = (size_t)(end + 1 - text->bytes);
		if (err)
			watch_off(store, err == -ECANCELED ? "the watch was canceled" : words);
	}
	store->status.strange_keys += strange;
	memmove(text->bytes, text->bytes + done, text->length - done);
	text_cut(text, text->length - done);
}

static bool start_watch(struct store *store)
{
	enum watch_state state = needs_login(store) ? WATCH_LOGIN : WATCH_READING;
	bool started;

	store->watching = state;
	store->watch_at = store->now + WATCH_RETRY;
	started = call_start(
		&store->watch, state == WATCH_LOGIN ? "/v3/auth/authenticate" : "/v3/kv/range",
		state == WATCH_LOGIN ? login_body(store) : etcd_range_body(store->settings.prefix),
		2000);
	store->shown = store->awaited = 0;
	return started;
}

/* All keys were read: watch from there on. */
static void follow(struct store *store, CURLcode code)
{
	const struct text *text = &store->watch.answer;
	const struct store_listener *listener = &store->listener;
	char words[ETCD_WORDS_SIZE];
	unsigned int strange = 0;
	int64_t revision = 0;
	int err = code == CURLE_OK ? 0 : -ETIMEDOUT;

	snprintf(words, sizeof(words), "%s", curl_easy_strerror(code));
	listener->reading(listener->context);
	if (!err)
		err = etcd_read_range(text->bytes, text->length, store->settings.prefix, &revision,
				      report_key, store, &strange, words);
	if (err == -EACCES)
		*store->token = '\0';
	if (!err)
		listener->all(listener->context, revision);
	store->status.strange_keys += strange;
	if (!err && call_start(&store->watch, "/v3/watch",
			       etcd_watch_body(store->settings.prefix, revision + 1), 0)) {
		store->watching = WATCH_ON;
		return;
	}
	/* Keys that cannot be read are no watch that is lost. */
	next_endpoint(&store->watch);
	watch_off(store, words);
}

static void end_watch(struct store *store, CURLcode code)
{
	char words[ETCD_WORDS_SIZE];
	const struct text *text = &store->watch.answer;

	shun(store, &store->watch, code);
	if (store->watching == WATCH_READING) {
		follow(store, code);
		return;
	}
	snprintf(words, sizeof(words), "%s",
		 code == CURLE_OK ? "the watch has ended" : curl_easy_strerror(code));
	if (store->watching == WATCH_LOGIN && code == CURLE_OK &&
	    !etcd_read_login(text->bytes, text->length, store->token, words)) {
		start_watch(store);
		return;
	}
	if (store->watching != WATCH_OFF)
		watch_off(store, words);
	next_endpoint(&store->watch);
	call_end(&store->watch);
}

/* What we have written comes by the watch as well, after all that was written before. If it does
 * not, the watch is dead or late, whatever TCP says and whatever else it shows. */
static void check_watch(struct store *store)
{
	if (store->shown >= store->awaited)
		store->awaited = 0;
	if (store->watching == WATCH_ON && store->awaited &&
	    store->now - store->awaited_at > store->settings.lag) {
		watch_off(store, "the watch does not show our own renewals");
		next_endpoint(&store->watch);
	}
	if (store->watching == WATCH_OFF && store->now >= store->watch_at && !start_watch(store))
		watch_off(store, "out of memory");
}

void store_read_again(struct store *store)
{
	store->watching = WATCH_OFF;
	store->watch_at = 0;
}

/* ---- the whole ---- */

int store_open(struct store **out, const struct store_settings *settings,
	       const struct store_listener *listener)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->settings = *settings;
	store->listener = *listener;
	store->multi = curl_multi_init();
	if (!store->multi || call_open(&store->txn, store) || call_open(&store->watch, store)) {
		store_close(store);
		return -ENOMEM;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	call_close(&store->txn);
	call_close(&store->watch);
	if (store->multi)
		curl_multi_cleanup(store->multi);
	explicit_bzero(store, sizeof(*store));
	free(store);
}

void store_wait(struct store *store, struct curl_waitfd *fds, unsigned int count,
		unsigned int milliseconds)
{
	curl_multi_poll(store->multi, fds, count, store->failed ? 0 : (int)milliseconds, NULL);
}

void store_run(struct store *store, uint64_t now)
{
	int running, left;
	CURLMsg *message;

	store->now = now;
	curl_multi_perform(store->multi, &running);
	while ((message = curl_multi_info_read(store->multi, &left))) {
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		if (message->easy_handle == store->txn.easy)
			end_txn(store, code);
		else
			end_watch(store, code);
	}
	if (store->failed) {
		store->failed = false;
		end_txn(store, CURLE_OUT_OF_MEMORY);
	}
	check_watch(store);
}

void store_status(const struct store *store, struct store_status *status)
{
	*status = store->status;
	status->endpoint = store->settings.endpoints[store->txn.endpoint];
	status->watching = store->watching == WATCH_ON;
	status->error = store->error;
}
