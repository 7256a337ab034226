/* SPDX-License-Identifier: BSD-2-Clause */
/* Names and addresses as words: the part of rule.h about them. */
#include <stdio.h>
#include <string.h>

#include "rules/prefix.h"
#include "rules/protocol.h"
#include "rules/rule.h"

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

bool name_parse(const struct word *word, void *object, struct errors *errors)
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
void name_format(const void *object, char *text)
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

bool in_parse(const struct word *word, void *object, struct errors *errors)
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

bool to_parse(const struct word *word, void *object, struct errors *errors)
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

void in_format(const void *object, char *text)
{
	input_format(object, text);
}

void to_format(const void *object, char *text)
{
	output_format(object, text);
}

const char *source_format(const struct rule *rule, char text[SOURCE_TEXT_SIZE])
{
	return prefix_format(&rule->source, rule->source_host_bits, false, text);
}

void source_option_format(const void *object, char *text)
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
bool source_parse(const struct word *word, void *object, struct errors *errors)
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

bool from_parse(const struct word *word, void *object, struct errors *errors)
{
	struct rule_output *output = object;
	char iface[IF_NAMESIZE];
	struct endpoint_rest rest;

	output->from_kept = word_is_any_case(word, "keep");
	if (output->from_kept)
		return true;
	if (word_is_any_case(word, "auto")) {
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

void from_format(const void *object, char *text)
{
	const struct rule_output *output = object;

	if (output->from_kept)
		strcpy(text, "keep");
	else if (!addr_is_any(&output->from))
		endpoint_format(&output->from, output->from_port, NULL, text);
}
