/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims tell the xmcastd processes of one network namespace apart from foreign programs. A daemon
 * claims the XDP program that it attached, and the pinned maps that it uses, by binding an abstract
 * Unix socket (unix(7)) named after the kernel's id: the kernel drops the name when the process
 * ends, however it ends. Asking the kernel for the owner of a BPF object would need CAP_SYS_ADMIN,
 * which the daemon does not have.
 *
 * Any local user can bind such a name. A claim is therefore genuine only if its socket was created
 * by root or by this process's user, which the kernel reports (sock_diag(7)). Without unix_diag
 * in the kernel no claim is genuine.
 *
 * Main thread. Needs no privilege.
 */
#ifndef XMCAST_STEERING_CLAIM_H
#define XMCAST_STEERING_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

/* What is claimed. The id is that of the program, or of the map `rules`. */
enum claim { CLAIM_PROGRAM, CLAIM_MAPS };

/* Room for the name of a claim: "xmcast-maps-4294967295". */
#define CLAIM_NAME_SIZE 32

/* Returns a descriptor that holds the claim until it is closed; -EBUSY: an xmcastd holds it;
 * -EADDRINUSE: something else has bound the name; -errno. */
int claim_take(enum claim kind, uint32_t id);

/* Whether an xmcastd holds the claim; false also if that cannot be found out. */
bool claim_is_genuine(enum claim kind, uint32_t id);

/* The name that is bound, for messages. */
void claim_name(enum claim kind, uint32_t id, char name[CLAIM_NAME_SIZE]);

#endif
