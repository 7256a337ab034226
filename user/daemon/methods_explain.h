/* SPDX-License-Identifier: BSD-2-Clause */
/* The control methods explain.*: answers for people who look for packets. Main thread. */
#ifndef XMCAST_DAEMON_METHODS_EXPLAIN_H
#define XMCAST_DAEMON_METHODS_EXPLAIN_H

#include "control/method.h"

void method_explain_rule(void *context, const json_t *params, struct control_reply *reply);
void method_explain_packet(void *context, const json_t *params, struct control_reply *reply);

#endif
