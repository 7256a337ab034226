/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Branches: rules that the relay makes from rules of the configuration, their stems, as receivers
 * want it. A stem with a prefix of groups has one for each of its groups that somebody wants, and no
 * path and no key itself:
 *
 *     tv in 239.1.0.0/16:any@eth0 out same@eth1 when joined              stem
 *       in 239.1.5.5:any@eth0 on demand out 239.1.5.5@eth1 when joined   branch, while 239.1.5.5
 *                                                                        is wanted on eth1
 *
 * A stem for one group has a path and a key. Its branches are for sources (below).
 *
 * A branch is an ordinary rule in every other respect: it has a route, a path, a membership and an
 * entry in the XDP map, and nothing but this unit, plan, books and relay know what it is. Branches
 * are behind the rules of the configuration, in relay->config.rules as in relay->routes; relay_config()
 * does not show them, and their counters are added to those of their stems (books.c).
 *
 *     follow_demand ─▶ branches_follow()   receivers want other groups than before
 *     relay_apply() ─▶ branches_append()   another configuration gets the branches that it needs
 *
 * What receivers say about sources counts for a prefix if all outputs keep the source, and for one
 * group if an output `when joined` does: a source that a receiver names, because it wants that source
 * alone or does not want it, has a branch of its own, which joins for that source and has its packets
 * by its more specific key. The branch of the group, or the stem for one group, then has the others.
 * Such a branch exists, and such a stem `on demand` joins (*,G), only while somebody wants any of
 * them. Of a group with more than RECEIVERS_SOURCES names these have all sources that have no branch
 * already.
 *
 * A more specific rule of the configuration takes its groups from a stem, as it would take its
 * packets: a rule for the group, or a longer prefix, on the same interface and port.
 *
 * Any host can want any number of groups. So the branches of a stem are limited (demand.max_streams),
 * those that are there stay, and the time that changes take is bounded: between two of them
 * passes three times as long as the first one took. Main thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_BRANCHES_H
#define XMCAST_RELAY_BRANCHES_H

#include "relay/state.h"

struct branches;

int branches_new(struct branches **out);       /* 0 or -ENOMEM */
void branches_free(struct branches *branches); /* accepts NULL */

/* Append to `next`, whose rules are those of a configuration, the branches that they shall have
 * now. Returns their number; -ENOMEM: none was appended. */
int branches_append(struct branches *branches, const struct relay *relay, struct config *next);

/* Remove the last `count` rules. */
void branches_cut(struct config *config, unsigned int count);

/*
 * Change the branches of the running rules to those that they shall have now: `changed`: what is
 * wanted may have changed; otherwise only what was put off or has ended is done. True: there are
 * new routes, whose outputs have to follow their interfaces.
 */
bool branches_follow(struct branches *branches, struct relay *relay, bool changed);

/* When to call it again although nothing has changed; UINT64_MAX: not at all. */
uint64_t branches_next_ns(const struct branches *branches);

/* Groups and sources of a stem that are wanted, but not relayed, because of a limit; *over_share:
 * those of them that only hosts want that report too many. */
unsigned int branches_refused(const struct branches *branches, const struct rule *stem,
			      unsigned int *over_share);

#endif
