/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of socat(1) that relay datagrams:
 *
 *     socat [-u|-U] UDP4-RECV:PORT,ip-add-membership=GROUP:IFACE UDP4-DATAGRAM:HOST:PORT[,OPTION]...
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "import/command_line.h"

#define MEMBERSHIPS_MAX 16

enum kind { KIND_OTHER, KIND_RECEIVES, KIND_BOTH, KIND_SENDS };

/* One address of a command. Texts are parts of its word; NULL: not there. */
struct address {
	enum kind kind;
	bool receives_only;
	const char *type;
	char *host;
	char *port;
	char *memberships[MEMBERSHIPS_MAX];
	unsigned int nr_memberships;
	const char *iface, *bind, *multicast_if, *multicast_ttl, *ttl, *tos, *range, *sourceport;
};

struct socat {
	const struct import_source *source;
	struct sheet *sheet;
};

/* ---- reading ---- */

/* Cut off the first part, up to a separator that is not in brackets or quotes. NULL: there is none
 * left. */
static char *cut(char **rest, char separator)
{
	char *part = *rest;
	bool quoted = false;
	int depth = 0;

	if (!part)
		return NULL;
	for (char *byte = part; *byte; byte++) {
		if (*byte == '"')
			quoted = !quoted;
		depth += *byte == '[' ? 1 : *byte == ']' ? -1 : 0;
		if (*byte != separator || quoted || depth > 0)
			continue;
		*byte = '\0';
		*rest = byte + 1;
		return part;
	}
	*rest = NULL;
	return part;
}

/* "udp4-recvfrom" and the like; keywords have no case. */
static enum kind kind_of(const char *type)
{
	static const struct {
		const char *name;
		enum kind kind;
	} kinds[] = {
		{"-recv", KIND_RECEIVES}, {"-recvfrom", KIND_RECEIVES}, {"-listen", KIND_RECEIVES},
		{"-l", KIND_RECEIVES},	  {"-datagram", KIND_BOTH},	{"-dgram", KIND_BOTH},
		{"-sendto", KIND_SENDS},  {"-send", KIND_SENDS},	{"-connect", KIND_SENDS},
		{"", KIND_SENDS},
	};

	if (strncasecmp(type, "udp", 3) != 0)
		return KIND_OTHER;
	type += type[3] == '4' || type[3] == '6' ? 4 : 3;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcasecmp(type, kinds[i].name) == 0)
			return kinds[i].kind;
	}
	return KIND_OTHER;
}

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcasecmp(name, *names) != 0)
		names++;
	return *names;
}

/* Options that a relay does not need, or has anyway. */
static const char *const not_needed[] = {
	"reuseaddr",	  "so-reuseaddr", "reuseport",	  "so-reuseport",
	"fork",		  "broadcast",	  "so-broadcast", "ip-multicast-loop",
	"multicast-loop", "max-children", "rcvbuf",	  "so-rcvbuf",
	"sndbuf",	  "so-sndbuf",	  "pf",		  "protocol-family",
	"nonblock",	  "cloexec",	  "ipv6only",	  "ipv6-v6only",
	"ip-pktinfo",	  "ip-recverr",	  "ignoreeof",	  NULL};

