/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smcroute.conf(5), a directive on each line:
 *
 *     phyint IFNAME [enable|disable] [mrdisc] [ttl-threshold TTL]
 *     mgroup from IFNAME [source ADDR[/LEN]] group GROUP[/LEN]
 *     mroute from IFNAME [source ADDR[/LEN]] group GROUP[/LEN] to IFNAME...
 *     include PATH
 */
#include <errno.h>

#include "import/import.h"
#include "import/reading.h"
#include "import/routed.h"

/* IPv4 multicast routing has 32 virtual interfaces; a rule has no more outputs than this. */
#define OUTPUTS_MAX (XMC_MAX_OUTPUTS + 1)

/* A line of mgroup or mroute. */
struct route {
	struct word from, source, group; /* text is NULL: not there */
	struct word to[OUTPUTS_MAX];
	unsigned int nr_to;
};

static bool is_wildcard(const struct word *iface)
{
	return iface->length && iface->text[iface->length - 1] == '+';
}

static void phyint(struct sheet *sheet, struct word *line)
{
	struct word word;

	sheet_note(sheet, "not needed: a rule names its interfaces");
	reading_word(line, &word); /* the interface */
	while (reading_word(line, &word)) {
		if (word_is(&word, "enable") || word_is(&word, "disable"))
			continue;
		if (word_is(&word, "mrdisc"))
			sheet_lost(sheet, "mrdisc: no multicast router is announced; a rule joins "
					  "its group instead");
		else if (!word_is(&word, "ttl-threshold") && !word_is(&word, "threshold"))
			sheet_lost(sheet, "%.*s: unknown", READING_WORD(word));
		else if (reading_word(line, &word))
			routed_threshold(sheet, "ttl-threshold", &word);
	}
}

static void parse_route(struct sheet *sheet, struct word *line, struct route *route)
{
	struct word word;

	*route = (struct route){.nr_to = 0};
	while (reading_word(line, &word)) {
		struct word *value = word_is(&word, "from")	? &route->from
				     : word_is(&word, "source") ? &route->source
				     : word_is(&word, "group")	? &route->group
								: NULL;

		if (value) {
			if (!reading_word(line, value))
				sheet_lost(sheet, "nothing behind %.*s", READING_WORD(word));
		} else if (word_is(&word, "to")) {
			while (route->nr_to < OUTPUTS_MAX &&
			       reading_word(line, &route->to[route->nr_to]))
				route->nr_to++;
		} else {
			sheet_lost(sheet, "%.*s: unknown", READING_WORD(word));
		}
	}
}

static void add_rule(struct sheet *sheet, const struct route *route, const char *group)
{
	struct text text = {0};

	text_add_format(&text, "in %s:any@%.*s", group, READING_WORD(route->from));
	if (route->source.text && !word_is(&route->source, "0.0.0.0") &&
	    !word_is(&route->source, "::")) {
		text_add_format(&text, " source %.*s", READING_WORD(route->source));
	}
	for (unsigned int i = 0; i < route->nr_to; i++)
		text_add_format(&text, " out %s@%.*s", group, READING_WORD(route->to[i]));
	sheet_rule(sheet, text.failed ? NULL : text.bytes);
	text_free(&text);
}

static void mroute(struct sheet *sheet, struct word *line)
{
	char group[ENDPOINT_TEXT_SIZE];
	struct group_range range;
	struct route route;
	unsigned int count;

	parse_route(sheet, line, &route);
	if (!route.from.text || !route.group.text || !route.nr_to) {
		sheet_lost(sheet, "expected mroute from IFNAME group GROUP to IFNAME");
		return;
	}
	if (is_wildcard(&route.from)) {
		sheet_lost(sheet,
			   "%.*s: interfaces have no wildcards: write a rule for each interface",
			   READING_WORD(route.from));
		return;
	}
	if (!group_range_parse(&route.group, &range, sheet))
		return;
	count = group_range_count(&range);
	if (count > 1)
		sheet_note(sheet, "a rule for each of the %u groups, each of which is joined",
			   count);
	for (unsigned int i = 0; i < count && !sheet_is_full(sheet); i++)
		add_rule(sheet, &route, group_range_format(&range, i, group));
}

static void directive(struct sheet *sheet, const struct word *name, struct word *line)
{
	if (word_is(name, "phyint"))
		phyint(sheet, line);
	else if (word_is(name, "mgroup") || word_is(name, "ssmgroup"))
		sheet_note(sheet, "not needed: a rule joins its own group, and no other is joined");
	else if (word_is(name, "mroute"))
		mroute(sheet, line);
	else if (word_is(name, "include"))
		sheet_lost(sheet, "files are not included: import each of them");
	else
		sheet_lost(sheet, "%.*s: unknown directive", READING_WORD(*name));
}

IMPORT_READER(smcroute_read)
{
	struct reading reading = {source->bytes, source->length, 0};
	struct word line;

	while (reading_line(&reading, &line)) {
		struct word rest = line;
		struct word name;

		if (!reading_word(&rest, &name))
			continue;
		sheet_line(sheet, line.at.line, line.text, line.length);
		directive(sheet, &name, &rest);
	}
	return 0;
}
