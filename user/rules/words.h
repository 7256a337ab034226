/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of the rule grammar: one word in, one value out. Shared by the one-line grammar and the
 * file, so that both mean the same. Pure; any thread.
 *
 * Every word_parse_* returns true and fills its result, or returns false having appended at least
 * one error that names the part of the word that is wrong, where it stands, and what was expected.
 * A result is then undefined.
 */
#ifndef XMCAST_RULES_WORDS_H
#define XMCAST_RULES_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/errors.h"
#include "rules/rule.h"

/* Bytes of an input and where they stand. Not NUL-terminated; borrowed from the input. */
struct word {
	const char *text;
	size_t length;
	struct position at;
};

/* Append an error about this word. */
#define word_error(errors, word, ...)                                                              \
	errors_add(errors, &(word)->at, (word)->text, (word)->length, __VA_ARGS__)

bool word_is(const struct word *word, const char *text);

/* in, out, source, disabled, may_loop, ttl, dscp, gso, rate, pps, burst: what begins a clause and
 * so cannot be a NAME. */
bool word_is_keyword(const struct word *word);

/* Space, tab, carriage return, newline: what separates words. */
bool byte_is_space(char byte);

/* Printable ASCII without space, quotes and backslash. */
bool name_byte_is_valid(char byte);

bool word_parse_name(const struct word *word, char name[RULE_NAME_SIZE], struct errors *errors);

/* What dev_valid_name() of Linux allows, and printable ASCII only. */
bool word_parse_iface(const struct word *word, char iface[IF_NAMESIZE], struct errors *errors);

/* GROUP:PORT@IFACE: fills group, port and iface of the rule. PORT may be `any`, of a group. */
bool word_parse_input(const struct word *word, struct rule *rule, struct errors *errors);

/* DEST[:PORT][@IFACE]: fills to, port and iface of the output. */
bool word_parse_output(const struct word *word, struct rule_output *output, struct errors *errors);

/* ADDR or ADDR/BITS, a host address or a prefix, IPv6 with or without brackets: fills source and
 * source_host_bits of the rule. */
bool word_parse_source(const struct word *word, struct rule *rule, struct errors *errors);

/* A decimal number without sign or leading zeros. `what` names it in the message. */
bool word_parse_number(const struct word *word, const char *what, unsigned int min,
		       unsigned int max, unsigned int *number, struct errors *errors);

bool word_parse_ttl(const struct word *word, uint8_t *ttl, struct errors *errors);

/* 0..63, or a name in any case. */
bool word_parse_dscp(const struct word *word, uint8_t *dscp, struct errors *errors);

/* off (1), on (GSO_MAX_SEGMENTS), or 1..GSO_MAX_SEGMENTS datagrams in one send. */
bool word_parse_gso(const struct word *word, unsigned int *gso, struct errors *errors);

/* N and bit, kbit, mbit or gbit (tc(8)'s units: powers of 1000) a second. */
bool word_parse_rate(const struct word *word, uint64_t *bps, struct errors *errors);

bool word_parse_pps(const struct word *word, uint32_t *pps, struct errors *errors);

/* N and ms or s. */
bool word_parse_burst(const struct word *word, uint32_t *ms, struct errors *errors);

/* The name of a code point, or NULL if it has none. */
const char *dscp_name(uint8_t dscp);

#endif
