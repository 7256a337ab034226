/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/cuts.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

/* Do both have the same number in the same datagram, and are they in the same shard? */
static bool is_like(const struct rule *a, const struct rule *b)
{
	return a->sequence_bits == b->sequence_bits && a->sequence_offset == b->sequence_offset &&
	       a->lease_shards == b->lease_shards && strcmp(a->lease, b->lease) == 0 &&
	       strcmp(a->name, b->name) == 0;
}

int cut_carry(const struct leases *leases, const struct rule *rule, struct stream *stream,
	      const struct stream *before, char reason[REASON_SIZE])
{
	uint64_t latest_ns;

	if (leases_move(leases, rule, clock_ns(), &latest_ns) == CUT_NONE)
		return 0;
	if (!stream || !before || !is_like(rule, &before->rule) ||
	    cut_side(&before->cut) == CUT_NONE)
		return explain(reason, -EAGAIN,
			       "its shard of lease %.63s is passing between two hosts, which have "
			       "no sequence number for this rule: it begins after that",
			       rule->lease);
	cut_copy(&stream->cut, &before->cut);
	return 0;
}

void cut_adopt(struct stream *stream, enum cut_side side, uint64_t latest_ns, const json_t *number)
{
	json_int_t value = json_integer_value(number);

	if (json_is_integer(number) && value >= 0 && value <= UINT32_MAX)
		cut_set(&stream->cut, side, (uint32_t)value, latest_ns);
	else
		cut_set(&stream->cut, CUT_ALL, 0, side == CUT_FROM ? latest_ns : UINT64_MAX);
}
