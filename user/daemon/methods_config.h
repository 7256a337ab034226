/* SPDX-License-Identifier: BSD-2-Clause */
/* The methods config.* of the control protocol (docs/control-protocol.md), as control/method.h
 * defines them; the context is the struct daemon. Main thread. */
#ifndef XMCAST_DAEMON_METHODS_CONFIG_H
#define XMCAST_DAEMON_METHODS_CONFIG_H

#include "control/method.h"

void method_config_show(void *context, const json_t *params, struct control_reply *reply);
void method_config_save(void *context, const json_t *params, struct control_reply *reply);
void method_config_reload(void *context, const json_t *params, struct control_reply *reply);
void method_config_apply(void *context, const json_t *params, struct control_reply *reply);
void method_config_confirm(void *context, const json_t *params, struct control_reply *reply);
void method_config_rollback(void *context, const json_t *params, struct control_reply *reply);
void method_config_status(void *context, const json_t *params, struct control_reply *reply);
void method_config_diff(void *context, const json_t *params, struct control_reply *reply);

struct daemon;

/* What is known of the configuration's file, its reloads and a change that is to be confirmed: of
 * config.status and stats.show. */
json_t *config_status_json(const struct daemon *daemon);

#endif
