/* SPDX-License-Identifier: BSD-2-Clause */
/* The control method that shows what receivers want (relay/demand.h). Main thread. */
#ifndef XMCAST_DAEMON_METHODS_RECEIVERS_H
#define XMCAST_DAEMON_METHODS_RECEIVERS_H

#include "control/method.h"

struct relay;

void method_receiver_list(void *context, const json_t *params, struct control_reply *reply);

/* How many receiver.list has. */
int receivers_total(const struct relay *relay);

/* Sums over all interfaces, for stats.show. */
json_t *receivers_stats_json(const struct relay *relay);

#endif
