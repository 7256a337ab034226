/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of rules and outputs: the part of rule.h about them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rules/rule.h"

/* ---- keywords ---- */

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

/* ---- values ---- */

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

static void format_ttl(const void *object, char *text)
{
	const struct rule_output *output = object;

	if (output->ttl == RULE_TTL_KEPT)
		strcpy(text, "keep");
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
const struct choice output_ttls[] = {{"keep", RULE_TTL_KEPT}, {"dec", RULE_TTL_DECREMENTED}, {0}};

const struct choice rule_paths[] = {
	{"user", RULE_PATH_USER}, {"kernel", RULE_PATH_KERNEL}, {"auto", RULE_PATH_AUTO}, {0}};

/* ---- the tables ---- */

#define RULE(field)   FIELD(struct rule, field)
#define OUTPUT(field) FIELD(struct rule_output, field)

/* In the order of RULE_NAME, RULE_INPUT, RULE_SOURCE, RULE_PATH, RULE_LEASE,
 * RULE_SEQUENCE. */
const struct field rule_fields[RULE_FIELDS + 1] = {
	{"name", FIELD_OTHER, RULE(name), .parse = name_parse, .format = name_format,
	 .expected = "a rule name"},
	{"in", FIELD_OTHER, FIELDS(struct rule, group, iface), .required = true, .parse = in_parse,
	 .format = in_format, .expected = "GROUP:PORT@IFACE"},
	{"source", FIELD_OTHER, FIELDS(struct rule, source, source_host_bits),
	 .parse = source_parse, .format = source_option_format,
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
	{"to", FIELD_OTHER, OUTPUT(to), .required = true, .parse = to_parse, .format = to_format,
	 .expected = "DEST[:PORT][@IFACE]"},
	{"from", FIELD_OTHER, FIELDS(struct rule_output, from_port, from_kept), .parse = from_parse,
	 .format = from_format, .expected = "ADDR[:PORT], keep or auto",
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
		strcpy(text, "auto");
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
