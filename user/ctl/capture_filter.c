/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/capture_filter.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"

/* ---- parsing ---- */

struct words {
	char *const *next;
	int left;
	struct capture_filter_error *error;
};

static bool fail(struct words *words, const char *expected)
{
	words->error->word = words->left ? *words->next : NULL;
	words->error->expected = expected;
	return false;
}

static void step(struct words *words)
{
	words->next++;
	words->left--;
}

/* Is this the next word? Then go on behind it. */
static bool take(struct words *words, const char *word)
{
	if (!words->left || strcmp(*words->next, word) != 0)
		return false;
	step(words);
	return true;
}

/* Decimal digits up to the end or `stop`. Returns what is behind them, or NULL. */
static const char *read_number(const char *text, char stop, uint32_t most, uint32_t *number)
{
	const char *at = text;

	*number = 0;
	while (*at >= '0' && *at <= '9') {
		*number = *number * 10 + (uint32_t)(*at++ - '0');
		if (*number > most)
			return NULL;
	}
	return at > text && (!*at || *at == stop) ? at : NULL;
}

static bool parse_address(struct words *words, struct capture_condition *condition)
{
	static const char expected[] = "an address, or a prefix such as 10.9.0.0/16";
	char text[ADDR_TEXT_SIZE];
	const char *word = words->left ? *words->next : "";
	size_t length = strcspn(word, "/");
	uint32_t bits;
	uint32_t all;

	if (length >= sizeof(text))
		return fail(words, expected);
	memcpy(text, word, length);
	text[length] = '\0';
	if (!addr_parse(text, &condition->address))
		return fail(words, expected);
	condition->is_ipv4 = addr_is_ipv4(&condition->address);
	all = bits = condition->is_ipv4 ? 32 : 128;
	if (word[length] && !read_number(word + length + 1, '\0', all, &bits))
		return fail(words, expected);
	xmc_mask_from_host_bits(&condition->mask, all - bits);
	xmc_addr_mask(&condition->address, &condition->address, &condition->mask);
	step(words);
	return true;
}

static bool parse_port(struct words *words, struct capture_condition *condition)
{
	if (!words->left || !read_number(*words->next, '\0', UINT16_MAX, &condition->least))
		return fail(words, "a port from 0 to 65535");
	condition->most = condition->least;
	step(words);
	return true;
}

static bool parse_length(struct words *words, struct capture_condition *condition)
{
	static const char expected[] = "bytes, such as 1316 or 100-200";
	const char *end;

	if (!words->left)
		return fail(words, expected);
	end = read_number(*words->next, '-', UINT16_MAX, &condition->least);
	if (!end)
		return fail(words, expected);
	condition->most = condition->least;
	if (*end && !read_number(end + 1, '\0', UINT16_MAX, &condition->most))
		return fail(words, expected);
	if (condition->most < condition->least)
		return fail(words, expected);
	step(words);
	return true;
}

/* "src" or "dst" was the last word. */
static bool parse_side(struct words *words, struct capture_condition *condition, bool source)
{
	if (take(words, "port")) {
		condition->subject = source ? CAPTURE_SOURCE_PORT : CAPTURE_DESTINATION_PORT;
		return parse_port(words, condition);
	}
	condition->subject = source ? CAPTURE_SOURCE : CAPTURE_DESTINATION;
	return parse_address(words, condition);
}

static bool parse_condition(struct words *words, struct capture_condition *condition)
{
	*condition = (struct capture_condition){.negated = take(words, "not")};
	if (take(words, "src"))
		return parse_side(words, condition, true);
	if (take(words, "dst"))
		return parse_side(words, condition, false);
	if (take(words, "host")) {
		condition->subject = CAPTURE_HOST;
		return parse_address(words, condition);
	}
	if (take(words, "port")) {
		condition->subject = CAPTURE_PORT;
		return parse_port(words, condition);
	}
	if (take(words, "len")) {
		condition->subject = CAPTURE_LENGTH;
		return parse_length(words, condition);
	}
	if (take(words, "in"))
		condition->subject = CAPTURE_IN;
	else if (take(words, "out"))
		condition->subject = CAPTURE_OUT;
	else
		return fail(words, "src, dst, host, port, len, in or out");
	return true;
}

bool capture_filter_parse(struct capture_filter *filter, char *const *words, int count,
			  struct capture_filter_error *error)
{
	struct words all = {words, count, error};

	filter->count = 0;
	while (all.left) {
		if (filter->count == CAPTURE_CONDITIONS)
			return fail(&all, "no more than 16 conditions");
		if (filter->count && strcmp(*all.next, "or") == 0)
			return fail(&all, "`and`: a packet must match all conditions");
		if (filter->count)
			take(&all, "and");
		if (!parse_condition(&all, &filter->conditions[filter->count]))
			return false;
		filter->count++;
	}
	return true;
}

/* ---- matching ---- */

static bool matches_address(const struct capture_condition *condition,
			    const struct xmc_addr *address)
{
	struct xmc_addr masked;

	xmc_addr_mask(&masked, address, &condition->mask);
	return condition->is_ipv4 == addr_is_ipv4(address) &&
	       addr_equal(&masked, &condition->address);
}

static bool is_within(const struct capture_condition *condition, uint32_t number)
{
	return number >= condition->least && number <= condition->most;
}

static bool matches(const struct capture_condition *condition, const struct capture_frame *frame)
{
	switch (condition->subject) {
	case CAPTURE_SOURCE:
		return matches_address(condition, &frame->source);
	case CAPTURE_DESTINATION:
		return matches_address(condition, &frame->destination);
	case CAPTURE_HOST:
		return matches_address(condition, &frame->source) ||
		       matches_address(condition, &frame->destination);
	case CAPTURE_PORT:
		return is_within(condition, frame->source_port) ||
		       is_within(condition, frame->port);
	case CAPTURE_SOURCE_PORT:
		return is_within(condition, frame->source_port);
	case CAPTURE_DESTINATION_PORT:
		return is_within(condition, frame->port);
	case CAPTURE_LENGTH:
		return is_within(condition, frame->payload);
	case CAPTURE_IN:
	case CAPTURE_OUT:
		break;
	}
	return false;
}

bool capture_filter_matches(const struct capture_filter *filter, const struct capture_frame *frame,
			    bool in)
{
	for (unsigned int i = 0; i < filter->count; i++) {
		const struct capture_condition *condition = &filter->conditions[i];
		bool match;

		if (condition->subject == CAPTURE_IN || condition->subject == CAPTURE_OUT)
			match = in == (condition->subject == CAPTURE_IN);
		else if (!frame->parsed)
			return false;
		else
			match = matches(condition, frame);
		if (match == condition->negated)
			return false;
	}
	return true;
}