static void read_option(const struct socat *socat, struct address *address, char *option)
{
	static const char *const memberships[] = {"ip-add-membership",
						  "add-membership",
						  "ip-membership",
						  "membership",
						  "ip-add-source-membership",
						  "ipv6-join-group",
						  "ipv6-add-membership",
						  "join-group",
						  NULL};
	const struct {
		const char *const names[5];
		const char **value;
	} values[] = {
		{{"so-bindtodevice", "bindtodevice", "interface", "if"}, &address->iface},
		{{"bind"}, &address->bind},
		{{"ip-multicast-if", "multicast-if", "ipv6-multicast-if"}, &address->multicast_if},
		{{"ip-multicast-ttl", "multicast-ttl", "ipv6-multicast-hops"},
		 &address->multicast_ttl},
		{{"ip-ttl", "ttl", "ipv6-unicast-hops"}, &address->ttl},
		{{"ip-tos", "tos", "ipv6-tclass"}, &address->tos},
		{{"range"}, &address->range},
		{{"sourceport", "sp"}, &address->sourceport},
	};
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; value && i < sizeof(values) / sizeof(values[0]); i++) {
		if (is_one_of(option, values[i].names)) {
			*values[i].value = value;
			return;
		}
	}
	if (value && is_one_of(option, memberships)) {
		if (address->nr_memberships < MEMBERSHIPS_MAX)
			address->memberships[address->nr_memberships++] = value;
		else
			sheet_lost(socat->sheet, "more than %u memberships", MEMBERSHIPS_MAX);
	} else if (*option && !is_one_of(option, not_needed)) {
		sheet_lost(socat->sheet, "%.100s: not available", option);
	}
}

/* TYPE:PORT[,OPTION]... or TYPE:HOST:PORT[,OPTION]... The word is cut into pieces. */
static void read_address(const struct socat *socat, char *word, struct address *address)
{
	char *options = word;
	char *head = cut(&options, ',');
	char *type = cut(&head, ':');
	char *option;

	*address = (struct address){.type = type ? type : ""};
	address->kind = kind_of(address->type);
	if (address->kind == KIND_OTHER)
		return;
	if (address->kind != KIND_RECEIVES)
		address->host = cut(&head, ':');
	address->port = cut(&head, ':');
	while ((option = cut(&options, ',')))
		read_option(socat, address, option);
}

/* ---- interfaces ---- */

/* Whether the text is an address, IPv6 in brackets or not. */
static bool is_address(const char *text, struct xmc_addr *addr)
{
	size_t length = strlen(text);
	char bare[ADDR_TEXT_SIZE];

	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length >= sizeof(bare))
		return false;
	memcpy(bare, text, length);
	bare[length] = '\0';
	return addr_parse(bare, addr);
}

/* The interface that an option names, by its name or by its address. False: it is unknown. */
static bool find_iface(const struct socat *socat, const char *text, char name[IF_NAMESIZE])
{
	struct xmc_addr addr;

	if (!text || !*text || strlen(text) >= ADDR_TEXT_SIZE)
		return false;
	if (is_address(text, &addr))
		return !addr_is_any(&addr) && socat->source->iface_of &&
		       socat->source->iface_of(&addr, name);
	/* The index of an interface means nothing on another machine. */
	if (strlen(text) >= IF_NAMESIZE || isdigit((unsigned char)text[0]))
		return false;
	strcpy(name, text);
	return true;
}

/* ---- the rule ---- */

/* ":ADDR:PORT" of bind, each of which may be missing. */
static void read_bind(const struct address *address, char bind[ADDR_TEXT_SIZE], const char **port)
{
	const char *colon = address->bind ? strrchr(address->bind, ':') : NULL;
	const char *bracket = address->bind ? strrchr(address->bind, ']') : NULL;
	size_t length;

	bind[0] = '\0';
	*port = NULL;
	if (!address->bind)
		return;
	if (colon && bracket && colon < bracket)
		colon = NULL;
	length = colon ? (size_t)(colon - address->bind) : strlen(address->bind);
	if (length < ADDR_TEXT_SIZE) {
		memcpy(bind, address->bind, length);
		bind[length] = '\0';
	}
	if (colon && colon[1])
		*port = colon + 1;
}

/* An unknown interface, where the grammar needs one: the rule is complete once it is filled in. */
#define UNKNOWN "IFACE"

struct draft_rule {
	struct text outputs;
	bool unknown; /* an interface */
};

static void add_address(struct text *text, const char *address)
{
	size_t length = strlen(address);
	struct word word = {
		.text = address,
		.length = length < READING_WORD_MAX ? length : READING_WORD_MAX,
	};

	reading_add_address(text, &word);
}

