/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastctl: asks a running xmcastd. Grammar in the style of iproute2: OBJECT VERB, which may be
 * shortened. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "base/streams.h"
#include "base/version.h"
#include "ctl/batch.h"
#include "ctl/command.h"
#include "ctl/complete.h"

static bool wants_colour(const struct ctl *ctl)
{
	const char *term = getenv("TERM");

	if (ctl->options.json || ctl->options.colour == COLOUR_NEVER)
		return false;
	if (ctl->options.colour == COLOUR_ALWAYS)
		return true;
	return ctl->screen.terminal && term && *term && strcmp(term, "dumb") != 0;
}

static int run(struct ctl *ctl, char **words, int count)
{
	if (ctl->options.version) {
		printf("xmcastctl %s\n", xmc_version);
		return ctl_flush();
	}
	if (ctl->options.help)
		return verb_help(ctl, NULL, words, count > 2 ? 2 : count);
	if (ctl->options.batch && count)
		return ctl_usage("-batch FILE", "unexpected argument \"%s\"", words[0]);
	if (ctl->options.batch)
		return batch_run(ctl);
	if (!count) {
		command_help(stderr, NULL, 0);
		return EXIT_USAGE;
	}
	/* For the shell, not for people: in no help. */
	if (strcmp(words[0], "complete") == 0)
		return complete_run(ctl, words + 1, count - 1);
	return command_run(ctl, words, count);
}

static void print_problem(const struct ctl_options_result *parsed)
{
	const char *word = parsed->word + strspn(parsed->word, "-");
	const struct command *object = command_find(ctl_objects, word, NULL);

	screen_print_to(stderr, "xmcastctl: %s \"%s\"", parsed->problem, parsed->word);
	if (object && strcmp(object->name, word) == 0)
		fprintf(stderr, "; did you mean `%s`?\n", word);
	else
		fputs("; see xmcastctl --help\n", stderr);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.errors = stderr};
	struct ctl_options_result parsed;
	int code;

	streams_reserve();
	setlocale(LC_CTYPE, ""); /* which characters the terminal can show */
	parsed = ctl_options_parse(&ctl.options, argc, argv, false);
	/* Options may also follow the object, unless the command has some itself. */
	if (!parsed.problem && parsed.first < argc && strcmp(argv[parsed.first], "complete") != 0) {
		int mixed = command_mixed_words(argv + parsed.first, argc - parsed.first);

		parsed = ctl_options_parse(&ctl.options, parsed.first + mixed, argv, true);
	}
	if (parsed.problem) {
		print_problem(&parsed);
		return EXIT_USAGE;
	}
	screen_init(&ctl.screen);
	ctl.screen.colour = wants_colour(&ctl);
	ctl.screen.brief = ctl.options.brief;
	ctl.screen.stats = ctl.options.stats;
	code = run(&ctl, argv + parsed.first, argc - parsed.first);
	control_client_close(ctl.client);
	return code;
}
