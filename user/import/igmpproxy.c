/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * igmpproxy.conf(5), words that may stand on any number of lines:
 *
 *     quickleave
 *     phyint IFNAME upstream|downstream|disabled [ratelimit N] [threshold TTL]
 *         [altnet NETWORK]... [whitelist GROUP[/LEN]]...
 *
 * The groups of igmpproxy are those that its hosts join, within the whitelists: each entry of these
 * becomes a rule for a group or for a prefix of groups.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <xmcast/packet.h>

#include "import/import.h"
#include "import/reading.h"
#include "import/routed.h"
#include "rules/prefix.h"

/* The kernel has 32 virtual interfaces for IPv4. */
#define PHYINTS_MAX 32

/* Of all interfaces together: every range is compared with every other one. */
#define NETWORKS_MAX 64
#define RANGES_MAX   256

enum role { ROLE_NONE, ROLE_UPSTREAM, ROLE_DOWNSTREAM };

struct phyint {
	struct word name;
	enum role role;
	bool whitelist; /* has one */
};

struct whitelist {
	unsigned int phyint;
	unsigned int line;
	struct group_range range;
};

struct proxy {
	struct sheet *sheet;
	struct reading reading;
	struct word rest; /* of the line */
	struct word word; /* the current one */
	struct phyint phyints[PHYINTS_MAX];
	unsigned int nr_phyints;
	struct word networks[NETWORKS_MAX]; /* from which the upstream accepts sources */
	unsigned int nr_networks;
	struct whitelist whitelists[RANGES_MAX];
	unsigned int nr_whitelists;
};

/* ---- reading ---- */

/* The next word of the file. False: its end. */
static bool next(struct proxy *proxy)
{
	struct word line;

	while (!reading_word(&proxy->rest, &proxy->word)) {
		struct word ahead;

		if (!reading_line(&proxy->reading, &line))
			return false;
		proxy->rest = ahead = line;
		if (reading_word(&ahead, &proxy->word))
			sheet_line(proxy->sheet, line.at.line, line.text, line.length);
	}
	return true;
}

/* The value behind a keyword. */
static bool value(struct proxy *proxy, const char *keyword)
{
	if (next(proxy))
		return true;
	sheet_lost(proxy->sheet, "nothing behind %s", keyword);
	return false;
}

static void altnet(struct proxy *proxy, const struct phyint *phyint)
{
	struct word *word = &proxy->word;

	if (phyint->role != ROLE_UPSTREAM)
		sheet_note(proxy->sheet,
			   "altnet %.*s: not needed: joins of receivers do not matter",
			   READING_WORD(*word));
	else if (proxy->nr_networks == NETWORKS_MAX)
		sheet_lost(proxy->sheet, "altnet %.*s: more than %u networks", READING_WORD(*word),
			   NETWORKS_MAX);
	else
		proxy->networks[proxy->nr_networks++] = *word;
}

static void whitelist(struct proxy *proxy, struct phyint *phyint)
{
	struct whitelist *list = &proxy->whitelists[proxy->nr_whitelists];

	phyint->whitelist = true;
	if (proxy->nr_whitelists == RANGES_MAX) {
		sheet_lost(proxy->sheet, "more than %u whitelist entries", RANGES_MAX);
	} else if (group_prefix_parse(&proxy->word, &list->range, proxy->sheet)) {
		list->phyint = (unsigned int)(phyint - proxy->phyints);
		list->line = proxy->word.at.line;
		proxy->nr_whitelists++;
	}
}

