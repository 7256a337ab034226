/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books: the counters of some rules and of all interfaces at one moment, and their totals.
 * There is no snapshot of all rules: with 65,536 of them it would keep the main thread busy
 * for too long, so they are read in parts. Main thread.
 *
 * Packets flow while the counters are read. Therefore the last stage of a packet is read first and
 * the first stage last: the books may show a packet as still being on its way although it has left
 * meanwhile, but never as having left without having arrived. At any moment
 *
 *     each output       sent + all errors <= submitted
 *                       submitted + rate_limited + withheld + not_copied
 *                           <= received by its rule
 *     each interface    received by its rules + drops of its workers
 *                           <= received by its workers + forwarded (1)
 *                       received by its workers + drops of the kernel <= steered
 *
 * and all of these are equalities if no packet is on its way: wait for that to compare for
 * equality. A packet that an output on the kernel path has not sent counts as lost only once it
 * cannot be on its way any more: at a reading that is SETTLED_NS (kernel_path.c) or more after one
 * in which the rule had received it.
 *
 * (1) Until the interface is opened again, which resets its counters and not those of
 * rules, or one of its rules is removed; for the totals it holds always.
 */
#ifndef XMCAST_RELAY_BOOKS_H
#define XMCAST_RELAY_BOOKS_H

#include "relay/counts.h"

struct relay;
struct route;

struct books {
	uint64_t taken_ns; /* CLOCK_MONOTONIC: when they were read */
	uint64_t uptime_seconds;
	uint64_t generation; /* of the configuration (relay_generation()) */
	/* Of interfaces that are gone, and what rules on the kernel path had sent when each of them
	 * was last read. */
	struct total_counts retired;
	unsigned int all_rules; /* number of rules of the configuration */
	/* Latencies of rules with branches (branches.h). */
	unsigned int nr_sums;
	struct histogram *sums;
	unsigned int first_rule; /* index of rules[0] among them */
	unsigned int nr_rules;
	struct rule_counts *rules;     /* in the order of the configuration */
	struct output_counts *outputs; /* these rules' outputs in one array */
	struct side_counts *sides;     /* the sides of those with several inputs, likewise */
	unsigned int nr_interfaces;
	struct interface_counts *interfaces;
	unsigned int nr_workers;
	struct worker_counts *workers;
	unsigned int nr_devices;
	struct device_counts *devices; /* by which outputs send; as read about a second ago */
};

/* Empty books with room for these numbers, all zero. NULL: no memory. */
struct books *books_new(unsigned int rules, unsigned int outputs, unsigned int interfaces,
			unsigned int workers);
void books_free(struct books *books); /* accepts NULL */

/* The totals of all interfaces and workers, also of those that are gone: never less than before. */
void books_sum(const struct books *books, struct total_counts *totals);

/* The counters of one rule now; both are all zero before. `wanted`: the rule's path (rule_path()).
 */
void books_read_rule(const struct route *route, enum rule_path wanted, uint64_t now_ns,
		     struct rule_counts *counts, struct output_counts *outputs);

/* The counters now of up to `most` rules from the `first` on, and of all that is no rule; branches
 * are behind the rules of the configuration. NULL: no memory. */
struct books *books_read(const struct relay *relay, size_t first, size_t most);

#endif
