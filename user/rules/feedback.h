/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that feed themselves: the output of one is the input of another, and so on round to the
 * first. Packets would circle and, with more than one output, multiply: every hop gives them a new
 * TTL.
 *
 * A rule's output feeds all rules whose input has the same IP protocol, address, port and
 * interface; an output without an interface (routed) those on any interface, one that keeps every
 * port those of any port. A rule that takes any port is fed by everything sent to its address, even
 * to a port that another rule claims, and passes on every port, whichever it is fed with. These are
 * the packets that could come back, not those that do: the kernel does not hand our own sends to
 * our XDP program, but a bridge, a veth pair, a second relay or a wrong cable does. `source` does
 * not protect a rule: what circles carries a source address of this host, or that of the packet
 * (`from keep`), and either may be the one that is named. Rules that are disabled or have
 * `may_loop` feed nothing.
 *
 * Linear in rules and outputs. Pure; any thread.
 */
#ifndef XMCAST_RULES_FEEDBACK_H
#define XMCAST_RULES_FEEDBACK_H

#include "rules/draft.h"

/*
 * Append an error for each cycle that is found (one for each output that closes one), at such an
 * output, or where a rule was enabled. An output that is its own rule's input is left to
 * rule_validate(). 0 or -ENOMEM.
 */
int feedback_check(const struct draft *draft, struct errors *errors);

#endif
