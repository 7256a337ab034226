/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes of addresses: ADDR/BITS, as the source of a rule or as the groups of its input. An
 * address and the number of its lowest bits that are 0 and match anything. Pure; any thread.
 */
#ifndef XMCAST_RULES_PREFIX_H
#define XMCAST_RULES_PREFIX_H

#include "rules/words.h"

#define PREFIX_TEXT_SIZE (ADDR_TEXT_SIZE + 6)

/*
 * The word BITS behind an address. `least`: the shortest prefix that is allowed, in bits. True, and
 * *host_bits; false: it is no such number, or bits behind it are set, so that a host or another
 * prefix was meant, and an error was appended. `word`: all of it, for the error.
 */
bool prefix_parse(const struct word *word, const struct word *bits, unsigned int least,
		  const struct xmc_addr *addr, uint8_t *host_bits, struct errors *errors);

/* "10.9.0.0/16"; without "/BITS" if that is one address. `bracketed`: "[2001:db8::]/32". Returns
 * `text`. */
const char *prefix_format(const struct xmc_addr *addr, uint8_t host_bits, bool bracketed,
			  char text[PREFIX_TEXT_SIZE]);

/* Is the address one of the prefix? */
bool prefix_has(const struct xmc_addr *prefix, uint8_t host_bits, const struct xmc_addr *addr);

/* Are all of its groups of the link alone, so that routers forward none of them (RFC 5771, section
 * 4; RFC 4291, section 2.7)? */
bool prefix_is_link_local(const struct xmc_addr *prefix, uint8_t host_bits);

#endif
