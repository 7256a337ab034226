/* SPDX-License-Identifier: BSD-2-Clause */
/* config check|show|apply|save|diff */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/exit_codes.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "base/text.h"
#include "control/errors_json.h"
#include "control/method.h"
#include "ctl/command.h"
#include "ctl/show_explain.h"
#include "relay/survey.h"
#include "rules/file.h"
#include "rules/save.h"
#include "rules/write.h"

/* A configuration is read in parts of 64 KiB. No valid one is longer than this. */
#define MAX_TEXT (256U << 20)

/* Attempts to read a configuration while it changes. */
#define MAX_READINGS 5

/* ---- check ---- */

static void show_verdict(const struct screen *screen, const json_t *answer)
{
	long long rules = show_number(answer, "rules");

	if (!show_true(answer, "valid"))
		return;
	screen_print(screen, "valid, %lld rule%s\n", rules, rules == 1 ? "" : "s");
	if (json_object_get(answer, "findings"))
		show_findings(screen, answer);
}

struct findings {
	json_t *list;
	bool problem;
};

static void add_finding(void *context, const struct survey_finding *finding)
{
	struct findings *findings = context;

	findings->problem |= finding->problem;
	json_add(&findings->list,
		 json_pack("{s:s, s:s, s:o, s:o, s:o}", "severity",
			   finding->problem ? "problem" : "hint", "cause", finding->cause, "about",
			   json_text_string(finding->about), "text",
			   json_text_string(finding->text), "next",
			   finding->next ? json_text_string(finding->next) : json_null()));
}

/* What of a valid configuration could not run on this machine. 0 or an exit code. */
static int check_live(const struct config *config, json_t *answer)
{
	struct findings findings = {.list = json_array()};
	int err = survey(config, add_finding, &findings);

	if (!err && (!findings.list || json_object_set(answer, "findings", findings.list)))
		err = -ENOMEM;
	json_decref(findings.list);
	if (err)
		screen_print_to(stderr, "xmcastctl: the network cannot be queried: %s\n",
				strerror(-err));
	return err || findings.problem ? EXIT_REFUSED : 0;
}

/* The words are FILE and perhaps --live, in any order. NULL: they are not. */
static const char *parse_check(char **words, int count, bool *live)
{
	const char *path = NULL;

	*live = false;
	for (int i = 0; i < count; i++) {
		if (strcmp(words[i], "--live") == 0 || strcmp(words[i], "-live") == 0)
			*live = true;
		else if (path || (words[i][0] == '-' && words[i][1]))
			return NULL;
		else
			path = words[i];
	}
	return path;
}

/* Read a file and what is beside it. Unless -j is given, errors are printed. NULL: no memory, which
 * is printed. */
static struct errors *load(const struct ctl *ctl, const char *path, struct config *config,
			   bool *valid)
{
	struct errors *errors = calloc(1, sizeof(*errors));

	config_init(config);
	if (!errors) {
		ctl_no_memory();
		return NULL;
	}
	*valid = config_load_file(path, config, errors) == 0;
	if (!ctl->options.json)
		errors_print(errors, stderr);
	return errors;
}

/* What a check answers. */
static json_t *verdict_json(const struct config *config, bool valid, const struct errors *errors)
{
	json_t *answer = json_pack("{s:b, s:i, s:o}", "valid", valid, "rules",
				   (int)config->nr_rules, "errors", errors_list_json(errors));

	/* Only the first errors are kept. */
	if (answer && errors->count > errors->kept)
		json_object_set_new(answer, "more",
				    json_integer((json_int_t)(errors->count - errors->kept)));
	return answer;
}

static void free_errors(struct errors *errors)
{
	errors_free(errors);
	free(errors);
}

int verb_config_check(struct ctl *ctl, const struct command *command, char **words, int count)
{
	bool live, valid;
	const char *path = parse_check(words, count, &live);
	struct errors *errors;
	struct config config;
	int refused = 0;
	json_t *answer;
	int code;

	if (!path)
		return ctl_usage(command->usage, "expected one FILE");
	errors = load(ctl, path, &config, &valid);
	if (!errors)
		return EXIT_REFUSED;
	answer = verdict_json(&config, valid, errors);
	if (answer && valid && live)
		refused = check_live(&config, answer);
	code = ctl_show(ctl, answer, show_verdict);
	json_decref(answer);
	config_free(&config);
	free_errors(errors);
	if (!code && !valid)
		code = EXIT_REFUSED;
	return code ? code : refused;
}

/* ---- apply ---- */

