/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/complete.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "base/log.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "rules/protocol.h"
#include "rules/rule.h"

/* A user has pressed a key and waits. */
#define TIMEOUT_MS 1000

/* Of 500 names: more than anybody reads. */
#define MAX_PAGES 20

static void candidate(const char *text, const char *word)
{
	if (strncmp(text, word, strlen(word)) == 0)
		puts(text);
}

/* Candidates "PREFIX" + name of the objects in a list of an answer. A name that has to be escaped
 * is not offered: the shell would take its escaped form. */
static void names(const json_t *list, const char *prefix, const char *word)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));
		char *escaped = name ? screen_escape(name, "") : NULL;
		char *whole = name ? text_format("%s%s", prefix, name) : NULL;

		if (escaped && whole && strcmp(escaped, name) == 0)
			candidate(whole, word);
		free(escaped);
		free(whole);
	}
}

/* NULL: no answer. Nothing is printed: then there is just nothing to complete. */
static json_t *ask(struct ctl *ctl, const char *method, json_t *params)
{
	json_t *answer = NULL;
	int err = ctl->client ? 0 : control_client_open(&ctl->client, ctl->options.socket);

	if (!err) {
		control_client_timeout(ctl->client, TIMEOUT_MS);
		err = control_client_call(ctl->client, method, params, &answer);
	}
	json_decref(params);
	if (!err)
		return answer;
	json_decref(answer);
	control_client_close(ctl->client);
	ctl->client = NULL;
	return NULL;
}

static void rule_names(struct ctl *ctl, const char *word)
{
	json_int_t offset = 0;
	json_int_t total = 1;

	for (int i = 0; i < MAX_PAGES && offset < total; i++) {
		json_t *page = ask(ctl, "rule.list",
				   json_pack("{s:I, s:i}", "offset", offset, "limit", 500));
		const json_t *rules = json_object_get(page, "rules");

		names(rules, "", word);
		offset += (json_int_t)json_array_size(rules);
		total = json_array_size(rules) ? show_number(page, "total") : 0;
		json_decref(page);
	}
}

static void interface_names(struct ctl *ctl, const char *prefix, const char *word)
{
	json_t *answer = ask(ctl, "iface.list", NULL);

	names(json_object_get(answer, "interfaces"), prefix, word);
	json_decref(answer);
}

/* ---- inside a rule ---- */

/* The words in "on|off|N". */
static void choices_of_form(const char *form, size_t length, const char *word)
{
	while (length) {
		size_t part = strcspn(form, "| ]");
		char *text;

		part = part < length ? part : length;
		text = *form >= 'a' && *form <= 'z' ? text_format("%.*s", (int)part, form) : NULL;
		if (text)
			candidate(text, word);
		free(text);
		part += part < length;
		form += part;
		length -= part;
	}
}

/* What follows "gso" and the like. */
static void option_values(const struct field *option, const char *word)
{
	char form[FIELD_TEXT_SIZE];

	for (const struct choice *choice = option->choices;
	     choice && choice->name && option->type != FIELD_UNITS; choice++)
		candidate(choice->name, word);
	field_form(option, form);
	if (!option->choices || option->type == FIELD_UNITS)
		choices_of_form(form, strlen(form), word);
}

/* "GROUP/", a name of /etc/protocols that may stand there, "@" and an interface. */
static void protocol_names(struct ctl *ctl, const char *word, int group_length)
{
	json_t *answer = ask(ctl, "iface.list", NULL);
	const struct protoent *entry;

	setprotoent(0);
	while ((entry = getprotoent())) {
		struct word name = {.text = entry->p_name, .length = strlen(entry->p_name)};
		struct errors ignored = {0};
		uint8_t protocol;

		if (protocol_parse(&name, &protocol, &ignored)) {
			char *prefix = text_format("%.*s/%s@", group_length, word, entry->p_name);

			if (prefix)
				names(json_object_get(answer, "interfaces"), prefix, word);
			free(prefix);
		}
		errors_free(&ignored);
	}
	endprotoent();
	json_decref(answer);
}

/* What a word with an interface in it may become: names after '@', after the "GROUP:" of an input
 * `any`, the only port that is a word, and after its "GROUP/" IP protocols. */
