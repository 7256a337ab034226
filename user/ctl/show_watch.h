/* SPDX-License-Identifier: BSD-2-Clause */
/* What a rule with `watch` says of its stream, in one line for people. As show.h: the answer may
 * contain anything. */
#ifndef XMCAST_CTL_SHOW_WATCH_H
#define XMCAST_CTL_SHOW_WATCH_H

#include "ctl/show.h"

/* "broken on arrival: rtp 812 packets, lost_packets 5, jitter 1.2 ms"; "": the rule does not watch
 * its stream. Returns `text`. */
const char *show_watch(const json_t *rule, char text[SHOW_TEXT_SIZE]);

/* Is the stream broken now, on arrival or here? */
bool show_watch_is_broken(const json_t *rule);

#endif
