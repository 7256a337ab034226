/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The relay follows the network. What the kernel announces (links/watch.h) is a reason to look, and
 * a look compares the network with what runs and what should run (schedule.h says when):
 *
 *     an intake whose interface …
 *       is down                          stays, impaired: sockets, program, memberships survive
 *       has lost its XDP program         is impaired, or attaches it again (`lost_program`)
 *       is gone, was moved or renamed,   is given up: its threads end in order, its rules are
 *       has other queues or another MTU  pending; their paths stay, with counters and sockets
 *     an intake that failed              is brought up as soon as its interface can carry it, and
 *                                        its back-off allows it
 *     a name that another interface has  its rules get an arrival at that interface; the intake's
 *       now                              other rules go on
 *     an output whose interface has      keeps its socket, which is moved to the new one; the
 *       another index, or none           rule's other outputs do not notice
 *     addresses, routes                  outputs forget which sizes of batches their route accepts,
 *                                        some at a time, at most once a second
 *     a rule that waits for an output    is tried again
 *     anything of the above, or a        kernel paths are examined again (kernel_path.h), in the
 *       neighbour, or XDP features         same look; if there are very many, some at a time
 *     a device that refuses redirected   is noticed within half a second; its rules take the user
 *       packets                            path or are pending
 *
 * Only a plan (plan.h) changes rules and brings intakes up. Giving an intake up does not disturb
 * the threads of the others. Main thread; rights as for relay_open(), and CAP_NET_RAW to move
 * sockets.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_FOLLOW_H
#define XMCAST_RELAY_FOLLOW_H

#include "relay/state.h"

/* Start listening, and add the descriptors to the relay's epoll set. 0 or -errno (-ENOMEM,
 * -EMFILE). Without netlink, which is logged, it looks twice a second. */
int follow_open(struct follow **out, struct relay *relay);
void follow_close(struct follow *follow); /* accepts NULL */

/* Do what is due. Call it when a descriptor of the set is readable. */
void follow_run(struct follow *follow);

/* The rules are about to change: look at what has been announced so far. */
void follow_sync(struct follow *follow);

/* The rules have changed: look at everything soon. */
void follow_rules_changed(struct follow *follow);

/* Shards have become cold, or are it no more (leases_cold()): leave or join their inputs. */
void follow_join(struct follow *follow);

/* An administrator asks: try everything now, however often it has failed. */
void follow_retry(struct follow *follow);

#endif
