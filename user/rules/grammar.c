/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/grammar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "rules/range.h"
#include "rules/sides.h"

#define FORM_IN	 "`in GROUP:PORT@IFACE`"
#define FORM_OUT "`out DEST[:PORT][@IFACE]`"

struct parser {
	const char *next; /* what has not been read yet */
	const char *end;
	struct position at; /* of *next */
	struct word word;   /* the current word; length 0: the end */
	struct word last;   /* the word before it: an error about a missing word points at it */
	struct grammar_range range;
	char room[RANGE_WORD_SIZE]; /* of the last operand */

	struct rule *rule;
	struct rule_positions *where;
	struct errors *errors;

	bool seen_in;
	bool seen_out;
	unsigned int seen;	  /* a bit for each field of the rule */
	unsigned int seen_output; /* a bit for each field of the last output */
	bool complained; /* about the order of the words: what is missing follows from it */
};

static void next_word(struct parser *parser)
{
	const char *begin = parser->next;

	if (parser->word.length)
		parser->last = parser->word;
	while (begin < parser->end && byte_is_space(*begin))
		begin++;
	if (!parser->range.fixed)
		position_advance(&parser->at, parser->next, (size_t)(begin - parser->next));
	parser->next = begin;
	while (parser->next < parser->end && !byte_is_space(*parser->next))
		parser->next++;
	parser->word = (struct word){begin, (size_t)(parser->next - begin), parser->at,
				     parser->range.fixed};
	if (!parser->range.fixed)
		position_advance(&parser->at, begin, parser->word.length);
}

static bool at_end(const struct parser *parser)
{
	return parser->word.length == 0;
}