/* The DSCP is the upper six bits of TOS. */
static void add_tos(const struct socat *socat, const char *tos, struct text *text)
{
	char *end;
	unsigned long value = strtoul(tos, &end, 0);

	if (!*tos || *end || value > 255 || value & 3)
		sheet_lost(socat->sheet, "tos=%.100s: expected a DSCP, shifted by two bits", tos);
	else
		text_add_format(text, " dscp %lu", value >> 2);
}

static void add_from(const struct socat *socat, const struct address *out, struct text *text)
{
	char bind[ADDR_TEXT_SIZE];
	const char *port;
	struct xmc_addr addr;
	bool bound;

	read_bind(out, bind, &port);
	if (out->sourceport)
		port = out->sourceport;
	bound = is_address(bind, &addr) && !addr_is_any(&addr);
	if (bound) {
		text_add(text, " from ");
		add_address(text, bind);
		if (port)
			text_add_format(text, ":%.*s", READING_WORD_MAX, port);
	} else if (port || *bind) {
		sheet_lost(socat->sheet,
			   "source port %.100s: `from` needs an address of this host beside it",
			   port ? port : bind);
	}
}

static void add_output(const struct socat *socat, const struct address *out,
		       struct draft_rule *rule)
{
	struct text *text = &rule->outputs;
	char iface[IF_NAMESIZE] = UNKNOWN;
	char bind[ADDR_TEXT_SIZE];
	const char *port;
	struct xmc_addr to;
	bool group = is_address(out->host ? out->host : "", &to) &&
		     (addr_is_multicast(&to) || addr_is_broadcast(&to));
	bool known = find_iface(socat, out->iface, iface);
	const char *ttl = group ? out->multicast_ttl : out->ttl;

	read_bind(out, bind, &port);
	if (!known && group)
		known = find_iface(socat, out->multicast_if, iface) ||
			find_iface(socat, bind, iface);
	text_add(text, " out ");
	add_address(text, out->host ? out->host : "");
	text_add_format(text, ":%.*s", READING_WORD_MAX, out->port ? out->port : "");
	if (known || group)
		text_add_format(text, "@%s", iface);
	rule->unknown |= group && !known;
	add_from(socat, out, text);
	if (ttl)
		text_add_format(text, " ttl %.*s", READING_WORD_MAX, ttl);
	if (out->tos)
		add_tos(socat, out->tos, text);
}

/* The input GROUP:PORT@IFACE, or an address of this host instead of the group. */
static void add_rule(const struct socat *socat, const struct address *in, const char *group,
		     const char *iface, const char *port, const char *source,
		     const struct draft_rule *rule)
{
	char name[IF_NAMESIZE] = UNKNOWN;
	bool known = find_iface(socat, iface, name) || find_iface(socat, in->iface, name);
	struct text text = {0};

	text_add(&text, "in ");
	add_address(&text, group);
	text_add_format(&text, ":%.*s@%s", READING_WORD_MAX, port ? port : "", name);
	if (source)
		text_add_format(&text, " source %.*s", READING_WORD_MAX, source);
	if (rule->outputs.bytes)
		text_add(&text, rule->outputs.bytes);
	if (text.failed || rule->outputs.failed)
		sheet_rule(socat->sheet, NULL);
	else if (known && !rule->unknown)
		sheet_rule(socat->sheet, text.bytes);
	else
		sheet_lost(socat->sheet,
			   "which interface it is: replace " UNKNOWN " by its name in\n  - %s",
			   text.bytes);
	text_free(&text);
}

/* "GROUP:ADDR", "GROUP:ADDR:NAME", "GROUP:NAME", and of ip-add-source-membership
 * "GROUP:ADDR:SOURCE". */
static void add_membership(const struct socat *socat, const struct address *in, char *membership,
			   const char *port, const struct draft_rule *rule)
{
	char *group = cut(&membership, ':');
	char *iface = cut(&membership, ':');
	char *third = cut(&membership, ':');
	const char *source = in->range;
	struct xmc_addr addr;

	if (third && is_address(third, &addr))
		source = third;
	else if (third)
		iface = third;
	add_rule(socat, in, group, iface, port, source, rule);
}

