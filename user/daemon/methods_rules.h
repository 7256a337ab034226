/* SPDX-License-Identifier: BSD-2-Clause */
/* The methods rule.* of the control protocol (docs/control-protocol.md), as control/method.h
 * defines them; the context is the struct daemon. Main thread. */
#ifndef XMCAST_DAEMON_METHODS_RULES_H
#define XMCAST_DAEMON_METHODS_RULES_H

#include "control/method.h"
#include "daemon/daemon.h"

void method_rule_list(void *context, const json_t *params, struct control_reply *reply);
void method_rule_show(void *context, const json_t *params, struct control_reply *reply);
void method_rule_add(void *context, const json_t *params, struct control_reply *reply);
void method_rule_replace(void *context, const json_t *params, struct control_reply *reply);
void method_rule_del(void *context, const json_t *params, struct control_reply *reply);
void method_rule_enable(void *context, const json_t *params, struct control_reply *reply);
void method_rule_disable(void *context, const json_t *params, struct control_reply *reply);
void method_rule_change(void *context, const json_t *params, struct control_reply *reply);

/* The index of the rule with this name; the number of rules if there is none. */
unsigned int method_find_rule(const struct config *config, const char *name);

/* The result of a change, as these methods answer it. NULL: no memory. */
json_t *change_json(const struct daemon *daemon, const struct relay_change *change);

#endif
