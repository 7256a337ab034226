/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_build.h"

static const char *const words[] = {
	[ASK_MOVE] = "move", [ASK_DRAIN] = "drain", [ASK_UNDRAIN] = "undrain"};

#define NR_WORDS (sizeof(words) / sizeof(words[0]))

json_t *ask_json(const struct node_ask *ask)
{
	json_t *json = json_pack("{s:s, s:I, s:s, s:i, s:s}", "what", words[ask->what], "id",
				 (json_int_t)ask->id, "lease", ask->lease, "shard", (int)ask->shard,
				 "node", ask->node);

	if (ask->at)
		json_put(&json, "at", json_integer((json_int_t)ask->at));
	return json;
}

/* The text, if it fits. */
static bool read_name(const json_t *json, const char *key, char name[CLUSTER_NAME_SIZE])
{
	const char *text = json_string_value(json_object_get(json, key));

	return text && snprintf(name, CLUSTER_NAME_SIZE, "%s", text) < CLUSTER_NAME_SIZE;
}

bool ask_read(const json_t *json, struct node_ask *ask)
{
	const char *what = json_string_value(json_object_get(json, "what"));
	json_int_t id = json_integer_value(json_object_get(json, "id"));
	json_int_t shard = json_integer_value(json_object_get(json, "shard"));
	json_int_t at = json_integer_value(json_object_get(json, "at"));

	*ask = (struct node_ask){0};
	if (!json)
		return true;
	for (unsigned int i = ASK_MOVE; what && i < NR_WORDS; i++) {
		if (strcmp(what, words[i]) == 0)
			ask->what = (enum ask_what)i;
	}
	ask->at = at;
	ask->id = (uint64_t)id;
	ask->shard = (unsigned int)shard;
	return ask->what && id > 0 && at >= 0 && shard >= 0 && shard < CLUSTER_LEASE_SHARDS &&
	       read_name(json, "lease", ask->lease) && read_name(json, "node", ask->node);
}

json_t *ask_heard_json(const struct node_record *record)
{
	json_t *json = record->nr_heard ? json_object() : NULL;

	for (unsigned int i = 0; i < record->nr_heard; i++) {
		char id[32];

		snprintf(id, sizeof(id), "%llu", (unsigned long long)record->heard[i].id);
		json_put(&json, id, json_boolean(record->heard[i].accepted));
	}
	return json;
}

void ask_heard_read(const json_t *json, struct node_record *record)
{
	json_t *accepted;
	const char *id;

	json_object_foreach((json_t *)json, id, accepted)
	{
		if (record->nr_heard < CLUSTER_HEARD)
			record->heard[record->nr_heard++] =
				(struct ask_answer){strtoull(id, NULL, 10), json_is_true(accepted)};
	}
}
