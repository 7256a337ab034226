/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/grammar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/array.h"

#define FORM_IN	 "`in GROUP:PORT@IFACE`"
#define FORM_OUT "`out DEST[:PORT][@IFACE]`"

struct parser {
	const char *next; /* what has not been read yet */
	const char *end;
	struct position at; /* of *next */
	struct word word;   /* the current word; length 0: the end */
	struct word last;   /* the word before it: what an error about a missing word points at */

	struct rule *rule;
	struct rule_positions *where;
	struct errors *errors;

	bool seen_in;
	bool seen_source;
	bool seen_out;
	bool complained; /* about the order of the words: what is missing follows from it */

	/* The output under construction: from its `out` to the next one, or to the end. */
	struct rule_output output;
	struct position output_at;
	bool output_valid;
	bool seen_ttl;
	bool seen_dscp;
	bool seen_gso;
	bool seen_rate;
	bool seen_pps;
	bool seen_burst;
};

struct clause {
	const char *keyword;
	int (*parse)(struct parser *parser, const struct word *keyword);
};

void rule_positions_free(struct rule_positions *where)
{
	free(where->outputs);
	memset(where, 0, sizeof(*where));
}

int rule_add_output(struct rule *rule, struct rule_positions *where,
		    const struct rule_output *output, const struct position *at)
{
	unsigned int used = rule->nr_outputs;
	struct rule_output *outputs = array_grow(rule->outputs, used, sizeof(*outputs));
	struct position *positions;

	if (!outputs)
		return -ENOMEM;
	rule->outputs = outputs;
	positions = array_grow(where->outputs, used, sizeof(*positions));
	if (!positions)
		return -ENOMEM;
	where->outputs = positions;
	outputs[used] = *output;
	positions[used] = *at;
	rule->nr_outputs++;
	return 0;
}

static void advance(struct parser *parser)
{
	if (*parser->next == '\n') {
		parser->at.line++;
		parser->at.column = 0;
	}
	parser->at.column++;
	parser->next++;
}

static void next_word(struct parser *parser)
{
	if (parser->word.length)
		parser->last = parser->word;
	while (parser->next < parser->end && byte_is_space(*parser->next))
		advance(parser);
	parser->word.text = parser->next;
	parser->word.at = parser->at;
	while (parser->next < parser->end && !byte_is_space(*parser->next))
		advance(parser);
	parser->word.length = (size_t)(parser->next - parser->word.text);
}

static bool at_end(const struct parser *parser)
{
	return parser->word.length == 0;
}

/* Take the word behind a keyword. A keyword there is not it: the operand is missing. */
static bool take_operand(struct parser *parser, const struct word *keyword, const char *expected,
			 struct word *operand)
{
	if (at_end(parser) || word_is_keyword(&parser->word)) {
		word_error(parser->errors, keyword, "nothing after it, expected %s", expected);
		parser->complained |= at_end(parser);
		return false;
	}
	*operand = parser->word;
	next_word(parser);
	return true;
}

/* Before any other clause: complain, once, that the input is missing. */
static void require_in(struct parser *parser, const struct word *word)
{
	if (parser->seen_in || parser->complained)
		return;
	word_error(parser->errors, word, "no input before it, expected " FORM_IN);
	parser->complained = true;
}

static int finish_output(struct parser *parser)
{
	if (!parser->output_valid)
		return 0;
	parser->output_valid = false;
	if (!parser->seen_ttl)
		parser->output.ttl = rule_default_ttl(&parser->output.to);
	return rule_add_output(parser->rule, parser->where, &parser->output, &parser->output_at);
}

static int parse_in(struct parser *parser, const struct word *keyword)
{
	bool repeated = parser->seen_in;
	struct word operand;

	parser->seen_in = true;
	if (repeated)
		word_error(parser->errors, keyword, "a second input, expected " FORM_OUT);
	if (!take_operand(parser, keyword, "GROUP:PORT@IFACE", &operand) || repeated)
		return 0;
	parser->where->input = operand.at;
	word_parse_input(&operand, parser->rule, parser->errors);
	return 0;
}

