/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/health_mold64.h"

uint64_t mold64_missing(const struct mold64_track *track)
{
	uint64_t missing = 0;

	for (unsigned int i = 0; i < track->nr_gaps; i++)
		missing += track->gaps[i].end - track->gaps[i].first;
	return missing;
}

static void remove_gap(struct mold64_track *track, unsigned int i)
{
	track->nr_gaps--;
	memmove(&track->gaps[i], &track->gaps[i + 1],
		(track->nr_gaps - i) * sizeof(track->gaps[0]));
}

/* Nobody waits for the first gap any more. */
static void give_up(struct mold64_track *track, struct mold64_step *step)
{
	step->lost += track->gaps[0].end - track->gaps[0].first;
	remove_gap(track, 0);
}

/* Make room for a gap at this place. If there is none, the first one is given up. Returns where the
 * place is then. */
static unsigned int insert_gap(struct mold64_track *track, unsigned int i, struct mold64_step *step)
{
	if (track->nr_gaps == MOLD64_GAPS) {
		give_up(track, step);
		i--;
	}
	memmove(&track->gaps[i + 1], &track->gaps[i],
		(track->nr_gaps - i) * sizeof(track->gaps[0]));
	track->nr_gaps++;
	return i;
}

/* These messages, all below `next`, have arrived: those of them that were missing are not. */
static void fill(struct mold64_track *track, uint64_t first, uint64_t end, struct mold64_step *step)
{
	uint64_t filled = 0;

	for (unsigned int i = 0; i < track->nr_gaps; i++) {
		struct mold64_gap *gap = &track->gaps[i];
		uint64_t from = first > gap->first ? first : gap->first;
		uint64_t to = end < gap->end ? end : gap->end;

		if (from >= to)
			continue;
		filled += to - from;
		if (from > gap->first && to < gap->end) {
			struct mold64_gap rest = *gap;

			rest.first = to;
			gap->end = from;
			track->gaps[insert_gap(track, i + 1, step)] = rest;
			break;
		}
		if (from > gap->first)
			gap->end = from;
		else if (to < gap->end)
			gap->first = to;
		else
			remove_gap(track, i--);
	}
	step->reordered += (uint32_t)filled;
	step->duplicates += (uint32_t)(end - first - filled);
}

static void restart(struct mold64_track *track, uint64_t next, struct mold64_step *step)
{
	step->lost += mold64_missing(track);
	track->nr_gaps = 0;
	track->next = next;
	track->behind = 0;
}

/* Has the sender started again? Numbers of a session only grow. */
static bool is_far(const struct mold64_track *track, uint64_t first)
{
	return first > track->next && first - track->next > MOLD64_JUMP;
}

static void add_gap(struct mold64_track *track, uint64_t first, uint64_t end, uint64_t now_ns,
		    struct mold64_step *step)
{
	unsigned int i = insert_gap(track, track->nr_gaps, step);

	track->gaps[i] = (struct mold64_gap){first, end, now_ns, track->packets};
}

static void end_waiting(struct mold64_track *track, uint64_t now_ns, struct mold64_step *step)
{
	while (track->nr_gaps && (track->packets - track->gaps[0].since >= MOLD64_PATIENCE ||
				  now_ns - track->gaps[0].since_ns >= MOLD64_PATIENCE_NS))
		give_up(track, step);
}

/* Packets that bring nothing new, one behind the other, are no late ones. */
static bool is_behind(struct mold64_track *track, uint64_t first, uint64_t end,
		      const struct mold64_step *step)
{
	if (first >= track->next || end > track->next || step->reordered)
		track->behind = 0;
	else
		track->behind++;
	return track->behind >= MOLD64_BEHIND;
}

struct mold64_step mold64_track(struct mold64_track *track, const struct mold64_header *header,
				uint64_t now_ns)
{
	uint64_t first = header->sequence, end = first + mold64_messages(header);
	bool begins = !track->packets++;
	struct mold64_step step = {};

	if (begins || memcmp(track->session, header->session, MOLD64_SESSION_SIZE) != 0) {
		memcpy(track->session, header->session, MOLD64_SESSION_SIZE);
		step.session_changed = !begins;
		restart(track, end, &step);
		return step;
	}
	end_waiting(track, now_ns, &step);
	if (first < track->next)
		fill(track, first, end < track->next ? end : track->next, &step);
	if (is_far(track, first) || is_behind(track, first, end, &step)) {
		step.restarted = true;
		restart(track, end, &step);
		return step;
	}
	if (first > track->next)
		add_gap(track, track->next, first, now_ns, &step);
	if (end > track->next)
		track->next = end;
	return step;
}
