/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -batch FILE: rule changes, one a line as on the command line ("rule add …", "rule del …"), which
 * become one transaction. Comments begin with a '#' in front of which is nothing or a blank.
 */
#ifndef XMCAST_CTL_BATCH_H
#define XMCAST_CTL_BATCH_H

#include "base/errors.h"
#include "ctl/ctl.h"

/* What a file says: the operations of rule.change, and where each stands. */
struct batch {
	json_t *operations;
	struct place *places;
	size_t count;
	size_t room;
};

/*
 * Read the whole stream; `file` is its name in errors and outlives them. 0; -EINVAL: errors were
 * appended; -EFBIG: more than the daemon takes in one request; -EIO; -ENOMEM. The caller frees the
 * batch in any case. Pure but for the stream.
 */
int batch_read(struct batch *batch, FILE *stream, const char *file, struct errors *errors);
void batch_free(struct batch *batch);

/* Read options.batch and do it. Returns an exit code. */
int batch_run(struct ctl *ctl);

#endif