static int parse_source(struct parser *parser, const struct word *keyword)
{
	bool misplaced = parser->seen_source || parser->seen_out;
	struct word operand;

	require_in(parser, keyword);
	if (parser->seen_source)
		word_error(parser->errors, keyword, "a second source, expected " FORM_OUT);
	else if (parser->seen_out)
		word_error(parser->errors, keyword,
			   "source after an output, expected it between the input and the first "
			   "`out`");
	parser->seen_source = true;
	if (!take_operand(parser, keyword, "the address of a host", &operand) || misplaced)
		return 0;
	parser->where->source = operand.at;
	word_parse_source(&operand, parser->rule, parser->errors);
	return 0;
}

/* disabled, may_loop: words alone, once per rule. */
static void take_flag(struct parser *parser, const struct word *keyword, bool *flag)
{
	require_in(parser, keyword);
	if (*flag)
		word_error(parser->errors, keyword, "given twice, expected it once");
	else if (parser->seen_out)
		word_error(parser->errors, keyword,
			   "%.*s after an output, expected it before the first `out`",
			   (int)keyword->length, keyword->text);
	*flag = true;
}

static int parse_disabled(struct parser *parser, const struct word *keyword)
{
	take_flag(parser, keyword, &parser->rule->disabled);
	return 0;
}

static int parse_may_loop(struct parser *parser, const struct word *keyword)
{
	take_flag(parser, keyword, &parser->rule->may_loop);
	return 0;
}

static int parse_out(struct parser *parser, const struct word *keyword)
{
	struct word operand;
	int error = finish_output(parser);

	if (error)
		return error;
	require_in(parser, keyword);
	parser->seen_out = true;
	parser->seen_ttl = false;
	parser->seen_dscp = false;
	parser->seen_gso = false;
	parser->seen_rate = false;
	parser->seen_pps = false;
	parser->seen_burst = false;
	memset(&parser->output, 0, sizeof(parser->output));
	if (!take_operand(parser, keyword, "DEST[:PORT][@IFACE]", &operand))
		return 0;
	parser->output_at = operand.at;
	parser->output_valid = word_parse_output(&operand, &parser->output, parser->errors);
	return 0;
}

/* ttl, dscp and so on: once per output. */
static bool take_option(struct parser *parser, const struct word *keyword, bool *seen,
			const char *expected, struct word *operand)
{
	bool misplaced = !parser->seen_out || *seen;

	require_in(parser, keyword);
	if (!parser->seen_out)
		word_error(parser->errors, keyword, "no output before it, expected " FORM_OUT);
	else if (*seen)
		word_error(parser->errors, keyword, "given twice for one output, expected it once");
	*seen = true;
	return take_operand(parser, keyword, expected, operand) && !misplaced;
}

static int parse_ttl(struct parser *parser, const struct word *keyword)
{
	struct word operand;

	if (take_option(parser, keyword, &parser->seen_ttl, "a number from 1 to 255", &operand))
		word_parse_ttl(&operand, &parser->output.ttl, parser->errors);
	return 0;
}

static int parse_dscp(struct parser *parser, const struct word *keyword)
{
	struct word operand;

	if (take_option(parser, keyword, &parser->seen_dscp, "a number from 0 to 63 or a name",
			&operand))
		word_parse_dscp(&operand, &parser->output.dscp, parser->errors);
	return 0;
}

static int parse_gso(struct parser *parser, const struct word *keyword)
{
	struct word operand;
	unsigned int gso;

	if (take_option(parser, keyword, &parser->seen_gso, "on, off or a number", &operand) &&
	    word_parse_gso(&operand, &gso, parser->errors))
		parser->output.gso = (uint8_t)gso;
	return 0;
}

static int parse_rate(struct parser *parser, const struct word *keyword)
{
	struct word operand;

	if (take_option(parser, keyword, &parser->seen_rate, "a rate such as 50mbit", &operand))
		word_parse_rate(&operand, &parser->output.rate_bps, parser->errors);
	return 0;
}