static void endpoint(struct ctl *ctl, const char *word, bool is_input)
{
	const char *at = strchr(word, '@');
	const char *bracket = strrchr(word, ']');
	const char *colon = strrchr(bracket ? bracket : word, ':');
	const char *slash = strchr(bracket ? bracket : word, '/');
	char *prefix = NULL;

	if (at)
		prefix = text_format("%.*s@", (int)(at - word), word);
	else if (is_input && slash && !colon)
		protocol_names(ctl, word, (int)(slash - word));
	else if (is_input && colon && (*word != '[' || bracket))
		prefix = text_format("%.*s:any@", (int)(colon - word), word);
	if (prefix)
		interface_names(ctl, prefix, word);
	free(prefix);
}

static void options(const struct field *option, const char *word)
{
	for (; option->name; option++)
		candidate(option->name, word);
}

/* What may begin here: `in`, then options of the rule and `out`, then options of an output. */
static void clauses(char **words, int count, const char *word)
{
	bool seen_in = false, seen_out = false;

	for (int i = 0; i < count - 1; i++) {
		seen_in |= strcmp(words[i], "in") == 0;
		seen_out |= seen_in && strcmp(words[i], "out") == 0;
	}
	candidate(seen_in ? "out" : "in", word);
	if (seen_out)
		options(output_options, word);
	else if (seen_in)
		options(rule_options, word);
}

static void rule_text(struct ctl *ctl, const struct command *command, char **words, int count)
{
	const char *word = words[count - 1];
	const char *before = count > 1 ? words[count - 2] : "";
	const struct field *option = field_find(rule_options, before);

	if (!option)
		option = field_find(output_options, before);
	if (strchr(word, '@') || strcmp(before, "in") == 0 || strcmp(before, "out") == 0) {
		endpoint(ctl, word, strcmp(before, "in") == 0);
	} else if (option && option->type != FIELD_SWITCH) {
		option_values(option, word);
	} else {
		clauses(words, count, word);
		if (count == 1 && strcmp(command->name, "replace") == 0)
			rule_names(ctl, word);
	}
}

/* "rule set NAME [out DEST] OPTION VALUE ...": options and values alternate. */
static void rule_settings(struct ctl *ctl, char **words, int count)
{
	const char *word = words[count - 1];
	const char *before = count > 1 ? words[count - 2] : "";
	const struct field *option = field_find(rule_options, before);

	if (!option)
		option = field_find(output_options, before);
	if (count == 1) {
		rule_names(ctl, word);
	} else if (count % 2 == 0) {
		candidate("out", word);
		options(rule_options, word);
		options(output_options, word);
	} else if (option) {
		option_values(option, word);
	}
}

/* ---- commands ---- */

static void command_names(const struct command *list, const char *word)
{
	for (; list->name; list++)
		candidate(list->name, word);
}

static void log_words(const char *word, int count)
{
	for (int i = 0; count == 1 && i < LOG_FACILITIES; i++)
		candidate(log_facility_name((enum log_facility)i), word);
	for (int i = 0; count == 2 && i < LOG_LEVELS; i++)
		candidate(log_level_name((enum log_level)i), word);
	if (count == 1)
		candidate("all", word);
}

static void lease_words(struct ctl *ctl, const char *word, int count)
{
	static const char *const behind[] = {"for", "10s"};
	json_t *answer = NULL;
	const json_t *lease;
	size_t i;

	if (count > 1) {
		candidate(behind[count > 2], word);
		return;
	}
	if (ctl_fetch(ctl, "lease.list", "leases", &answer))
		return;
	/* Each name once: its shards follow each other. */
	json_array_foreach(json_object_get(answer, "leases"), i, lease)
	{
		const char *name = json_string_value(json_object_get(lease, "name"));

		if (name && !json_integer_value(json_object_get(lease, "shard")))
			candidate(name, word);
	}
	json_decref(answer);
}

/* Options of a command itself, as its usage has them: "[-b] [-d SECONDS]". */
static void own_options(const char *usage, const char *word)
{
	while ((usage = strstr(usage, "[-"))) {
		size_t length = strcspn(++usage, " ]");

		if (strncmp(usage, word, strlen(word)) == 0)
			printf("%.*s\n", (int)length, usage);
	}
}

/* The values of an option of the command: "[-o name|pps]". False: it has none to choose from. */
static bool own_values(const char *usage, const char *option, const char *word)
{
	size_t length = strlen(option);

	while (*option == '-' && (usage = strstr(usage, "[-"))) {
		usage++;
		if (strncmp(usage, option, length) == 0 && usage[length] == ' ') {
			usage += length + 1;
			choices_of_form(usage, strcspn(usage, " ]"), word);
			return true;
		}
	}
	return false;
}