/* One option of a phyint, with its value. False: the word is none. */
static bool option(struct proxy *proxy, struct phyint *phyint)
{
	const struct word *word = &proxy->word;

	if (word_is(word, "upstream")) {
		phyint->role = ROLE_UPSTREAM;
	} else if (word_is(word, "downstream")) {
		phyint->role = ROLE_DOWNSTREAM;
	} else if (word_is(word, "disabled")) {
		phyint->role = ROLE_NONE;
	} else if (word_is(word, "ratelimit")) {
		if (value(proxy, "ratelimit") && !word_is(word, "0"))
			sheet_lost(proxy->sheet,
				   "ratelimit %.*s: Linux never applied it; `rate` and `pps` limit "
				   "an output",
				   READING_WORD(*word));
	} else if (word_is(word, "threshold")) {
		if (value(proxy, "threshold"))
			routed_threshold(proxy->sheet, "threshold", word);
	} else if (word_is(word, "altnet")) {
		if (value(proxy, "altnet"))
			altnet(proxy, phyint);
	} else if (word_is(word, "whitelist")) {
		if (value(proxy, "whitelist"))
			whitelist(proxy, phyint);
	} else {
		return false;
	}
	return true;
}

/* Returns whether there is a next word, which is none of this interface's. */
static bool read_phyint(struct proxy *proxy)
{
	struct phyint *phyint = &proxy->phyints[proxy->nr_phyints];
	bool more;

	if (!value(proxy, "phyint"))
		return false;
	if (proxy->nr_phyints == PHYINTS_MAX) {
		sheet_lost(proxy->sheet, "more than %u interfaces", PHYINTS_MAX);
		return next(proxy);
	}
	phyint->name = proxy->word;
	proxy->nr_phyints++;
	while ((more = next(proxy)) && option(proxy, phyint))
		continue;
	return more;
}

static bool read_global(struct proxy *proxy)
{
	static const struct {
		const char *name;
		bool value;
		bool lost;
		const char *text;
	} globals[] = {
		{"quickleave", false, false,
		 "add `demand: { leave: fast, linger: 1ms }` to this file for the same"},
		{"hashtablesize", true, false, "not needed: each receiver is tracked by itself"},
		{"defaultdown", false, true,
		 "an output names its interface: add one for each interface without a phyint"},
		{"rescanvif", false, false, "not needed: rules wait for their interfaces"},
		{"chroot", true, false, "not needed: xmcastd drops its rights itself"},
		{"user", true, true, "set `security: { user: NAME }` in this file instead"},
	};

	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
		if (!word_is(&proxy->word, globals[i].name))
			continue;
		if (globals[i].lost)
			sheet_lost(proxy->sheet, "%s: %s", globals[i].name, globals[i].text);
		else
			sheet_note(proxy->sheet, "%s: %s", globals[i].name, globals[i].text);
		return (!globals[i].value || value(proxy, globals[i].name)) && next(proxy);
	}
	sheet_lost(proxy->sheet, "%.*s: unknown", READING_WORD(proxy->word));
	return next(proxy);
}

/* ---- rules ---- */

/* Whether the interface's whitelist, if it has one, allows all groups of the range. */
static bool allows(const struct proxy *proxy, unsigned int phyint, const struct group_range *range)
{
	if (!proxy->phyints[phyint].whitelist)
		return true;
	for (unsigned int i = 0; i < proxy->nr_whitelists; i++) {
		const struct group_range *list = &proxy->whitelists[i].range;

		if (proxy->whitelists[i].phyint == phyint && list->host_bits >= range->host_bits &&
		    group_range_has(list, range, 0))
			return true;
	}
	return false;
}

/* Whether an earlier whitelist has the same groups, which then have their rules. */
static bool is_done(const struct proxy *proxy, unsigned int list)
{
	const struct group_range *range = &proxy->whitelists[list].range;

	for (unsigned int i = 0; i < list; i++) {
		const struct group_range *other = &proxy->whitelists[i].range;

		if (other->host_bits == range->host_bits &&
		    addr_equal(&other->first, &range->first))
			return true;
	}
	return false;
}

