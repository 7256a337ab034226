/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a thread without work spins before it sleeps, by wake-up strategy: `eventfd` not at all,
 * `hybrid` for a while, `spin` for ever.
 */
#ifndef XMCAST_DATAPLANE_SPIN_H
#define XMCAST_DATAPLANE_SPIN_H

#include <sched.h>
#include <stdbool.h>

#include "rules/config.h"

/* Rounds of `hybrid`: 34 to 43 us, measured on an idle EPYC. */
#define SPIN_HYBRID_ROUNDS 1000

/* Every SPIN_YIELD_ROUNDS rounds the thread yields its CPU, because there may be fewer CPUs than
 * threads. */
#define SPIN_YIELD_ROUNDS 64

struct spin {
	enum egress_wakeup wakeup;
	unsigned int rounds;
};

static inline void spin_reset(struct spin *spin, enum egress_wakeup wakeup)
{
	spin->wakeup = wakeup;
	spin->rounds = 0;
}

/* True: look for work again at once; false: sleep. */
static inline bool spin_again(struct spin *spin)
{
	if (spin->wakeup == WAKEUP_EVENTFD)
		return false;
	if (spin->wakeup == WAKEUP_HYBRID && spin->rounds >= SPIN_HYBRID_ROUNDS)
		return false;
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
	if (++spin->rounds % SPIN_YIELD_ROUNDS == 0)
		sched_yield();
	return true;
}

#endif
