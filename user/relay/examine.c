/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/examine.h"

#include <errno.h>
#include <net/if_arp.h>

#include "relay/reason.h"
#include "steering/steer.h"

struct iface_config examine_settings(const struct config *config, const char *name, int ifindex)
{
	const struct iface_config *section = config_iface(config, name);
	struct iface_config settings = {.queues = 0};

	for (unsigned int i = 0; !section && ifindex && i < config->nr_ifaces; i++) {
		if (if_nametoindex(config->ifaces[i].name) == (unsigned int)ifindex)
			section = &config->ifaces[i];
	}
	return section ? *section : settings;
}

bool examine_external(const struct link *link, const struct iface_config *settings)
{
	char directory[PINS_PATH_SIZE];

	if (settings->attach != IFACE_ATTACH_AUTO)
		return settings->attach == IFACE_ATTACH_EXTERNAL;
	pins_directory(link->name, settings, directory);
	return link->xdp_program && !steer_is_ours(link->xdp_program) && pins_exist(directory);
}

/* The program of a bond without members would keep those out that do not support native XDP. */
static bool is_empty_bond(const struct link *link)
{
	unsigned int count = 1;

	return link_is_bond(link) && !link_query_ports(link->ifindex, NULL, 0, &count) && !count;
}

int examine(const struct link *link, bool external, char reason[REASON_SIZE])
{
	const char *name = link->name;

	if (!link->ifindex)
		return explain(reason, -ENODEV, "interface %s does not exist", name);
	/* The kernel's loopback has Ethernet headers, too. */
	if (link->type != ARPHRD_ETHER && link->type != ARPHRD_LOOPBACK)
		return explain(reason, -EOPNOTSUPP,
			       "packets of %s have no Ethernet header (link type %u), so that they "
			       "cannot be steered: use a tap, a gretap or a VXLAN",
			       name, link->type);
	if (link->xdp_program && steer_is_ours(link->xdp_program))
		return explain(reason, -EBUSY, "another xmcastd has interface %s", name);
	if (external && !link->xdp_program)
		return explain(reason, -ENXIO,
			       "no XDP program is attached to %s (attach: external): load "
			       "xmcast.bpf.o with xdp-loader",
			       name);
	if (!external && link->xdp_program)
		return explain(
			reason, -EEXIST,
			"another XDP program (id %u) is attached to %s: detach it with the tool "
			"that attached it, \"ip link set %s xdp off\", or \"bpftool link detach\" "
			"if a BPF link holds it",
			link->xdp_program, name, name);
	if (!link->up)
		return explain(reason, -ENETDOWN, "interface %s is down: run \"ip link set %s up\"",
			       name, name);
	if (is_empty_bond(link))
		return explain(reason, -ENXIO, "bond %s has no members", name);
	if (link->rx_queues > XMC_MAX_QUEUES)
		return explain(reason, -E2BIG,
			       "%s has %u RX queues, at most %u are supported: \"ethtool -L %s "
			       "combined %u\"",
			       name, link->rx_queues, XMC_MAX_QUEUES, name, XMC_MAX_QUEUES);
	return 0;
}
