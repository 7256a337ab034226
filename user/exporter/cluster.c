/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/cluster.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/json_text.h"
#include "control/client.h"

/* Shards of a page, and pages of an answer: a cluster has at most 4,096 shards. */
#define PAGE  500
#define PAGES 16

static int ask(struct control_client *client, size_t offset, json_t **page)
{
	json_t *params = json_pack("{s:I, s:i}", "offset", (json_int_t)offset, "limit", PAGE);
	int err = params ? control_client_call(client, "cluster.status", params, page) : -ENOMEM;

	json_decref(params);
	if (err <= 0)
		return err;
	json_decref(*page);
	*page = NULL;
	return -EPROTO;
}

/* ---- counts ---- */

static void count(json_t *counts, const char *key, int by)
{
	json_int_t before = json_integer_value(json_object_get(counts, key));

	json_object_set_new(counts, key, json_integer(before + by));
}

/* The shards of a lease follow each other. */
static json_t *counts_of(json_t *leases, const json_t *lease)
{
	size_t length = json_array_size(leases);
	json_t *last = json_array_get(leases, length - 1);

	if (length && json_equal(json_object_get(last, "lease"), lease))
		return last;
	last = json_pack("{s:O, s:i, s:i, s:i, s:i, s:i}", "lease", (json_t *)lease, "shards", 0,
			 "held", 0, "moving", 0, "free", 0, "own", 0);
	return last && !json_array_append_new(leases, last) ? last : NULL;
}

static void count_shards(json_t *leases, const json_t *shards, const json_t *node)
{
	const json_t *shard;
	size_t i;

	json_array_foreach(shards, i, shard)
	{
		const char *state = json_string_value(json_object_get(shard, "state"));
		const json_t *lease = json_object_get(shard, "lease");
		json_t *counts = json_is_string(lease) ? counts_of(leases, lease) : NULL;

		if (!counts || !state || !json_object_get(counts, state))
			continue;
		count(counts, "shards", 1);
		count(counts, state, 1);
		count(counts, "own", json_equal(json_object_get(shard, "owner"), node));
	}
}

/* ---- reading ---- */

/* All pages: the first one stays, of the others only what was counted. */
static int read_pages(struct control_client *client, json_t **status, json_t *leases)
{
	size_t offset = 0;
	int err;

	for (unsigned int i = 0; i < PAGES; i++) {
		json_t *page = NULL;
		const json_t *shards;

		err = ask(client, offset, &page);
		if (err)
			return err;
		shards = json_object_get(page, "shards");
		count_shards(leases, shards, json_object_get(page, "node"));
		offset += json_array_size(shards);
		if (*status) {
			bool last = !json_array_size(shards);

			json_decref(page);
			if (last)
				return 0;
		} else {
			*status = page;
		}
		if (offset >= (size_t)json_integer_value(json_object_get(*status, "total")))
			return 0;
	}
	return 0;
}

json_t *cluster_read(const char *socket, int signal_fd)
{
	struct control_client *client = NULL;
	json_t *leases = json_array(), *status = NULL;
	int err = leases ? control_client_open(&client, socket) : -ENOMEM;
	bool none = err == -ENOENT;

	if (!err) {
		control_client_timeout(client, CLUSTER_ANSWER_MS);
		control_client_interrupt(client, signal_fd);
		err = read_pages(client, &status, leases);
	}
	control_client_close(client);
	if (err || !json_is_object(status)) {
		json_decref(status);
		json_decref(leases);
		return err == -ENOMEM ? NULL : none ? json_object() : json_pack("{s:b}", "up", 0);
	}
	count(status, "overruled_leases",
	      (int)json_array_size(json_object_get(status, "overruled")));
	err = json_object_set_new(status, "leases", leases);
	if (json_object_set_new(status, "up", json_true()) || err) {
		json_decref(status);
		return NULL;
	}
	return status;
}

int cluster_text(const char *socket, int signal_fd, char **text, size_t *length)
{
	json_t *status = cluster_read(socket, signal_fd);

	*text = status ? json_text_line(status, length) : NULL;
	json_decref(status);
	return *text ? 0 : -ENOMEM;
}
