/* SPDX-License-Identifier: BSD-2-Clause */
/* What `top` shows of its model. Pure. One thread. */
#ifndef XMCAST_CTL_TOP_VIEW_H
#define XMCAST_CTL_TOP_VIEW_H

#include "ctl/top_frame.h"
#include "ctl/top_model.h"

/* Draw a frame of this size; 0 rows: as many as are needed, with nothing selected.
 * The frame's old lines are freed. */
void top_view_draw(struct top_model *model, unsigned int rows, unsigned int columns,
		   struct top_frame *frame);

#endif
