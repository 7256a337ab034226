/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/firewall.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdalign.h>
#include <stdio.h>
#include <unistd.h>

#include "links/netlink.h"

/* Holds the request. */
#define REQUEST_SIZE 64

struct query {
	bool ipv4;
	struct firewall *firewall;
};

static int on_chain(const struct nlmsghdr *message, void *context)
{
	const struct query *query = context;

	return firewall_parse_chain(message, query->ipv4, query->firewall);
}

/* A question would load the module. Without modules, it is a part of the kernel or not there. */
static bool has_nftables(void)
{
	return !access("/sys/module/nf_tables", F_OK) || access("/proc/modules", F_OK);
}

static int query_nftables(bool ipv4, struct firewall *firewall)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	struct query query = {ipv4, firewall};
	struct netlink *netlink;
	int err = netlink_open(&netlink, NETLINK_NETFILTER);

	if (err)
		return err;
	request->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	info->nfgen_family = NFPROTO_UNSPEC;
	info->version = NFNETLINK_V0;
	err = netlink_list(netlink, request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, on_chain,
			   &query);
	netlink_close(netlink);
	return err;
}

static bool has_iptables(bool ipv4)
{
	FILE *file = fopen(ipv4 ? "/proc/thread-self/net/ip_tables_names"
				: "/proc/thread-self/net/ip6_tables_names",
			   "re");
	bool any = file && fgetc(file) != EOF;

	if (file)
		fclose(file);
	return any;
}

int firewall_query(bool ipv4, struct firewall *firewall)
{
	*firewall = (struct firewall){.iptables = has_iptables(ipv4)};
	return has_nftables() ? query_nftables(ipv4, firewall) : 0;
}
