/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/options.h"

#include <stdlib.h>
#include <string.h>

#include "control/server.h"
#include "ctl/screen.h"

enum option_id {
	OPTION_JSON,
	OPTION_PRETTY,
	OPTION_STATS,
	OPTION_BRIEF,
	OPTION_COLOUR,
	OPTION_BATCH,
	OPTION_SOCKET,
	OPTION_VERSION,
	OPTION_HELP,
};

struct option {
	enum option_id id;
	const char *name;
	const char *least; /* shortest form that means it */
	bool value;	   /* takes one, behind "=" or as the next word */
	const char *usage;
	const char *help;
};

static const struct option options_known[] = {
	{OPTION_JSON, "json", "j", false, "-j, --json", "answer in JSON"},
	{OPTION_PRETTY, "pretty", "p", false, "-p, --pretty", "indent the JSON"},
	{OPTION_STATS, "stats", "s", false, "-s, --stats", "more columns"},
	{OPTION_BRIEF, "brief", "br", false, "-br, --brief",
	 "the essential columns, without headings"},
	{OPTION_COLOUR, "color", "c", false, "-c, --color[=always|auto|never]",
	 "colours: by default on a terminal, if NO_COLOR is not set"},
	{OPTION_BATCH, "batch", "b", true, "-b, --batch FILE",
	 "rule changes from a file (\"-\": stdin), all or nothing"},
	{OPTION_SOCKET, "socket", "so", true, "--socket PATH",
	 "control socket of the daemon (default $XMCAST_SOCKET, else\n"
	 "                                  " CONTROL_DEFAULT_PATH ")"},
	{OPTION_VERSION, "version", "V", false, "-V, --version", "the version of xmcastctl"},
	{OPTION_HELP, "help", "h", false, "-h, --help", "this text"},
};

#define NR_OPTIONS (sizeof(options_known) / sizeof(options_known[0]))

/* The option that [name, name+length) means. `least` of "version" is a capital, as in ip(8). */
static const struct option *find(const char *name, size_t length)
{
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		const struct option *option = &options_known[i];
		size_t least = strlen(option->least);

		if (length == least && strncmp(name, option->least, length) == 0)
			return option;
		if (length > least && length <= strlen(option->name) &&
		    strncmp(name, option->name, length) == 0)
			return option;
	}
	return NULL;
}

static int wrong(const char *what, const char *word)
{
	screen_print_to(stderr, "xmcastctl: %s \"%s\"; see xmcastctl --help\n", what, word);
	return -1;
}

/* NO_COLOR is about what "auto" comes to, asked for or not: https://no-color.org */
static enum colour_when automatic(void)
{
	const char *no_colour = getenv("NO_COLOR");

	return no_colour && *no_colour ? COLOUR_NEVER : COLOUR_AUTO;
}

static int set_colour(struct ctl_options *options, const char *value)
{
	static const char *const names[] = {
		[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never"};

	if (!value) {
		options->colour = COLOUR_ALWAYS; /* as ip(8) takes it */
		return 0;
	}
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			options->colour = i == COLOUR_AUTO ? automatic() : (enum colour_when)i;
			return 0;
		}
	}
	return wrong("expected always, auto or never instead of", value);
}

static int set(struct ctl_options *options, const struct option *option, const char *value)
{
	switch (option->id) {
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_PRETTY:
		options->pretty = true;
		break;
	case OPTION_STATS:
		options->stats = true;
		break;
	case OPTION_BRIEF:
		options->brief = true;
		break;
	case OPTION_COLOUR:
		return set_colour(options, value);
	case OPTION_BATCH:
		options->batch = value;
		break;
	case OPTION_SOCKET:
		options->socket = value;
		break;
	case OPTION_VERSION:
		options->version = true;
		break;
	case OPTION_HELP:
		options->help = true;
		break;
	}
	return 0;
}

/* "-jp": letters that are options by themselves. */
static int set_letters(struct ctl_options *options, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const struct option *option = find(letter, 1);

		if (!option || option->value)
			return wrong("unknown option", word);
		if (set(options, option, NULL))
			return -1;
	}
	return 0;
}

static int parse_one(struct ctl_options *options, const char *word, const char *next)
{
	const char *name = word + (strncmp(word, "--", 2) == 0 ? 2 : 1);
	const char *equals = strchr(name, '=');
	const struct option *option = find(name, equals ? (size_t)(equals - name) : strlen(name));

	if (!option)
		return word[1] == '-' || equals ? wrong("unknown option", word)
						: set_letters(options, word);
	if (!option->value && equals && option->id != OPTION_COLOUR)
		return wrong("this option takes no value:", word);
	if (!option->value || equals)
		return set(options, option, equals ? equals + 1 : NULL);
	if (!next)
		return wrong("an argument is missing after", word);
	return set(options, option, next) ? -1 : 1;
}

int ctl_options_parse(struct ctl_options *options, int argc, char **argv)
{
	const char *socket = getenv("XMCAST_SOCKET");
	int index = 1;

	*options = (struct ctl_options){
		.socket = socket && *socket ? socket : CONTROL_DEFAULT_PATH,
		.colour = automatic(),
	};
	while (index < argc && argv[index][0] == '-' && argv[index][1]) {
		int taken;

		if (strcmp(argv[index], "--") == 0)
			return index + 1;
		taken = parse_one(options, argv[index], index + 1 < argc ? argv[index + 1] : NULL);
		if (taken < 0)
			return -1;
		index += 1 + taken;
	}
	return index;
}

void ctl_options_help(FILE *stream)
{
	for (size_t i = 0; i < NR_OPTIONS; i++)
		fprintf(stream, "  %-31s %s\n", options_known[i].usage, options_known[i].help);
}

void ctl_options_complete(const char *word, FILE *stream)
{
	static const char *const extra[] = {"--color=always", "--color=auto", "--color=never"};
	const char *name = word + (strncmp(word, "--", 2) == 0 ? 2 : 1);

	for (size_t i = 0; i < NR_OPTIONS; i++) {
		if (strncmp(options_known[i].name, name, strlen(name)) == 0)
			fprintf(stream, "--%s\n", options_known[i].name);
	}
	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++) {
		if (strncmp(extra[i] + 2, name, strlen(name)) == 0)
			fprintf(stream, "%s\n", extra[i]);
	}
}

bool ctl_options_takes_next(const char *word)
{
	const char *name = word + (strncmp(word, "--", 2) == 0 ? 2 : 1);
	const struct option *option =
		word[0] == '-' && word[1] && !strchr(name, '=') ? find(name, strlen(name)) : NULL;

	return option && option->value;
}
