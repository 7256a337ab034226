/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration as YAML text:
 *
 *     rules:                            # required; [] for none
 *       - name: NAME                    # optional
 *         in: GROUP:PORT@IFACE
 *         source: ADDR[/BITS]           # optional
 *         enabled: yes|no               # optional
 *         out:                          # at least one
 *           - to: DEST[:PORT][@IFACE]
 *             ttl: N                    # optional
 *             dscp: N|NAME              # optional
 *           - DEST[:PORT][@IFACE]         # short for `to` alone
 *       - RULE                          # the one-line grammar, see grammar.h
 *     interfaces:                       # from here on all is optional
 *       IFACE: { mode: auto|native|skb, queues: all|N, lost_program: reattach|leave,
 *                attach: auto|own|external, pins: PATH }
 *     egress: { engine: io_uring|sendmmsg, gso: on|off|N, wakeup: eventfd|hybrid|spin,
 *               send_buffer: BYTES }
 *     workers: { frames: N, rx_ring: N, cpus: [N, ...], watchdog: N }
 *     statistics: { interval: N }
 *     control: { group: GROUP, admin_group: GROUP, save_changes: yes|no }
 *     logging: { level: LEVEL, levels: { FACILITY: LEVEL }, to: auto|stderr|syslog,
 *                format: text|json }
 *     events: { silent_after: N, hook: PATH }
 *     metrics: { listen: 127.0.0.1:PORT|off }
 *     security: { user: USER, group: GROUP, sandbox: on|off }
 *
 * No I/O; any thread.
 */
#ifndef XMCAST_RULES_SCHEMA_H
#define XMCAST_RULES_SCHEMA_H

#include <stddef.h>

#include "base/errors.h"
#include "rules/config.h"

/*
 * Parse and validate, and put the result in place of *config, which was initialised before. `file`
 * is the name used in errors; it must outlive them. Returns 0, -EINVAL (every error appended) or
 * -ENOMEM; then *config is as if never called.
 */
int config_parse_yaml(const char *bytes, size_t length, const char *file, struct config *config,
		      struct errors *errors);

#endif
