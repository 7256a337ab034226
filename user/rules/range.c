/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "{FIRST..LAST}" in a word. */
struct span {
	size_t from, to; /* its bytes */
	unsigned int first, last, width;
};

/* Digits from a byte on, with zeros in front. Returns how many. */
static size_t read_digits(const struct word *word, size_t from, unsigned int *number)
{
	size_t length = 0;

	*number = 0;
	/* Nine digits cannot overflow. */
	while (from + length < word->length && length < 9 && word->text[from + length] >= '0' &&
	       word->text[from + length] <= '9')
		*number = *number * 10 + (unsigned int)(word->text[from + length++] - '0');
	return length;
}

static bool next_span(const struct word *word, size_t from, struct span *span)
{
	for (; from < word->length; from++) {
		size_t at = from + 1, first, last;

		if (word->text[from] != '{')
			continue;
		first = read_digits(word, at, &span->first);
		at += first;
		if (!first || at + 2 > word->length || memcmp(word->text + at, "..", 2) != 0)
			continue;
		at += 2;
		last = read_digits(word, at, &span->last);
		at += last;
		if (!last || at >= word->length || word->text[at] != '}')
			continue;
		span->width = first > 1 && word->text[from + 1] == '0' ? (unsigned int)first : 0;
		span->from = from;
		span->to = at + 1;
		return true;
	}
	return false;
}

static unsigned int count_of(const struct span *span)
{
	return (span->first < span->last ? span->last - span->first : span->first - span->last) + 1;
}

bool word_has_range(const struct word *word)
{
	struct span span;

	return next_span(word, 0, &span);
}

struct word word_of_range(const struct word *word, unsigned int index, char room[RANGE_WORD_SIZE])
{
	struct word made = {.text = room, .at = word->at, .fixed = true};
	size_t from = 0;
	struct span span;

	if (!word_has_range(word))
		return *word;
	while (next_span(word, from, &span)) {
		unsigned int number =
			span.first <= span.last ? span.first + index : span.first - index;

		made.length += (size_t)snprintf(room + made.length, RANGE_WORD_SIZE - made.length,
						"%.*s%0*u", (int)(span.from - from),
						word->text + from, (int)span.width, number);
		from = span.to;
		if (made.length >= RANGE_WORD_SIZE)
			return *word;
	}
	made.length += (size_t)snprintf(room + made.length, RANGE_WORD_SIZE - made.length, "%.*s",
					(int)(word->length - from), word->text + from);
	return made.length < RANGE_WORD_SIZE && !word_has_range(&made) ? made : *word;
}

/* ---- whole rules ---- */

/* The words of a text, one after the other. */
struct reader {
	const char *next, *end;
	struct position at;
	bool fixed;
};

static bool next_word(struct reader *reader, struct word *word)
{
	const char *begin = reader->next;

	while (begin < reader->end && byte_is_space(*begin))
		begin++;
	if (!reader->fixed)
		position_advance(&reader->at, reader->next, (size_t)(begin - reader->next));
	*word = (struct word){.text = begin, .at = reader->at, .fixed = reader->fixed};
	while (begin + word->length < reader->end && !byte_is_space(begin[word->length]))
		word->length++;
	if (!reader->fixed)
		position_advance(&reader->at, begin, word->length);
	reader->next = begin + word->length;
	return word->length;
}

/* What has been seen of the ranges of a rule. */
struct survey {
	unsigned int count;
	struct word first; /* word with a range */
	struct word name;  /* length 0: none */
	struct word input; /* length 0: none */
	bool name_has_range, input_has_range, failed;
};