static int parse_pps(struct parser *parser, const struct word *keyword)
{
	struct word operand;

	if (take_option(parser, keyword, &parser->seen_pps, "packets a second", &operand))
		word_parse_pps(&operand, &parser->output.rate_pps, parser->errors);
	return 0;
}

static int parse_burst(struct parser *parser, const struct word *keyword)
{
	struct word operand;

	if (take_option(parser, keyword, &parser->seen_burst, "a time such as 100ms", &operand))
		word_parse_burst(&operand, &parser->output.burst_ms, parser->errors);
	return 0;
}

static const struct clause clauses[] = {
	{"in", parse_in},
	{"source", parse_source},
	{"disabled", parse_disabled},
	{"may_loop", parse_may_loop},
	{"out", parse_out},
	{"ttl", parse_ttl},
	{"dscp", parse_dscp},
	{"gso", parse_gso},
	{"rate", parse_rate},
	{"pps", parse_pps},
	{"burst", parse_burst},
};

static const struct clause *find_clause(const struct word *word)
{
	for (size_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++) {
		if (word_is(word, clauses[i].keyword))
			return &clauses[i];
	}
	return NULL;
}

/* A word that begins no clause: report it, and go on at the next that does. */
static void skip_stray(struct parser *parser)
{
	const char *expected = "`source`, `disabled`, `may_loop` or `out`";

	if (!parser->seen_in)
		expected = FORM_IN;
	else if (parser->seen_out)
		expected = "`ttl`, `dscp`, `gso`, `rate`, `pps`, `burst` or `out`";
	else if (parser->seen_source)
		expected = "`disabled`, `may_loop` or `out`";
	word_error(parser->errors, &parser->word, "unexpected word, expected %s", expected);
	parser->complained = true;
	while (!at_end(parser) && !word_is_keyword(&parser->word))
		next_word(parser);
}

static int parse_clauses(struct parser *parser)
{
	while (!at_end(parser)) {
		const struct clause *clause = find_clause(&parser->word);
		struct word keyword = parser->word;
		int error;

		if (!clause) {
			skip_stray(parser);
			continue;
		}
		next_word(parser);
		error = clause->parse(parser, &keyword);
		if (error)
			return error;
	}
	return finish_output(parser);
}

static int parse_rule(struct parser *parser)
{
	struct rule *rule = parser->rule;
	int error;

	next_word(parser);
	parser->where->name = parser->word.at;
	if (at_end(parser)) {
		word_error(parser->errors, &parser->word,
			   "an empty rule, expected " FORM_IN " and " FORM_OUT);
		return 0;
	}
	if (!word_is_keyword(&parser->word)) {
		parser->where->named = true;
		word_parse_name(&parser->word, rule->name, parser->errors);
		next_word(parser);
	}
	error = parse_clauses(parser);
	if (error)
		return error;
	if (parser->complained)
		return 0;
	if (!parser->seen_in)
		word_error(parser->errors, &parser->last, "no input after it, expected " FORM_IN);
	else if (!parser->seen_out)
		word_error(parser->errors, &parser->last, "no output after it, expected " FORM_OUT);
	return 0;
}

int grammar_parse_rule(const char *text, size_t length, const struct position *at,
		       struct rule *rule, struct rule_positions *where, struct errors *errors)
{
	struct rule_positions own = {0};
	unsigned int before = errors->count;
	struct parser parser = {
		.next = text,
		.end = text + length,
		.at = *at,
		.rule = rule,
		.where = &own,
		.errors = errors,
	};
	int error;

	memset(rule, 0, sizeof(*rule));
	if (where)
		memset(where, 0, sizeof(*where));
	error = parse_rule(&parser);
	if (!error && errors->count != before)
		error = -EINVAL;
	if (error) {
		rule_free(rule);
	} else {
		if (!own.named)
			rule_derive_name(rule);
		if (where) {
			*where = own;
			return 0;
		}
	}
	rule_positions_free(&own);
	return error;
}