/* "10m": a number of minutes, or with s, m, h. False: it is none, or not from 1 s to a day. */
static bool parse_time(const char *text, unsigned int *seconds)
{
	static const char units[] = "smh";
	static const unsigned int of_unit[] = {1, 60, 3600};
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : strchr(units, 'm');

	if (*text < '0' || *text > '9' || !unit || (*end && end[1]) || !number ||
	    number > CONTROL_CONFIRM_MOST)
		return false;
	number *= of_unit[unit - units];
	*seconds = (unsigned int)number;
	return number <= CONTROL_CONFIRM_MOST;
}

static int bad_time(const struct command *command, const char *word)
{
	return ctl_usage(command->usage,
			 "--confirm: \"%s\": expected a time from 1s to 24h, such as 10m", word);
}

/* FILE and perhaps --confirm TIME, in any order. 0 or an exit code. */
static int parse_apply(const struct command *command, char **words, int count, const char **path,
		       unsigned int *seconds)
{
	*path = NULL;
	*seconds = 0;
	for (int i = 0; i < count; i++) {
		if (strncmp(words[i], "--confirm=", 10) == 0) {
			if (!parse_time(words[i] + 10, seconds))
				return bad_time(command, words[i] + 10);
		} else if (strcmp(words[i], "--confirm") == 0 ||
			   strcmp(words[i], "-confirm") == 0) {
			if (++i == count || !parse_time(words[i], seconds))
				return bad_time(command, i < count ? words[i] : "");
		} else if (*path || words[i][0] == '-') {
			return ctl_usage(command->usage, "unexpected argument \"%s\"", words[i]);
		} else {
			*path = words[i];
		}
	}
	return *path ? 0 : ctl_usage(command->usage, "expected a FILE");
}

