/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/output_route.h"

#include <stdio.h>

int output_find_source(struct redirects *redirects, const struct rule_output *output,
		       const struct link *named)
{
	if (addr_is_any(&output->from))
		return 0;
	return own_address_find(redirects_netlink(redirects), &output->from, named->ifindex);
}

static uint8_t route_dscp(const struct rule_output *output)
{
	return output->dscp == RULE_DSCP_KEPT ? 0 : output->dscp;
}

static const struct xmc_addr *route_source(const struct rule_output *output)
{
	return addr_is_any(&output->from) ? NULL : &output->from;
}

bool output_route_varies(struct redirects *redirects, const struct rule_output *output,
			 const struct link *named)
{
	return next_hop_is_one_of_several(redirects_netlink(redirects), &output->to,
					  route_source(output), named->ifindex, route_dscp(output));
}

int output_route(struct redirects *redirects, const struct rule_output *output, struct link *named,
		 struct next_hop *hop)
{
	int err = 0;

	*named = (struct link){};
	if (*output->iface)
		err = redirects_find(redirects, output->iface, named);
	if (!err)
		err = output_find_source(redirects, output, named);
	if (err)
		return err;
	return next_hop_find(redirects_netlink(redirects), &output->to, route_source(output),
			     named->ifindex, route_dscp(output), hop);
}

const char *output_source_reason(const struct rule_output *output, char text[SOURCE_REASON_SIZE])
{
	char address[ADDR_TEXT_SIZE];

	snprintf(text, SOURCE_REASON_SIZE, "%s is not an address of this host",
		 addr_format(&output->from, address));
	return text;
}