/* All ranges of one word. */
static void survey_word(struct survey *survey, const struct word *word, struct errors *errors)
{
	char room[RANGE_WORD_SIZE];
	struct span span;

	if (word_has_range(word) && word_of_range(word, 0, room).text != room) {
		word_error(errors, word, "a range in a range, or in a word of more than %d bytes",
			   RANGE_WORD_SIZE - 1);
		survey->failed = true;
	}
	for (size_t from = 0; !survey->failed && next_span(word, from, &span); from = span.to) {
		unsigned int count = count_of(&span);

		survey->failed = true;
		if (count > RANGE_MAX)
			word_error(errors, word, "a range of %u numbers, expected at most %d",
				   count, RANGE_MAX);
		else if (survey->count && count != survey->count)
			word_error(errors, word,
				   "a range of %u numbers, expected %u as in the one before", count,
				   survey->count);
		else
			survey->failed = false;
		if (!survey->count)
			survey->first = *word;
		survey->count = count;
	}
}

/* A name and an input belong to one rule. */
static void check_survey(struct survey *survey, struct errors *errors)
{
	if (survey->failed || !survey->count)
		return;
	survey->failed = true;
	if (survey->name.length && !survey->name_has_range)
		word_error(errors, &survey->name,
			   "one name for %u rules, expected a range in it, such as cam{1..%u}",
			   survey->count, survey->count);
	else if (!survey->input_has_range && survey->input.length &&
		 memchr(survey->input.text, '{', survey->input.length))
		word_error(errors, &survey->input,
			   "not a range, expected {FIRST..LAST}, such as {1..50}");
	else if (!survey->input_has_range)
		word_error(errors, &survey->first,
			   "a range without one in the input, expected `out` for each output of "
			   "one rule");
	else
		survey->failed = false;
}

unsigned int range_count(const char *text, size_t length, const struct position *at, bool fixed,
			 struct errors *errors)
{
	struct reader reader = {text, text + length, *at, fixed};
	struct word word, before = {.text = NULL};
	struct survey survey = {.count = 0};

	if (!memchr(text, '{', length))
		return 1;
	for (size_t i = 0; next_word(&reader, &word); i++) {
		bool has_range = word_has_range(&word);

		if (i == 1 && word_is(&word, "in") && !word_is(&before, "in")) {
			survey.name = before;
			survey.name_has_range = word_has_range(&before);
		}
		if (i && word_is(&before, "in"))
			survey.input = word;
		if (has_range && i && (word_is(&before, "in") || word_is(&before, "source")))
			survey.input_has_range = true;
		survey_word(&survey, &word, errors);
		before = word;
	}
	check_survey(&survey, errors);
	if (survey.count > 1 && length > RANGE_TEXT_MAX) {
		errors_add(errors, at, NULL, 0,
			   "a rule of %zu bytes with a range, expected at most %d bytes", length,
			   RANGE_TEXT_MAX);
		return 0;
	}
	return survey.failed ? 0 : survey.count ? survey.count : 1;
}

unsigned int word_range_count(const struct word *word)
{
	unsigned int count = 0;
	struct span span;

	for (size_t from = 0; next_span(word, from, &span); from = span.to) {
		if (count && count_of(&span) != count)
			return 1;
		count = count_of(&span);
	}
	return count && count <= RANGE_MAX ? count : 1;
}

/* ---- references ---- */

struct range *range_new(const char *text, size_t length, unsigned int count)
{
	struct range *range = malloc(sizeof(*range) + length + 2);
	struct reader reader = {text, text + length, {.file = ""}, true};
	struct word word;
	size_t used = 0;

	if (!range)
		return NULL;
	range->references = 1;
	range->count = count;
	while (next_word(&reader, &word)) {
		if (used)
			range->text[used++] = ' ';
		memcpy(range->text + used, word.text, word.length);
		used += word.length;
	}
	range->text[used] = '\0';
	return range;
}

struct range *range_hold(struct range *range)
{
	if (range)
		range->references++;
	return range;
}

void range_put(struct range *range)
{
	if (range && !--range->references)
		free(range);
}

size_t range_name(const char *text, const char **name)
{
	size_t length = strcspn(text, " ");
	struct word first = {.text = text, .length = length};

	*name = text;
	if (!word_is(&first, "in") || !text[length])
		return length;
	*name += length + 1;
	return strcspn(*name, " ");
}
