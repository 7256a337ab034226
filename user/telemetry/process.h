/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel knows of this process, as the metrics process_* have it. Main thread. */
#ifndef XMCAST_TELEMETRY_PROCESS_H
#define XMCAST_TELEMETRY_PROCESS_H

#include <jansson.h>

/*
 * {"start_time_seconds", "cpu_us", "resident_bytes", "virtual_bytes", "open_fds", "max_fds"}; what
 * cannot be read is missing. Read at most once a second, because descriptors are counted one by
 * one. Reads files of /proc/self. The caller's reference; NULL: no memory.
 */
json_t *process_json(void);

#endif
