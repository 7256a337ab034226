/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/reach.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>

#include "relay/output_route.h"

/* How often the kernel is asked to keep a neighbour resolved: more often than an unused entry is
 * kept (gc_stale_time, 60 s). */
#define USE_NS (15 * NS_PER_SECOND)

__attribute__((format(printf, 3, 4))) static void
withhold(struct reach *reach, enum withheld withheld, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reach->reason, sizeof(reach->reason), format, args);
	va_end(args);
	reach->withheld = withheld;
}

/* Packets to other types of interfaces do not wait for a neighbour. */
static bool resolves(const struct link *link)
{
	return link->type == ARPHRD_ETHER || link->type == ARPHRD_INFINIBAND;
}

static void examine_neighbour(struct reach *reach, struct netlink *netlink,
			      const struct next_hop *hop)
{
	char address[ADDR_TEXT_SIZE];
	struct neighbour neighbour;
	int err = neighbour_query(netlink, hop->ifindex, &hop->via, &neighbour);
	bool same = reach->ifindex == hop->ifindex && addr_equal(&reach->via, &hop->via);
	bool failed = (same && reach->failed) || (!err && neighbour.failed);

	/* One that has failed is tried again by reach_refresh(): other outputs with the same next
	 * hop must see that it has failed. */
	if (err == -ENOENT) {
		err = neighbour_use(netlink, hop->ifindex, &hop->via);
		/* The answer may have arrived already. */
		if (!err)
			err = neighbour_query(netlink, hop->ifindex, &hop->via, &neighbour);
	}
	if (err)
		return;
	reach->is_host = true;
	reach->ifindex = hop->ifindex;
	reach->via = hop->via;
	reach->resolved = !neighbour.unresolved;
	reach->failed = neighbour.unresolved && failed;
	if (reach->resolved || reach->unasked)
		return;
	if (reach->failed)
		withhold(reach, WITHHELD_UNREACHABLE, "%s does not answer %s",
			 addr_format(&hop->via, address),
			 addr_is_ipv4(&hop->via) ? "ARP" : "neighbour discovery");
	else
		reach->withheld = WITHHELD_UNREACHABLE;
}

void reach_update(struct reach *reach, struct redirects *redirects,
		  const struct rule_output *output)
{
	char reason[SOURCE_REASON_SIZE];
	struct next_hop hop;
	struct link named, link;
	int err;

	reach->withheld = WITHHELD_NOTHING;
	*reach->reason = '\0';
	reach->is_host = false;
	reach->device = 0;
	/* All that matters is its interface: see outputs.h. */
	if (*output->iface && addr_is_multicast(&output->to) && addr_is_any(&output->from))
		return;
	err = output_route(redirects, output, &named, &hop);
	if (err == -EADDRNOTAVAIL)
		withhold(reach, WITHHELD_NO_SOURCE, "%s", output_source_reason(output, reason));
	if (!err)
		err = redirects_find_index(redirects, hop.ifindex, &link);
	/* What the kernel reports, or delivers to this host. */
	if (err || (hop.kind != NEXT_HOP_GROUP && hop.kind != NEXT_HOP_HOST &&
		    hop.kind != NEXT_HOP_BROADCAST))
		return;
	reach->device = hop.ifindex;
	if (!link.up)
		return;
	if (!link.carrier)
		withhold(reach, WITHHELD_NO_CARRIER, "output interface %s has no carrier",
			 link.name);
	else if (addr_is_ipv4(&output->to) && addr_is_any(&hop.source) && !output_has_from(output))
		withhold(reach, WITHHELD_NO_SOURCE,
			 "output interface %s has no address to send from", link.name);
	else if (hop.kind == NEXT_HOP_HOST && resolves(&link))
		examine_neighbour(reach, redirects_netlink(redirects), &hop);
	if (reach->withheld == WITHHELD_UNREACHABLE &&
	    output_route_varies(redirects, output, &named)) {
		reach->withheld = WITHHELD_NOTHING;
		*reach->reason = '\0';
	}
}

bool reach_concerns(const struct reach *reach, const struct neighbour *neighbour)
{
	if (!reach->is_host || reach->ifindex != neighbour->ifindex ||
	    !addr_equal(&reach->via, &neighbour->address))
		return false;
	return reach->resolved != neighbour->usable || (!reach->failed && neighbour->failed);
}

bool reach_refresh(struct reach *reach, struct redirects *redirects, uint64_t now_ns)
{
	if (!reach->is_host || (reach->resolved && now_ns - reach->used_ns < USE_NS))
		return false;
	reach->used_ns = now_ns;
	reach->unasked =
		neighbour_use(redirects_netlink(redirects), reach->ifindex, &reach->via) != 0;
	/* Whether one that is not resolved answers is announced, and there may be very many. */
	return reach->resolved;
}
