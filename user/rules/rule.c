/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "rules/prefix.h"
#include "rules/protocol.h"
#include "rules/range.h"

#define TTL_TO_GROUP 1
#define TTL_TO_HOST  64

/* ---- names and endpoints ---- */

static const struct endpoint_form input_form = {
	"GROUP:PORT@IFACE",
	"`any` for every port of a group",
	": write a rule for each, or a range such as {1..50}",
	.any_port = true,
	.protocol = true,
	.prefix = true};
static const struct endpoint_form output_form = {
	"DEST[:PORT][@IFACE]", "no port at all to keep each datagram's",
	": write an output for each", .no_port = true, .same = true};
static const struct endpoint_form from_form = {"ADDR[:PORT]", "no port at all for a free one", "",
					       .no_port = true};

bool name_byte_is_valid(char byte)
{
	return byte_is_printable(byte) && byte != '"' && byte != '\'' && byte != '\\';
}

bool word_is_keyword(const struct word *word)
{
	/* The word of an input is its key in the file. */
	bool found = word_is(word, "out");

	for (size_t i = RULE_INPUT; i < RULE_ON; i++)
		found |= word_is(word, rule_fields[i].name);
	for (size_t i = OUTPUT_FIRST_OPTION; i < OUTPUT_FIELDS; i++)
		found |= word_is(word, output_fields[i].name);
	return found;
}

bool word_begins_clause(const struct word *word)
{
	bool found = word_is_keyword(word);

	for (size_t i = RULE_ON; i < RULE_FIELDS; i++)
		found |= word_is(word, rule_fields[i].name);
	return found;
}

static bool parse_name(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;
	bool valid = word->length > 0 && word->length < RULE_NAME_SIZE;
	size_t meant = word_without_punctuation(word);

	for (size_t i = 0; valid && i < word->length; i++)
		valid = name_byte_is_valid(word->text[i]);
	if (!valid || !meant)
		word_error(errors, word,
			   "not a rule name, expected 1 to %d printable ASCII characters without "
			   "spaces, quotes and backslashes",
			   RULE_NAME_SIZE - 1);
	else if (meant < word->length)
		word_error(errors, word, "a name cannot end with '%c', did you mean %.*s?",
			   word->text[word->length - 1], (int)meant, word->text);
	else if (word_is_keyword(word))
		word_error(errors, word, "a keyword cannot be a rule name, expected another name");
	else {
		memset(rule->name, 0, RULE_NAME_SIZE);
		memcpy(rule->name, word->text, word->length);
		return true;
	}
	return false;
}

/* Empty for a name that the input gives anyway. */
static void format_name(const void *object, char *text)
{
	const struct rule *rule = object;
	struct rule derived = *rule;

	rule_derive_name(&derived);
	if (strcmp(derived.name, rule->name) != 0)
		strcpy(text, rule->name);
}

/* The "/BITS" of a prefix, all of whose addresses are groups. */
static bool parse_groups(const struct word *word, const struct word *bits, struct rule *rule,
			 struct errors *errors)
{
	struct word prefix = word_part(word, 0, (size_t)(bits->text + bits->length - word->text));

	if (!addr_is_multicast(&rule->group)) {
		word_error(errors, &prefix, "a prefix of hosts, expected one of multicast groups");
		return false;
	}
	return prefix_parse(&prefix, bits, addr_is_ipv4(&rule->group) ? 4 : 8, &rule->group,
			    &rule->group_host_bits, errors);
}

