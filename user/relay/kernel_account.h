/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of a rule's packets at one output of the kernel path. The programs count what the
 * rule has received (`received`) and what the output has sent (`sent`); the rest is lost, and
 * counted here: under an error while the output is not usable, otherwise as not copied, because the
 * kernel did not make a copy for it. A packet counted as received may still be on its way, so the
 * rest is only known of what was received some time before `sent` was read. Pure. Main thread.
 */
#ifndef XMCAST_RELAY_KERNEL_ACCOUNT_H
#define XMCAST_RELAY_KERNEL_ACCOUNT_H

#include "relay/counts.h"

/* Starts as all zero. */
struct kernel_account {
	/* Under what its packets are counted: an errno, or a negative enum withheld; 0: nothing. */
	int error;
	/* It is usable again since then, but some packets from before, which belong to this errno,
	 * may not have been counted under it yet. 0: all have been. */
	int error_before;
	uint64_t usable_ns;
	uint64_t errors[SEND_ERRORS]; /* while it was not usable */
	uint64_t withheld[WITHHELD_REASONS];
	uint64_t unusable; /* the sum of both */
	uint64_t not_copied;
};

/* Count the rest, under the error that the output has or had: none of the packets in `received` is
 * on its way. */
void kernel_account_add(struct kernel_account *account, const struct xmc_tally *received,
			const struct xmc_tally *sent);

/* The same of packets that were received until `received_ns`, long enough ago; what comes later
 * does not belong to `error_before`. */
void kernel_account_settle(struct kernel_account *account, const struct xmc_tally *received,
			   uint64_t received_ns, const struct xmc_tally *sent);

/* The same while no packet is on its way at all. */
void kernel_account_close(struct kernel_account *account, const struct xmc_tally *received,
			  const struct xmc_tally *sent);

/* Add the output's counters to `counts` and `totals`; `rule` was read behind `sent`. */
void kernel_account_read(const struct kernel_account *account, const struct xmc_tally *rule,
			 const struct xmc_tally *sent, struct output_counts *counts,
			 struct total_counts *totals);

#endif
