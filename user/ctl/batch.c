/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"

#define BLANKS	 " \t\r\n"
#define EXPECTED "expected add, del, replace, enable or disable"

/* What a file says: the operations of rule.change, and where each of them stands. */
struct batch {
	json_t *operations;
	struct place *places;
	size_t count;
	size_t room;
};

struct line {
	char *text;
	char *next;	    /* what is not read yet */
	struct position at; /* of the last word */
	struct errors *errors;
};

/* The next word; NULL at the end of the line. A NUL replaces the blank after it. */
static char *next_word(struct line *line)
{
	char *word = line->next + strspn(line->next, BLANKS);

	line->at.column = (unsigned int)(word - line->text) + 1;
	line->next = word + strcspn(word, BLANKS);
	if (*line->next)
		*line->next++ = '\0';
	return *word ? word : NULL;
}

/* The rest of the line, from the next word on. */
static char *rest(struct line *line)
{
	char *word = line->next + strspn(line->next, BLANKS);

	line->at.column = (unsigned int)(word - line->text) + 1;
	line->next = word + strlen(word);
	return *word ? word : NULL;
}

/* Cut off a comment and the blanks before it. */
static void cut_comment(char *text)
{
	char *end = text;

	while (*end && !(*end == '#' && (end == text || strchr(BLANKS, end[-1]))))
		end++;
	while (end > text && strchr(BLANKS, end[-1]))
		end--;
	*end = '\0';
}

static void refuse(struct line *line, const char *word, const char *message)
{
	errors_add(line->errors, &line->at, word, word ? strlen(word) : 0, "%s", message);
}

static int add_operation(struct batch *batch, struct line *line, const char *verb, const char *key,
			 const char *text)
{
	json_t *value = json_string(text);

	if (!value) {
		refuse(line, text, "not UTF-8");
		return 0;
	}
	if (json_array_append_new(batch->operations,
				  json_pack("{s:s, s:o}", "do", verb, key, value)))
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

/* "rule", a verb that changes rules, both possibly shortened, and its arguments. 0, also for a
 * wrong line, which is an error; -ENOMEM. */
static int read_line(struct batch *batch, struct line *line)
{
	const char *word = next_word(line);
	const struct command *object = word ? command_find(ctl_objects, word, NULL) : NULL;
	const struct command *verb;
	int err;

	if (!word)
		return 0;
	if (!object || strcmp(object->name, "rule") != 0) {
		refuse(line, word, "unknown, expected a line such as `rule del cam1`");
		return 0;
	}
	word = next_word(line);
	verb = word ? command_find(object->verbs, word, NULL) : NULL;
	if (!verb || (verb->run != verb_rule_text && verb->run != verb_rule_names)) {
		refuse(line, word,
		       word ? "not a verb that changes rules, or ambiguous, " EXPECTED
			    : "no verb, " EXPECTED);
		return 0;
	}
	word = verb->run == verb_rule_text ? rest(line) : next_word(line);
	if (!word) {
		errors_add(line->errors, &line->at, NULL, 0, "expected %s", verb->usage);
		return 0;
	}
	if (verb->run == verb_rule_text)
		return add_operation(batch, line, verb->name, "rule", word);
	do
		err = add_operation(batch, line, verb->name, "name", word);
	while (!err && (word = next_word(line)));
	return err;
}

/* Read the whole stream. 0; -EINVAL: errors were added; -EFBIG: more than the daemon accepts in one
 * request; -EIO; -ENOMEM. */
static int read_all(struct batch *batch, FILE *stream, const char *file, struct errors *errors)
{
	struct line line = {.errors = errors, .at = {.file = file}};
	size_t total = 0;
	size_t room = 0;
	char *text = NULL;
	ssize_t length;
	int err;

	batch->operations = json_array();
	err = batch->operations ? 0 : -ENOMEM;
	errno = 0;
	while (!err && (length = getline(&text, &room, stream)) >= 0) {
		line.text = line.next = text;
		line.at.line++;
		line.at.column = 1;
		total += (size_t)length;
		if (total > CONTROL_MAX_REQUEST) {
			err = -EFBIG;
		} else if (memchr(text, '\0', (size_t)length)) {
			refuse(&line, NULL, "a NUL byte, expected text");
		} else {
			cut_comment(text);
			err = read_line(batch, &line);
		}
	}
	if (!err && ferror(stream))
		err = errno ? -errno : -EIO;
	free(text);
	if (!err && errors->count)
		err = -EINVAL;
	return err;
}

static int change(struct ctl *ctl, const struct batch *batch, const char *file)
{
	const struct places places = {file, batch->count, batch->places};
	json_t *answer;
	json_t *changed;
	int code;

	if (batch->count) {
		ctl->places = &places;
		code = ctl_call_and_show(ctl, "rule.change",
					 json_pack("{s:O}", "operations", batch->operations),
					 show_changed);
		ctl->places = NULL;
		return code;
	}
	/* Nothing to do. With -j the answer has the same form as that to any other change. */
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

int batch_run(struct ctl *ctl)
{
	bool is_stdin = strcmp(ctl->options.batch, "-") == 0;
	const char *file = is_stdin ? "stdin" : ctl->options.batch;
	FILE *stream = is_stdin ? stdin : fopen(file, "re");
	struct errors *errors = calloc(1, sizeof(*errors));
	struct batch batch = {0};
	int code = EXIT_REFUSED;
	int err;

	err = !errors ? -ENOMEM : !stream ? -errno : read_all(&batch, stream, file, errors);
	if (!err) {
		code = change(ctl, &batch, file);
	} else if (err == -EINVAL && errors->count) {
		errors_print(errors, stderr);
		fputs("xmcastctl: refused: nothing was changed\n", stderr);
	} else {
		screen_print_to(stderr, "xmcastctl: cannot read %s: %s\n", file, strerror(-err));
	}
	json_decref(batch.operations);
	free(batch.places);
	if (errors)
		errors_free(errors);
	free(errors);
	if (stream && !is_stdin)
		fclose(stream);
	return code;
}