/* Take the word behind a keyword. If that is a keyword again, the operand is missing. */
static bool take_operand(struct parser *parser, const struct word *keyword, const char *expected,
			 struct word *operand)
{
	if (at_end(parser) || word_is_keyword(&parser->word)) {
		word_error(parser->errors, keyword, "nothing after it, expected %s", expected);
		parser->complained |= at_end(parser);
		return false;
	}
	*operand = word_of_range(&parser->word, parser->range.index, parser->room);
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

/* The first one, or one of several. `source` behind it belongs to it. */
static int parse_in(struct parser *parser, const struct word *keyword)
{
	bool first = !parser->seen_in;
	struct word operand, input;
	int err;

	parser->seen_in = true;
	parser->seen &= ~(1u << RULE_SOURCE);
	if (!take_operand(parser, keyword, "GROUP:PORT@IFACE", &operand))
		return 0;
	if (parser->seen_out && !first) {
		word_error(parser->errors, keyword,
			   "an input after an output, expected it before the first `out`");
		return 0;
	}
	err = rule_begin_side(parser->rule, parser->where, first, &operand, &input, parser->errors);
	if (!err)
		field_parse(&rule_fields[RULE_INPUT], &input, parser->rule, parser->errors);
	return err == -ENOMEM ? err : 0;
}

static int parse_out(struct parser *parser, const struct word *keyword)
{
	struct rule_output output = {.port = 0};
	struct word operand = *keyword;

	require_in(parser, keyword);
	parser->seen_out = true;
	parser->seen_output = 0;
	if (take_operand(parser, keyword, "DEST[:PORT][@IFACE]", &operand))
		field_parse(&output_fields[OUTPUT_TO], &operand, &output, parser->errors);
	/* If it was refused as well, so that its options have a place. */
	return rule_add_output(parser->rule, parser->where, &output, &operand.at);
}

/* An option, of the rule before the first `out` or of the last output: once for each. */
static void parse_option(struct parser *parser, const struct word *keyword,
			 const struct field *table, size_t index)
{
	const struct field *option = &table[index];
	bool of_output = table == output_fields;
	unsigned int *seen = of_output ? &parser->seen_output : &parser->seen;
	bool repeated = *seen & 1u << index, misplaced = parser->seen_out != of_output;
	bool flag = option->type == FIELD_SWITCH;
	char expected[FIELD_TEXT_SIZE];
	void *object = parser->rule;
	struct word operand = *keyword;

	*seen |= 1u << index;
	require_in(parser, keyword);
	if (repeated)
		word_error(parser->errors, keyword, "given twice%s, expected it once",
			   of_output ? " for one output" : "");
	else if (misplaced && of_output)
		word_error(parser->errors, keyword, "no output before it, expected " FORM_OUT);
	else if (misplaced)
		word_error(parser->errors, keyword,
			   "%s after an output, expected it before the first `out`", option->name);
	if ((!flag && !take_operand(parser, keyword, field_expected(option, expected), &operand)) ||
	    repeated || misplaced)
		return;
	if (of_output) {
		unsigned int last = parser->rule->nr_outputs - 1;

		object = &parser->rule->outputs[last];
		parser->where->outputs[last].given |= 1u << index;
	} else {
		parser->where->at[index] = operand.at;
	}
	if (flag)
		field_set_number(option, object, true);
	else
		field_parse(option, &operand, object, parser->errors);
}

/* What other tools write between input and output. */
static bool is_arrow(const struct word *word)
{
	return word_is(word, "->") || word_is(word, "=>") || word_is(word, "-->") ||
	       word_is(word, ">");
}

/* "ttl=8", "ttl:8": the length of the keyword, or 0. */
static size_t glued_keyword(const struct word *word)
{
	for (size_t i = 1; i + 1 < word->length; i++) {
		struct word keyword = word_part(word, 0, i);

		if ((word->text[i] == '=' || word->text[i] == ':') && word_is_keyword(&keyword))
			return i;
	}
	return 0;
}

static void report_stray(struct parser *parser)
{
	const struct field *table = parser->seen_out ? output_fields : rule_fields;
	unsigned int seen = parser->seen_out ? 0 : parser->seen;
	struct word *word = &parser->word;
	struct near near = {.word = word->text, .length = word->length};
	char expected[256] = "", question[NEAR_TEXT_SIZE];
	size_t used = 0, glued = glued_keyword(word);

	for (size_t i = parser->seen_out ? OUTPUT_FIRST_OPTION : RULE_FIRST_OPTION;
	     parser->seen_in && table[i].name; i++) {
		near_offer(&near, table[i].name, strlen(table[i].name));
		if (!(seen & 1u << i))
			used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s`%s`",
						 used ? ", " : "", table[i].name);
	}
	near_offer(&near, parser->seen_in ? "out" : "in", parser->seen_in ? 3 : 2);
	if (is_arrow(word))
		word_error(parser->errors, word,
			   "no arrow in a rule, expected " FORM_IN " and " FORM_OUT);
	else if (word_is(word, "vlan"))
		word_error(
			parser->errors, word,
			"unexpected word, expected the VLAN's own interface in the input, such as "
			"@eth0.100");
	else if (glued)
		word_error(parser->errors, word, "expected a space behind `%.*s`", (int)glued,
			   word->text);
	else if (near.name)
		word_error(parser->errors, word, "unexpected word%s",
			   near_question(&near, question));
	else if (parser->seen_in)
		word_error(parser->errors, word, "unexpected word, expected %s%s`out`", expected,
			   used ? " or " : "");
	else
		word_error(parser->errors, word, "unexpected word, expected " FORM_IN);
}

/* A word that begins no clause: report it, and go on at the next that does. */
static void skip_stray(struct parser *parser)
{
	report_stray(parser);
	parser->complained = true;
	while (!at_end(parser) && !word_begins_clause(&parser->word))
		next_word(parser);
}

static int parse_clause(struct parser *parser)
{
	struct word keyword = parser->word;

	if (!word_begins_clause(&keyword)) {
		skip_stray(parser);
		return 0;
	}
	next_word(parser);
	if (word_is(&keyword, "in"))
		return parse_in(parser, &keyword);
	if (word_is(&keyword, "out"))
		return parse_out(parser, &keyword);
	for (size_t i = RULE_FIRST_OPTION; i < RULE_FIELDS; i++) {
		if (word_is(&keyword, rule_fields[i].name))
			parse_option(parser, &keyword, rule_fields, i);
	}
	for (size_t i = OUTPUT_FIRST_OPTION; i < OUTPUT_FIELDS; i++) {
		if (word_is(&keyword, output_fields[i].name))
			parse_option(parser, &keyword, output_fields, i);
	}
	return 0;
}

