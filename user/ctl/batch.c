/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"

#define BLANKS	 " \t\r\n"
#define EXPECTED "expected add, del, replace, enable or disable"

/* One line on its way through. */
struct line {
	struct position at; /* of what is next */
	const char *text;
	size_t next; /* bytes of text that have been taken */
	size_t length;
	struct errors *errors;
};

/* The next word, at *word of *length bytes; false: the line has ended. */
static bool next_word(struct line *line, const char **word, size_t *length)
{
	const char *text = line->text;

	while (line->next < line->length && strchr(BLANKS, text[line->next]))
		line->next++;
	*word = text + line->next;
	line->at.column = (unsigned int)line->next + 1;
	while (line->next < line->length && !strchr(BLANKS, text[line->next]))
		line->next++;
	*length = (size_t)(text + line->next - *word);
	return *length > 0;
}

/* Length of the line without its comment, its end and the blanks before these. */
static size_t useful_length(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '#' && (i == 0 || strchr(BLANKS, text[i - 1]))) {
			length = i;
			break;
		}
	}
	while (length && strchr(BLANKS, text[length - 1]))
		length--;
	return length;
}

static int add_operation(struct batch *batch, struct line *line, const char *verb, const char *key,
			 const char *text, size_t length)
{
	json_t *value = json_stringn(text, length);
	json_t *operation;

	if (!value) {
		errors_add(line->errors, &line->at, text, length, "no UTF-8");
		return 0;
	}
	operation = json_pack("{s:s, s:o}", "do", verb, key, value);
	if (json_array_append_new(batch->operations, operation))
		return -ENOMEM;
	if (batch->count == batch->room) {
		size_t room = batch->room ? batch->room * 2 : 256;
		struct place *places = realloc(batch->places, room * sizeof(*places));

		if (!places)
			return -ENOMEM;
		batch->places = places;
		batch->room = room;
	}
	batch->places[batch->count++] = (struct place){line->at.line, line->at.column};
	return 0;
}

/* "rule", then one of the verbs that change rules; as on the command line, also shortened. */
static const struct verb *find_verb(struct line *line)
{
	const struct object *object;
	const struct verb *verb;
	const char *word;
	size_t length;
	char *copy;

	if (!next_word(line, &word, &length))
		return NULL;
	copy = strndup(word, length);
	object = copy ? object_find(copy, NULL) : NULL;
	free(copy);
	if (!object || strcmp(object->name, "rule") != 0) {
		errors_add(line->errors, &line->at, word, length, "unknown, expected rule");
		return NULL;
	}
	if (!next_word(line, &word, &length)) {
		errors_add(line->errors, &line->at, NULL, 0, "no verb, " EXPECTED);
		return NULL;
	}
	copy = strndup(word, length);
	verb = copy ? verb_find(object, copy, NULL) : NULL;
	free(copy);
	if (!verb || (verb->run != verb_rule_text && verb->run != verb_rule_names)) {
		errors_add(line->errors, &line->at, word, length,
			   "no verb that changes rules, or ambiguous, " EXPECTED);
		return NULL;
	}
	return verb;
}

static int read_line(struct batch *batch, struct line *line)
{
	const struct verb *verb;
	const char *word;
	size_t length;
	int err;

	if (!line->length)
		return 0;
	verb = find_verb(line);
	if (!verb)
		return 0; /* told */
	if (!next_word(line, &word, &length)) {
		errors_add(line->errors, &line->at, NULL, 0, "expected %s", verb->usage);
		return 0;
	}
	if (verb->run == verb_rule_text)
		return add_operation(batch, line, verb->name, "rule", word,
				     (size_t)(line->text + line->length - word));
	do
		err = add_operation(batch, line, verb->name, "name", word, length);
	while (!err && next_word(line, &word, &length));
	return err;
}

int batch_read(struct batch *batch, FILE *stream, const char *file, struct errors *errors)
{
	unsigned int number = 0;
	size_t total = 0;
	size_t room = 0;
	char *text = NULL;
	ssize_t length;
	int err;

	*batch = (struct batch){.operations = json_array()};
	err = batch->operations ? 0 : -ENOMEM;
	errno = 0;
	while (!err && (length = getline(&text, &room, stream)) >= 0) {
		struct line line = {.text = text, .errors = errors};

		line.at = (struct position){.file = file, .line = ++number, .column = 1};
		line.length = useful_length(text, (size_t)length);
		total += (size_t)length;
		if (total > CONTROL_MAX_REQUEST)
			err = -EFBIG;
		else if (memchr(text, '\0', (size_t)length))
			errors_add(errors, &line.at, NULL, 0, "a NUL byte, expected text");
		else
			err = read_line(batch, &line);
	}
	if (!err && ferror(stream))
		err = errno ? -errno : -EIO;
	free(text);
	if (!err && errors->count)
		err = -EINVAL;
	return err;
}

void batch_free(struct batch *batch)
{
	json_decref(batch->operations);
	free(batch->places);
	*batch = (struct batch){0};
}

/* An empty file is done. A program is told so in the words of any other change. */
static int change_nothing(struct ctl *ctl)
{
	json_t *answer;
	json_t *changed;
	int code;

	if (!ctl->options.json)
		return EXIT_DONE;
	code = ctl_call(ctl, "rule.list", json_pack("{s:i}", "limit", 1), &answer);
	if (code)
		return code;
	changed = json_pack("{s:I, s:i, s:i, s:i}", "generation",
			    (json_int_t)show_number(answer, "generation"), "added", 0, "removed", 0,
			    "replaced", 0);
	code = ctl_show(ctl, changed, show_changed);
	json_decref(changed);
	json_decref(answer);
	return code;
}

static int change(struct ctl *ctl, const struct batch *batch, const char *file)
{
	struct places places = {file, batch->count, batch->places};
	int code;

	if (!batch->count)
		return change_nothing(ctl);
	ctl->places = &places;
	code = ctl_call_and_show(ctl, "rule.change",
				 json_pack("{s:O}", "operations", batch->operations), show_changed);
	ctl->places = NULL;
	return code;
}

static int cannot_read(const char *file, int err)
{
	screen_print_to(stderr, "xmcastctl: cannot read %s: %s\n", file, strerror(err));
	return EXIT_REFUSED;
}

int batch_run(struct ctl *ctl)
{
	bool is_stdin = strcmp(ctl->options.batch, "-") == 0;
	const char *file = is_stdin ? "stdin" : ctl->options.batch;
	FILE *stream = is_stdin ? stdin : fopen(file, "re");
	struct errors *errors = calloc(1, sizeof(*errors));
	struct batch batch = {0};
	int code;
	int err;

	err = !errors ? -ENOMEM : !stream ? -errno : batch_read(&batch, stream, file, errors);
	if (err == -EINVAL && errors->count) {
		errors_print(errors, stderr);
		fputs("xmcastctl: refused: nothing was changed\n", stderr);
		code = EXIT_REFUSED;
	} else if (err) {
		code = cannot_read(file, -err);
	} else {
		code = change(ctl, &batch, file);
	}
	batch_free(&batch);
	if (errors)
		errors_free(errors);
	free(errors);
	if (stream && !is_stdin)
		fclose(stream);
	return code;
}
