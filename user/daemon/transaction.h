/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transaction takes the relay from what runs to another configuration, all or nothing:
 *
 *     match    which entries stay as they are (same rule), which are new, which go
 *     open     ports, outputs, memberships of the new ones; beside what runs
 *     stage    a ruleset for every port that changes; new ports start their workers
 *     switch   the workers go over, each from one packet to the next; keys into the XDP maps;
 *              new ports are attached
 *     commit   keys of what goes leave the maps; memberships, sockets, ports are given back
 *
 * Whatever fails before the commit is taken back in the opposite order; the commit cannot fail.
 * Main thread.
 */
#ifndef XMCAST_DAEMON_TRANSACTION_H
#define XMCAST_DAEMON_TRANSACTION_H

#include "daemon/relay_internal.h"

enum transaction_kind {
	TRANSACTION_START,  /* from nothing: what cannot run is pending, whatever the cause */
	TRANSACTION_CHANGE, /* what the process lacks makes it fail */
	/* As START, and rules that wait for something else than their port are tried again: for
	 * an interface of an output, say. Ports come back by themselves (follow.h). */
	TRANSACTION_RETRY,
};

/* See relay_apply() in relay.h. */
int transaction_run(struct relay *relay, struct config *config, enum transaction_kind kind,
		    struct relay_change *change, char reason[REASON_SIZE]);

#endif
