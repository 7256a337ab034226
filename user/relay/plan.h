/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plan takes the relay from what runs to another configuration, all or nothing:
 *
 *     match    which routes stay as they are (same rule), which are new, which go
 *     open     intakes, outputs, memberships of the new ones; beside what runs
 *     stage    a ruleset for every intake that changes; new intakes start their workers
 *     switch   the workers go over, each from one packet to the next; keys into the XDP maps;
 *              new intakes are attached
 *     commit   keys of what goes leave the maps; memberships, sockets, intakes are given back
 *
 * Whatever fails before the commit is taken back in the opposite order; the commit cannot fail.
 * Main thread.
 */
#ifndef XMCAST_RELAY_PLAN_H
#define XMCAST_RELAY_PLAN_H

#include "relay/relay_internal.h"

enum plan_kind {
	PLAN_START,  /* from nothing: what cannot run is pending, whatever the cause */
	PLAN_CHANGE, /* what the process lacks makes it fail */
	/* As START, and rules that wait for something else than their intake are tried again: for
	 * an interface of an output, say. Ports come back by themselves (follow.h). */
	PLAN_RETRY,
};

/* See relay_apply() in relay.h. */
int plan_run(struct relay *relay, struct config *config, enum plan_kind kind,
	     struct relay_change *change, char reason[REASON_SIZE]);

#endif
