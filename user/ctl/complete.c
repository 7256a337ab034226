/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/complete.h"

#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/show.h"

/* Somebody has pressed a key and waits. */
#define PATIENCE_MS 1000

/* More candidates than anybody reads; a shell that is given 10,000 asks whether to show them. */
#define MAX_PAGES 20

static void candidate(const char *text, const char *word)
{
	if (text && strncmp(text, word, strlen(word)) == 0)
		puts(text);
}

static void candidates(const char *const *texts, const char *word)
{
	for (; *texts; texts++)
		candidate(*texts, word);
}

/* ---- live names ---- */

/* Without a word on stderr: nothing is wrong with completing nothing. NULL: no answer. */
static json_t *ask(struct ctl *ctl, const char *method, json_t *params)
{
	json_t *answer = NULL;
	int err = ctl->client ? 0 : control_client_open(&ctl->client, ctl->options.socket);

	if (!err) {
		control_client_timeout(ctl->client, PATIENCE_MS);
		err = control_client_call(ctl->client, method, params, &answer);
	}
	json_decref(params);
	if (err && ctl->client) {
		control_client_close(ctl->client);
		ctl->client = NULL;
	}
	if (!err)
		return answer;
	json_decref(answer);
	return NULL;
}

/* A name that could steer the terminal is not offered. */
static void live_candidate(const char *prefix, const json_t *item, const char *word)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	char *escaped = name ? screen_escape(name, "") : NULL;
	char *whole = NULL;

	if (escaped && strcmp(escaped, name) == 0 && asprintf(&whole, "%s%s", prefix, name) >= 0) {
		candidate(whole, word);
		free(whole);
	}
	free(escaped);
}

static void rule_names(struct ctl *ctl, const char *word)
{
	json_int_t offset = 0;
	json_int_t total = 1;

	for (int i = 0; i < MAX_PAGES && offset < total; i++) {
		json_t *page = ask(ctl, "rule.list",
				   json_pack("{s:I, s:i}", "offset", offset, "limit", 500));
		const json_t *rules = json_object_get(page, "rules");
		const json_t *rule;
		size_t j;

		json_array_foreach(rules, j, rule) live_candidate("", rule, word);
		offset += (json_int_t)json_array_size(rules);
		total = json_array_size(rules) ? show_number(page, "total") : 0;
		json_decref(page);
	}
}

/* Names of interfaces behind this prefix. */
static void interface_names(struct ctl *ctl, const char *prefix, const char *word)
{
	json_t *answer = ask(ctl, "iface.list", NULL);
	const json_t *iface;
	size_t i;

	json_array_foreach(json_object_get(answer, "interfaces"), i, iface)
		live_candidate(prefix, iface, word);
	json_decref(answer);
}

/* ---- words ---- */

static void objects(const char *word)
{
	for (const struct object *object = ctl_objects; object->name; object++)
		candidate(object->name, word);
}

static void verbs(const struct object *object, const char *word)
{
	for (const struct verb *verb = object->verbs; verb->name && *verb->name; verb++)
		candidate(verb->name, word);
	candidate("help", word);
}

static bool is_among(const char *const *texts, const char *word)
{
	while (*texts && strcmp(*texts, word) != 0)
		texts++;
	return *texts;
}

/* Behind "GROUP:" of an input: `any`, the only port that is a word, with an interface. */
static void any_port(struct ctl *ctl, const char *word)
{
	const char *bracket = strrchr(word, ']');
	const char *colon = strrchr(bracket ? bracket : word, ':');
	char *prefix;

	/* No port before the address is closed. */
	if (!colon || (*word == '[' && !bracket))
		return;
	if (asprintf(&prefix, "%.*s:any@", (int)(colon - word), word) >= 0) {
		interface_names(ctl, prefix, word);
		free(prefix);
	}
}

/* Inside a rule: an interface behind '@', a name where a rule begins, else the words of the
 * grammar. */
