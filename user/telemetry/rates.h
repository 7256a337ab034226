/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rates of one pair of counters (packets, bytes) from samples taken about once a second: over the
 * last second, over the last ten seconds, the peak, and the time of the last packet. Pure: the time
 * is an argument, in CLOCK_MONOTONIC ns (base/clock.h).
 *
 * Each rule and each output has one: 216 bytes, of which 160 are the ten samples of the window.
 * 10,000 rules with one output each need 4.3 MB.
 */
#ifndef XMCAST_TELEMETRY_RATES_H
#define XMCAST_TELEMETRY_RATES_H

#include <stdbool.h>
#include <stdint.h>

/* Samples kept: the window of rates_window(), at one a second. */
#define RATES_SAMPLES 10

/* Packets and bytes between two samples. */
struct rates_sample {
	uint32_t us; /* duration in us; 0: unused */
	uint32_t packets;
	uint64_t bytes;
};

struct rates {
	uint64_t sampled_ns; /* time and counters of the last sample */
	uint64_t packets;
	uint64_t bytes;
	uint64_t last_packet_ns; /* time of the first sample with the last packet; 0: no packet yet
				  */
	uint64_t peak_pps;
	uint64_t peak_bps;
	unsigned int next; /* index of the oldest sample, which the next one replaces */
	struct rates_sample samples[RATES_SAMPLES];
};

/* Packets and bits (of UDP payload) a second. */
struct rate {
	uint64_t pps;
	uint64_t bps;
};

/* Start now, with both counters at 0. */
void rates_start(struct rates *rates, uint64_t now_ns);

/*
 * Take a sample of the counters. Ignored within half a second after the last sample, because such a
 * short sample would show bursts as peaks. After more than a minute without a call the window
 * starts again. If a counter has decreased, it was reset, and everything starts again.
 */
void rates_sample(struct rates *rates, uint64_t now_ns, uint64_t packets, uint64_t bytes);

/* The rates of the last sample; 0 before the first one. */
struct rate rates_second(const struct rates *rates);

/* The rates over the last ten seconds, or since the sample with the first packet: the sum of the
 * samples over the sum of their durations. */
struct rate rates_window(const struct rates *rates);

/* The mean time between packets in this window; 0: there was none. */
uint64_t rates_interval_us(const struct rates *rates);

/* Restart the peaks from the current rates_second(). */
void rates_reset_peak(struct rates *rates);

/*
 * The time since the last packet, in *ago_ns, with the resolution of a sample. `packets`: the
 * current value of the counter. False: no packet yet.
 */
bool rates_last_packet(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		       uint64_t *ago_ns);

/* Whether packets arrive. */
enum flow { FLOW_NEVER, FLOW_FLOWING, FLOW_SILENT };

/* The flow from rates_last_packet(): silent if the last packet is at least silent_ns ago. */
enum flow rates_flow(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		     uint64_t silent_ns);

/* "never", "flowing", "silent". */
const char *flow_name(enum flow flow);

#endif
