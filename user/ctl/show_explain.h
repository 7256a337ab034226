/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers of explain.*, for people: as show.h. */
#ifndef XMCAST_CTL_SHOW_EXPLAIN_H
#define XMCAST_CTL_SHOW_EXPLAIN_H

#include "ctl/show.h"

/* The list `findings` of an answer. */
void show_findings(const struct screen *screen, const json_t *answer);

void show_explained_rule(const struct screen *screen, const json_t *answer);
void show_explained_capture(const struct screen *screen, const json_t *answer);
void show_explained_packet(const struct screen *screen, const json_t *answer);

#endif
