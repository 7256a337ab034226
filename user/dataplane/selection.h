/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which input of a rule with `select first` is relayed: its sides, in the order of the rule, the
 * first one preferred. One side is selected, and only its datagrams are sent.
 *
 *     a side is silent   no datagram for `hold`, or, with `below`, a lower rate over that time
 *     it takes over      with its next datagram, once the selected side is silent and no better
 *                        side flows; or, if it is better than the selected side, once it has flowed
 *                        for `return` without a gap of `hold`
 *
 * There is no timer: datagrams decide, so that the first one behind `hold` is already sent. The
 * egress threads of all sides share the selection, which is read for each datagram and written only
 * when the selected side changes.
 *
 * No datagram of the old side leaves behind one of the new side. An egress thread adds what it is
 * about to send to `unsent` of its side, and then looks whether the side is selected; who takes
 * over selects its side first, and sends nothing before it has seen `unsent` of all others at 0. So
 * one of both sees the other (Dekker), whatever stops a thread in between.
 *
 * The main thread creates selections and holds references; egress threads call selection_admit()
 * and selection_done(); any thread may read.
 */
#ifndef XMCAST_DATAPLANE_SELECTION_H
#define XMCAST_DATAPLANE_SELECTION_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "dataplane/withheld.h"
#include "rules/rule.h"

/* Why the selected side changed. */
enum selection_cause {
	SELECTION_SILENT,   /* the side before was silent */
	SELECTION_SLOW,	    /* its rate was below the limit */
	SELECTION_RETURNED, /* a better side has flowed for long enough */
};

#define SELECTION_CAUSE_NAMES                                                                      \
	{                                                                                          \
		"silent", "slow", "returned"                                                       \
	}

struct selection_side {
	alignas(CACHE_LINE) _Atomic uint64_t last_ns; /* its last datagram, CLOCK_MONOTONIC */
	_Atomic uint64_t good_ns;		      /* since when it has flowed without a gap */
	/* With `below`: the present window, its datagrams, and whether the last one had too few. */
	_Atomic uint64_t window_ns;
	_Atomic uint32_t window_count;
	atomic_bool slow;
	/* Datagrams, once for each output, that may be sent and are not done. */
	_Atomic uint32_t unsent;
};

/* In selection.word: the selected side in the lowest 8 bits, the side before it in the next 8, the
 * cause in the next 8; SELECTION_SETTLED: nothing of other sides is unsent; above, a number that
 * grows with every change. */
#define SELECTION_SETTLED    0x1000000ULL
#define SELECTION_GENERATION 0x100000000ULL

struct selection {
	unsigned int references;
	unsigned int count;
	/* Written by the main thread while the others read. */
	_Atomic uint64_t hold_ns;
	_Atomic uint64_t return_ns; /* UINT64_MAX: never */
	_Atomic uint32_t below_pps; /* 0: only silence counts */
	alignas(CACHE_LINE) _Atomic uint64_t word;
	struct selection_side sides[RULE_SIDES_MAX];
};

/* A selection for the sides of this rule, beginning with this side. One reference. NULL: no memory.
 */
struct selection *selection_new(const struct rule *rule, unsigned int selected, uint64_t now_ns);

/* Follow the options of the rule, whose number of sides is the same. */
void selection_configure(struct selection *selection, const struct rule *rule);

/* Accept NULL. selection_hold() returns its argument. */
struct selection *selection_hold(struct selection *selection);
void selection_put(struct selection *selection);

/* A datagram of this side has arrived, for `outputs` outputs. WITHHELD_NOTHING: it may be sent;
 * call selection_done() when all of them are done. WITHHELD_INACTIVE_SIDE: another side is
 * selected. WITHHELD_SIDE_CHANGE: this side is, and datagrams of others are not done yet. */
enum withheld selection_admit(struct selection *selection, unsigned int mine, unsigned int outputs,
			      uint64_t now_ns);

static inline void selection_done(struct selection_side *side, unsigned int outputs)
{
	atomic_fetch_sub_explicit(&side->unsent, outputs, memory_order_release);
}

static inline unsigned int selection_side(const struct selection *selection)
{
	return atomic_load_explicit(&selection->word, memory_order_relaxed) & 0xff;
}

/* The last change, and how many there have been. */
struct selection_change {
	unsigned int from, to;
	enum selection_cause cause;
	uint32_t changes;
};

void selection_read(const struct selection *selection, struct selection_change *change);

/* Does the side flow: has it sent within `hold`, and fast enough? */
bool selection_flows(const struct selection *selection, unsigned int side, uint64_t now_ns);

#endif
