/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/rates.h"

#include <string.h>

#include "base/clock.h"

#define SHORTEST_NS (NS_PER_SECOND / 2)

/* A longer sample says nothing about the present. Up to this length its packets fit into 32 bits
 * (71 million packets/s). */
#define LONGEST_NS (60 * NS_PER_SECOND)

/* The window has as many whole samples as come closest to ten seconds. */
#define WINDOW_US (10500000ULL)

void rates_start(struct rates *rates, uint64_t now_ns)
{
	memset(rates, 0, sizeof(*rates));
	rates->sampled_ns = now_ns;
}

/* Start the next sample here. */
static void set_base(struct rates *rates, uint64_t now_ns, uint64_t packets, uint64_t bytes)
{
	if (packets > rates->packets)
		rates->last_packet_ns = now_ns;
	rates->sampled_ns = now_ns;
	rates->packets = packets;
	rates->bytes = bytes;
}

static struct rate rate_of(uint64_t us, uint64_t packets, uint64_t bytes)
{
	struct rate rate = {0};

	if (!us)
		return rate;
	/* Adding half of the divisor rounds to the nearest. 128 bits, because 8e6 times the bytes
	 * of a window may not fit into 64. */
	rate.pps = (packets * 1000000 + us / 2) / us;
	rate.bps = (uint64_t)(((unsigned __int128)bytes * 8000000 + us / 2) / us);
	return rate;
}

void rates_sample(struct rates *rates, uint64_t now_ns, uint64_t packets, uint64_t bytes)
{
	uint64_t took = now_ns - rates->sampled_ns;
	struct rates_sample *sample;
	struct rate rate;

	if (packets < rates->packets || bytes < rates->bytes) {
		rates_start(rates, now_ns);
		set_base(rates, now_ns, packets, bytes);
		return;
	}
	/* The caller's clock may also stand still or go back. */
	if (now_ns < rates->sampled_ns || took < SHORTEST_NS)
		return;
	/* The window begins with the first packet: the time before it would thin out its rate. */
	if (!packets) {
		rates->sampled_ns = now_ns;
		return;
	}
	if (took > LONGEST_NS) {
		memset(rates->samples, 0, sizeof(rates->samples));
		set_base(rates, now_ns, packets, bytes);
		return;
	}
	sample = &rates->samples[rates->next];
	rates->next = (rates->next + 1) % RATES_SAMPLES;
	sample->us = (uint32_t)(took / 1000);
	sample->packets = (uint32_t)(packets - rates->packets);
	sample->bytes = bytes - rates->bytes;
	set_base(rates, now_ns, packets, bytes);
	rate = rates_second(rates);
	if (rate.pps > rates->peak_pps)
		rates->peak_pps = rate.pps;
	if (rate.bps > rates->peak_bps)
		rates->peak_bps = rate.bps;
}

/* The n-th sample from the end; 0 is the last one. */
static const struct rates_sample *sample_back(const struct rates *rates, unsigned int n)
{
	return &rates->samples[(rates->next + 2 * RATES_SAMPLES - 1 - n) % RATES_SAMPLES];
}

struct rate rates_second(const struct rates *rates)
{
	const struct rates_sample *last = sample_back(rates, 0);

	return rate_of(last->us, last->packets, last->bytes);
}

struct window {
	uint64_t us, packets, bytes;
};

static struct window sum_window(const struct rates *rates)
{
	struct window sum = {0};

	for (unsigned int i = 0; i < RATES_SAMPLES; i++) {
		const struct rates_sample *sample = sample_back(rates, i);

		if (sum.us && sum.us + sample->us > WINDOW_US)
			break;
		sum.us += sample->us;
		sum.packets += sample->packets;
		sum.bytes += sample->bytes;
	}
	return sum;
}

struct rate rates_window(const struct rates *rates)
{
	struct window sum = sum_window(rates);

	return rate_of(sum.us, sum.packets, sum.bytes);
}

uint64_t rates_interval_us(const struct rates *rates)
{
	struct window sum = sum_window(rates);

	return sum.packets ? sum.us / sum.packets : 0;
}

void rates_reset_peak(struct rates *rates)
{
	struct rate rate = rates_second(rates);

	rates->peak_pps = rate.pps;
	rates->peak_bps = rate.bps;
}

bool rates_last_packet(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		       uint64_t *ago_ns)
{
	*ago_ns = 0;
	if (packets > rates->packets)
		return true;
	if (!rates->last_packet_ns)
		return false;
	if (now_ns > rates->last_packet_ns)
		*ago_ns = now_ns - rates->last_packet_ns;
	return true;
}

enum flow rates_flow(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		     uint64_t silent_ns)
{
	uint64_t ago;

	if (!rates_last_packet(rates, now_ns, packets, &ago))
		return FLOW_NEVER;
	return ago < silent_ns ? FLOW_FLOWING : FLOW_SILENT;
}

const char *flow_name(enum flow flow)
{
	static const char *const names[] = {"never", "flowing", "silent"};

	return names[flow];
}
