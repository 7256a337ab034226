/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/routed.h"

#include <string.h>

#include <xmcast/packet.h>

#include "import/reading.h"

void routed_threshold(struct sheet *sheet, const char *keyword, const struct word *threshold)
{
	/* The default, and what `ttl dec` does. */
	if (word_is(threshold, "1"))
		return;
	sheet_lost(sheet,
		   "%s %.*s: outputs have no threshold; what has a TTL above 1 leaves by this "
		   "interface",
		   keyword, READING_WORD(*threshold));
}

/* ---- ranges of groups ---- */

/* The "/BITS" behind an address. */
static bool parse_bits(const struct word *word, struct group_range *range, struct errors *errors)
{
	unsigned int width = addr_is_ipv4(&range->first) ? 32 : 128;
	struct xmc_addr mask;
	unsigned int bits;

	if (!word_parse_number(word, "prefix length", 0, width, &bits, errors))
		return false;
	range->host_bits = width - bits;
	xmc_mask_from_host_bits(&mask, range->host_bits);
	xmc_addr_mask(&range->first, &range->first, &mask);
	return true;
}

static bool parse(const struct word *word, struct group_range *range, struct errors *errors)
{
	const char *slash = memchr(word->text, '/', word->length);
	size_t end = slash ? (size_t)(slash - word->text) : word->length;
	struct word address = word_part(word, 0, end);
	struct word bits = word_part(word, end + (slash != NULL), word->length);

	range->host_bits = 0;
	if (!word_parse_address(&address, false, &range->first, errors))
		return false;
	if (!addr_is_multicast(&range->first)) {
		word_error(errors, word, "not a multicast group");
		return false;
	}
	return !slash || parse_bits(&bits, range, errors);
}

bool group_prefix_parse(const struct word *word, struct group_range *range, struct sheet *sheet)
{
	struct errors errors = {0};
	bool good = parse(word, range, &errors);

	if (!good)
		sheet_errors(sheet, &errors);
	return good;
}

bool group_range_parse(const struct word *word, struct group_range *range, struct sheet *sheet)
{
	if (!group_prefix_parse(word, range, sheet))
		return false;
	if (range->host_bits <= 8)
		return true;
	sheet_lost(sheet,
		   "%.*s: a rule has one group, and a range of more than %u is not expanded: write "
		   "a rule for each group that is in use",
		   READING_WORD(*word), ROUTED_RANGE_MAX);
	return false;
}

_Static_assert(ROUTED_RANGE_MAX == 1 << 8, "the last byte of an address counts them");

unsigned int group_range_count(const struct group_range *range)
{
	return 1U << range->host_bits;
}

static struct xmc_addr group_at(const struct group_range *range, unsigned int index)
{
	struct xmc_addr group = range->first;

	group.b[sizeof(group.b) - 1] |= (unsigned char)index;
	return group;
}

const char *group_range_format(const struct group_range *range, unsigned int index,
			       char text[ENDPOINT_TEXT_SIZE])
{
	struct xmc_addr group = group_at(range, index);

	return endpoint_format(&group, 0, NULL, text);
}

bool group_range_has(const struct group_range *range, const struct group_range *other,
		     unsigned int index)
{
	struct xmc_addr group = group_at(other, index);
	struct xmc_addr mask;

	xmc_mask_from_host_bits(&mask, range->host_bits);
	xmc_addr_mask(&group, &group, &mask);
	return addr_equal(&group, &range->first);
}