/* RULE or IFACE, and behind it the words of a filter; options anywhere. */
static void capture_words(struct ctl *ctl, const struct command *command, char **words, int count)
{
	static const char *const filter[] = {"src", "dst", "host", "port", "len",
					     "in",  "out", "not",  "and"};
	const char *word = words[count - 1];

	if (count > 1 && strcmp(words[count - 2], "-w") == 0) {
		puts("<file>");
	} else if (*word == '-') {
		own_options(command->usage, word);
	} else if (count == 1) {
		rule_names(ctl, word);
		interface_names(ctl, "", word);
	} else {
		for (size_t i = 0; i < sizeof(filter) / sizeof(filter[0]); i++)
			candidate(filter[i], word);
	}
}

static void arguments(struct ctl *ctl, const struct command *command, char **words, int count)
{
	const char *word = words[count - 1];
	const struct command *object;

	if (command->most >= 0 && count > command->most)
		return;
	switch (command->arguments) {
	case ARGUMENTS_NONE:
		break;
	case ARGUMENTS_RULE_NAMES:
		rule_names(ctl, word);
		break;
	case ARGUMENTS_INTERFACE:
		interface_names(ctl, "", word);
		break;
	case ARGUMENTS_RULE_TEXT:
		rule_text(ctl, command, words, count);
		break;
	case ARGUMENTS_RULE_SET:
		rule_settings(ctl, words, count);
		break;
	case ARGUMENTS_FILE:
		puts("<file>");
		break;
	case ARGUMENTS_LOG:
		log_words(word, count);
		break;
	case ARGUMENTS_LEASE:
		lease_words(ctl, word, count);
		break;
	case ARGUMENTS_OPTIONS_FILE:
		if (*word == '-')
			own_options(command->usage, word);
		else if (count < 2 || strcmp(words[count - 2], "--confirm") != 0)
			puts("<file>");
		break;
	case ARGUMENTS_OPTIONS:
		if (count > 1 && strcmp(words[count - 2], "--exec") == 0)
			puts("<file>");
		else if (count < 2 || !own_values(command->usage, words[count - 2], word))
			own_options(command->usage, word);
		break;
	case ARGUMENTS_CAPTURE:
		capture_words(ctl, command, words, count);
		break;
	case ARGUMENTS_EXPLAIN:
		if (count > 1 && strcmp(words[0], "--pcap") == 0) {
			if (count == 2)
				puts("<file>");
			else if (count == 3)
				interface_names(ctl, "", word);
			break;
		}
		own_options(command->usage, word);
		rule_names(ctl, word);
		break;
	case ARGUMENTS_COMMAND:
		object = count > 1 ? command_find(ctl_objects, words[0], NULL) : NULL;
		if (count == 1)
			command_names(ctl_objects, word);
		else if (object && object->verbs)
			command_names(object->verbs, word);
		break;
	}
}

/* What follows the options. */
static void words_of_command(struct ctl *ctl, char **words, int count)
{
	const struct command *command =
		count > 1 ? command_find(ctl_objects, words[0], NULL) : NULL;
	int used = 1;

	if (count == 1) {
		command_names(ctl_objects, words[0]);
		return;
	}
	if (command && command->verbs && count == 2) {
		command_names(command->verbs, words[1]);
		candidate("help", words[1]);
		return;
	}
	if (command && command->verbs) {
		command = command_find(command->verbs, words[1], NULL);
		used = 2;
	}
	if (command)
		arguments(ctl, command, words + used, count - used);
}

int complete_run(struct ctl *ctl, char **words, int count)
{
	struct ctl_options_result parsed;
	int first;

	if (!count)
		return EXIT_DONE;
	/* All but the last word, which is being typed. */
	parsed = ctl_options_parse(&ctl->options, count, words - 1, false);
	first = parsed.first - 1;
	if (parsed.needs_instance && first == count - 1)
		ctl_options_complete_instance(words[first], stdout);
	else if (parsed.needs_value && first == count - 1)
		puts("<file>");
	else if (!parsed.problem && first == count - 1 && words[first][0] == '-')
		ctl_options_complete(words[first], stdout);
	else if (!parsed.problem)
		words_of_command(ctl, words + first, count - first);
	return ctl_flush();
}
