/* SPDX-License-Identifier: BSD-2-Clause */
/* Methods of the control socket: lease.set, lease.list, lease.sequence, lease.release. Main thread.
 */
#ifndef XMCAST_DAEMON_METHODS_LEASES_H
#define XMCAST_DAEMON_METHODS_LEASES_H

#include "control/method.h"

struct daemon;

void method_lease_set(void *context, const json_t *params, struct control_reply *reply);
void method_lease_list(void *context, const json_t *params, struct control_reply *reply);
void method_lease_sequence(void *context, const json_t *params, struct control_reply *reply);
/* How many shards are held, standby and unheld. */
json_t *method_lease_counts(const struct daemon *daemon);

void method_lease_release(void *context, const json_t *params, struct control_reply *reply);

#endif
