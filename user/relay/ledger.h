/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does every packet that an XDP program has redirected to sockets arrive there, or in a counter of
 * drops? Drivers and kernels exist in which packets vanish in between: a socket that is bound to
 * another device than the one that received the packet, for example.
 *
 * The counters are read while packets pass, `steered` before the others. So what a look shows as
 * missing is missing or was just passing: a packet is counted as steered at once, but reaches the
 * ring only at the end of a poll of the driver, some microseconds later. Therefore a look compares
 * what had been steered at the look before, about a second ago, and what is steered now with an
 * allowance; and only a loss that grows in several looks counts, which noise does not.
 *
 * Pure; any thread.
 */
#ifndef XMCAST_RELAY_LEDGER_H
#define XMCAST_RELAY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/* Looks with more missing packets than ever before, until the loss is reported. */
#define LEDGER_LOOKS 3

/* Looks without that, after which they are forgotten. */
#define LEDGER_FORGET 10

/* Packets that one RX queue may have between program and ring: several polls of a driver. */
#define LEDGER_TRANSIT 256

struct ledger {
	bool started;
	uint64_t first_steered; /* at the first look, from which everything is counted */
	uint64_t first_arrived;
	uint64_t steered;   /* at the last look */
	uint64_t missing;   /* the most that was certainly missing at a look */
	unsigned int grown; /* looks in which `missing` has grown */
	unsigned int quiet; /* looks since then */
};

/* Forget everything: the counters start again. */
void ledger_reset(struct ledger *ledger);

/*
 * Look, about once a second. `steered` was read before `arrived`, which is everything that packets
 * end up in: received, dropped, and waiting in the rings. True: packets vanish; `missing` is how
 * many have.
 */
bool ledger_look(struct ledger *ledger, uint64_t steered, uint64_t arrived, unsigned int queues);

/* What is missing since the first look, if no packet is on its way any more. */
uint64_t ledger_missing(const struct ledger *ledger, uint64_t steered, uint64_t arrived);

#endif
