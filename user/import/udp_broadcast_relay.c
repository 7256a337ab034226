/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of udp-broadcast-relay-redux and udpbroadcastrelay, and of their ancestor:
 *
 *     udpbroadcastrelay --id N --port PORT --dev IFACE --dev IFACE... [--multicast GROUP] [-s ADDR]
 *         [--allowcidr NET] [--blockcidr NET] [--blockid N] [--msearch WHAT] [-t] [-d] [-f]
 *     udp-broadcast-relay [-f] N PORT IFACE IFACE...
 *
 * What arrives by one interface leaves by all others: a rule for each interface.
 */
#include <errno.h>
#include <string.h>

#include "import/command_line.h"

/* The limit of these programs. */
#define IFACES_MAX 16

struct broadcast {
	struct sheet *sheet;
	const char *port, *group, *source, *allowed;
	const char *ifaces[IFACES_MAX];
	unsigned int nr_ifaces;
	unsigned int nr_plain; /* words without an option */
};

static void add_iface(struct broadcast *broadcast, const char *name)
{
	if (broadcast->nr_ifaces < IFACES_MAX)
		broadcast->ifaces[broadcast->nr_ifaces++] = name;
	else
		sheet_lost(broadcast->sheet, "more than %u interfaces", IFACES_MAX);
}

/* A word that belongs to no option: an id, a port, interfaces. */
static void read_plain(struct broadcast *broadcast, const char *word)
{
	unsigned int index = broadcast->nr_plain++;

	if (index == 1)
		broadcast->port = word;
	else if (index > 1)
		add_iface(broadcast, word);
}

/* Returns whether the option has a value. */
static bool read_option(struct broadcast *broadcast, const char *option, const char *value)
{
	struct sheet *sheet = broadcast->sheet;

	if (strcmp(option, "dev") == 0 && value)
		add_iface(broadcast, value);
	else if (strcmp(option, "port") == 0)
		broadcast->port = value;
	else if (strcmp(option, "multicast") == 0)
		broadcast->group = value;
	else if (strcmp(option, "s") == 0)
		broadcast->source = value;
	else if (strcmp(option, "allowcidr") == 0)
		broadcast->allowed = value;
	else if (strcmp(option, "id") == 0)
		sheet_note(sheet, "id %.20s: not needed: packets are not marked",
			   value ? value : "");
	else if (strcmp(option, "blockcidr") == 0 || strcmp(option, "blockid") == 0 ||
		 strcmp(option, "msearch") == 0)
		sheet_lost(sheet,
			   "%s %.100s: not available: a rule names what it relays and has no "
			   "exceptions",
			   option, value ? value : "");
	else if (strcmp(option, "t") == 0 || strcmp(option, "ttl-id") == 0)
		return false;
	else if (strcmp(option, "d") == 0 || strcmp(option, "f") == 0 || strcmp(option, "h") == 0)
		return false;
	else {
		sheet_lost(sheet, "%.100s: unknown", option);
		return false;
	}
	return true;
}

static void read_words(struct broadcast *broadcast, const struct command_line *line)
{
	for (unsigned int i = 0; i < line->count; i++) {
		const char *word = line->words[i];
		const char *value = i + 1 < line->count ? line->words[i + 1] : NULL;

		if (word[0] == '-')
			i += read_option(broadcast, word + 1 + (word[1] == '-'), value);
		else
			read_plain(broadcast, word);
	}
}

/* What the packets of this output look like. */
static const char *from(const struct broadcast *broadcast, char text[ENDPOINT_TEXT_SIZE])
{
	const char *source = broadcast->source;

	if (!source)
		return " from keep ttl keep dscp keep";
	/* Two addresses that mean: that of the output's interface. */
	if (strcmp(source, "1.1.1.1") == 0 || strcmp(source, "1.1.1.2") == 0)
		return " ttl keep dscp keep";
	snprintf(text, ENDPOINT_TEXT_SIZE, " from %.20s ttl keep dscp keep", source);
	return text;
}

static void describe(const struct broadcast *broadcast)
{
	if (broadcast->source && strncmp(broadcast->source, "1.1.1.", 6) == 0)
		sheet_lost(broadcast->sheet,
			   "-s %.20s: the packets leave from the address of their interface, but "
			   "from a free UDP port: `from ADDR:PORT` sets both",
			   broadcast->source);
	else if (broadcast->source)
		sheet_note(broadcast->sheet, "-s %.20s: has to be an address of this host",
			   broadcast->source);
	if (!broadcast->group)
		sheet_note(broadcast->sheet,
			   "what is sent to a network's own broadcast address (10.0.0.255) needs a "
			   "rule for that address");
	sheet_note(broadcast->sheet,
		   "rules that feed each other have may_loop: safe unless something else connects "
		   "the networks");
}

static void add_rules(const struct broadcast *broadcast)
{
	const char *group = broadcast->group ? broadcast->group : "255.255.255.255";
	char source[ENDPOINT_TEXT_SIZE];

	describe(broadcast);
	for (unsigned int i = 0; i < broadcast->nr_ifaces; i++) {
		struct text text = {0};

		text_add_format(&text, "in %.*s:%.*s@%.*s", READING_WORD_MAX, group,
				READING_WORD_MAX, broadcast->port, READING_WORD_MAX,
				broadcast->ifaces[i]);
		if (broadcast->allowed)
			text_add_format(&text, " source %.*s", READING_WORD_MAX,
					broadcast->allowed);
		text_add(&text, " may_loop");
		for (unsigned int j = 0; j < broadcast->nr_ifaces; j++) {
			if (j != i)
				text_add_format(&text, " out %.*s:%.*s@%.*s%s", READING_WORD_MAX,
						group, READING_WORD_MAX, broadcast->port,
						READING_WORD_MAX, broadcast->ifaces[j],
						from(broadcast, source));
		}
		sheet_rule(broadcast->sheet, text.failed ? NULL : text.bytes);
		text_free(&text);
	}
}

IMPORT_READER(udp_broadcast_relay_read)
{
	static const char *const programs[] = {"udp-broadcast-relay", "udp-broadcast-relay-redux",
					       "udpbroadcastrelay", NULL};
	struct command_line line;

	command_line_init(&line, source, programs, sheet);
	while (command_line_next(&line)) {
		struct broadcast broadcast = {.sheet = sheet};

		read_words(&broadcast, &line);
		if (!broadcast.port || broadcast.nr_ifaces < 2)
			sheet_lost(sheet, "expected --port PORT and --dev IFACE for two interfaces "
					  "or more");
		else
			add_rules(&broadcast);
	}
	command_line_free(&line);
	return 0;
}
