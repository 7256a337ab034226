/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/words.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <xmcast/packet.h>

#define DSCP_MAX 63
#define TTL_MAX	 255
#define PORT_MAX 65535

static const char *const keywords[] = {"in",   "out", "source", "disabled", "may_loop", "ttl",
				       "dscp", "gso", "rate",	"pps",	    "burst"};

/* The IANA registry. Where two names share a value, dscp_name() gives the first. */
static const struct {
	const char *name;
	uint8_t value;
} dscp_names[] = {
	{"default", 0}, {"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},	{"cs4", 32},
	{"cs5", 40},	{"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14},
	{"af21", 18},	{"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30},
	{"af41", 34},	{"af42", 36}, {"af43", 38}, {"ef", 46},	  {"le", 1},	{"voice-admit", 44},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool byte_is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool byte_is_printable(char byte)
{
	return byte > 0x20 && byte < 0x7f;
}

bool name_byte_is_valid(char byte)
{
	return byte_is_printable(byte) && byte != '"' && byte != '\'' && byte != '\\';
}

bool word_is(const struct word *word, const char *text)
{
	return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

bool word_is_keyword(const struct word *word)
{
	for (size_t i = 0; i < COUNT(keywords); i++) {
		if (word_is(word, keywords[i]))
			return true;
	}
	return false;
}

/* The part [from, to) of a word. */
static struct word word_part(const struct word *word, size_t from, size_t to)
{
	struct word part = *word;

	part.text += from;
	part.length = to - from;
	part.at.column += (unsigned int)from;
	return part;
}

bool word_parse_name(const struct word *word, char name[RULE_NAME_SIZE], struct errors *errors)
{
	bool valid = word->length > 0 && word->length < RULE_NAME_SIZE;

	for (size_t i = 0; valid && i < word->length; i++)
		valid = name_byte_is_valid(word->text[i]);
	if (!valid) {
		word_error(errors, word,
			   "not a rule name, expected 1 to %d printable ASCII characters without "
			   "spaces, quotes and backslashes",
			   RULE_NAME_SIZE - 1);
		return false;
	}
	if (word_is_keyword(word)) {
		word_error(errors, word, "a keyword cannot be a rule name, expected another name");
		return false;
	}
	memcpy(name, word->text, word->length);
	name[word->length] = '\0';
	return true;
}

bool word_parse_iface(const struct word *word, char iface[IF_NAMESIZE], struct errors *errors)
{
	bool valid = word->length > 0 && word->length < IF_NAMESIZE && !word_is(word, ".") &&
		     !word_is(word, "..");

	for (size_t i = 0; valid && i < word->length; i++) {
		char byte = word->text[i];

		valid = byte_is_printable(byte) && byte != '/' && byte != ':';
	}
	if (!valid) {
		word_error(errors, word,
			   "not an interface name, expected 1 to %d printable ASCII characters "
			   "without spaces, / and :",
			   IF_NAMESIZE - 1);
		return false;
	}
	/* Padded with zeros, so that equal structs are equal bytes. */
	memset(iface, 0, IF_NAMESIZE);
	memcpy(iface, word->text, word->length);
	return true;
}

/* Decimal digits without a leading zero; at most 9 of them, which cannot overflow. */
static bool parse_decimal(const struct word *word, unsigned int *number)
{
	if (word->length == 0 || word->length > 9 || (word->length > 1 && word->text[0] == '0'))
		return false;
	*number = 0;
	for (size_t i = 0; i < word->length; i++) {
		if (word->text[i] < '0' || word->text[i] > '9')
			return false;
		*number = *number * 10 + (unsigned int)(word->text[i] - '0');
	}
	return true;
}

bool word_parse_number(const struct word *word, const char *what, unsigned int min,
		       unsigned int max, unsigned int *number, struct errors *errors)
{
	if (!parse_decimal(word, number) || *number < min || *number > max) {
		word_error(errors, word, "not a valid %s, expected a number from %u to %u", what,
			   min, max);
		return false;
	}
	return true;
}

/* An address without brackets, of any range. */
static bool parse_address(const struct word *word, struct xmc_addr *addr)
{
	char text[ADDR_TEXT_SIZE];

	if (word->length >= sizeof(text) || memchr(word->text, '\0', word->length))
		return false;
	memcpy(text, word->text, word->length);
	text[word->length] = '\0';
	return addr_parse(text, addr);
}

/* Addresses that no packet on a wire has as its source or destination. */
static bool address_in_range(const struct xmc_addr *addr)
{
	if (addr_is_ipv4(addr))
		return addr->b[12] != 0 && addr->b[12] < 240;
	return !addr_is_any(addr);
}

/* What should stand instead of a word that is no address: also of spellings that other tools know.
 */
static const char *expected_address(const struct word *word, bool bracketed)
{
	static const char mapped[] = "::ffff:";

	if (memchr(word->text, '%', word->length))
		return "no %: the interface stands behind the port, as in [ADDR]:PORT@IFACE";
	if (word->length >= sizeof(mapped) &&
	    strncasecmp(word->text, mapped, sizeof(mapped) - 1) == 0)
		return "an IPv4-mapped one to be written as IPv4, without brackets";
	return bracketed ? "an IPv6 address in the brackets"
			 : "an IPv4 address or an IPv6 address in brackets";
}

/* The address of an endpoint or a source. In brackets it must be IPv6; without, either family. */
static bool word_parse_address(const struct word *word, bool bracketed, struct xmc_addr *addr,
			       struct errors *errors)
{
	if (!parse_address(word, addr) || (bracketed && addr_is_ipv4(addr))) {
		word_error(errors, word, "not an address, expected %s",
			   expected_address(word, bracketed));
		return false;
	}
	if (!address_in_range(addr)) {
		word_error(errors, word,
			   "address out of range, expected a multicast address or the address of "
			   "a host");
		return false;
	}
	return true;
}

struct endpoint {
	struct word address;
	struct word port;  /* text NULL: not given */
	struct word iface; /* text NULL: not given */
	bool bracketed;
};

/* What may stand for the port, and what the whole endpoint looks like. */
struct endpoint_form {
	const char *text;
	const char *every_port; /* what to write for every port */
	bool may_be_any;
	bool may_be_left_out;
};

static const struct endpoint_form input_form = {
	"GROUP:PORT@IFACE", "`any` for every port of a group", .may_be_any = true};
static const struct endpoint_form output_form = {
	"DEST[:PORT][@IFACE]", "no port at all to keep each datagram's", .may_be_left_out = true};

/* The port is what stands behind `split`, if there is anything. */
static bool split_port(const struct word *head, size_t split, const struct endpoint_form *form,
		       struct endpoint *parts, struct errors *errors)
{
	if (split < head->length && head->text[split] == ':') {
		parts->port = word_part(head, split + 1, head->length);
		return true;
	}
	if (split == head->length && form->may_be_left_out)
		return true;
	word_error(errors, head, "no port, expected %s%s%s", form->text,
		   form->may_be_any ? ", or " : "", form->may_be_any ? form->every_port : "");
	return false;
}

/* Cut "[ADDR]:PORT" or "ADDR:PORT". */
static bool split_host(const struct word *head, const struct endpoint_form *form,
		       struct endpoint *parts, struct errors *errors)
{
	const char *colon, *bracket;
	size_t split;

	parts->bracketed = head->length > 0 && head->text[0] == '[';
	if (parts->bracketed) {
		bracket = memchr(head->text, ']', head->length);
		if (!bracket) {
			word_error(errors, head, "no closing bracket, expected %s", form->text);
			return false;
		}
		split = (size_t)(bracket - head->text);
		parts->address = word_part(head, 1, split);
		return split_port(head, split + 1, form, parts, errors);
	}
	colon = memchr(head->text, ':', head->length);
	split = colon ? (size_t)(colon - head->text) : head->length;
	if (colon && memchr(colon + 1, ':', head->length - split - 1)) {
		word_error(errors, head,
			   "more than one colon, expected %s, an IPv6 address in brackets",
			   form->text);
		return false;
	}
	parts->address = word_part(head, 0, split);
	return split_port(head, split, form, parts, errors);
}

/* Cut ADDR[:PORT][@IFACE]. Neither address nor port has an '@', but an interface name may. */
static bool split_endpoint(const struct word *word, const struct endpoint_form *form,
			   struct endpoint *parts, struct errors *errors)
{
	const char *at = memchr(word->text, '@', word->length);
	size_t end = at ? (size_t)(at - word->text) : word->length;
	struct word head = word_part(word, 0, end);

	memset(parts, 0, sizeof(*parts));
	if (at)
		parts->iface = word_part(word, end + 1, word->length);
	return split_host(at ? &head : word, form, parts, errors);
}

/* The port, or 0 for any and for none. */
static bool parse_port(const struct endpoint *parts, const struct endpoint_form *form,
		       uint16_t *port, struct errors *errors)
{
	unsigned int number;

	*port = 0;
	if (!parts->port.text || (form->may_be_any && word_is(&parts->port, "any")))
		return true;
	if (!parse_decimal(&parts->port, &number) || number < 1 || number > PORT_MAX) {
		word_error(errors, &parts->port,
			   "not a valid port, expected a number from 1 to %d, or %s", PORT_MAX,
			   form->every_port);
		return false;
	}
	*port = (uint16_t)number;
	return true;
}

/* Parse all parts even after an error in one, so that all are reported. `iface` is all zero if the
 * word names none. */
static bool parse_endpoint(const struct word *word, const struct endpoint_form *form,
			   struct xmc_addr *addr, uint16_t *port, char iface[IF_NAMESIZE],
			   struct errors *errors)
{
	struct endpoint parts;
	bool valid = split_endpoint(word, form, &parts, errors);

	memset(iface, 0, IF_NAMESIZE);
	if (valid) {
		valid = word_parse_address(&parts.address, parts.bracketed, addr, errors);
		if (!parse_port(&parts, form, port, errors))
			valid = false;
	}
	if (parts.iface.text && !word_parse_iface(&parts.iface, iface, errors))
		valid = false;
	return valid;
}

bool word_parse_input(const struct word *word, struct rule *rule, struct errors *errors)
{
	bool valid = true;

	if (!parse_endpoint(word, &input_form, &rule->group, &rule->port, rule->iface, errors))
		return false;
	if (!*rule->iface) {
		word_error(errors, word, "no interface, expected %s", input_form.text);
		valid = false;
	}
	/* All that comes for a host, DNS answers and DHCP among it, is more than anybody means. */
	if (rule->port == RULE_PORT_ANY && !addr_is_multicast(&rule->group)) {
		word_error(errors, word,
			   "any port of a host, expected a number from 1 to %d: only a multicast "
			   "group can be taken with every port",
			   PORT_MAX);
		valid = false;
	}
	return valid;
}

bool word_parse_output(const struct word *word, struct rule_output *output, struct errors *errors)
{
	if (!parse_endpoint(word, &output_form, &output->to, &output->port, output->iface, errors))
		return false;
	if (addr_is_multicast(&output->to) && !*output->iface) {
		word_error(errors, word,
			   "no interface, expected DEST[:PORT]@IFACE because DEST is multicast");
		return false;
	}
	return true;
}

/* The bits of "/BITS" after a prefix. The rule then has its source as written. */
static bool parse_prefix_bits(const struct word *word, struct rule *rule, struct errors *errors)
{
	unsigned int width = addr_is_ipv4(&rule->source) ? 32 : 128;
	unsigned int bits;

	if (word_is(word, "0")) {
		word_error(errors, word, "a prefix of every source, expected no `source` at all");
		return false;
	}
	if (!word_parse_number(word, "prefix length", 1, width, &bits, errors))
		return false;
	rule->source_host_bits = (uint8_t)(width - bits);
	return true;
}

/* Bits beyond the prefix mean that somebody had something else in mind. */
static bool check_host_bits(const struct word *word, const struct rule *rule, struct errors *errors)
{
	struct rule right = *rule;
	char text[SOURCE_TEXT_SIZE];
	struct xmc_addr mask;

	xmc_mask_from_host_bits(&mask, rule->source_host_bits);
	xmc_addr_mask(&right.source, &rule->source, &mask);
	if (addr_equal(&right.source, &rule->source))
		return true;
	word_error(errors, word, "bits are set behind the prefix, expected %s",
		   source_format(&right, text));
	return false;
}

bool word_parse_source(const struct word *word, struct rule *rule, struct errors *errors)
{
	const char *slash = memchr(word->text, '/', word->length);
	size_t end = slash ? (size_t)(slash - word->text) : word->length;
	bool bracketed = end > 1 && word->text[0] == '[' && word->text[end - 1] == ']';
	struct word bare = bracketed ? word_part(word, 1, end - 1) : word_part(word, 0, end);

	rule->source_host_bits = 0;
	if (!word_parse_address(&bare, bracketed, &rule->source, errors))
		return false;
	if (addr_is_multicast(&rule->source)) {
		word_error(errors, word,
			   "a multicast address cannot be a source, expected the address of a "
			   "host");
		return false;
	}
	if (slash) {
		struct word bits = word_part(word, end + 1, word->length);

		return parse_prefix_bits(&bits, rule, errors) &&
		       check_host_bits(word, rule, errors);
	}
	return true;
}

bool word_parse_ttl(const struct word *word, uint8_t *ttl, struct errors *errors)
{
	unsigned int number;

	if (!word_parse_number(word, "ttl", 1, TTL_MAX, &number, errors))
		return false;
	*ttl = (uint8_t)number;
	return true;
}

bool word_parse_dscp(const struct word *word, uint8_t *dscp, struct errors *errors)
{
	unsigned int number;

	for (size_t i = 0; i < COUNT(dscp_names); i++) {
		if (strlen(dscp_names[i].name) == word->length &&
		    strncasecmp(dscp_names[i].name, word->text, word->length) == 0) {
			*dscp = dscp_names[i].value;
			return true;
		}
	}
	if (!parse_decimal(word, &number) || number > DSCP_MAX) {
		word_error(errors, word,
			   "not a valid dscp, expected a number from 0 to %d or a name such as "
			   "ef, af41, cs5",
			   DSCP_MAX);
		return false;
	}
	*dscp = (uint8_t)number;
	return true;
}

bool word_parse_gso(const struct word *word, unsigned int *gso, struct errors *errors)
{
	if (word_is(word, "on")) {
		*gso = GSO_MAX_SEGMENTS;
		return true;
	}
	if (word_is(word, "off")) {
		*gso = 1;
		return true;
	}
	if (parse_decimal(word, gso) && *gso >= 1 && *gso <= GSO_MAX_SEGMENTS)
		return true;
	word_error(errors, word, "not a valid gso, expected on, off or a number from 1 to %d",
		   GSO_MAX_SEGMENTS);
	return false;
}

/* A number and one of these units, each so many of the first. False: it is not. */
struct unit {
	const char *name;
	uint64_t size;
};

static bool parse_units(const struct word *word, const struct unit *units, size_t count,
			uint64_t *value)
{
	size_t digits = 0;
	struct word number, unit;
	unsigned int factor;

	while (digits < word->length && word->text[digits] >= '0' && word->text[digits] <= '9')
		digits++;
	number = word_part(word, 0, digits);
	unit = word_part(word, digits, word->length);
	for (size_t i = 0; i < count; i++) {
		if (word_is(&unit, units[i].name) && parse_decimal(&number, &factor)) {
			/* Nine digits and a factor of at most 10^9: below 2^60. */
			*value = factor * units[i].size;
			return true;
		}
	}
	return false;
}

bool word_parse_rate(const struct word *word, uint64_t *bps, struct errors *errors)
{
	static const struct unit units[] = {
		{"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};

	if (parse_units(word, units, COUNT(units), bps) && *bps >= RATE_BPS_MIN &&
	    *bps <= RATE_BPS_MAX)
		return true;
	word_error(errors, word,
		   "not a valid rate, expected 1kbit to 400gbit: a number and bit, kbit, mbit or "
		   "gbit");
	return false;
}

bool word_parse_pps(const struct word *word, uint32_t *pps, struct errors *errors)
{
	return word_parse_number(word, "pps", 1, RATE_PPS_MAX, pps, errors);
}

bool word_parse_burst(const struct word *word, uint32_t *ms, struct errors *errors)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}};
	uint64_t value;

	if (parse_units(word, units, COUNT(units), &value) && value >= 1 && value <= BURST_MS_MAX) {
		*ms = (uint32_t)value;
		return true;
	}
	word_error(errors, word, "not a valid burst, expected 1ms to 10s: a number and ms or s");
	return false;
}

const char *dscp_name(uint8_t dscp)
{
	for (size_t i = 0; i < COUNT(dscp_names); i++) {
		if (dscp_names[i].value == dscp)
			return dscp_names[i].name;
	}
	return NULL;
}