/* Whether it is the file that the daemon reads at its next start, whatever is confirmed. */
static bool is_daemons_own(const json_t *status, const char *path)
{
	struct stat a, b;

	return !stat(path, &a) && !stat(show_text(status, "file"), &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int refuse_own_file(struct ctl *ctl, const char *path)
{
	json_t *status;
	int code = ctl_call(ctl, "config.status", NULL, &status);

	if (!code && is_daemons_own(status, path)) {
		screen_print_to(
			stderr,
			"xmcastctl: %s is the daemon's own file: after a rollback a restart "
			"would read it all the same\n"
			"xmcastctl: edit a copy, apply the copy, and put it in place once it is "
			"confirmed\n",
			path);
		code = EXIT_REFUSED;
	}
	json_decref(status);
	return code;
}

/* The daemon gets the text, because it may not be able to read the file. */
static int apply(struct ctl *ctl, const char *path, const struct config *config,
		 unsigned int seconds)
{
	char *real = realpath(path, NULL);
	size_t length;
	char *text = config_write(config, &length);
	json_t *params =
		json_pack("{s:s, s:o, s:i}", "text", text ? text : "", "source",
			  json_text_string(real ? real : path), "confirm_seconds", (int)seconds);
	int code;

	if (text && params) {
		code = ctl_call_and_show(ctl, "config.apply", params, show_applied);
	} else {
		json_decref(params);
		code = ctl_no_memory();
	}
	free(text);
	free(real);
	return code;
}

int verb_config_apply(struct ctl *ctl, const struct command *command, char **words, int count)
{
	unsigned int seconds;
	struct errors *errors;
	struct config config;
	const char *path;
	bool valid;
	int code = parse_apply(command, words, count, &path, &seconds);

	if (code)
		return code;
	errors = load(ctl, path, &config, &valid);
	if (!errors)
		return EXIT_REFUSED;
	if (!valid) {
		json_t *answer = verdict_json(&config, valid, errors);

		code = ctl->options.json ? ctl_show(ctl, answer, show_nothing) : 0;
		json_decref(answer);
		code = code ? code : EXIT_REFUSED;
	} else if (seconds) {
		code = refuse_own_file(ctl, path);
	}
	if (!code)
		code = apply(ctl, path, &config, seconds);
	config_free(&config);
	free_errors(errors);
	return code;
}

/* ---- show ---- */

/* Read the configuration once, into `text`. 0 or an exit code; or -EAGAIN: it has changed
 * meanwhile. */
static int read_text(struct ctl *ctl, struct text *text, json_int_t *generation)
{
	json_int_t total = 0;
	int code = 0;

	do {
		json_t *answer;
		const json_t *part;
		size_t length;

		code = ctl_call(ctl, "config.show",
				json_pack("{s:I}", "offset", (json_int_t)text->length), &answer);
		if (code)
			break;
		part = json_object_get(answer, "text");
		length = json_string_length(part);
		if (!text->length) {
			total = show_number(answer, "total_bytes");
			*generation = show_number(answer, "generation");
		}
		if (!json_is_string(part) || total < 0 || total > MAX_TEXT ||
		    show_number(answer, "offset") != (json_int_t)text->length)
			code = ctl_no_answer(ctl, -EPROTO);
		else if (show_number(answer, "total_bytes") != total ||
			 show_number(answer, "generation") != *generation)
			code = -EAGAIN;
		else if (length > (size_t)total - text->length || (!length && total))
			code = ctl_no_answer(ctl, -EPROTO);
		else
			text_add_bytes(text, json_string_value(part), length);
		json_decref(answer);
		if (!code && text->failed)
			code = ctl_no_answer(ctl, -ENOMEM);
	} while (!code && text->length < (size_t)total);
	return code;
}

/* The whole configuration. 0, then the caller frees *text; otherwise an exit code. */
static int fetch_text(struct ctl *ctl, struct text *text, json_int_t *generation)
{
	int code = -EAGAIN;

	for (int i = 0; i < MAX_READINGS && code == -EAGAIN; i++) {
		*text = (struct text){0};
		code = read_text(ctl, text, generation);
		if (code)
			text_free(text);
	}
	if (code != -EAGAIN)
		return code;
	fprintf(stderr,
		"xmcastctl: the configuration changed during each of %d readings; try again\n",
		MAX_READINGS);
	return EXIT_REFUSED;
}

int verb_config_show(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_int_t generation;
	struct text text;
	int code = fetch_text(ctl, &text, &generation);
	json_t *json;

	if (code)
		return code;
	if (ctl->options.json) {
		json = json_pack("{s:I, s:s}", "generation", generation, "text", text.bytes);
		code = ctl_show(ctl, json, show_nothing);
		json_decref(json);
	} else {
		/* Unchanged for a file or a program, escaped for a terminal. */
		if (ctl->screen.terminal)
			screen_print(&ctl->screen, "%s", text.bytes);
		else
			fwrite(text.bytes, 1, text.length, stdout);
		code = ctl_flush();
	}
	text_free(&text);
	return code;
}

/* ---- save ---- */

/* What everybody may ask the daemon is nothing to hide. */
#define MODE_IF_NEW 0644

/* What is not confirmed must not reach the file that a restart reads after a rollback. */
static int refuse_unconfirmed(struct ctl *ctl, const char *path)
{
	json_t *status;
	int code = ctl_call(ctl, "config.status", NULL, &status);

	if (!code && json_object_get(status, "unconfirmed") && is_daemons_own(status, path)) {
		screen_print_to(stderr,
				"xmcastctl: %s is the daemon's own file, and %s waits to be "
				"confirmed: run `xmcastctl config confirm` or `config rollback` "
				"first\n",
				path, show_text(status, "unconfirmed"));
		code = EXIT_REFUSED;
	}
	json_decref(status);
	return code;
}

/* With a file, the client writes it, with the rights of its user; otherwise the daemon writes its
 * own file. */
int verb_config_save(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_int_t generation;
	struct text text;
	size_t length;
	json_t *answer;
	int code;
	int err;

	if (!count)
		return ctl_call_and_show(ctl, "config.save", NULL, show_saved);
	if (config_has_parts(words[0])) {
		screen_print_to(
			stderr,
			"xmcastctl: beside %s there is a directory of further files "
			"(conf.d), whose rules would then be in two files\n"
			"xmcastctl: save to another directory, or have the daemon save each "
			"rule where it is from: xmcastctl config save\n",
			words[0]);
		return EXIT_REFUSED;
	}
	code = refuse_unconfirmed(ctl, words[0]);
	if (!code)
		code = fetch_text(ctl, &text, &generation);
	if (code)
		return code;
	length = text.length;
	err = config_save_file(words[0], text.bytes, text.length, MODE_IF_NEW);
	text_free(&text);
	if (err) {
		screen_print_to(stderr, "xmcastctl: cannot write %s: %s\n", words[0],
				config_save_reason(err));
		return EXIT_REFUSED;
	}
	answer = json_pack("{s:o, s:I}", "path", json_text_string(words[0]), "bytes",
			   (json_int_t)length);
	code = ctl_show(ctl, answer, show_saved);
	json_decref(answer);
	return code;
}

/* ---- diff ---- */

static bool differs(const json_t *diff)
{
	static const char *const lists[] = {"added", "removed", "changed", "settings"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (json_array_size(json_object_get(diff, lists[i])))
			return true;
	}
	return false;
}

int verb_config_diff(struct ctl *ctl, const struct command *command, char **words, int count)
{
	bool wanted = count && strcmp(words[0], "--exit-code") == 0;
	json_t *answer;
	int code;

	if (count && !wanted)
		return ctl_usage(command->usage, "unexpected argument \"%s\"", words[0]);
	code = ctl_call(ctl, "config.diff", NULL, &answer);
	if (code)
		return code;
	code = ctl_show(ctl, answer, show_diff);
	if (!code && wanted && differs(answer))
		code = EXIT_REFUSED;
	json_decref(answer);
	return code;
}
