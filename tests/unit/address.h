/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as text, for cmocka tests. */
#ifndef XMCAST_TESTS_ADDRESS_H
#define XMCAST_TESTS_ADDRESS_H

#include "base/addr.h"

/* The test fails if it is not an address. */
static inline struct xmc_addr address(const char *text)
{
	struct xmc_addr addr;

	assert_true(addr_parse(text, &addr));
	return addr;
}

#endif
