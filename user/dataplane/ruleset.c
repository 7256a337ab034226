/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/ruleset.h"

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
	/* The shapes of its inputs, by family, the most specific first. */
	struct xmc_shape *shapes[XMC_FAMILIES];
	unsigned int nr_shapes[XMC_FAMILIES];
	uint32_t mask;
	unsigned int count;
	struct stream **streams;
	struct slot slots[];
};

/* The keys come from rules, not from packets, so no sender can choose collisions; neighbouring
 * groups and ports must be spread well, that is all (multipliers: the fractional part of the golden
 * ratio, and MurmurHash3's finalizer). */
static uint32_t hash_key(const struct xmc_rule_key *key)
{
	uint64_t words[4];
	uint64_t h = key->port | (uint64_t)key->host_bits << 16 | (uint64_t)key->tags << 32;

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

/* Which shapes are in use. */
struct census {
	bool present[XMC_FAMILIES][XMC_SHAPES];
};

static int set_shapes(struct ruleset *ruleset, const struct census *census, enum xmc_family family)
{
	const bool *present = census->present[family];
	unsigned int count = 0;

	for (unsigned int i = 0; i < XMC_SHAPES; i++)
		count += present[i];
	ruleset->shapes[family] = calloc(count + 1UL, sizeof(*ruleset->shapes[family]));
	if (!ruleset->shapes[family])
		return -ENOMEM;
	for (unsigned int i = 0; i < XMC_SHAPES; i++) {
		if (present[i])
			xmc_shape_set(&ruleset->shapes[family][ruleset->nr_shapes[family]++], i);
	}
	return 0;
}

static int insert(struct ruleset *ruleset, struct stream *stream, uint32_t tags,
		  struct census *census)
{
	struct xmc_rule_key key;
	struct slot *slot;

	rule_key(&stream->rule, &key);
	key.tags = tags;
	slot = (struct slot *)find(ruleset, &key);
	if (slot->stream)
		return -EEXIST;
	slot->key = key;
	slot->hash = hash_key(&key);
	slot->stream = stream;
	census->present[xmc_family_of(&key.group)][xmc_shape_of(&key)] = true;
	stream_hold(stream);
	ruleset->streams[ruleset->count++] = stream;
	return 0;
}

int ruleset_new(struct ruleset **out, struct stream *const *streams, const uint32_t *tags,
		unsigned int count)
{
	struct ruleset *ruleset;
	struct census census = {0};
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
		err = insert(ruleset, streams[i], tags ? tags[i] : 0, &census);
	for (enum xmc_family family = XMC_IPV4; !err && family < XMC_FAMILIES; family++)
		err = set_shapes(ruleset, &census, family);
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
	for (enum xmc_family family = XMC_IPV4; family < XMC_FAMILIES; family++)
		free(ruleset->shapes[family]);
	free(ruleset->streams);
	free(ruleset);
}

struct stream *ruleset_find(const struct ruleset *ruleset, const struct xmc_datagram *dgram)
{
	enum xmc_family family = xmc_family_of(&dgram->destination);

	for (unsigned int i = 0; i < ruleset->nr_shapes[family]; i++) {
		struct stream *stream;
		struct xmc_rule_key key;

		xmc_shape_key(&ruleset->shapes[family][i], dgram, &key);
		stream = find(ruleset, &key)->stream;
		if (stream)
			return stream;
	}
	return NULL;
}
