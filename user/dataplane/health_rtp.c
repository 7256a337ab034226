/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/health_rtp.h"

#include "base/clock.h"

/* Between packets that are farther apart, the time says nothing about the network. */
#define JITTER_PAUSE_NS (10 * NS_PER_SECOND)

/* In ticks. The sum is 16 times that, at most. */
#define JITTER_MOST (1U << 27)

_Static_assert(RTP_WINDOW == 64, "the bits of rtp_track.seen");

static uint64_t known_mask(const struct rtp_track *track)
{
	return track->known < RTP_WINDOW ? (1ULL << track->known) - 1 : UINT64_MAX;
}

static void begin(struct rtp_track *track, uint16_t sequence, uint64_t seen, uint8_t known)
{
	track->highest = sequence;
	track->seen = seen;
	track->known = known;
	track->suspect = false;
}

unsigned int rtp_missing(const struct rtp_track *track)
{
	return (unsigned int)__builtin_popcountll(~track->seen & known_mask(track));
}

/* Move the window ahead. Returns how many numbers were missing when they left it. */
static uint32_t advance(struct rtp_track *track, unsigned int distance)
{
	uint64_t missing = ~track->seen & known_mask(track);
	unsigned int known = track->known + distance;
	uint32_t lost;

	if (distance < RTP_WINDOW) {
		lost = (uint32_t)__builtin_popcountll(missing >> (RTP_WINDOW - distance));
		track->seen = track->seen << distance | 1;
	} else {
		lost = (uint32_t)__builtin_popcountll(missing) + distance - RTP_WINDOW;
		track->seen = 1;
	}
	track->known = known < RTP_WINDOW ? (uint8_t)known : RTP_WINDOW;
	track->highest = (uint16_t)(track->highest + distance);
	return lost;
}

/* A number that is far from the others: the source may have started again. */
static void track_far(struct rtp_track *track, uint16_t sequence, bool suspect,
		      struct rtp_step *step)
{
	if (suspect && sequence == track->expected) {
		/* It was no late packet, but the first one. */
		step->late--;
		step->lost = rtp_missing(track);
		step->restarted = true;
		begin(track, sequence, 3, 2);
		return;
	}
	track->suspect = true;
	track->expected = (uint16_t)(sequence + 1);
}

struct rtp_step rtp_track(struct rtp_track *track, uint16_t sequence)
{
	unsigned int ahead = (uint16_t)(sequence - track->highest);
	unsigned int behind = (uint16_t)(track->highest - sequence);
	bool suspect = track->suspect;
	struct rtp_step step = {.late = suspect};

	if (!track->known) {
		begin(track, sequence, 1, 1);
		return step;
	}
	track->suspect = false;
	if (behind < RTP_WINDOW) {
		step.duplicate = track->seen >> behind & 1;
		step.reordered = !step.duplicate;
		track->seen |= 1ULL << behind;
	} else if (ahead < RTP_DROPOUT) {
		step.lost = advance(track, ahead);
	} else if (behind < RTP_MISORDER) {
		step.late++;
	} else {
		track_far(track, sequence, suspect, &step);
	}
	return step;
}

void rtp_track_jitter(struct rtp_track *track, uint32_t timestamp, uint32_t clock, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - track->last_ns;
	uint32_t difference;

	if (track->last_ns && passed_ns < JITTER_PAUSE_NS) {
		uint32_t passed = (uint32_t)(passed_ns * clock / NS_PER_SECOND);

		/* Wraps, as the appendix has it. */
		difference = passed - (timestamp - track->last_timestamp);
		if (difference > INT32_MAX)
			difference = -difference;
		/* More than the pause, or too much for the sum: the timestamps have jumped. */
		if (difference < (uint64_t)clock * 10 && difference < JITTER_MOST)
			track->jitter += difference - ((track->jitter + 8) >> 4);
	}
	track->last_ns = now_ns;
	track->last_timestamp = timestamp;
}

uint64_t rtp_jitter_ns(uint32_t jitter, uint32_t clock)
{
	return clock ? (uint64_t)jitter * NS_PER_SECOND / 16 / clock : 0;
}

uint32_t rtp_clock(uint8_t type)
{
	static const uint32_t clocks[] = {
		[0] = 8000,   [3] = 8000,   [4] = 8000,	  [5] = 8000,	[6] = 16000,  [7] = 8000,
		[8] = 8000,   [9] = 8000,   [10] = 44100, [11] = 44100, [12] = 8000,  [13] = 8000,
		[14] = 90000, [15] = 8000,  [16] = 11025, [17] = 22050, [18] = 8000,  [25] = 90000,
		[26] = 90000, [28] = 90000, [31] = 90000, [32] = 90000, [33] = 90000, [34] = 90000,
	};

	return type < sizeof(clocks) / sizeof(clocks[0]) ? clocks[type] : 0;
}
