/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/ask.h"

#include <stdio.h>
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

	if (*ask->by) {
		json_put(&json, "by", json_string(ask->by));
		json_put(&json, "by_id", json_integer((json_int_t)ask->by_id));
	}
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
	json_int_t by_id = json_integer_value(json_object_get(json, "by_id"));

	*ask = (struct node_ask){0};
	if (!json)
		return true;
	for (unsigned int i = ASK_MOVE; what && i < NR_WORDS; i++) {
		if (strcmp(what, words[i]) == 0)
			ask->what = (enum ask_what)i;
	}
	if (json_object_get(json, "by") && (!read_name(json, "by", ask->by) || by_id <= 0))
		return false;
	ask->by_id = (uint64_t)by_id;
	ask->id = (uint64_t)id;
	ask->shard = (unsigned int)shard;
	return ask->what && id > 0 && shard >= 0 && shard < CLUSTER_LEASE_SHARDS &&
	       read_name(json, "lease", ask->lease) && read_name(json, "node", ask->node);
}