static bool parse_input(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;
	struct endpoint_rest rest;
	bool valid = word_parse_endpoint(word, &input_form, &rule->group, &rule->port, &rest,
					 rule->iface, errors);

	rule->protocol = 0;
	rule->group_host_bits = 0;
	if (rest.protocol.text)
		valid = protocol_parse(&rest.protocol, &rule->protocol, errors) && valid;
	if (valid && rest.bits.text)
		valid = parse_groups(word, &rest.bits, rule, errors);
	if (!valid)
		return false;
	if (!*rule->iface) {
		word_error(errors, word, "no interface, expected %s", input_form.text);
		valid = false;
	}
	if (addr_is_multicast(&rule->group))
		return valid;
	/* ESP for a host is the host's own tunnel, and the stack would not get it any more. */
	if (rule->protocol) {
		word_error(errors, word,
			   "an IP protocol of a host, expected a multicast group: what is sent to "
			   "a host is for its own stack");
		valid = false;
	} else if (rule->port == RULE_PORT_ANY) {
		/* Nobody wants all that comes for a host, DNS answers and DHCP included. */
		word_error(errors, word,
			   "any port of a host, expected a number from 1 to 65535: `any` is for "
			   "multicast groups");
		valid = false;
	}
	return valid;
}

static bool parse_to(const struct word *word, void *object, struct errors *errors)
{
	struct rule_output *output = object;
	struct endpoint_rest rest;

	if (!word_parse_endpoint(word, &output_form, &output->to, &output->port, &rest,
				 output->iface, errors))
		return false;
	output->same = rest.same;
	if (output->same && !*output->iface) {
		word_error(errors, word, "no interface, expected same[:PORT]@IFACE");
		return false;
	}
	if (addr_is_multicast(&output->to) && !*output->iface) {
		word_error(errors, word,
			   "no interface, expected DEST[:PORT]@IFACE because DEST is multicast");
		return false;
	}
	if (addr_is_broadcast(&output->to) && !*output->iface) {
		word_error(errors, word,
			   "no interface, expected DEST[:PORT]@IFACE because DEST is the broadcast "
			   "address of every network");
		return false;
	}
	return true;
}

const char *input_format(const struct rule *rule, char text[ENDPOINT_TEXT_SIZE])
{
	char host[PREFIX_TEXT_SIZE];

	/* "[ADDR]/128" has 51 bytes at most. */
	prefix_format(&rule->group, rule->group_host_bits, true, host);
	if (rule->protocol)
		snprintf(text, ENDPOINT_TEXT_SIZE, "%.51s/%u@%.15s", host, rule->protocol,
			 rule->iface);
	else if (rule->port != RULE_PORT_ANY)
		snprintf(text, ENDPOINT_TEXT_SIZE, "%.51s:%u@%.15s", host, rule->port, rule->iface);
	else
		snprintf(text, ENDPOINT_TEXT_SIZE, "%.51s:any@%.15s", host, rule->iface);
	return text;
}

const char *output_format(const struct rule_output *output, char text[ENDPOINT_TEXT_SIZE])
{
	if (!output->same)
		return endpoint_format(&output->to, output->port, output->iface, text);
	if (output->port)
		snprintf(text, ENDPOINT_TEXT_SIZE, "same:%u@%.15s", output->port, output->iface);
	else
		snprintf(text, ENDPOINT_TEXT_SIZE, "same@%.15s", output->iface);
	return text;
}

static void format_input(const void *object, char *text)
{
	input_format(object, text);
}

static void format_to(const void *object, char *text)
{
	output_format(object, text);
}

/* ---- options of a rule ---- */

const char *source_format(const struct rule *rule, char text[SOURCE_TEXT_SIZE])
{
	return prefix_format(&rule->source, rule->source_host_bits, false, text);
}

static void format_source_option(const void *object, char *text)
{
	const struct rule *rule = object;

	if (!addr_is_any(&rule->source))
		prefix_format(&rule->source, rule->source_host_bits, true, text);
}

static bool may_be_source(const struct xmc_addr *addr, const struct word *word,
			  struct errors *errors)
{
	bool multicast = addr_is_multicast(addr);

	if (!multicast && !addr_is_broadcast(addr))
		return true;
	word_error(errors, word, "a %s address cannot be a source, expected the address of a host",
		   multicast ? "multicast" : "broadcast");
	return false;
}

