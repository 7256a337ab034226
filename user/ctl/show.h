/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon's answers look like to people. */
#ifndef XMCAST_CTL_SHOW_H
#define XMCAST_CTL_SHOW_H

#include <jansson.h>

void show_ping(const json_t *answer);
void show_version(const json_t *answer);
void show_stats(const json_t *answer);

#endif
