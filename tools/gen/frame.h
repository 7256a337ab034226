/* SPDX-License-Identifier: BSD-2-Clause */
/* Header templates of the flows. Pure. */
#ifndef XMCAST_GEN_FRAME_H
#define XMCAST_GEN_FRAME_H

#include "options.h"

/* Destination of flow `number`. Port in host order. */
void frame_destination(const struct options *options, uint32_t number, struct xmc_addr *group,
		       uint16_t *port);

/* The parts of the flow's headers that are the same in every packet, and their checksums. */
void frame_template(const struct options *options, const uint8_t source_mac[6], uint32_t number,
		    struct gen_flow *flow);

#endif