/* ADDR or ADDR/BITS, IPv6 with or without brackets. */
static bool parse_source(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;
	const char *slash = memchr(word->text, '/', word->length);
	size_t end = slash ? (size_t)(slash - word->text) : word->length;
	bool bracketed = end > 1 && word->text[0] == '[' && word->text[end - 1] == ']';
	struct word bare = bracketed ? word_part(word, 1, end - 1) : word_part(word, 0, end);
	struct word bits = slash ? word_part(word, end + 1, word->length) : bare;

	rule->source_host_bits = 0;
	if (!word_parse_address(&bare, bracketed, &rule->source, errors))
		return false;
	if (!may_be_source(&rule->source, word, errors))
		return false;
	if (slash && word_is(&bits, "0")) {
		word_error(errors, &bits, "a prefix of every source, expected no `source` at all");
		return false;
	}
	return !slash ||
	       prefix_parse(word, &bits, 1, &rule->source, &rule->source_host_bits, errors);
}

static bool is_lease_byte(char byte, bool first)
{
	bool alphanumeric = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
			    (byte >= '0' && byte <= '9');

	return alphanumeric || (!first && (byte == '.' || byte == '_' || byte == '-'));
}

/* NAME or NAME/SHARDS. */
static bool parse_lease(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;
	const char *slash = memchr(word->text, '/', word->length);
	size_t length = slash ? (size_t)(slash - word->text) : word->length;
	bool valid = length > 0 && length < LEASE_NAME_SIZE;
	unsigned int shards = 1;
	struct word number;

	for (size_t i = 0; valid && i < length; i++)
		valid = is_lease_byte(word->text[i], i == 0);
	if (!valid) {
		word_error(errors, word,
			   "not a lease, expected NAME or NAME/SHARDS: a name has 1 to %d letters, "
			   "digits, '.', '_' and '-', and begins with a letter or digit",
			   LEASE_NAME_SIZE - 1);
		return false;
	}
	if (slash) {
		number = word_part(word, length + 1, word->length);
		if (!word_parse_number(&number, "number of shards", 1, LEASE_SHARDS_MAX, &shards,
				       errors))
			return false;
	}
	memset(rule->lease, 0, sizeof(rule->lease));
	memcpy(rule->lease, word->text, length);
	rule->lease_shards = (uint16_t)shards;
	return true;
}

static void format_lease(const void *object, char *text)
{
	const struct rule *rule = object;

	if (rule->lease_shards > 1)
		sprintf(text, "%s/%u", rule->lease, rule->lease_shards);
	else
		strcpy(text, rule->lease);
}

/* rtp or OFFSET:BITS. */
static bool parse_sequence(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;
	const char *colon = memchr(word->text, ':', word->length);
	size_t length = colon ? (size_t)(colon - word->text) : 0;
	struct word first = word_part(word, 0, length);
	struct word last = word_part(word, colon ? length + 1 : 0, word->length);
	unsigned int offset = SEQUENCE_RTP_OFFSET;
	bool wide = word_is(&last, "32");

	if (!word_is_any_case(word, "rtp")) {
		if (!colon || (!wide && !word_is(&last, "16"))) {
			word_error(
				errors, word,
				"not a sequence number, expected rtp, or OFFSET:16 or OFFSET:32");
			return false;
		}
		if (!word_parse_number(&first, "offset", 0, SEQUENCE_OFFSET_MAX, &offset, errors))
			return false;
	}
	rule->sequence_offset = (uint16_t)offset;
	rule->sequence_bits = wide ? 32 : 16;
	return true;
}

static void format_sequence(const void *object, char *text)
{
	const struct rule *rule = object;

	if (rule->sequence_offset == SEQUENCE_RTP_OFFSET &&
	    rule->sequence_bits == SEQUENCE_RTP_BITS)
		strcpy(text, "rtp");
	else if (rule->sequence_bits)
		sprintf(text, "%u:%u", rule->sequence_offset, rule->sequence_bits);
}

unsigned int rule_shard(const struct rule *rule)
{
	uint32_t hash = 0x811c9dc5;

	for (const char *byte = rule->name; *byte; byte++)
		hash = (hash ^ (uint8_t)*byte) * 0x01000193;
	return (unsigned int)((uint64_t)hash * rule->lease_shards >> 32);
}

