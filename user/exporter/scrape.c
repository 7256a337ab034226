/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/scrape.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/text.h"
#include "control/client.h"
#include "exporter/cluster.h"

/* Rules per page of `stats.show`. */
#define PAGE 500

/* If rules change between two pages, one of them may be on neither. The pages are then read again,
 * for the missing ones, at most this often and this long: rules may keep changing. */
#define ATTEMPTS    3
#define ATTEMPTS_NS (3 * NS_PER_SECOND)

/* What becomes of the pages. Once they are read again, `add` is called for each of them again. */
struct reader {
	struct metrics *metrics; /* of scrape_metrics() */
	bool complete;		 /* the metrics have everything but rules */
	struct text rules;	 /* of scrape_stats(): each rule behind a comma */
	struct text text;	 /* the whole */
	void (*add)(struct reader *reader, json_t *page, bool first, bool last);
};

/* 0 and the result, which is the caller's; -errno. */
static int ask(struct control_client *client, const char *method, json_t *params, json_t **answer)
{
	int err;

	*answer = NULL;
	err = control_client_call(client, method, params, answer);
	json_decref(params);
	if (err <= 0)
		return err;
	json_decref(*answer);
	*answer = NULL;
	return -EPROTO;
}

static int open_client(struct control_client **client, const char *socket, int signal_fd)
{
	int err = control_client_open(client, socket);

	if (!err) {
		control_client_timeout(*client, SCRAPE_ANSWER_MS);
		control_client_interrupt(*client, signal_fd);
	}
	return err;
}

static json_int_t integer_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Read all pages once. *changed: the rules have changed in between. */
static int read_once(struct control_client *client, struct reader *reader, bool *changed)
{
	json_int_t generation = 0;
	size_t offset = 0;
	size_t total = 0;
	size_t rules;

	*changed = false;
	do {
		json_t *params =
			json_pack("{s:I, s:i}", "offset", (json_int_t)offset, "limit", PAGE);
		json_t *page;
		int err = params ? ask(client, "stats.show", params, &page) : -ENOMEM;

		if (err)
			return err;
		if (offset && generation != integer_of(page, "generation"))
			*changed = true;
		generation = integer_of(page, "generation");
		total = (size_t)integer_of(page, "total");
		rules = json_array_size(json_object_get(page, "rules"));
		offset += rules;
		reader->add(reader, page, offset == rules, !rules || offset >= total);
		json_decref(page);
	} while (rules && offset < total);
	return 0;
}

static int read_pages(struct control_client *client, struct reader *reader)
{
	uint64_t until_ns = clock_ns() + ATTEMPTS_NS;
	bool changed = true;
	int err = 0;

	for (unsigned int i = 0; i < ATTEMPTS && changed && !err; i++) {
		if (i && clock_ns() >= until_ns)
			break;
		err = read_once(client, reader, &changed);
	}
	return err;
}

/* ---- metrics ---- */

/* Counters only add up if rules are read before interfaces, so these come from the last page. */
static void add_metrics(struct reader *reader, json_t *page, bool first, bool last)
{
	metrics_add_rules(reader->metrics, page);
	if (last && !reader->complete) {
		metrics_add_machine(reader->metrics, page);
		metrics_add_process(reader->metrics, page);
	}
	reader->complete = reader->complete || last;
}

static void add_cluster(struct metrics *metrics, const char *socket, int signal_fd)
{
	json_t *status = cluster_read(socket, signal_fd);

	metrics_add_cluster(metrics, status);
	json_decref(status);
}

int scrape_metrics(const char *socket, const char *cluster, int signal_fd,
		   enum metrics_format format, uint64_t closed_clients, char **text, size_t *length)
{
	struct reader reader = {.metrics = metrics_new(format), .add = add_metrics};
	struct control_client *client = NULL;
	json_t *version;
	int err = reader.metrics ? open_client(&client, socket, signal_fd) : -ENOMEM;

	if (!err)
		err = ask(client, "version", NULL, &version);
	if (!err) {
		json_object_set_new(version, "exporter_closed_clients",
				    json_integer((json_int_t)closed_clients));
		metrics_add_version(reader.metrics, version);
		json_decref(version);
		err = read_pages(client, &reader);
	}
	if (!err) {
		add_cluster(reader.metrics, cluster, signal_fd);
		*text = metrics_text(reader.metrics, length);
		err = *text ? 0 : -ENOMEM;
	}
	control_client_close(client);
	metrics_free(reader.metrics);
	return err;
}

/* ---- counters ---- */

/* The JSON without its newline; without memory the text fails. */
static void add_json(struct text *text, const json_t *json)
{
	size_t length = 0;
	char *line = json_text_line(json, &length);

	if (line)
		text_add_bytes(text, line, length - 1);
	else
		text->failed = true;
	free(line);
}

/* Rules become text page by page, because as JSON all of them would take ten times the memory. The
 * last page has the other counters. */
static void add_stats(struct reader *reader, json_t *page, bool first, bool last)
{
	const json_t *rule;
	size_t i;

	if (first)
		text_cut(&reader->rules, 0);
	json_array_foreach(json_object_get(page, "rules"), i, rule)
	{
		text_add(&reader->rules, reader->rules.length ? "," : "");
		add_json(&reader->rules, rule);
	}
	if (!last)
		return;
	json_object_del(page, "rules");
	text_cut(&reader->text, 0);
	add_json(&reader->text, page);
}

int scrape_stats(const char *socket, int signal_fd, char **text, size_t *length)
{
	struct reader reader = {.add = add_stats};
	struct control_client *client = NULL;
	int err = open_client(&client, socket, signal_fd);

	if (!err)
		err = read_pages(client, &reader);
	if (!err && reader.text.length < 3)
		err = reader.text.failed ? -ENOMEM : -EPROTO; /* not even a total */
	if (!err) {
		text_cut(&reader.text, reader.text.length - 1);
		text_add(&reader.text, ",\"rules\":[");
		text_add_bytes(&reader.text, reader.rules.bytes ? reader.rules.bytes : "",
			       reader.rules.length);
		text_add(&reader.text, "]}\n");
		err = reader.text.failed || reader.rules.failed ? -ENOMEM : 0;
	}
	if (err)
		text_free(&reader.text);
	*text = reader.text.bytes;
	*length = reader.text.length;
	text_free(&reader.rules);
	control_client_close(client);
	return err;
}

/* ---- is it relaying? ---- */

int scrape_ready(const char *socket, int signal_fd, char **text, size_t *length)
{
	struct control_client *client = NULL;
	json_t *answer = NULL;
	int err = open_client(&client, socket, signal_fd);

	if (!err)
		err = ask(client, "ping", NULL, &answer);
	if (!err && !json_is_true(json_object_get(answer, "alive")))
		err = -EIO;
	if (!err) {
		*text = strdup("xmcastd relays.\n");
		*length = *text ? strlen(*text) : 0;
		err = *text ? 0 : -ENOMEM;
	}
	json_decref(answer);
	control_client_close(client);
	return err;
}
