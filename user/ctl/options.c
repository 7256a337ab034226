/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/options.h"

#include <getopt.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* Options without a letter of their own. */
enum { OPTION_BRIEF = 256, OPTION_SOCKET };

static const struct {
	const char *name;
	int letter; /* or OPTION_* */
	int argument;
	const char *usage;
	const char *help;
} known[] = {
	{"json", 'j', no_argument, "-j, --json", "print JSON"},
	{"pretty", 'p', no_argument, "-p, --pretty", "indent the JSON"},
	{"stats", 's', no_argument, "-s, --stats", "more columns"},
	{"brief", OPTION_BRIEF, no_argument, "-br, --brief",
	 "only the essential columns, without headings"},
	{"color", 'c', optional_argument, "-c, --color[=always|auto|never]",
	 "colours; default: on a terminal, unless NO_COLOR is set"},
	{"batch", 'b', required_argument, "-b, --batch FILE",
	 "make the rule changes in FILE (\"-\": stdin), all or none"},
	{"socket", OPTION_SOCKET, required_argument, "--socket PATH",
	 "control socket of the daemon; default: $XMCAST_SOCKET if it is set,\n"
	 "                                  otherwise " CONTROL_DEFAULT_PATH},
	{"instance", 'I', required_argument, "-I, --instance NAME",
	 "control socket of the unit xmcastd@NAME"},
	{"version", 'V', no_argument, "-V, --version", "print the version of xmcastctl"},
	{"help", 'h', no_argument, "-h, --help", "print this help"},
};

#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

static const char *const colours[] = {
	[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never"};

/* NO_COLOR overrides "auto", whether that is the default or was given: https://no-color.org */
static enum colour_when automatic(void)
{
	const char *no_colour = getenv("NO_COLOR");

	return no_colour && *no_colour ? COLOUR_NEVER : COLOUR_AUTO;
}

/* NULL: -c alone, which means always, as with ip(8). */
static bool set_colour(struct ctl_options *options, const char *value)
{
	for (int i = COLOUR_AUTO; i <= COLOUR_NEVER; i++) {
		if (strcmp(value ? value : "always", colours[i]) == 0) {
			options->colour = i == COLOUR_AUTO ? automatic() : (enum colour_when)i;
			return true;
		}
	}
	return false;
}

/* NULL, or what is wrong. */
static const char *set(struct ctl_options *options, int letter, char *value, const char *word)
{
	switch (letter) {
	case 'j':
		options->json = true;
		return NULL;
	case 'p':
		options->pretty = true;
		return NULL;
	case 's':
		options->stats = true;
		return NULL;
	case OPTION_BRIEF:
		options->brief = true;
		return NULL;
	case 'c':
		return set_colour(options, value) ? NULL : "expected always, auto or never in";
	case 'b':
		options->batch = value;
		return NULL;
	case OPTION_SOCKET:
		options->socket = value;
		return NULL;
	case 'I':
		options->socket = options->instance;
		return control_instance_path(value, options->instance)
			       ? "not the NAME of a unit xmcastd@NAME:"
			       : NULL;
	case 'V':
		options->version = true;
		return NULL;
	case 'h':
		options->help = true;
		return NULL;
	case ':':
		return "no value after";
	default:
		return optopt && strchr(word, '=') ? "this option accepts no value:"
						   : "unknown or ambiguous option";
	}
}

/* The index of the word that getopt() parses next. */
static int next_option(int argc, char **argv)
{
	int at = optind ? optind : 1;

	while (at < argc - 1 && (argv[at][0] != '-' || !argv[at][1]))
		at++;
	return at;
}

struct ctl_options_result ctl_options_parse(struct ctl_options *options, int argc, char **argv,
					    bool anywhere)
{
	struct option table[NR_KNOWN + 1] = {0};
	struct ctl_options_result result = {0};

	*options = (struct ctl_options){
		.socket = control_default_path(),
		.colour = automatic(),
	};
	for (size_t i = 0; i < NR_KNOWN; i++)
		table[i] = (struct option){known[i].name, known[i].argument, NULL, known[i].letter};
	opterr = 0;
	optind = 0; /* start again, also after an earlier call */
	while (!result.problem) {
		int letter;

		/* '+' stops at the first word that is no option. The letter c has no value: "-cs"
		 * is -c and -s. */
		result.word = argv[next_option(argc, argv)];
		letter = getopt_long_only(argc, argv, anywhere ? ":jpscb:I:Vh" : "+:jpscb:I:Vh",
					  table, NULL);
		if (letter == -1)
			break;
		result.problem = set(options, letter, optarg, result.word);
		if (result.problem && letter == 'I')
			result.word = optarg;
		result.needs_value = letter == ':';
		result.needs_instance = letter == ':' && optopt == 'I';
	}
	result.first = optind;
	return result;
}

void ctl_options_help(FILE *stream)
{
	for (size_t i = 0; i < NR_KNOWN; i++)
		fprintf(stream, "  %-31s %s\n", known[i].usage, known[i].help);
}

void ctl_options_complete_instance(const char *word, FILE *stream)
{
	size_t before = strcspn(CONTROL_INSTANCES, "*");
	size_t after = strlen(CONTROL_INSTANCES) - before - 1;
	glob_t found;

	if (glob(CONTROL_INSTANCES, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			const char *name = found.gl_pathv[i] + before;
			int length = (int)(strlen(name) - after);

			if (strncmp(name, word, strlen(word)) == 0)
				fprintf(stream, "%.*s\n", length, name);
		}
	}
	globfree(&found);
}

void ctl_options_complete(const char *word, FILE *stream)
{
	const char *name = word + (strncmp(word, "--", 2) == 0 ? 2 : 1);
	char whole[64];

	for (size_t i = 0; i < NR_KNOWN; i++) {
		if (strncmp(known[i].name, name, strlen(name)) == 0)
			fprintf(stream, "--%s\n", known[i].name);
	}
	for (int i = COLOUR_AUTO; i <= COLOUR_NEVER; i++) {
		snprintf(whole, sizeof(whole), "color=%s", colours[i]);
		if (strncmp(whole, name, strlen(name)) == 0)
			fprintf(stream, "--%s\n", whole);
	}
}
