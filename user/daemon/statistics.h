/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of the relay, for the control methods and the log. Main thread. */
#ifndef XMCAST_DAEMON_STATISTICS_H
#define XMCAST_DAEMON_STATISTICS_H

#include "daemon/daemon.h"

/* The counters of up to `most` rules from the `first` on and of all that is no rule, with the rates
 * of the last samples. The caller frees it before anything changes. NULL: no memory. */
struct stats *statistics_now(const struct daemon *daemon, size_t first, size_t most);

/* Begin to take a sample of all counters, unless one is being taken; call once a second. While
 * daemon->sampling is set, statistics_sample_part() has to be called, and takes a few ms. */
void statistics_begin_sample(struct daemon *daemon);
void statistics_sample_part(struct daemon *daemon);

/* Log all totals as this event. */
void statistics_log(const struct daemon *daemon, const char *event);

#endif