bool rule_lease_equal(const struct rule *a, const struct rule *b)
{
	return field_equal(&rule_fields[RULE_LEASE], a, b);
}

/* ---- options of an output ---- */

#define KEEP "keep"
#define AUTO "auto"

static bool parse_from(const struct word *word, void *object, struct errors *errors)
{
	struct rule_output *output = object;
	char iface[IF_NAMESIZE];
	struct endpoint_rest rest;

	output->from_kept = word_is_any_case(word, KEEP);
	if (output->from_kept)
		return true;
	if (word_is_any_case(word, AUTO)) {
		output->from = (struct xmc_addr){0};
		output->from_port = 0;
		return true;
	}
	if (!word_parse_endpoint(word, &from_form, &output->from, &output->from_port, &rest, iface,
				 errors))
		return false;
	if (*iface) {
		word_error(errors, word,
			   "a source has no interface, expected %s, and the interface behind DEST",
			   from_form.text);
		return false;
	}
	return may_be_source(&output->from, word, errors);
}

static void format_from(const void *object, char *text)
{
	const struct rule_output *output = object;

	if (output->from_kept)
		strcpy(text, KEEP);
	else if (!addr_is_any(&output->from))
		endpoint_format(&output->from, output->from_port, NULL, text);
}

bool output_has_from(const struct rule_output *output)
{
	return output->from_kept || !addr_is_any(&output->from);
}

bool output_keeps_headers(const struct rule_output *output)
{
	return output->from_kept || output->ttl > UINT8_MAX || output->dscp == RULE_DSCP_KEPT;
}

uint8_t rule_default_ttl(const struct xmc_addr *to)
{
	return addr_is_multicast(to) ? TTL_TO_GROUP : TTL_TO_HOST;
}

static void format_ttl(const void *object, char *text)
{
	const struct rule_output *output = object;

	if (output->ttl == RULE_TTL_KEPT)
		strcpy(text, KEEP);
	else if (output->ttl == RULE_TTL_DECREMENTED)
		strcpy(text, "dec");
	else if (output->ttl != rule_default_ttl(&output->to))
		sprintf(text, "%u", output->ttl);
}