static void rule_text(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	static const char *const keywords[] = {"in",   "source", "disabled", "may_loop",
					       "out",  "ttl",	 "dscp",     "gso",
					       "rate", "pps",	 "burst",    NULL};
	static const char *const before_values[] = {"in",   "out", "source", "ttl", "dscp",
						    "rate", "pps", "burst",  NULL};
	static const char *const gso[] = {"on", "off", NULL};
	const char *word = words[count - 1];
	const char *before = count > 1 ? words[count - 2] : "";
	const char *at = strchr(word, '@');
	char *prefix;

	if (at) {
		prefix = strndup(word, (size_t)(at - word) + 1);
		if (prefix)
			interface_names(ctl, prefix, word);
		free(prefix);
	} else if (strcmp(before, "gso") == 0) {
		candidates(gso, word);
	} else if (strcmp(before, "in") == 0) {
		any_port(ctl, word);
	} else if (!is_among(before_values, before)) {
		candidates(keywords, word);
		if (count == 1 && strcmp(verb->name, "replace") == 0)
			rule_names(ctl, word);
	}
}

static void log_words(const char *word, int count)
{
	if (count == 1) {
		for (int i = 0; i < LOG_FACILITIES; i++)
			candidate(log_facility_name((enum log_facility)i), word);
		candidate("all", word);
	} else if (count == 2) {
		for (int i = 0; i < LOG_LEVELS; i++)
			candidate(log_level_name((enum log_level)i), word);
	}
}

static void command_words(char **words, int count)
{
	const struct object *object = count > 1 ? object_find(words[0], NULL) : NULL;

	if (count == 1)
		objects(words[0]);
	else if (count == 2 && object)
		verbs(object, words[1]);
}

static void arguments(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	static const char *const top[] = {"-b", "-d", "-n", "-o", NULL};
	static const char *const monitor[] = {"--exec", "--timeout", NULL};
	const char *word = words[count - 1];

	if (verb->most >= 0 && count > verb->most && verb->words != WORDS_TOP)
		return;
	switch (verb->words) {
	case WORDS_NONE:
		break;
	case WORDS_RULE_NAMES:
		rule_names(ctl, word);
		break;
	case WORDS_INTERFACE:
		interface_names(ctl, "", word);
		break;
	case WORDS_RULE_TEXT:
		rule_text(ctl, verb, words, count);
		break;
	case WORDS_FILE:
		puts("<file>");
		break;
	case WORDS_LOG:
		log_words(word, count);
		break;
	case WORDS_TOP:
		candidates(top, word);
		break;
	case WORDS_MONITOR:
		if (count > 1 && strcmp(words[count - 2], "--exec") == 0)
			puts("<file>");
		else
			candidates(monitor, word);
		break;
	case WORDS_COMMAND:
		command_words(words, count);
		break;
	}
}

/* Behind the options. */
static void command(struct ctl *ctl, char **words, int count)
{
	const struct object *object;
	const struct verb *verb;
	int used = 1;

	if (count == 1) {
		objects(words[0]);
		return;
	}
	object = object_find(words[0], NULL);
	if (!object)
		return;
	verb = object->verbs;
	if (*verb->name) {
		if (count == 2) {
			verbs(object, words[1]);
			return;
		}
		verb = verb_find(object, words[1], NULL);
		used = 2;
	}
	if (verb)
		arguments(ctl, verb, words + used, count - used);
}

int complete_run(struct ctl *ctl, char **words, int count)
{
	int first = 0;

	if (!count)
		return EXIT_DONE;
	/* All but the last word are as they will be. */
	while (first < count - 1 && words[first][0] == '-' && words[first][1]) {
		bool value = ctl_options_takes_next(words[first]);

		if (value && first + 1 == count - 1) {
			puts("<file>");
			return EXIT_DONE;
		}
		if (value && strncmp(words[first] + strspn(words[first], "-"), "so", 2) == 0)
			ctl->options.socket = words[first + 1];
		else if (strncmp(words[first], "--socket=", 9) == 0)
			ctl->options.socket = words[first] + 9;
		first += 1 + value;
	}
	if (words[first][0] == '-')
		ctl_options_complete(words[first], stdout);
	else
		command(ctl, words + first, count - first);
	return ctl_flush();
}