static int parse_rule(struct parser *parser)
{
	struct rule *rule = parser->rule;
	int err = 0;

	next_word(parser);
	parser->where->at[RULE_NAME] = parser->word.at;
	if (at_end(parser)) {
		word_error(parser->errors, &parser->word,
			   "an empty rule, expected " FORM_IN " and " FORM_OUT);
		return 0;
	}
	if (!word_is_keyword(&parser->word)) {
		struct word name = word_of_range(&parser->word, parser->range.index, parser->room);

		parser->where->named = true;
		field_parse(&rule_fields[RULE_NAME], &name, rule, parser->errors);
		next_word(parser);
	}
	while (!at_end(parser) && !err)
		err = parse_clause(parser);
	rule_end_sides(rule);
	if (err || parser->complained)
		return err;
	if (!parser->seen_in)
		word_error(parser->errors, &parser->last, "no input after it, expected " FORM_IN);
	else if (!parser->seen_out)
		word_error(parser->errors, &parser->last, "no output after it, expected " FORM_OUT);
	return 0;
}

/* Print " [OPTION FORM]" for each, in lines of 80 columns of which `used` are used. Returns how
 * many are used then. */
static size_t print_options(const struct field *options, const char *indent, size_t used,
			    FILE *stream)
{
	for (; options->name; options++) {
		bool flag = options->type == FIELD_SWITCH;
		char form[FIELD_TEXT_SIZE] = "";
		size_t length;

		if (!flag)
			field_form(options, form);
		length = strlen(options->name) + strlen(form) + (flag ? 3 : 4);
		if (used + length > 80)
			used = (size_t)fprintf(stream, "\n%s   ", indent) - 1;
		used += length;
		fprintf(stream, " [%s%s%s]", options->name, flag ? "" : " ", form);
	}
	return used;
}

void grammar_print(FILE *stream, const char *indent)
{
	int used;

	fprintf(stream, "%s[NAME] in GROUP([/BITS]:PORT|[/BITS]:any|/PROTO)@IFACE", indent);

	used = fprintf(stream, "\n%s    [in LABEL:GROUP:PORT@IFACE ...]", indent) - 1;
	print_options(rule_options, indent, (size_t)used, stream);
	used = fprintf(stream, "\n%s  out (DEST|same)[:PORT][@IFACE]", indent) - 1;
	used = (int)print_options(output_options, indent, (size_t)used, stream);
	if (used + strlen(" [out ...]") > 80)
		fprintf(stream, "\n%s   ", indent);
	fprintf(stream, " [out ...]\n");
}

int grammar_parse_rule(const char *text, size_t length, const struct position *at,
		       struct rule *rule, struct rule_positions *where, struct errors *errors)
{
	static const struct grammar_range first = {.index = 0};

	return grammar_parse_member(text, length, at, &first, rule, where, errors);
}

int grammar_parse_member(const char *text, size_t length, const struct position *at,
			 const struct grammar_range *range, struct rule *rule,
			 struct rule_positions *where, struct errors *errors)
{
	struct rule_positions own = {0};
	unsigned int before = errors->count;
	struct parser parser = {
		.next = text,
		.end = text + length,
		.at = *at,
		.range = *range,
		.rule = rule,
		.where = &own,
		.errors = errors,
	};
	int err;

	memset(rule, 0, sizeof(*rule));
	if (where)
		memset(where, 0, sizeof(*where));
	err = parse_rule(&parser);
	if (!err && errors->count != before)
		err = -EINVAL;
	if (err) {
		rule_free(rule);
	} else {
		rule_complete(rule, &own, NULL);
		if (where) {
			*where = own;
			return 0;
		}
	}
	rule_positions_free(&own);
	return err;
}
