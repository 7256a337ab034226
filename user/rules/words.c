/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/words.h"

#include <string.h>
#include <strings.h>

#include "base/unicode.h"

#define PORT_MAX 65535

bool byte_is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

bool byte_is_printable(char byte)
{
	return byte > 0x20 && byte < 0x7f;
}

bool word_is(const struct word *word, const char *text)
{
	return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

bool word_is_any_case(const struct word *word, const char *text)
{
	return word->length == strlen(text) && strncasecmp(word->text, text, word->length) == 0;
}

void position_advance(struct position *at, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n') {
			at->line++;
			at->column = 1;
		} else if (!utf8_is_continuation(text[i])) {
			at->column++;
		}
	}
}

struct word word_part(const struct word *word, size_t from, size_t to)
{
	struct word part = {word->text + from, to - from, word->at, word->fixed};

	if (!word->fixed)
		position_advance(&part.at, word->text, from);
	return part;
}

size_t word_without_punctuation(const struct word *word)
{
	size_t length = word->length;

	while (length && (word->text[length - 1] == ',' || word->text[length - 1] == ':' ||
			  word->text[length - 1] == ';'))
		length--;
	return length;
}

/* ---- numbers ---- */

bool word_to_number(const struct word *word, unsigned int *number)
{
	/* Nine digits cannot overflow. */
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
	if (word_to_number(word, number) && *number >= min && *number <= max)
		return true;
	word_error(errors, word, "not a valid %s, expected a number from %u to %u", what, min, max);
	return false;
}

bool word_to_bool(const struct word *word, bool *value)
{
	*value = word_is_any_case(word, "yes") || word_is_any_case(word, "on") ||
		 word_is_any_case(word, "true");
	return *value || word_is_any_case(word, "no") || word_is_any_case(word, "off") ||
	       word_is_any_case(word, "false");
}

/* ---- interfaces ---- */

bool word_parse_iface(const struct word *word, char iface[IF_NAMESIZE], struct errors *errors)
{
	bool valid = word->length > 0 && word->length < IF_NAMESIZE && !word_is(word, ".") &&
		     !word_is(word, "..");
	size_t meant = word_without_punctuation(word);

	for (size_t i = 0; valid && i < meant; i++)
		valid = byte_is_printable(word->text[i]) && word->text[i] != '/' &&
			word->text[i] != ':';
	if (valid && meant == word->length) {
		memset(iface, 0, IF_NAMESIZE);
		memcpy(iface, word->text, word->length);
		return true;
	}
	if (valid && meant)
		word_error(errors, word, "a name cannot end with '%c', did you mean %.*s?",
			   word->text[word->length - 1], (int)meant, word->text);
	else
		word_error(errors, word,
			   "not an interface name, expected 1 to %d printable ASCII characters "
			   "without spaces, / and :",
			   IF_NAMESIZE - 1);
	return false;
}

/* ---- addresses ---- */

/* Addresses that no packet on a wire has as its source or destination. */
static bool address_in_range(const struct xmc_addr *addr)
{
	if (addr_is_ipv4(addr))
		return (addr->b[12] != 0 && addr->b[12] < 240) || addr_is_broadcast(addr);
	return !addr_is_any(addr);
}

/* A word of digits and dots that is no IPv4 address: say which number is wrong. */
static void explain_ipv4(const struct word *word, struct errors *errors)
{
	struct word wrong = {0};
	unsigned int number, parts = 0;

	for (size_t from = 0, end; from <= word->length; from = end + 1) {
		const char *dot = memchr(word->text + from, '.', word->length - from);
		struct word part;

		end = dot ? (size_t)(dot - word->text) : word->length;
		part = word_part(word, from, end);
		parts += part.length ? 1 : 4;
		if (!wrong.text && (!word_to_number(&part, &number) || number > 255))
			wrong = part;
	}
	if (parts == 4 && wrong.text)
		word_error(errors, word, "%.*s is out of range, expected 0 to 255%s",
			   (int)wrong.length, wrong.text,
			   wrong.text[0] == '0' ? " without leading zeros" : "");
	else
		word_error(errors, word, "not an address, expected four numbers such as 239.1.1.1");
}

