/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of leases, also of those that pass from one host to another at a datagram of each stream
 * (dataplane/cut.h). */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "relay/follow.h"
#include "relay/leases.h"
#include "relay/relay.h"
#include "relay/state.h"

static bool is_in(const struct rule *rule, const struct lease_change *change)
{
	return rule->lease_shards && strcmp(rule->lease, change->name) == 0 &&
	       (change->shard < 0 || rule_shard(rule) == (unsigned int)change->shard);
}

static const struct lease_cut *find_cut(const struct lease_change *change, const char *rule)
{
	for (unsigned int i = 0; i < change->nr_cuts; i++) {
		if (strcmp(change->cuts[i].rule, rule) == 0)
			return &change->cuts[i];
	}
	return NULL;
}

/* Every rule of the shard has a cut, and every cut a rule. */
static int check(const struct relay *relay, const struct lease_change *change,
		 char reason[REASON_SIZE])
{
	unsigned int found = 0;

	/* Numbers are compared only until then. */
	if (change->side == CUT_FROM && change->from_ns <= clock_ns())
		return explain(reason, -EINVAL,
			       "lease %.63s: `from_seq` needs `from`, the latest moment, in the "
			       "future: both hosts would send",
			       change->name);
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct rule *rule = &relay->config.rules[i];
		const struct lease_cut *cut;

		if (rule->disabled || !is_in(rule, change))
			continue;
		cut = find_cut(change, rule->name);
		if (!rule->sequence_bits)
			return explain(reason, -EINVAL,
				       "rule %.127s has no `sequence`: its lease can move at a "
				       "moment only",
				       rule->name);
		if (!cut)
			return explain(reason, -EINVAL,
				       "no number for rule %.127s: both hosts would send it",
				       rule->name);
		if (rule->sequence_bits < 32 && cut->number >> rule->sequence_bits)
			return explain(reason, -EINVAL,
				       "%u is no sequence number of rule %.127s: it has %u bits",
				       cut->number, rule->name, rule->sequence_bits);
		found++;
	}
	if (found == change->nr_cuts)
		return 0;
	return explain(reason, -EINVAL,
		       "lease %.63s: a number is for a rule that is not in the shard",
		       change->name);
}

static struct stream *stream_of(const struct route *route)
{
	return route->path ? route->path->stream : NULL;
}

/* Before the shard is held. */
static void apply(struct relay *relay, const struct lease_change *change)
{
	uint64_t from_ns = change->side == CUT_FROM ? change->from_ns : 0;

	relay->cuts = true;
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct rule *rule = relay->routes[i]->rule;
		struct stream *stream = stream_of(relay->routes[i]);
		const struct lease_cut *cut;

		if (!stream || !is_in(rule, change))
			continue;
		cut = find_cut(change, rule->name);
		if (!cut || cut_is(&stream->cut, change->side, cut->number, from_ns))
			continue;
		cut_set(&stream->cut, change->side, cut->number, from_ns);
		relay->changes++; /* what is stored for a next process has to know */
	}
}

/* Streams whose move ends with these changes are whole again. A renewal keeps their numbers. */
static void settle(struct relay *relay, const struct lease_change *changes, unsigned int count,
		   uint64_t now_ns)
{
	relay->cuts = false;
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct rule *rule = relay->routes[i]->rule;
		struct stream *stream = stream_of(relay->routes[i]);

		if (!stream || cut_side(&stream->cut) == CUT_NONE)
			continue;
		for (unsigned int j = 0; j < count; j++) {
			if (!changes[j].nr_cuts && !changes[j].keep && is_in(rule, &changes[j]) &&
			    leases_ends_move(relay->leases, rule, &changes[j], now_ns))
				cut_set(&stream->cut, CUT_NONE, 0, 0);
		}
		relay->cuts |= cut_side(&stream->cut) != CUT_NONE;
	}
}

/* What has arrived while a shard was held before leaves the rings, as far as it may still be sent:
 * afterwards it would be late. */
static int flush(struct relay *relay)
{
	uint64_t now_ns = clock_ns();

	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct route *route = relay->routes[i];

		if (route->arrival && leases_mute(relay->leases, route->rule, now_ns))
			route->arrival->intake->flush = true;
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		struct intake *intake = relay->intakes[i];

		for (unsigned int j = 0; intake->flush && j < intake->nr_workers; j++)
			relay->broken |= worker_flush(intake->workers[j]) != 0;
		intake->flush = false;
	}
	return relay->broken ? -EIO : 0;
}

int relay_set_leases(struct relay *relay, struct lease_change *changes, unsigned int count,
		     char reason[REASON_SIZE])
{
	int err = leases_check(relay->leases, changes, count, reason);

	/* The successor has been told what was held. */
	if (!err && relay->paused_ns)
		return explain(reason, -EBUSY, "another xmcastd is taking over: try again");
	for (unsigned int i = 0; !err && i < count; i++) {
		/* A renewal that repeats the numbers of a move that is over. */
		if (leases_had_move(relay->leases, &changes[i], clock_ns()))
			changes[i].nr_cuts = 0;
		if (changes[i].nr_cuts)
			err = check(relay, &changes[i], reason);
	}
	if (err)
		return err;
	if (leases_prepare(relay->leases, changes, count) && flush(relay))
		return explain(reason, -EIO, "a worker has failed");
	if (relay->cuts)
		settle(relay, changes, count, clock_ns());
	for (unsigned int i = 0; i < count; i++) {
		if (changes[i].nr_cuts)
			apply(relay, &changes[i]);
	}
	err = leases_change(relay->leases, changes, count, reason);
	if (leases_cold_changed(relay->leases) && relay->follow)
		follow_join(relay->follow);
	return err;
}

int relay_release_lease(struct relay *relay, const char *name, int shard, char reason[REASON_SIZE])
{
	struct lease_change change = {.name = name, .shard = shard, .epoch = LEASE_SAME_EPOCH};

	return relay_set_leases(relay, &change, 1, reason);
}
