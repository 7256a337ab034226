/* SPDX-License-Identifier: BSD-2-Clause */
/* The methods of the control socket. docs/control-protocol.md is the contract. Main thread. */
#ifndef XMCAST_DAEMON_METHODS_H
#define XMCAST_DAEMON_METHODS_H

#include "control/method.h"

/* All methods, ended by a NULL name. Their context is a struct daemon whose relay is open. */
extern const struct control_method daemon_methods[];

#endif
