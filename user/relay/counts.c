/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/counts.h"

uint64_t kernel_drops(const struct worker_state *state)
{
	/* rx_dropped includes those that found the fill ring empty. */
	return state->kernel.rx_dropped + state->kernel.rx_ring_full;
}

void rule_latency(const struct rule_counts *rule, struct histogram_counts *sum)
{
	for (unsigned int i = 0; i < RULE_SIDES_MAX; i++) {
		for (unsigned int j = 0; j < rule->nr_latency[i]; j++)
			histogram_sum(&rule->latency[i][j], sum);
	}
	if (rule->carried_latency)
		histogram_sum(rule->carried_latency, sum);
}

void rule_counts_add(struct rule_counts *sum, const struct rule_counts *counts)
{
	sum->received += counts->received;
	sum->received_bytes += counts->received_bytes;
	sum->standby += counts->standby;
}

void output_counts_add(struct output_counts *sum, const struct output_counts *counts)
{
	sum->submitted += counts->submitted;
	sum->sent += counts->sent;
	sum->sent_bytes += counts->sent_bytes;
	for (unsigned int i = 0; i < SEND_ERRORS; i++)
		sum->errors[i] += counts->errors[i];
	sum->rate_limited += counts->rate_limited;
	for (unsigned int i = 0; i < WITHHELD_REASONS; i++)
		sum->withheld[i] += counts->withheld[i];
	for (unsigned int i = 0; i < ICMP_KINDS; i++)
		sum->icmp[i] += counts->icmp[i];
	sum->not_copied += counts->not_copied;
	sum->gso_refused += counts->gso_refused;
}

void totals_add_steered(struct total_counts *totals, const uint64_t verdicts[XMC_REASONS])
{
	uint64_t taken = verdicts[XMC_FORWARDED] + verdicts[XMC_STANDBY];

	totals->steered += verdicts[XMC_STEERED] + taken;
	totals->received += taken;
}

void totals_add_worker(struct total_counts *totals, const struct worker_state *state)
{
	totals->submitted += state->submitted;
	totals->sent += state->sent;
	totals->sent_bytes += state->sent_bytes;
	totals->send_errors += state->send_errors;
	totals->rate_limited += state->rate_limited;
	totals->withheld += state->withheld;
	totals->unwanted += state->unwanted;
	totals->inactive_side += state->inactive_side;
	totals->received += state->received;
	totals->dropped += kernel_drops(state);
	for (unsigned int i = 0; i < INGRESS_DROPS; i++)
		totals->dropped += state->drops[i];
	totals->buffer_exhausted += state->kernel.fill_ring_empty;
}

void totals_advance(struct total_counts *totals, struct total_counts *before,
		    const struct total_counts *now)
{
	totals->submitted += now->sent + now->send_errors - before->sent - before->send_errors;
	totals->sent += now->sent - before->sent;
	totals->sent_bytes += now->sent_bytes - before->sent_bytes;
	totals->send_errors += now->send_errors - before->send_errors;
	totals->withheld += now->withheld - before->withheld;
	totals->unwanted += now->unwanted - before->unwanted;
	*before = *now;
}