static const struct choice yes_no[] = {{"yes", true}, {"no", false}, {0}};
static const struct choice gso_on[] = {{"on", GSO_MAX_SEGMENTS}, {0}};
static const struct choice gso_off[] = {{"off", 1}, {0}};
/* tc(8)'s units of a rate: powers of 1000. */
static const struct choice rate_units[] = {
	{"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}, {0}};
static const struct choice whens[] = {{"joined", OUTPUT_WHEN_JOINED}, {0}};
static const struct choice ons[] = {{"demand", true}, {0}};
static const struct choice watches[] = {{"rtp", WATCH_RTP},
					{"ts", WATCH_TS},
					{"rtp+ts", WATCH_RTP | WATCH_TS},
					{"mold64", WATCH_MOLD64},
					{0}};
static const struct choice also_watches[] = {{"ts+rtp", WATCH_RTP | WATCH_TS}, {"no", 0}, {0}};
static const struct choice always[] = {{"always", 0}, {0}};
static const struct choice time_units[] = {{"ms", 1}, {"s", 1000}, {0}};
static const struct choice pps_units[] = {{"pps", 1}, {"kpps", 1000}, {0}};
static const struct choice selects[] = {{"first", SELECT_FIRST}, {0}};
static const struct choice select_none[] = {{"none", SELECT_NONE}, {0}};
static const struct choice order_off[] = {{"off", true}, {0}};
static const struct choice order_on[] = {{"on", false}, {0}};
/* The IANA registry. Of two names for one value the first is written. */
const struct choice output_dscps[] = {
	{"default", 0}, {"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},	{"cs4", 32},
	{"cs5", 40},	{"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14},
	{"af21", 18},	{"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30},
	{"af41", 34},	{"af42", 36}, {"af43", 38}, {"ef", 46},	  {"le", 1},	{"voice-admit", 44},
	{"keep", 64},	{0}};
_Static_assert(RULE_DSCP_KEPT == 64, "the last of output_dscps");
const struct choice output_ttls[] = {{KEEP, RULE_TTL_KEPT}, {"dec", RULE_TTL_DECREMENTED}, {0}};

const struct choice rule_paths[] = {
	{"user", RULE_PATH_USER}, {"kernel", RULE_PATH_KERNEL}, {"auto", RULE_PATH_AUTO}, {0}};

/* ---- the tables ---- */

#define RULE(field)   FIELD(struct rule, field)
#define OUTPUT(field) FIELD(struct rule_output, field)

/* In the order of RULE_NAME, RULE_INPUT, RULE_SOURCE, RULE_PATH, RULE_LEASE,
 * RULE_SEQUENCE. */
const struct field rule_fields[RULE_FIELDS + 1] = {
	{"name", FIELD_OTHER, RULE(name), .parse = parse_name, .format = format_name,
	 .expected = "a rule name"},
	{"in", FIELD_OTHER, FIELDS(struct rule, group, iface), .required = true,
	 .parse = parse_input, .format = format_input, .expected = "GROUP:PORT@IFACE"},
	{"source", FIELD_OTHER, FIELDS(struct rule, source, source_host_bits),
	 .parse = parse_source, .format = format_source_option,
	 .expected = "the address of a host, or a prefix", .form = "ADDR[/BITS]",
	 .unset = "every source", .example = "10.9.9.9",
	 .help = "Only packets from this host or network, such as 10.9.0.0/16. Of several rules "
		 "for one group and port, the one with the most specific source takes a packet."},
	{"path", FIELD_CHOICE, RULE(path), .choices = rule_paths, .unset = "relay.path",
	 .example = "auto",
	 .help = "Which path carries the packets: user, kernel or auto, see relay.path. The kernel "
		 "path keeps the "
		 "address family, has no rate limits and at most 64 outputs, and does not use gso. "
		 "A rule of another IP protocol than UDP needs kernel, here or in relay.path."},
	{"lease", FIELD_OTHER, FIELDS(struct rule, lease, lease_shards), .parse = parse_lease,
	 .format = format_lease, .expected = "NAME or NAME/SHARDS", .form = "NAME[/SHARDS]",
	 .unset = "none", .example = "tv/16",
	 .help = "The rule sends only while this host holds the lease (docs/leases.md). A lease "
		 "with shards can be held in parts: each rule belongs to one of 1 to 1024 shards, "
		 "by a hash of its name."},
	{"sequence", FIELD_OTHER, FIELDS(struct rule, sequence_offset, sequence_bits),
	 .parse = parse_sequence, .format = format_sequence,
	 .expected = "rtp, or OFFSET:16 or OFFSET:32", .form = "rtp|OFFSET:BITS", .unset = "none",
	 .example = "rtp",
	 .help = "Datagrams have a sequence number, at which the lease can pass to another host "
		 "without loss: that of RTP, or one of 16 or 32 bits behind OFFSET bytes of "
		 "payload, in network order. Such a rule is on the user path."},
	{"disabled", FIELD_SWITCH, RULE(disabled), .key = "enabled", .choices = yes_no,
	 .unset = "yes", .help = "no: the rule is defined, but does not relay."},
	{"may_loop", FIELD_SWITCH, RULE(may_loop), .choices = yes_no, .unset = "no",
	 .help = "yes: what the rule sends may become its input again, directly or through other "
		 "rules. Such loops are refused otherwise."},
	{"on", FIELD_CHOICE, RULE(on_demand), .choices = ons, .also = always,
	 .expected = "demand or always", .form = "demand|always", .unset = "always",
	 .help = "demand: the group of the input is joined only while an output is wanted. All "
		 "outputs need when: joined."},
	{"watch", FIELD_CHOICE, RULE(watch), .choices = watches, .also = also_watches,
	 .expected = "rtp, ts, rtp+ts, mold64 or no", .form = "rtp|ts|rtp+ts|mold64|no",
	 .unset = "no", .example = "rtp",
	 .help = "What the datagrams carry, so that the health of the stream on arrival is known: "
		 "loss, reordering and jitter of RTP, continuity of MPEG-TS, also in RTP, gaps of "
		 "MoldUDP64. See docs/stream-health.md. Such a rule is on the user path."},
	{"clock", FIELD_NUMBER, RULE(watch_clock), .min = 1, .max = WATCH_CLOCK_MAX,
	 .unset = "as the payload type says", .example = "90000",
	 .help = "Clock rate of RTP timestamps in Hz, for the jitter of payload types without a "
		 "fixed one. Needs watch: rtp."},
	{"select", FIELD_CHOICE, RULE(select), .choices = selects, .also = select_none,
	 .expected = "first or none", .form = "first|none", .unset = "none", .example = "first",
	 .help = "How one stream is made of several inputs (docs/several-inputs.md): first relays "
		 "the first of them, in the order of the rule, that flows."},
	{"hold", FIELD_UNITS, RULE(hold_ms), .min = 1, .max = HOLD_MS_MAX, .choices = time_units,
	 .expected = "a time from 1ms to 60s, in ms or s", .form = "N(ms|s)", .unset = "100ms",
	 .example = "100ms",
	 .help = "select: how long an input is silent until the next one is relayed."},
	{"return", FIELD_OTHER, RULE(return_ms), .parse = return_parse, .format = return_format,
	 .expected = "a time from 1ms to 3600s, in ms or s, or never", .form = "N(ms|s)|never",
	 .unset = "10s", .example = "10s",
	 .help = "select: how long an earlier input has to flow until it is relayed again; never: "
		 "only when the others are silent."},
	{"below", FIELD_UNITS, RULE(below_pps), .min = 1, .max = RATE_PPS_MAX, .choices = pps_units,
	 .expected = "a rate from 1pps to 999999kpps, in pps or kpps", .form = "N(pps|kpps)",
	 .unset = "only silence counts", .example = "500pps",
	 .help = "select: an input with fewer packets per second, over the time of hold, counts as "
		 "silent."},
	{"merge", FIELD_OTHER, FIELDS(struct rule, merge, merge_offset), .parse = merge_parse,
	 .format = merge_format, .expected = "rtp, mold64, or OFFSET:16, OFFSET:32 or OFFSET:64",
	 .form = "rtp|mold64|OFFSET:BITS", .unset = "none", .example = "rtp",
	 .help = "How one stream is made of several inputs (docs/several-inputs.md): every "
		 "datagram "
		 "leaves once, from whichever input has it first, by the sequence number of RTP, "
		 "the messages of MoldUDP64, or a number of 16, 32 or 64 bits behind OFFSET bytes "
		 "of payload, in network order."},
	{"skew", FIELD_UNITS, RULE(skew_ms), .min = SKEW_MS_MIN, .max = SKEW_MS_MAX,
	 .choices = time_units, .expected = "a time from 10ms to 500ms, in ms", .form = "Nms",
	 .unset = "50ms", .example = "50ms",
	 .help = "merge: how far one input may lag behind another."},
	{"order", FIELD_CHOICE, RULE(unordered), .choices = order_off, .also = order_on,
	 .expected = "on or off", .form = "on|off", .unset = "on",
	 .help = "merge: off: what follows a gap leaves at once, and what fills it later."},
	{0},
};

const struct field output_fields[OUTPUT_FIELDS + 1] = {
	{"to", FIELD_OTHER, OUTPUT(to), .required = true, .parse = parse_to, .format = format_to,
	 .expected = "DEST[:PORT][@IFACE]"},
	{"from", FIELD_OTHER, FIELDS(struct rule_output, from_port, from_kept), .parse = parse_from,
	 .format = format_from, .expected = "ADDR[:PORT], keep or auto",
	 .form = "ADDR[:PORT]|keep|auto", .unset = "an address and a port that the kernel chooses",
	 .example = "10.0.0.1",
	 .help = "The source of what is sent: an address of this host and a UDP port, keep for "
		 "the address and the port with which each packet came, or auto for those that the "
		 "kernel chooses."},
	{"ttl", FIELD_NUMBER, OUTPUT(ttl), .min = 1, .max = UINT8_MAX, .choices = output_ttls,
	 .format = format_ttl, .expected = "a number from 1 to 255, keep or dec",
	 .form = "N|keep|dec", .unset = "1 to a group, 64 to a host", .example = "8",
	 .help = "TTL or hop limit: a number, keep for that of each packet, or dec for one less, "
		 "which drops packets that would be left with 0."},
	{"dscp", FIELD_NUMBER, OUTPUT(dscp), .max = 63, .choices = output_dscps,
	 .expected = "a number from 0 to 63 or a name such as ef, af41, cs5, keep",
	 .form = "N|NAME|keep", .unset = "0", .example = "af41",
	 .help = "Differentiated services code point; keep: that of each packet."},
	{"gso", FIELD_NUMBER, OUTPUT(gso), .min = 1, .max = GSO_MAX_SEGMENTS, .also = gso_on,
	 .choices = gso_off, .unset = "egress.gso", .example = "16",
	 .help = "The most datagrams in one send: on is 64, off is 1."},
	{"rate", FIELD_UNITS, OUTPUT(rate_bps), .min = RATE_BPS_MIN, .max = RATE_BPS_MAX,
	 .choices = rate_units,
	 .expected = "a rate from 1kbit to 400gbit, in bit, kbit, mbit or gbit",
	 .form = "N(bit|kbit|mbit|gbit)", .unset = "no limit", .example = "50mbit",
	 .help = "The most bits per second, IP headers included. Datagrams beyond it are dropped "
		 "and counted."},
	{"pps", FIELD_NUMBER, OUTPUT(rate_pps), .min = 1, .max = RATE_PPS_MAX, .unset = "no limit",
	 .example = "10000", .help = "The most packets per second."},
	{"burst", FIELD_UNITS, OUTPUT(burst_ms), .min = 1, .max = BURST_MS_MAX,
	 .choices = time_units, .expected = "a time from 1ms to 10s, in ms or s", .form = "N(ms|s)",
	 .unset = "100ms", .example = "100ms",
	 .help = "What the limits allow in this time may leave at once."},
	{"when", FIELD_CHOICE, OUTPUT(when), .choices = whens, .also = always,
	 .expected = "joined or always", .form = "joined|always", .unset = "always",
	 .example = "joined",
	 .help = "joined: datagrams leave only while a receiver on the interface has joined the "
		 "group, as IGMP and MLD reports say."},
	{0},
};

const char *rule_field_key(const struct field *field)
{
	return field->key ? field->key : field->name;
}

const char *rule_field_format(const struct field *field, const void *object,
			      const struct rule_output *usual, char text[FIELD_TEXT_SIZE])
{
	bool other = usual && !field->required && !field_equal(field, object, usual);

	field_format(field, object, text);
	/* A built-in default that is not the usual value. */
	if (other && !*text && field->type == FIELD_NUMBER)
		sprintf(text, "%" PRIu64, field_number(field, object));
	else if (other && !*text)
		strcpy(text, AUTO);
	else if (!other && !field->required &&
		 (usual || (!field->format && field_number(field, object) == field->value)))
		text[0] = '\0';
	return text;
}

void output_complete(struct rule_output *output, unsigned int given,
		     const struct default_config *defaults)
{
	static const unsigned int fields[] = {OUTPUT_FROM, OUTPUT_TTL, OUTPUT_DSCP};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && defaults; i++) {
		const struct field *field = &output_fields[fields[i]];

		if (!(given & 1u << fields[i]))
			memcpy((char *)output + field->offset,
			       (const char *)&defaults->output + field->offset, field->size);
	}
	if (!output->ttl || (!(given & 1u << OUTPUT_TTL) && !(defaults && defaults->output.ttl)))
		output->ttl = rule_default_ttl(&output->to);
}

/* ---- rules ---- */

void rule_free(struct rule *rule)
{
	free(rule->outputs);
	free(rule->sides);
	range_put(rule->range);
	memset(rule, 0, sizeof(*rule));
}

int rule_copy(struct rule *copy, const struct rule *rule)
{
	*copy = *rule;
	copy->outputs = calloc(rule->nr_outputs ? rule->nr_outputs : 1, sizeof(*copy->outputs));
	copy->sides = rule->nr_sides ? calloc(rule->nr_sides, sizeof(*copy->sides)) : NULL;
	if (!copy->outputs || (rule->nr_sides && !copy->sides)) {
		free(copy->outputs);
		free(copy->sides);
		memset(copy, 0, sizeof(*copy));
		return -ENOMEM;
	}
	memcpy(copy->outputs, rule->outputs, rule->nr_outputs * sizeof(*copy->outputs));
	if (rule->nr_sides)
		memcpy(copy->sides, rule->sides, rule->nr_sides * sizeof(*copy->sides));
	range_hold(copy->range);
	return 0;
}

static bool options_equal(const struct field *options, const void *a, const void *b)
{
	while (options->name && field_equal(options, a, b))
		options++;
	return !options->name;
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	bool equal = strcmp(a->name, b->name) == 0 && addr_equal(&a->group, &b->group) &&
		     a->group_host_bits == b->group_host_bits && a->port == b->port &&
		     a->protocol == b->protocol && strcmp(a->iface, b->iface) == 0 &&
		     a->nr_outputs == b->nr_outputs && options_equal(rule_options, a, b) &&
		     rule_sides_equal(a, b);

	for (unsigned int i = 0; equal && i < a->nr_outputs; i++) {
		const struct rule_output *x = &a->outputs[i], *y = &b->outputs[i];

		equal = addr_equal(&x->to, &y->to) && x->same == y->same && x->port == y->port &&
			strcmp(x->iface, y->iface) == 0 && options_equal(output_options, x, y);
	}
	return equal;
}

void rule_derive_name(struct rule *rule)
{
	char source[SOURCE_TEXT_SIZE] = "";
	char input[ENDPOINT_TEXT_SIZE];

	if (!addr_is_any(&rule->source))
		prefix_format(&rule->source, rule->source_host_bits, true, source);
	input_format(rule, input);
	/* "[ADDR]/128" has 45 bytes at most. */
	snprintf(rule->name, sizeof(rule->name), "%.45s%s%s", source, *source ? ">" : "", input);
	for (char *byte = rule->name; *byte; byte++) {
		if (!name_byte_is_valid(*byte))
			*byte = '_';
	}
}

uint8_t rule_host_bits(const struct rule *rule)
{
	return addr_is_any(&rule->source) ? XMC_HOST_BITS_ANY : rule->source_host_bits;
}

void rule_key(const struct rule *rule, struct xmc_rule_key *key)
{
	*key = (struct xmc_rule_key){
		.source = rule->source,
		.group = rule->group,
		.port = htons(rule->port),
		.host_bits = rule_host_bits(rule),
		.protocol = rule->protocol,
	};
}

uint16_t rule_output_port(const struct rule *rule, const struct rule_output *output)
{
	return output->port == RULE_PORT_KEPT ? rule->port : output->port;
}

bool rule_output_is_input(const struct rule *rule, const struct rule_output *output)
{
	for (unsigned int i = 0; i < rule_inputs(rule); i++) {
		struct rule view;
		uint16_t port;

		rule_of_side(rule, i, &view);
		port = rule_output_port(&view, output);
		if ((view.port == RULE_PORT_ANY || port == view.port) &&
		    addr_equal(&output->to, &view.group) && strcmp(output->iface, view.iface) == 0)
			return true;
	}
	return false;
}

bool rule_is_kernel_only(const struct rule *rule)
{
	return rule->protocol || rule->path == RULE_PATH_KERNEL;
}

bool output_is_limited(const struct rule_output *output)
{
	return output->rate_bps || output->rate_pps;
}
