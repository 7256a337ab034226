/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/firewall_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#define TYPES (NFTA_CHAIN_USE + 1)

struct chain {
	const struct nlattr *attributes[TYPES];
	const struct nlattr *hook_number;
};

static int read_hook(const struct nlattr *attr, void *context)
{
	struct chain *chain = context;

	if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
		chain->hook_number = attr;
	return MNL_CB_OK;
}

static int read_attribute(const struct nlattr *attr, void *context)
{
	struct chain *chain = context;
	uint16_t type = mnl_attr_get_type(attr);

	if (type < TYPES)
		chain->attributes[type] = attr;
	return MNL_CB_OK;
}

/* A number in network order, or `otherwise`. */
static uint32_t number(const struct nlattr *attr, uint32_t otherwise)
{
	return attr && !mnl_attr_validate(attr, MNL_TYPE_U32) ? ntohl(mnl_attr_get_u32(attr))
							      : otherwise;
}

static const char *text(const struct nlattr *attr)
{
	return attr && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) ? mnl_attr_get_str(attr) : "?";
}

static bool is_passed(uint8_t family, bool ipv4)
{
	return family == NFPROTO_INET || family == (ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

int firewall_parse_chain(const struct nlmsghdr *message, bool ipv4, struct firewall *firewall)
{
	const struct nfgenmsg *info = mnl_nlmsg_get_payload(message);
	struct chain chain = {};
	uint32_t hook, policy;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info) ||
	    mnl_attr_parse(message, sizeof(*info), read_attribute, &chain) < 0)
		return -EBADMSG;
	if (!is_passed(info->nfgen_family, ipv4) || !chain.attributes[NFTA_CHAIN_HOOK])
		return 0;
	if (mnl_attr_validate(chain.attributes[NFTA_CHAIN_HOOK], MNL_TYPE_NESTED) ||
	    mnl_attr_parse_nested(chain.attributes[NFTA_CHAIN_HOOK], read_hook, &chain) < 0)
		return -EBADMSG;
	hook = number(chain.hook_number, NF_INET_NUMHOOKS);
	policy = number(chain.attributes[NFTA_CHAIN_POLICY], NF_ACCEPT);
	if ((hook != NF_INET_LOCAL_OUT && hook != NF_INET_POST_ROUTING) ||
	    (policy != NF_DROP && !number(chain.attributes[NFTA_CHAIN_USE], 0)))
		return 0;
	if (!firewall->chains++ || (policy == NF_DROP && !firewall->drops))
		snprintf(firewall->name, sizeof(firewall->name), "%.36s %.36s",
			 text(chain.attributes[NFTA_CHAIN_TABLE]),
			 text(chain.attributes[NFTA_CHAIN_NAME]));
	firewall->drops |= policy == NF_DROP;
	return 0;
}
