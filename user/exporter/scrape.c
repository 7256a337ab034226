/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/scrape.h"

#include <errno.h>
#include <stdbool.h>

#include "base/clock.h"
#include "control/client.h"

/* Rules per page of `stats.show`. */
#define PAGE 500

/* If rules change between two pages, one of them may be on neither. The pages are then read again,
 * for the missing ones, at most this often and this long: rules may keep changing. */
#define ATTEMPTS    3
#define ATTEMPTS_NS (3 * NS_PER_SECOND)

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

static json_int_t integer_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Read all pages once. *changed: the rules have changed in between. */
static int add_pages(struct control_client *client, struct metrics *metrics, bool first,
		     bool *changed)
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
		metrics_add_rules(metrics, page);
		offset += rules;
		/* From the last page, because counters only add up if rules are read before
		 * interfaces. */
		if (first && (!rules || offset >= total))
			metrics_add_machine(metrics, page);
		json_decref(page);
	} while (rules && offset < total);
	return 0;
}

static int add_all(struct control_client *client, struct metrics *metrics)
{
	uint64_t until_ns = clock_ns() + ATTEMPTS_NS;
	json_t *version;
	bool changed = true;
	int err = ask(client, "version", NULL, &version);

	if (err)
		return err;
	metrics_add_version(metrics, version);
	json_decref(version);
	for (unsigned int i = 0; i < ATTEMPTS && changed && !err; i++) {
		if (i && clock_ns() >= until_ns)
			break;
		err = add_pages(client, metrics, i == 0, &changed);
	}
	return err;
}

int scrape(const char *socket, int signal_fd, enum metrics_format format, char **text,
	   size_t *length)
{
	struct control_client *client = NULL;
	struct metrics *metrics = metrics_new(format);
	int err = metrics ? control_client_open(&client, socket) : -ENOMEM;

	if (!err) {
		control_client_timeout(client, SCRAPE_ANSWER_MS);
		control_client_interrupt(client, signal_fd);
		err = add_all(client, metrics);
	}
	if (!err) {
		*text = metrics_text(metrics, length);
		err = *text ? 0 : -ENOMEM;
	}
	control_client_close(client);
	metrics_free(metrics);
	return err;
}
