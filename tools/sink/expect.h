/* SPDX-License-Identifier: BSD-2-Clause */
/* Loss: estimated from the sequence numbers seen, or exact, from the generator's report. */
#ifndef XMCAST_SINK_EXPECT_H
#define XMCAST_SINK_EXPECT_H

#include "receiver.h"

/* Fill in `lost` of every flow from the sequence numbers alone. */
void expect_nothing(struct flow_list *list);

/*
 * Compare with the files of --expect: fill in `known`, `sent` and `lost`, and add a record for
 * every flow of which nothing arrived (one for each of `copies` destinations that is missing, with
 * the generator's own group and port). False: a file cannot be used; the reason is on stderr.
 */
bool expect_apply(const struct options *options, struct flow_list *list);

#endif
