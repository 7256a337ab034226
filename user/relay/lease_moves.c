/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/lease_moves.h"

#include "base/clock.h"
#include "base/json_build.h"
#include "dataplane/merger_rules.h"
#include "relay/cuts.h"
#include "relay/inheritance.h"
#include "relay/leases.h"

static struct stream *stream_of(const struct route *route)
{
	return route->path ? route->path->stream : NULL;
}

static json_t *describe_numbers(const struct relay *relay)
{
	json_t *numbers = json_object();

	for (unsigned int i = 0; relay->cuts && i < relay->nr_routes; i++) {
		const struct stream *stream = stream_of(relay->routes[i]);
		enum cut_side side = stream ? cut_side(&stream->cut) : CUT_NONE;

		if (side == CUT_FROM || side == CUT_UNTIL)
			json_put(&numbers, relay->routes[i]->rule->name,
				 json_integer(cut_number(&stream->cut)));
	}
	return numbers;
}

/* NULL: it has no siblings that merge, or is not the first of them. */
static struct merged *merged_of(const struct route *route)
{
	return route->siblings && !route->side ? route->siblings->merged : NULL;
}

/* Streams that are merged: sender and next number; integers of 64 bits without their sign. */
static json_t *describe_places(const struct relay *relay)
{
	json_t *places = json_object();

	for (unsigned int i = 0; relay->paused_ns && i < relay->nr_routes; i++) {
		const struct merged *merged = merged_of(relay->routes[i]);
		struct merge_place place;

		if (merged && merged_place(merged, &place))
			json_put(&places, relay->routes[i]->rule->name,
				 json_pack("[I, I, I]", (json_int_t)place.sender[0],
					   (json_int_t)place.sender[1], (json_int_t)place.next));
	}
	return places;
}

static void adopt_place(struct merged *merged, const json_t *described)
{
	struct merge_place place;
	json_int_t sender[2], next;

	if (json_unpack((json_t *)described, "[I, I, I!]", &sender[0], &sender[1], &next))
		return;
	place.sender[0] = (uint64_t)sender[0];
	place.sender[1] = (uint64_t)sender[1];
	place.next = (uint64_t)next;
	merged_resume(merged, &place);
}

json_t *lease_moves_describe(const struct relay *relay)
{
	return json_pack("{s:o, s:o, s:o}", "leases", leases_describe(relay->leases), "numbers",
			 describe_numbers(relay), "merged", describe_places(relay));
}

void lease_moves_adopt(struct relay *relay, struct route *const *routes, unsigned int count)
{
	const json_t *described = inheritance_leases(relay->inheritance);
	const json_t *numbers = json_object_get(described, "numbers");
	const json_t *places = json_object_get(described, "merged");
	uint64_t now_ns = clock_ns();

	if (!relay->inheritance)
		return;
	/* Of a predecessor that was killed it is not known what it has held in the end. */
	leases_adopt(relay->leases, json_object_get(described, "leases"),
		     !inheritance_has_forgotten(relay->inheritance));
	for (unsigned int i = 0; i < count; i++) {
		const struct rule *rule = routes[i]->rule;
		struct merged *merged = merged_of(routes[i]);
		struct stream *stream = stream_of(routes[i]);
		uint64_t latest_ns;
		enum cut_side side = leases_move(relay->leases, rule, now_ns, &latest_ns);

		if (merged && !inheritance_has_forgotten(relay->inheritance))
			adopt_place(merged, json_object_get(places, rule->name));
		if (!stream || side == CUT_NONE)
			continue;
		cut_adopt(stream, side, latest_ns, json_object_get(numbers, rule->name));
		relay->cuts = true;
	}
	leases_begin(relay->leases);
}
