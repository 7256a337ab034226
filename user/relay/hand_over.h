/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Handing the relay over to a successor: another process, which goes on with the same kernel
 * objects (inheritance.h). This is the side of the process that relays now.
 *
 *     what                        how it changes hands
 *     --------------------------  ----------------------------------------------------------------
 *     AF_XDP sockets, frames      the successor maps the rings and the memory (dataplane/xsk.h); before
 *                                 Linux 6.4 it cannot: relay_pause() closes them, and it opens its own
 *     XDP link                    its program is replaced by the successor's, which has maps of its
 *                                 own with the same rules (steering/steer.h)
 *     sockets of outputs          duplicated: source ports and queued datagrams stay
 *     sockets of memberships      duplicated: nothing is joined or left
 *     counters                    relay_account(), once they are final
 *
 * The states of both processes, and who may touch the rings
 *
 *     this process                                  the successor
 *     SERVING   relays                              reads its configuration, connects
 *        │ relay_freeze()         ── manifest, descriptors ──▶  prepares everything: programs,
 *     OFFERED   relays; nothing of it changes but               maps, sockets; touches no ring
 *        │      leases
 *        │ relay_pause()          ◀── "pause" ────────────────  its threads wait
 *     PAUSED    threads have ended, each frame is   ── "paused", leases ──▶ lets them run, replaces the
 *        │      in a ring; packets wait in the RX       program: it relays
 *        │      rings
 *        │ relay_release()        ◀── "commit" ───────────────  it cannot fail any more
 *     RELEASED  counts what its program has still   ── counters ──▶ adds them to its own, and
 *               counted, closes, exits 0                        serves the control socket
 *
 *     relay_withdraw() leads from OFFERED or PAUSED back to SERVING: the successor has ended, or has
 *     given up. Only the end of the connection says so, never a time-out: from "paused" on the
 *     successor may use the rings for as long as it lives. What it had in flight when it was killed
 *     is counted (dataplane/frame_record.h).
 *
 *     If this process is killed after the offer, the successor goes on as after "paused", and its
 *     counters begin at 0: it has the pidfd of this process, which tells an end from a refusal.
 *
 *     If this process has ended, and left its descriptors in a store, packets wait until the next one
 *     has been started. So its threads run first, and its programs are loaded after that.
 *
 * No packet is lost as long as the RX rings hold what arrives between the pause and the start of the
 * successor's threads; what does not fit is counted by the kernel as rx_ring_full. Main thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_HAND_OVER_H
#define XMCAST_RELAY_HAND_OVER_H

#include <jansson.h>

#include "relay/relay.h"

/* What a successor gets. In the manifest, descriptors are indexes of `fds`; -1: there is none. */
struct hand_over {
	json_t *manifest; /* owned; NULL: no memory */
	int *fds;	  /* owned array; the descriptors are borrowed */
	unsigned int nr_fds;
	unsigned int room;
};

/* Note a descriptor. Returns its index, or -1: `fd` is negative, or there is no memory. */
int hand_over_add(struct hand_over *offer, int fd);
void hand_over_free(struct hand_over *offer);

/* Describe all that runs. 0 or -ENOMEM. Free *offer in any case. */
int relay_describe(const struct relay *relay, struct hand_over *offer);

/* What is held, and which streams are moving between hosts: a part of the manifest, which changes
 * until relay_pause(). NULL: no memory. */
json_t *relay_describe_leases(const struct relay *relay);

/* A number that changes whenever relay_describe() may describe something else. */
uint64_t relay_changes(const struct relay *relay);

/* It is offered to a successor: from now on nothing of it changes. relay_apply() and relay_retry()
 * fail with -EBUSY, and the network is not followed. */
void relay_freeze(struct relay *relay);

/* End all threads, and leave what arrives in the RX rings. 0; -EIO: a worker has failed, and the
 * relay must end. */
int relay_pause(struct relay *relay);

/* There is no successor after all: go on. 0; -EIO: the relay must end. */
int relay_withdraw(struct relay *relay);

/* The successor has everything: from now on nothing shared is detached, left or changed.
 * relay_close() only closes. */
void relay_release(struct relay *relay);

/* The counters of everything, for relay_carry() of the successor; final after relay_pause() or,
 * with what the program has counted since, after relay_release() and relay_stop(). NULL: no memory.
 */
json_t *relay_account(const struct relay *relay);

struct inheritance;

/* The successor, after relay_settle(): add the counters of the predecessor to those of the same
 * rules and interfaces, and what its programs have counted since. 0; -EPROTO: they are not what
 * they should be; -ENOMEM. */
int relay_carry(struct relay *relay, const json_t *account, const struct inheritance *inheritance);

#endif
