/* SPDX-License-Identifier: BSD-2-Clause */
/* What `top` shows above its list of rules: totals, drops by reason, workers, devices. Pure. One
 * thread. */
#ifndef XMCAST_CTL_TOP_HEADER_H
#define XMCAST_CTL_TOP_HEADER_H

#include "ctl/top_frame.h"
#include "ctl/top_model.h"

void top_header_title(const struct top_model *model, struct top_frame *frame);
void top_header_draw(const struct top_model *model, struct top_frame *frame);

#endif
