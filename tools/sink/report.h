/* SPDX-License-Identifier: BSD-2-Clause */
/* The report that the sink prints at its end. */
#ifndef XMCAST_SINK_REPORT_H
#define XMCAST_SINK_REPORT_H

#include "receiver.h"

struct report {
	const struct options *options;
	const char *receiver;
	struct sink_totals totals;
	struct flow_list flows;
	uint64_t overrun;
};

/* Print it, as text or JSON. True: no loss, duplicate, reordering or corruption. Sorts the flows.
 */
bool report_print(struct report *report);

#endif