static void add_rules(const struct socat *socat, struct address *in, const struct address *out)
{
	struct draft_rule rule = {0};
	char bind[ADDR_TEXT_SIZE];
	const char *bound_port;
	const char *port;
	struct xmc_addr addr;

	read_bind(in, bind, &bound_port);
	/* A port that the command also sends to is not one that it receives on. */
	port = in->kind == KIND_RECEIVES ? in->port : bound_port;
	add_output(socat, out, &rule);
	for (unsigned int i = 0; i < in->nr_memberships; i++)
		add_membership(socat, in, in->memberships[i], port, &rule);
	if (!in->nr_memberships && is_address(bind, &addr) && !addr_is_any(&addr))
		add_rule(socat, in, bind, bind, port, in->range, &rule);
	else if (!in->nr_memberships && rule.outputs.failed)
		sheet_rule(socat->sheet, NULL);
	else if (!in->nr_memberships)
		sheet_lost(socat->sheet,
			   "a rule names what it receives, and neither a group nor an address is "
			   "bound: replace ADDR by a group or an address of this host in\n"
			   "  - in ADDR:%.100s@" UNKNOWN "%.400s",
			   port ? port : "PORT", rule.outputs.bytes ? rule.outputs.bytes : "");
	text_free(&rule.outputs);
}

/* ---- commands ---- */

/* Skip the program's own options; those of `valued` have a value, attached or not. Returns the
 * number of words. */
static unsigned int skip_options(const struct command_line *line, char *direction)
{
	static const char valued[] = "btTLWrR";
	unsigned int i = 0;

	for (; i < line->count && line->words[i][0] == '-' && line->words[i][1]; i++) {
		const char *option = line->words[i] + 1;
		bool log = option[0] == 'l' && (option[1] == 'f' || option[1] == 'p');

		if (option[0] == 'u' || option[0] == 'U')
			*direction = option[0];
		if ((log && !option[2]) || (strchr(valued, option[0]) && !option[1]))
			i++;
	}
	return i < line->count ? i : line->count;
}

static void command(const struct socat *socat, const struct command_line *line)
{
	char direction = '\0';
	unsigned int first = skip_options(line, &direction);
	struct address in;
	struct address out;

	for (unsigned int i = first; i < line->count; i++) {
		if (strpbrk(line->words[i], " \t\r\n")) {
			sheet_lost(socat->sheet, "'%.100s': a blank in an address", line->words[i]);
			return;
		}
	}
	if (line->count - first != 2) {
		sheet_lost(socat->sheet, "expected two addresses behind the options");
		return;
	}
	read_address(socat, line->words[first + (direction == 'U')], &in);
	read_address(socat, line->words[first + (direction != 'U')], &out);
	if (in.kind != KIND_RECEIVES && in.kind != KIND_BOTH) {
		sheet_lost(socat->sheet, "%.100s: expected UDP-RECV, UDP-RECVFROM or UDP-DATAGRAM",
			   in.type);
	} else if (out.kind != KIND_SENDS && out.kind != KIND_BOTH) {
		sheet_lost(socat->sheet, "%.100s: expected UDP-DATAGRAM or UDP-SENDTO", out.type);
	} else {
		if (!direction && strncasecmp(in.type + strlen(in.type) - 4, "recv", 4) != 0)
			sheet_note(socat->sheet, "answers are not carried back: a rule has one "
						 "direction");
		add_rules(socat, &in, &out);
	}
}

IMPORT_READER(socat_read)
{
	static const char *const programs[] = {"socat", "socat1", NULL};
	const struct socat socat = {source, sheet};
	struct command_line line;

	command_line_init(&line, source, programs, sheet);
	while (command_line_next(&line))
		command(&socat, &line);
	command_line_free(&line);
	return 0;
}
