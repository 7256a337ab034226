/* SPDX-License-Identifier: BSD-2-Clause */
/* Leases that pass from one host to another at a datagram of each stream (dataplane/cut.h). */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
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
static void apply(struct relay *relay, struct lease_change *change)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct rule *rule = &relay->config.rules[i];
		struct stream *stream = stream_of(relay->routes[i]);
		const struct lease_cut *cut;

		if (!stream || !is_in(rule, change))
			continue;
		cut = find_cut(change, rule->name);
		if (cut)
			cut_set(&stream->cut, change->side, cut->number, change->from_ns);
	}
	relay->cuts = true;
	if (change->side == CUT_FROM)
		change->from_ns = 0;
}

/* A change without cuts: a renewal keeps those of its shard. */
static void settle(const struct relay *relay, struct stream *stream, const struct rule *rule,
		   struct lease_change *change, uint64_t now_ns)
{
	uint64_t from_ns = atomic_load(&stream->cut.from_ns);

	if (leases_mute(relay->leases, rule, now_ns) ||
	    (change->epoch != LEASE_SAME_EPOCH &&
	     change->epoch != leases_epoch(relay->leases, rule)))
		cut_set(&stream->cut, CUT_NONE, 0, 0);
	else if (cut_side(&stream->cut) == CUT_FROM && change->from_ns == from_ns)
		change->from_ns = 0;
}

static void settle_all(struct relay *relay, struct lease_change *changes, unsigned int count,
		       uint64_t now_ns)
{
	relay->cuts = false;
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct rule *rule = &relay->config.rules[i];
		struct stream *stream = stream_of(relay->routes[i]);

		if (!stream || cut_side(&stream->cut) == CUT_NONE)
			continue;
		for (unsigned int j = 0; j < count; j++) {
			if (!changes[j].nr_cuts && !changes[j].keep && is_in(rule, &changes[j]))
				settle(relay, stream, rule, &changes[j], now_ns);
		}
		relay->cuts |= cut_side(&stream->cut) != CUT_NONE;
	}
}

int relay_set_leases(struct relay *relay, struct lease_change *changes, unsigned int count,
		     char reason[REASON_SIZE])
{
	int err = leases_check(relay->leases, changes, count, reason);

	for (unsigned int i = 0; !err && i < count; i++) {
		if (changes[i].nr_cuts)
			err = check(relay, &changes[i], reason);
	}
	if (err)
		return err;
	if (relay->cuts)
		settle_all(relay, changes, count, clock_ns());
	for (unsigned int i = 0; i < count; i++) {
		if (changes[i].nr_cuts)
			apply(relay, &changes[i]);
	}
	return leases_change(relay->leases, changes, count, reason);
}
