/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -batch FILE: rule changes, one per line as on the command line ("rule add …", "rule del …"),
 * which become one transaction. A '#' at the start of a line or after a blank begins a comment.
 */
#ifndef XMCAST_CTL_BATCH_H
#define XMCAST_CTL_BATCH_H

#include "ctl/ctl.h"

/* Read options.batch and make the changes. Returns an exit code. */
int batch_run(struct ctl *ctl);

#endif
