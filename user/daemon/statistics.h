/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of the relay, as the control methods and the log show them. Main thread. */
#ifndef XMCAST_DAEMON_STATISTICS_H
#define XMCAST_DAEMON_STATISTICS_H

#include "daemon/daemon.h"

/* All counters now, with the rates of the last samples. The caller frees it before anything
 * changes. NULL: no memory. */
struct stats *statistics_now(const struct daemon *daemon);

/* Take a sample, from which rates and events are derived; call once a second. */
void statistics_sample(struct daemon *daemon);

/* Log all totals under this event name. */
void statistics_log(const struct daemon *daemon, const char *event);

#endif
