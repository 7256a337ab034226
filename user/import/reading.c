/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/reading.h"

#include <string.h>

#include <xmcast/packet.h>

bool reading_line(struct reading *reading, struct word *line)
{
	const char *end;

	if (!reading->left)
		return false;
	end = memchr(reading->next, '\n', reading->left);
	*line = (struct word){.text = reading->next,
			      .length = end ? (size_t)(end - reading->next) : reading->left,
			      .at = {.line = ++reading->line, .column = 1}};
	reading->next += line->length + (end != NULL);
	reading->left -= line->length + (end != NULL);
	return true;
}

bool reading_word(struct word *line, struct word *word)
{
	size_t from = 0;
	size_t to;

	while (from < line->length && byte_is_space(line->text[from]))
		from++;
	to = from;
	while (to < line->length && !byte_is_space(line->text[to]))
		to++;
	if (from == to || line->text[from] == '#')
		return false;
	*word = word_part(line, from, to);
	*line = word_part(line, to, line->length);
	if (word->length > READING_WORD_MAX)
		word->length = READING_WORD_MAX;
	return true;
}

void reading_add_address(struct text *text, const struct word *word)
{
	bool bare = memchr(word->text, ':', word->length) && word->text[0] != '[';

	text_add(text, bare ? "[" : "");
	text_add_bytes(text, word->text, word->length);
	text_add(text, bare ? "]" : "");
}

/* ---- ranges of groups ---- */

bool group_range_parse(const struct word *word, struct group_range *range, struct errors *errors)
{
	const char *slash = memchr(word->text, '/', word->length);
	size_t end = slash ? (size_t)(slash - word->text) : word->length;
	struct word address = word_part(word, 0, end);
	struct xmc_addr mask;
	unsigned int width;
	unsigned int bits;

	range->host_bits = 0;
	if (!word_parse_address(&address, false, &range->first, errors))
		return false;
	if (!addr_is_multicast(&range->first)) {
		word_error(errors, word, "not a multicast group");
		return false;
	}
	if (!slash)
		return true;
	width = addr_is_ipv4(&range->first) ? 32 : 128;
	address = word_part(word, end + 1, word->length);
	if (!word_parse_number(&address, "prefix length", 0, width, &bits, errors))
		return false;
	range->host_bits = width - bits;
	xmc_mask_from_host_bits(&mask, range->host_bits);
	xmc_addr_mask(&range->first, &range->first, &mask);
	return true;
}

unsigned int group_range_count(const struct group_range *range)
{
	return range->host_bits > 8 ? READING_RANGE_MAX + 1 : 1U << range->host_bits;
}

_Static_assert(READING_RANGE_MAX == 1 << 8, "the lowest byte of an address counts them");

const char *group_range_format(const struct group_range *range, unsigned int index,
			       char text[ENDPOINT_TEXT_SIZE])
{
	struct xmc_addr group = range->first;

	group.b[sizeof(group.b) - 1] |= (unsigned char)index;
	return endpoint_format(&group, 0, NULL, text);
}

bool group_range_has(const struct group_range *range, const struct xmc_addr *group)
{
	struct xmc_addr mask;
	struct xmc_addr masked;

	xmc_mask_from_host_bits(&mask, range->host_bits);
	xmc_addr_mask(&masked, group, &mask);
	return addr_equal(&masked, &range->first);
}
