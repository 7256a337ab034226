/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the kernel would send what an output sends, on either path. Main thread. */
#ifndef XMCAST_RELAY_OUTPUT_ROUTE_H
#define XMCAST_RELAY_OUTPUT_ROUTE_H

#include "links/next_hop.h"
#include "relay/redirects.h"
#include "rules/rule.h"

/*
 * Find the output's next hop, with the source of `from ADDR`. Routes that depend on the source or
 * the DSCP of each packet (`from keep`, `dscp keep`) are not seen. *named: the interface that the
 * output names, or all zero. 0; -EADDRNOTAVAIL: the host does not have the address of `from`;
 * -ENODEV: the named interface does not exist; other -errno: the question could not be answered.
 */
int output_route(struct redirects *redirects, const struct rule_output *output, struct link *named,
		 struct next_hop *hop);

/* May some packets of the output take another next hop than output_route() has found? */
bool output_route_varies(struct redirects *redirects, const struct rule_output *output,
			 const struct link *named);

/* Does the host have the address of `from ADDR`? 0, also if the output names none, or -errno as
 * above. `named`: as output_route() has found it. */
int output_find_source(struct redirects *redirects, const struct rule_output *output,
		       const struct link *named);

/* The reason if it does not, for people. Returns `text`. */
#define SOURCE_REASON_SIZE 100
const char *output_source_reason(const struct rule_output *output, char text[SOURCE_REASON_SIZE]);

#endif