static void add_rule(const struct proxy *proxy, unsigned int upstream, const char *groups,
		     const struct word *network, const char *outputs)
{
	struct text text = {0};

	text_add_format(&text, "in %s:any@%.*s", groups,
			READING_WORD(proxy->phyints[upstream].name));
	if (network && !word_is(network, "0.0.0.0/0"))
		text_add_format(&text, " source %.*s", READING_WORD(*network));
	text_add(&text, " on demand");
	text_add(&text, outputs);
	sheet_rule(proxy->sheet, text.failed ? NULL : text.bytes);
	text_free(&text);
}

/* The rules of one group or of a prefix: for each network from which it may come. A longer prefix
 * takes its groups from a shorter one, so each has all outputs that allow it. */
static void add_groups(const struct proxy *proxy, unsigned int upstream,
		       const struct group_range *range)
{
	char groups[PREFIX_TEXT_SIZE];
	struct text outputs = {0};

	prefix_format(&range->first, (uint8_t)range->host_bits, true, groups);
	for (unsigned int i = 0; i < proxy->nr_phyints; i++) {
		if (proxy->phyints[i].role == ROLE_DOWNSTREAM && allows(proxy, i, range))
			text_add_format(&outputs, " out %s@%.*s when joined",
					range->host_bits ? "same" : groups,
					READING_WORD(proxy->phyints[i].name));
	}
	if (outputs.length && allows(proxy, upstream, range)) {
		for (unsigned int i = 0; i < proxy->nr_networks; i++)
			add_rule(proxy, upstream, groups, &proxy->networks[i], outputs.bytes);
		if (!proxy->nr_networks)
			add_rule(proxy, upstream, groups, NULL, outputs.bytes);
	}
	text_free(&outputs);
}

/* Without a whitelist an interface accepts every group. */
static void add_all_groups(const struct proxy *proxy, unsigned int upstream)
{
	struct group_range all = {.host_bits = 28};
	bool any = false;

	xmc_addr_from_ipv4(&all.first, htonl(INADDR_UNSPEC_GROUP));
	for (unsigned int i = 0; i < proxy->nr_phyints; i++)
		any |= proxy->phyints[i].role == ROLE_DOWNSTREAM && !proxy->phyints[i].whitelist;
	if (any && !proxy->phyints[upstream].whitelist)
		add_groups(proxy, upstream, &all);
}

/* What holds for all rules of this upstream interface. */
static void describe(const struct proxy *proxy, const struct phyint *upstream)
{
	if (proxy->nr_networks)
		sheet_lost(proxy->sheet,
			   "sources in the networks of %.*s itself, which igmpproxy accepts: add "
			   "the rules with `source NETWORK` if there are any",
			   READING_WORD(upstream->name));
	else
		sheet_note(proxy->sheet,
			   "any source is accepted; igmpproxy accepts the networks of %.*s",
			   READING_WORD(upstream->name));
}

static void add_rules(const struct proxy *proxy)
{
	unsigned int upstream = 0;

	while (upstream < proxy->nr_phyints && proxy->phyints[upstream].role != ROLE_UPSTREAM)
		upstream++;
	if (!proxy->nr_phyints)
		return;
	sheet_heading(proxy->sheet, "the groups that are forwarded");
	if (upstream == proxy->nr_phyints) {
		sheet_lost(proxy->sheet, "no upstream interface, expected one");
		return;
	}
	describe(proxy, &proxy->phyints[upstream]);
	add_all_groups(proxy, upstream);
	for (unsigned int i = 0; i < proxy->nr_whitelists; i++) {
		sheet_return(proxy->sheet, proxy->whitelists[i].line);
		if (!is_done(proxy, i))
			add_groups(proxy, upstream, &proxy->whitelists[i].range);
	}
}

IMPORT_READER(igmpproxy_read)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	bool more;

	if (!proxy)
		return -ENOMEM;
	proxy->sheet = sheet;
	proxy->reading = (struct reading){source->bytes, source->length, 0};
	more = next(proxy);
	while (more)
		more = word_is(&proxy->word, "phyint") ? read_phyint(proxy) : read_global(proxy);
	add_rules(proxy);
	free(proxy);
	return 0;
}
