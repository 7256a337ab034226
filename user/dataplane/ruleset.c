/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	struct xmc_rule_key key;
	uint32_t hash;
	struct stream *stream; /* NULL: free */
};

/* Open addressing with linear probing; at most half full, so that a miss ends soon. */
struct ruleset {
	bool has_source; /* some stream names a source */
	bool has_any;	 /* some stream names none */
	uint32_t mask;
	unsigned int count;
	struct stream **streams;
	struct slot slots[];
};

/* The keys come from an admin's rules, not from packets, so nobody outside can choose collisions;
 * a good spread over neighbouring groups and ports is all that is needed (multipliers: the
 * fractional part of the golden ratio, and MurmurHash3's finalizer). */
static uint32_t hash_key(const struct xmc_rule_key *key)
{
	uint64_t words[4];
	uint64_t h = key->port;

	memcpy(words, key, sizeof(words));
	for (int i = 0; i < 4; i++)
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	return (uint32_t)(h >> 32);
}

static const struct slot *find(const struct ruleset *ruleset, const struct xmc_rule_key *key)
{
	uint32_t hash = hash_key(key);
	uint32_t i = hash & ruleset->mask;

	while (ruleset->slots[i].stream) {
		if (ruleset->slots[i].hash == hash &&
		    memcmp(&ruleset->slots[i].key, key, sizeof(*key)) == 0)
			break;
		i = (i + 1) & ruleset->mask;
	}
	return &ruleset->slots[i];
}

static struct xmc_rule_key key_of(const struct rule *rule)
{
	return (struct xmc_rule_key){
		.source = rule->source,
		.group = rule->group,
		.port = htons(rule->port),
	};
}

static int insert(struct ruleset *ruleset, struct stream *stream)
{
	const struct rule *rule = &stream->rule;
	struct xmc_rule_key key = key_of(rule);
	struct slot *slot;

	slot = (struct slot *)find(ruleset, &key);
	if (slot->stream)
		return -EEXIST;
	slot->key = key;
	slot->hash = hash_key(&key);
	slot->stream = stream;
	if (addr_is_any(&rule->source))
		ruleset->has_any = true;
	else
		ruleset->has_source = true;
	stream_hold(stream);
	ruleset->streams[ruleset->count++] = stream;
	return 0;
}

int ruleset_new(struct ruleset **out, struct stream *const *streams, unsigned int count)
{
	struct ruleset *ruleset;
	uint32_t size = 2;
	int err = 0;

	while (size < 2 * count)
		size *= 2;
	ruleset = calloc(1, sizeof(*ruleset) + size * sizeof(ruleset->slots[0]));
	if (!ruleset)
		return -ENOMEM;
	ruleset->mask = size - 1;
	ruleset->streams = calloc(count ? count : 1, sizeof(*ruleset->streams));
	if (!ruleset->streams)
		err = -ENOMEM;
	for (unsigned int i = 0; !err && i < count; i++)
		err = insert(ruleset, streams[i]);
	if (err) {
		ruleset_free(ruleset);
		return err;
	}
	*out = ruleset;
	return 0;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	for (unsigned int i = 0; i < ruleset->count; i++)
		stream_put(ruleset->streams[i]);
	free(ruleset->streams);
	free(ruleset);
}

struct stream *ruleset_find(const struct ruleset *ruleset, const struct xmc_datagram *dgram)
{
	struct xmc_rule_key key = {
		.source = dgram->source,
		.group = dgram->destination,
		.port = dgram->port,
	};

	if (ruleset->has_source) {
		struct stream *stream = find(ruleset, &key)->stream;

		if (stream || !ruleset->has_any)
			return stream;
	} else if (!ruleset->has_any) {
		return NULL;
	}
	memset(&key.source, 0, sizeof(key.source));
	return find(ruleset, &key)->stream;
}

bool ruleset_has(const struct ruleset *ruleset, const struct rule *rule)
{
	struct xmc_rule_key key = key_of(rule);

	return ruleset && find(ruleset, &key)->stream != NULL;
}
