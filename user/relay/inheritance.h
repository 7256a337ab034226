/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process that relayed before has left to this one (hand_over.h has the whole picture): its
 * configuration, its descriptors, and what they are. Whatever is opened asks here first whether it
 * can be adopted. What does not fit is opened again, as if there had been no predecessor.
 *
 *     inheritance_new()     parse and check the manifest
 *     relay_open_after()    with the predecessor's configuration: prepare, pause it, go on
 *     relay_settle()        it has released everything: what was not needed is closed and left
 *     relay_carry()         its counters
 *     inheritance_free()
 *
 * The manifest comes from a process of the same user or of root, or from the service manager's
 * store; it is checked nevertheless: it may be of another version. Main thread.
 */
#ifndef XMCAST_RELAY_INHERITANCE_H
#define XMCAST_RELAY_INHERITANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "relay/manifest.h"
#include "relay/reason.h"

struct inheritance;
struct stream;

/*
 * `fds` are the descriptors that the manifest numbers; they stay the caller's, and must stay open
 * as long as the inheritance. `pause`: called once when everything is prepared; returns 0 when no
 * thread of the predecessor runs any more, or -errno: then nothing is adopted and
 * relay_open_after() fails. NULL: it has ended. `commit`: called by inheritance_commit(), so that
 * the predecessor ends. 0 or -errno: it goes on.
 *
 * 0; -EPROTO: another format, or not a manifest: `reason` says why; -ENOMEM.
 */
int inheritance_new(struct inheritance **out, const json_t *manifest, const int *fds,
		    unsigned int nr_fds, char reason[REASON_SIZE]);
void inheritance_set_predecessor(struct inheritance *inheritance, int (*pause)(void *context),
				 int (*commit)(void *context), void *context);
void inheritance_free(struct inheritance *inheritance); /* accepts NULL */

/* The predecessor was killed, and its counters are lost: those of the successor begin now. */
void inheritance_forget_counters(struct inheritance *inheritance);

/* Are they lost? Accepts NULL. */
bool inheritance_has_forgotten(const struct inheritance *inheritance);

/* Are its maps laid out differently? Then those of the kernel path are not used. */
bool inheritance_has_other_abi(const struct inheritance *inheritance);

/* Do its programs count packets under the same reasons as ours? Then their maps are read. */
bool inheritance_has_verdicts(const struct inheritance *inheritance);

/* Of the predecessor; for messages. */
const char *inheritance_version(const struct inheritance *inheritance);

/* Its configuration as it ran; handed over to the caller once. */
struct config *inheritance_config(struct inheritance *inheritance);

/* ---- for the relay: all accept NULL, and then find nothing ---- */

/* Since when the predecessor, or the first of its predecessors, has been running; the generation of
 * its configuration; the next id of a rule. */
uint64_t inheritance_started_ns(const struct inheritance *inheritance, uint64_t otherwise);
uint64_t inheritance_generation(const struct inheritance *inheritance);
uint64_t inheritance_next_id(const struct inheritance *inheritance);

/* Does the predecessor still relay? */
bool inheritance_is_running(const struct inheritance *inheritance);

/* Does the predecessor go on if this process fails? */
bool inheritance_can_return(const struct inheritance *inheritance);

/* Pause the predecessor, unless it is paused. 0 or -errno. */
int inheritance_pause(struct inheritance *inheritance);

/* The threads read the rings again. */
void inheritance_note_relaying(struct inheritance *inheritance);

/* After relay_open_after(), whose programs are in place: the predecessor ends, and what it does at
 * its end disturbs nothing any more. 0 or -errno: it goes on. */
int inheritance_commit(struct inheritance *inheritance);

/* For how long nobody read the rings, in ns; if the predecessor was killed, since
 * inheritance_new().
 */
uint64_t inheritance_gap_ns(const struct inheritance *inheritance);

/* How the interface with this index was steered. NULL: it was not. */
const struct steer_adoption *inheritance_steering(const struct inheritance *inheritance,
						  int ifindex);

/* The AF_XDP socket of an RX queue of a device, by its name. NULL: there was none. */
const struct xsk_adoption *inheritance_socket(const struct inheritance *inheritance,
					      const char *device, unsigned int queue);

/* Does the running predecessor have to close its sockets of this interface before others can be
 * bound, because the kernel does not let them be adopted? It does so when it pauses. */
bool inheritance_blocks(const struct inheritance *inheritance, int ifindex);

/* The sockets of a rule's outputs, for `before` of stream_open(); borrowed. NULL: none. */
const struct stream *inheritance_stream(const struct inheritance *inheritance, const char *name);

/* Which of several inputs of a rule was selected; 0: the first one, or it is not known. */
unsigned int inheritance_selected(const struct inheritance *inheritance, const char *name);

/* When the rule was defined, and its id. False: it was not there. */
bool inheritance_rule(const struct inheritance *inheritance, const char *name, uint64_t *id,
		      uint64_t *since_ns);

/* What counts packets on the kernel path. NULL: nothing. */
const struct transmits_adoption *inheritance_transmits(const struct inheritance *inheritance);

/* Features of devices that it had switched off, and their *count. */
const struct inherited_offload *inheritance_offloads(const struct inheritance *inheritance,
						     unsigned int *count);

/* Its leases, for lease_moves_adopt(). NULL: none. They are final when it has paused:
 * inheritance_pause() may replace them by inheritance_set_leases(), which takes the reference. */
const json_t *inheritance_leases(const struct inheritance *inheritance);
void inheritance_set_leases(struct inheritance *inheritance, json_t *leases);

/* All memberships. */
const struct membership_held *inheritance_memberships(const struct inheritance *inheritance,
						      unsigned int *count);

/* The groups that receivers wanted on interfaces of outputs, and their *count. */
const struct membership_entry *inheritance_wanted(const struct inheritance *inheritance,
						  unsigned int *count);

#endif
