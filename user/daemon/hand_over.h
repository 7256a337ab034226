/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that relays, when a successor asks for its place (take_over.h is the other side,
 * relay/hand_over.h has the states of both).
 *
 *     successor                        this process
 *     method daemon.hand_over     ──▶  the connection is ours from now on (CONTROL_OWN: only root
 *                                      and the daemon's user may ask)
 *     HAND_OVER_OFFER             ──▶  relay_offer()
 *                                 ◀──  a bundle: manifest and descriptors
 *     HAND_OVER_PAUSE             ──▶  relay_pause()
 *                                 ◀──  HAND_OVER_PAUSED
 *                                 ◀──  a bundle: relay_describe_leases()
 *     HAND_OVER_COMMIT            ──▶  the main loop ends
 *                                 ◀──  a bundle: the final counters
 *
 * If the connection ends before the commit, this process goes on. Before the pause it also gives up
 * after HAND_OVER_SECONDS. Main thread.
 */
#ifndef XMCAST_DAEMON_HAND_OVER_H
#define XMCAST_DAEMON_HAND_OVER_H

#include "control/method.h"
#include "daemon/daemon.h"
#include "relay/hand_over.h"

/* The commands, a byte each. */
#define HAND_OVER_OFFER	 'o'
#define HAND_OVER_PAUSE	 'p'
#define HAND_OVER_PAUSED 'P'
#define HAND_OVER_COMMIT 'c'

/* How long a successor may take to prepare. */
#define HAND_OVER_SECONDS 30

/*
 * What a next process needs, as a text and the descriptors that it numbers, which are borrowed;
 * `account`: with the counters. The caller frees the text, and calls hand_over_free(). 0 or
 * -ENOMEM.
 */
int hand_over_describe(const struct daemon *daemon, bool account, struct hand_over *offer,
		       char **text, size_t *length);

/* The method daemon.hand_over. */
void hand_over_method(void *context, const json_t *params, struct control_reply *reply);

/* The successor has sent something, or has ended. 0; -EIO: the relay must end. */
int hand_over_run(struct daemon *daemon);

/* Call once a second. */
void hand_over_second(struct daemon *daemon);

/* After the main loop: let go of everything that the successor has now. True: there is one. */
bool hand_over_release(struct daemon *daemon);

/* Nothing counts any more: send the counters. */
void hand_over_finish(struct daemon *daemon);

#endif
