// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer on chains of nftables: any bytes as the payload of a message. The first byte selects
 * the family. */
#include <errno.h>
#include <linux/netlink.h>

#include "links/firewall_parse.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct firewall firewall = {};
	struct nlmsghdr *message;
	int err;

	if (!size || size > 4096)
		return 0;
	/* In memory of exactly this size, so that a read behind it is noticed. */
	message = malloc(sizeof(*message) + size - 1);
	must(message != NULL);
	*message = (struct nlmsghdr){.nlmsg_len = (uint32_t)(sizeof(*message) + size - 1)};
	memcpy(message + 1, data + 1, size - 1);
	err = firewall_parse_chain(message, data[0] & 1, &firewall);
	must(err == 0 || err == -EBADMSG);
	must(firewall.chains <= 1 && (firewall.chains || !firewall.drops));
	must(strnlen(firewall.name, sizeof(firewall.name)) < sizeof(firewall.name));
	must(!firewall.chains == !*firewall.name);
	free(message);
	return 0;
}
