/* SPDX-License-Identifier: BSD-2-Clause */
/* Loss: by the sequence numbers seen, or exactly, by what the generator says that it sent. */
#ifndef XMCAST_SINK_EXPECT_H
#define XMCAST_SINK_EXPECT_H

#include "receiver.h"

/* Fill in `lost` of every flow from the sequence numbers alone. */
void expect_nothing(struct flow_list *list);

/*
 * Compare with the files of --expect: fill in `known`, `sent` and `lost`, and add a record for
 * every flow of which nothing came (one for each of `copies` destinations that is missing, with the
 * generator's own group and port). False: a file cannot be used, which is said on stderr.
 */
bool expect_apply(const struct options *options, struct flow_list *list);

#endif
