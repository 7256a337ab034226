/* SPDX-License-Identifier: BSD-2-Clause */
/* What smcroute and igmpproxy have in common: they configure the kernel's multicast routing. Pure;
 * any thread. */
#ifndef XMCAST_IMPORT_ROUTED_H
#define XMCAST_IMPORT_ROUTED_H

#include <stdbool.h>

#include "base/text.h"
#include "import/sheet.h"
#include "rules/words.h"

/* What the kernel does to the headers of what it routes, for `defaults` and in words. */
#define ROUTED_DEFAULTS "defaults: { from: keep, ttl: dec, dscp: keep }"
#define ROUTED_HEADING                                                                             \
	"The outputs keep source address, UDP source port and DSCP, and take one off the TTL, "    \
	"as\n"                                                                                     \
	"kernel multicast routing does. Without the line `defaults` this host sends in its own\n"  \
	"name. The rules carry UDP; other IP protocols need rules of their own.\n"

/* The TTL threshold of an interface: the kernel forwards by it what has a higher TTL. */
void routed_threshold(struct sheet *sheet, const char *keyword, const struct word *threshold);

/* Groups of one range that become rules, one each. */
#define ROUTED_RANGE_MAX 256

struct group_range {
	struct xmc_addr first;
	unsigned int host_bits; /* 0: one group */
};

/* GROUP or GROUP/BITS of any length. False: it is wrong, and the sheet says so. */
bool group_prefix_parse(const struct word *word, struct group_range *range, struct sheet *sheet);

/* Likewise. False: it is wrong, or more than ROUTED_RANGE_MAX groups: the sheet says so.
 */
bool group_range_parse(const struct word *word, struct group_range *range, struct sheet *sheet);

/* At most ROUTED_RANGE_MAX. */
unsigned int group_range_count(const struct group_range *range);

/* The index-th group as text, IPv6 in brackets. Returns `text`. */
const char *group_range_format(const struct group_range *range, unsigned int index,
			       char text[ENDPOINT_TEXT_SIZE]);

/* Whether the index-th group of `other` is in the range. */
bool group_range_has(const struct group_range *range, const struct group_range *other,
		     unsigned int index);

#endif
