/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/health_json.h"

#include <stdio.h>

#include "base/json_build.h"
#include "dataplane/health.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *source_json(const struct health_source *source)
{
	char ssrc[16];
	json_t *object;

	snprintf(ssrc, sizeof(ssrc), "0x%08x", source->ssrc);
	object = json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "ssrc", ssrc, "payload_type",
			   (int)source->type, "received_packets", number(source->packets),
			   "lost_packets", number(source->lost), "reordered_packets",
			   number(source->reordered), "duplicate_packets",
			   number(source->duplicates), "late_packets", number(source->late),
			   "last_packet_seconds", number(source->quiet_ns / NS_PER_SECOND));
	json_put(&object, "clock", source->clock ? number(source->clock) : json_null());
	json_put(&object, "jitter_ns", source->clock ? number(source->jitter_ns) : json_null());
	return object;
}

/* The sources of a rule, or of one of its inputs, and the largest jitter of those that arrive now;
 * null: none has one. */
static void put_sources(json_t **object, const struct health *const *live, unsigned int nr_live,
			uint64_t now_ns)
{
	struct health_source sources[HEALTH_JSON_SOURCES];
	unsigned int count = 0;
	json_t *list = json_array();
	uint64_t jitter_ns = 0;
	bool known = false;

	for (unsigned int i = 0; i < nr_live; i++)
		count += health_sources(live[i], now_ns, &sources[count],
					HEALTH_JSON_SOURCES - count);
	for (unsigned int i = 0; i < count; i++) {
		json_add(&list, source_json(&sources[i]));
		if (!sources[i].clock || sources[i].quiet_ns > HEALTH_STALE_NS)
			continue;
		known = true;
		if (sources[i].jitter_ns > jitter_ns)
			jitter_ns = sources[i].jitter_ns;
	}
	json_put(object, "jitter_ns", known ? number(jitter_ns) : json_null());
	json_put(object, "sources", list);
}

/* The figures of one kind. */
static json_t *figures_json(const struct health_counts *counts, uint8_t watch)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < HEALTH_FIGURES; i++) {
		if (health_figures[i].watch == watch)
			json_put(&object, health_figures[i].key, number(counts->figures[i]));
	}
	return object;
}

/* All figures. */
static json_t *counts_json(const struct rule *rule, const struct health_counts *counts,
			   const struct health *const *live, unsigned int nr_live, uint64_t now_ns)
{
	json_t *object = figures_json(counts, 0);

	json_put(&object, "errors", number(health_errors(counts)));
	for (unsigned int i = 0; i < HEALTH_KINDS; i++) {
		uint8_t watch = (uint8_t)(1 << i);
		json_t *kind;

		if (!(rule->watch & watch))
			continue;
		kind = figures_json(counts, watch);
		if (watch == WATCH_RTP)
			put_sources(&kind, live, nr_live, now_ns);
		json_put(&object, health_kinds[i], kind);
	}
	return object;
}

json_t *health_side_json(const struct rule *rule, const struct side_counts *side, uint64_t now_ns)
{
	return counts_json(rule, &side->health, &side->live_health, 1, now_ns);
}

json_t *health_json(const struct rule_counts *counts,
		    const struct stream_state stream[STREAM_WHERES], uint64_t now_ns)
{
	static const char *const names[] = STREAM_WHERE_NAMES;
	const struct health *live[RULE_SIDES_MAX] = {counts->live_health};
	unsigned int nr_live = counts->rule->nr_sides ? counts->rule->nr_sides : 1;
	json_t *object;

	for (unsigned int i = 0; i < counts->rule->nr_sides; i++)
		live[i] = counts->sides[i].live_health;
	object = counts_json(counts->rule, &counts->health, live, nr_live, now_ns);
	json_put(&object, "broken_on_arrival", json_boolean(stream[STREAM_ON_ARRIVAL].broken));
	json_put(&object, "broken_here", json_boolean(stream[STREAM_HERE].broken));
	json_put(&object, "breaks",
		 json_pack("{s:o, s:o}", names[STREAM_ON_ARRIVAL],
			   number(stream[STREAM_ON_ARRIVAL].breaks), names[STREAM_HERE],
			   number(stream[STREAM_HERE].breaks)));
	return object;
}
