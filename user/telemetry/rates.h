/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rates of one counter pair (packets, bytes), from samples taken about once a second: over the last
 * second, over the last ten, the peak, and when the last packet came. Pure: the time is an
 * argument.
 *
 * Time is CLOCK_MONOTONIC ns (base/clock.h). A rule has one of these, and each of its outputs: 216
 * bytes, of which 160 are the window's ten samples; 10,000 rules of one output each have 4.3 MB.
 */
#ifndef XMCAST_TELEMETRY_RATES_H
#define XMCAST_TELEMETRY_RATES_H

#include <stdbool.h>
#include <stdint.h>

/* Samples kept: the window of rates_window(), at one a second. */
#define RATES_SAMPLES 10

/* What came in from one sample to the next. */
struct rates_sample {
	uint32_t us; /* how long that was, in us; 0: no such sample */
	uint32_t packets;
	uint64_t bytes;
};

struct rates {
	uint64_t sampled_ns; /* when the last sample was taken, and what the counters were */
	uint64_t packets;
	uint64_t bytes;
	uint64_t last_packet_ns; /* first sample that had the last packet; 0: none came yet */
	uint64_t peak_pps;
	uint64_t peak_bps;
	unsigned int next; /* of the samples: where the next one goes */
	struct rates_sample samples[RATES_SAMPLES];
};

/* Packets and bits (of UDP payload) a second. */
struct rate {
	uint64_t pps;
	uint64_t bps;
};

/* Begin now, with counters at 0. */
void rates_start(struct rates *rates, uint64_t now_ns);

/*
 * The counters as they are now. A call less than half a second after the last sample is left to the
 * next one, since so short a sample would show bursts as peaks; after more than a minute (nobody
 * called) the window begins anew; so does everything if a counter has gone back, because then it is
 * another one.
 */
void rates_sample(struct rates *rates, uint64_t now_ns, uint64_t packets, uint64_t bytes);

/* Over the last sample; all 0 before the first. */
struct rate rates_second(const struct rates *rates);

/* Over the last ten seconds, or since the start if that is less: what came in over how long it
 * took, however long each sample was. */
struct rate rates_window(const struct rates *rates);

/* The largest rates_second() since the start, or since this was called. */
void rates_reset_peak(struct rates *rates);

/*
 * How long ago the last packet came, with a resolution of a sample: in *ago_ns. `packets`: the
 * counter as it is now. False: none has come.
 */
bool rates_last_packet(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		       uint64_t *ago_ns);

/* Whether packets come. */
enum flow { FLOW_NEVER, FLOW_FLOWING, FLOW_SILENT };

/* As rates_last_packet(); silent: none for so long. */
enum flow rates_flow(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		     uint64_t silent_ns);

/* "never", "flowing", "silent". */
const char *flow_name(enum flow flow);

#endif
