/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words: what the one-line grammar and the values of the file are made of. One word in, one value
 * out. Pure; any thread.
 *
 * Every word_parse_* returns true and fills its result, or returns false having appended at least
 * one error that names the part of the word that is wrong, its place, and what was expected. The
 * result is then undefined.
 */
#ifndef XMCAST_RULES_WORDS_H
#define XMCAST_RULES_WORDS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/errors.h"

/* Bytes of an input and their place. Not NUL-terminated; borrowed from the input. */
struct word {
	const char *text;
	size_t length;
	struct position at;
	bool fixed; /* its parts have its own place: it was put together */
};

/* Append an error about this word. */
#define word_error(errors, word, ...)                                                              \
	errors_add(errors, &(word)->at, (word)->text, (word)->length, __VA_ARGS__)

bool word_is(const struct word *word, const char *text);

/* The same in upper or lower case. */
bool word_is_any_case(const struct word *word, const char *text);

/* The part [from, to) of a word. */
struct word word_part(const struct word *word, size_t from, size_t to);

/* Move a position over text. Only '\n' ends a line, as in editors; a column is a character of
 * UTF-8. */
void position_advance(struct position *at, const char *text, size_t length);

/* Space, tab, carriage return, newline: what separates words. */
bool byte_is_space(char byte);

/* Printable ASCII other than a space. */
bool byte_is_printable(char byte);

/* The length of the word without the commas, colons and semicolons at its end, which
 * are not meant to be part of a name. */
size_t word_without_punctuation(const struct word *word);

/* A decimal number of at most 9 digits, without sign or leading zeros. Appends no error. */
bool word_to_number(const struct word *word, unsigned int *number);

/* The same within limits. `what` names it in the message. */
bool word_parse_number(const struct word *word, const char *what, unsigned int min,
		       unsigned int max, unsigned int *number, struct errors *errors);

/* yes, true, on; no, false, off; in any case. Appends no error. */
bool word_to_bool(const struct word *word, bool *value);
#define WORD_BOOL_EXPECTED "one of yes, no, on, off, true, false"

/* What dev_valid_name() of Linux allows, in printable ASCII, without a comma or semicolon at the
 * end. Pads with zeros. */
bool word_parse_iface(const struct word *word, char iface[IF_NAMESIZE], struct errors *errors);

/* The address of a host or group, IPv6 without brackets; if `bracketed`, it was in brackets and
 * must be IPv6. */
bool word_parse_address(const struct word *word, bool bracketed, struct xmc_addr *addr,
			struct errors *errors);

/* What a place of the form ADDR[:PORT][@IFACE] may leave out, and may have instead. */
struct endpoint_form {
	const char *text;	/* for messages: "GROUP:PORT@IFACE" */
	const char *every_port; /* for messages: what to write for every port */
	const char *several;	/* for messages: what to write for several addresses or ports */
	bool any_port;		/* PORT may be `any` */
	bool no_port;		/* :PORT may be missing */
	bool protocol;		/* /PROTO may stand instead of :PORT */
	bool prefix;		/* /BITS may follow ADDR, if :PORT follows that */
	bool same;		/* `same` may stand instead of ADDR */
};

/* What word_parse_endpoint() leaves to its caller. The text of a word is NULL if it is not there.
 */
struct endpoint_rest {
	struct word protocol; /* PROTO, for protocol.h */
	struct word bits;     /* BITS, for prefix.h */
	bool same;	      /* instead of an address, which is all zero then */
};

/* ADDR[/BITS][:PORT][@IFACE] or ADDR/PROTO[@IFACE], IPv6 in brackets. Port 0: `any`, or none;
 * iface empty: none. */
bool word_parse_endpoint(const struct word *word, const struct endpoint_form *form,
			 struct xmc_addr *addr, uint16_t *port, struct endpoint_rest *rest,
			 char iface[IF_NAMESIZE], struct errors *errors);

#endif