/* What should stand instead of a word that is no address: also of spellings that other tools
 * accept. */
static void explain_address(const struct word *word, bool bracketed, struct errors *errors)
{
	static const char mapped[] = "::ffff:";
	const char *slash = memchr(word->text, '/', word->length);
	size_t plain = 0, letters = 0;

	for (size_t i = 0; i < word->length; i++) {
		char byte = word->text[i];

		plain += byte == '.' || (byte >= '0' && byte <= '9');
		letters += (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
	}
	if (memchr(word->text, '{', word->length))
		word_error(errors, word, "not a range, expected {FIRST..LAST}, such as {1..50}");
	else if (memchr(word->text, '%', word->length))
		word_error(errors, word,
			   "not an address: name the interface behind the port, as in "
			   "[ADDR]:PORT@IFACE");
	else if (word->length >= sizeof(mapped) &&
		 strncasecmp(word->text, mapped, sizeof(mapped) - 1) == 0)
		word_error(errors, word,
			   "not an address: write an IPv4-mapped address as IPv4, without "
			   "brackets");
	else if (slash && slash + 1 < word->text + word->length && slash[1] > '9')
		word_error(errors, word,
			   "an IP protocol is written in the input only, without a port, as in "
			   "GROUP/PROTO@IFACE");
	else if (slash)
		word_error(errors, word,
			   "one address per rule and output, prefixes are not supported here: a "
			   "range such as 239.1.1.{1..50} is a rule for each address");
	else if (bracketed)
		word_error(errors, word,
			   "not an address, expected an IPv6 address in the brackets");
	else if (plain && plain == word->length)
		explain_ipv4(word, errors);
	else if (letters && !memchr(word->text, ':', word->length))
		word_error(errors, word,
			   "not an address: host names are not resolved, expected an IPv4 address "
			   "or an IPv6 address in brackets");
	else
		word_error(errors, word,
			   "not an address, expected an IPv4 address or an IPv6 address in "
			   "brackets");
}

bool word_parse_address(const struct word *word, bool bracketed, struct xmc_addr *addr,
			struct errors *errors)
{
	char text[ADDR_TEXT_SIZE] = "";
	bool valid = word->length < sizeof(text) && !memchr(word->text, '\0', word->length);

	if (valid) {
		memcpy(text, word->text, word->length);
		valid = addr_parse(text, addr) && !(bracketed && addr_is_ipv4(addr));
	}
	if (!valid) {
		explain_address(word, bracketed, errors);
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

/* ---- endpoints ---- */

struct endpoint {
	struct word address;
	struct word port;     /* text NULL: not given */
	struct word protocol; /* likewise */
	struct word bits;     /* likewise */
	bool bracketed;
};

/* Cut the "/BITS" of a prefix off an address that a port follows at `end`: without one, what
 * follows a slash is a protocol. Returns where the address ends. */
static size_t split_bits(const struct word *head, size_t from, size_t end,
			 const struct endpoint_form *form, struct endpoint *parts)
{
	const char *slash =
		form->prefix && from < end ? memchr(head->text + from, '/', end - from) : NULL;
	size_t split = slash ? (size_t)(slash - head->text) : end;

	if (slash)
		parts->bits = word_part(head, split + 1, end);
	return split;
}

/* The port or the protocol is what follows `split`, if there is anything. */
static bool split_port(const struct word *head, size_t split, const struct endpoint_form *form,
		       struct endpoint *parts, struct errors *errors)
{
	const char *colon = memchr(head->text + split, ':', head->length - split);

	if (colon && head->text[split] == '/' && form->prefix) {
		split_bits(head, split, (size_t)(colon - head->text), form, parts);
		split = (size_t)(colon - head->text);
	}
	if (split < head->length && head->text[split] == ':') {
		parts->port = word_part(head, split + 1, head->length);
		return true;
	}
	if (split < head->length && head->text[split] == '/' && form->protocol) {
		parts->protocol = word_part(head, split + 1, head->length);
		return true;
	}
	if (split == head->length && form->no_port)
		return true;
	word_error(errors, head, "no port, expected %s%s%s", form->text,
		   form->any_port ? ", or " : "", form->any_port ? form->every_port : "");
	return false;
}

/* Cut "[ADDR]:PORT" or "ADDR:PORT", or "/PROTO" off either. */
static bool split_host(const struct word *head, const struct endpoint_form *form,
		       struct endpoint *parts, struct errors *errors)
{
	const char *colon, *end, *bracket;
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
	end = colon || !form->protocol ? colon : memchr(head->text, '/', head->length);
	split = end ? (size_t)(end - head->text) : head->length;
	if (colon && memchr(colon + 1, ':', head->length - split - 1)) {
		word_error(errors, head,
			   "more than one colon, expected %s, an IPv6 address in brackets",
			   form->text);
		return false;
	}
	parts->address =
		word_part(head, 0, colon ? split_bits(head, 0, split, form, parts) : split);
	return split_port(head, split, form, parts, errors);
}

/* "5000-5010", as other tools write it. */
static bool is_span(const struct word *word)
{
	const char *dash = memchr(word->text, '-', word->length);
	struct word first, last;
	unsigned int number;

	if (!dash)
		return false;
	first = word_part(word, 0, (size_t)(dash - word->text));
	last = word_part(word, first.length + 1, word->length);
	return word_to_number(&first, &number) && word_to_number(&last, &number);
}

/* What other tools accept for an endpoint, and xmcast does not. */
static bool is_foreign(const struct word *word, const struct word *head,
		       const struct endpoint_form *form, struct errors *errors)
{
	if (memmem(head->text, head->length, "://", 3))
		word_error(errors, word, "a URL, expected %s", form->text);
	else if (memchr(head->text, ',', head->length))
		word_error(errors, head, "a list, expected one address and one port%s",
			   form->several);
	else
		return false;
	return true;
}

/* The port, or 0 for any and for none. */
static bool parse_port(const struct endpoint *parts, const struct endpoint_form *form,
		       uint16_t *port, struct errors *errors)
{
	unsigned int number;

	*port = 0;
	if (!parts->port.text || (form->any_port && word_is_any_case(&parts->port, "any")))
		return true;
	if (is_span(&parts->port)) {
		word_error(errors, &parts->port, "a span of ports, expected one port, or %s%s",
			   form->every_port, form->several);
		return false;
	}
	if (!word_to_number(&parts->port, &number) || number < 1 || number > PORT_MAX) {
		word_error(errors, &parts->port,
			   "not a valid port, expected a number from 1 to %d, or %s", PORT_MAX,
			   form->every_port);
		return false;
	}
	*port = (uint16_t)number;
	return true;
}

/* All parts are parsed, even after an error in one, so that all errors are reported. */
bool word_parse_endpoint(const struct word *word, const struct endpoint_form *form,
			 struct xmc_addr *addr, uint16_t *port, struct endpoint_rest *rest,
			 char iface[IF_NAMESIZE], struct errors *errors)
{
	/* Neither address nor port has an '@', but an interface name may. */
	const char *at = memchr(word->text, '@', word->length);
	size_t end = at ? (size_t)(at - word->text) : word->length;
	struct word head = word_part(word, 0, end);
	struct endpoint parts = {.port = {0}};
	bool valid;

	memset(iface, 0, IF_NAMESIZE);
	memset(rest, 0, sizeof(*rest));
	if (is_foreign(word, &head, form, errors))
		return false;
	valid = split_host(&head, form, &parts, errors);
	if (valid) {
		rest->same = form->same && word_is_any_case(&parts.address, "same");
		if (rest->same)
			memset(addr, 0, sizeof(*addr));
		else
			valid = word_parse_address(&parts.address, parts.bracketed, addr, errors);
		valid = parse_port(&parts, form, port, errors) && valid;
	}
	rest->protocol = parts.protocol;
	rest->bits = parts.bits;
	if (at) {
		struct word name = word_part(word, end + 1, word->length);

		valid = word_parse_iface(&name, iface, errors) && valid;
	}
	return valid;
}
