/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/prefix.h"

#include <stdio.h>

#include <xmcast/packet.h>

const char *prefix_format(const struct xmc_addr *addr, uint8_t host_bits, bool bracketed,
			  char text[PREFIX_TEXT_SIZE])
{
	unsigned int width = addr_is_ipv4(addr) ? 32 : 128;
	const char *form = bracketed && width == 128 ? "[%.45s]" : "%.45s";
	char plain[ADDR_TEXT_SIZE];
	int length = snprintf(text, PREFIX_TEXT_SIZE, form, addr_format(addr, plain));

	if (host_bits)
		snprintf(text + length, PREFIX_TEXT_SIZE - (size_t)length, "/%u",
			 width - host_bits);
	return text;
}

bool prefix_parse(const struct word *word, const struct word *bits_word, unsigned int least,
		  const struct xmc_addr *addr, uint8_t *host_bits, struct errors *errors)
{
	unsigned int width = addr_is_ipv4(addr) ? 32 : 128;
	char text[PREFIX_TEXT_SIZE];
	struct xmc_addr mask, right;
	unsigned int bits;

	if (!word_parse_number(bits_word, "prefix length", least, width, &bits, errors))
		return false;
	*host_bits = (uint8_t)(width - bits);
	xmc_mask_from_host_bits(&mask, *host_bits);
	xmc_addr_mask(&right, addr, &mask);
	if (addr_equal(&right, addr))
		return true;
	word_error(errors, word, "host bits are set; did you mean %s?",
		   prefix_format(&right, *host_bits, false, text));
	return false;
}

bool prefix_is_link_local(const struct xmc_addr *prefix, uint8_t host_bits)
{
	struct xmc_addr mask;

	if (addr_is_ipv4(prefix))
		return host_bits <= 8 && prefix->b[12] == 224 && !prefix->b[13] && !prefix->b[14];
	/* The widest scope of the prefix. */
	xmc_mask_from_host_bits(&mask, host_bits);
	return prefix->b[0] == 0xff && ((prefix->b[1] | ~mask.b[1]) & 0xf) <= 2;
}

bool prefix_has(const struct xmc_addr *prefix, uint8_t host_bits, const struct xmc_addr *addr)
{
	struct xmc_addr mask, masked;

	if (addr_is_ipv4(prefix) != addr_is_ipv4(addr))
		return false;
	xmc_mask_from_host_bits(&mask, host_bits);
	xmc_addr_mask(&masked, addr, &mask);
	return addr_equal(&masked, prefix);
}
