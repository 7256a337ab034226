/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/ledger.h"

void ledger_reset(struct ledger *ledger)
{
	*ledger = (struct ledger){.started = false};
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t ledger_missing(const struct ledger *ledger, uint64_t steered, uint64_t arrived)
{
	return above(steered - ledger->first_steered, arrived - ledger->first_arrived);
}

bool ledger_look(struct ledger *ledger, uint64_t steered, uint64_t arrived, unsigned int queues)
{
	uint64_t before, now;

	if (!ledger->started) {
		*ledger = (struct ledger){
			.started = true,
			.first_steered = steered,
			.first_arrived = arrived,
			.steered = steered,
		};
		return false;
	}
	arrived -= ledger->first_arrived;
	before = above(ledger->steered - ledger->first_steered, arrived);
	now = above(steered - ledger->first_steered, arrived + queues * (uint64_t)LEDGER_TRANSIT);
	ledger->steered = steered;
	if (now < before)
		now = before;
	if (now > ledger->missing) {
		ledger->missing = now;
		ledger->grown++;
		ledger->quiet = 0;
	} else if (++ledger->quiet >= LEDGER_FORGET) {
		ledger->grown = 0;
	}
	return ledger->grown >= LEDGER_LOOKS;
}
