/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the promise of leases holds: each stream leaves by one host only. On the output's
 * interface, what other hosts send to its group is sampled:
 *
 *     this host holds the shard    a datagram of another host is one source too many
 *     it is standby                two other hosts by turns: one, the other, and the first again,
 *                                  in two looks in a row. (One and then the other is a move, in
 *                                  which the packets of both may mix once.)
 *
 * Hosts are told apart by address and MAC address, those of an output with `from keep` by the MAC
 * address alone. During a move at a sequence number, which both hosts send, nothing is judged.
 *
 * Bounded, whatever is sent and however many outputs there are: once a second, SENDER_GROUPS of
 * them on one interface, by one packet socket (membership/sender_socket.h) and with memberships
 * that are left again. So its holder finds a doubled stream among 32,000 within a quarter of an
 * hour, and one among 32 within two seconds; a standby needs another look. The threads that carry
 * packets do nothing for it.
 *
 * Not watched: single hosts and broadcasts; outputs with `when joined`, for which our membership
 * would be a receiver; groups that several rules send to on purpose.
 *
 * Main thread.
 */
#ifndef XMCAST_RELAY_DOUBLE_SOURCE_H
#define XMCAST_RELAY_DOUBLE_SOURCE_H

#include <stdint.h>

struct double_source;
struct relay;

/* Once a second: judge what has arrived since the last call, and listen to the next outputs. Starts
 * with *state NULL; without memory or a socket nothing is watched until the next call. */
void double_source_look(struct double_source **state, const struct relay *relay, uint64_t now_ns);
void double_source_close(struct double_source *state); /* accepts NULL */

/* How often another source was found: outputs, each counted at most once in a second. */
uint64_t double_source_count(const struct double_source *state);

#endif
