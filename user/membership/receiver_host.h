/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that reports what it wants. */
#ifndef XMCAST_MEMBERSHIP_RECEIVER_HOST_H
#define XMCAST_MEMBERSHIP_RECEIVER_HOST_H

#include "base/addr.h"

/* What identifies a host: proxies without an address differ by their MAC address. No padding. */
struct receiver_host {
	struct xmc_addr address;
	uint8_t mac[6];
	uint8_t zero[2];
};

#endif
