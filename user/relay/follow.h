/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay follows the network. What the kernel announces (links/watch.h) is a reason to look: at
 * most every 50 ms, and twice a second in any case, because not all is announced (an XDP program
 * whose link was detached is not). What is wanted is then compared with what is:
 *
 *     an intake whose interface is down    stays, impaired: sockets, program, memberships survive
 *     … has lost its XDP program        attaches it again, or not (lost_program)
 *     … has gone, was moved or renamed, is given up: its threads end in order, and its rules are
 *       has other queues or MTU         pending; their streams stay, with counters and sockets
 *     an intake that failed                is opened again as soon as its interface can carry it
 *     an output whose interface has     keeps its socket, which is pointed at the new one; the
 *       another number, or none         rule's other outputs do not notice
 *     addresses, routes                 outputs forget the sizes of batches that their route took,
 *                                       some at a time, at most once a second
 *     a rule that waits for an output   is tried again (PLAN_RETRY)
 *
 * Nothing of this touches another intake's threads but the last, which takes the way of every
 * change of rules. Main thread; rights as for relay_open(), and CAP_NET_RAW to point sockets
 * elsewhere.
 */
#ifndef XMCAST_RELAY_FOLLOW_H
#define XMCAST_RELAY_FOLLOW_H

#include <stdbool.h>

struct follow;
struct relay;

/* Begin to listen, before the relay looks at anything. 0 or -errno (-ENOMEM, -EMFILE). Without
 * netlink it looks twice a second, and says so. */
int follow_open(struct follow **out, struct relay *relay);
void follow_close(struct follow *follow); /* takes NULL */

/* Readable when follow_run() has something to do. */
int follow_fd(const struct follow *follow);
void follow_run(struct follow *follow);

/* The rules are about to change: look at what has been announced so far. */
void follow_sync(struct follow *follow);

/* The rules have changed: look at all of it soon. */
void follow_rules_changed(struct follow *follow);

/* Somebody asks (a reload): try everything now, whatever has failed how often. 0, or -EIO: the
 * relay must end. */
int follow_retry(struct follow *follow);

#endif
