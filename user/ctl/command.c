/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/command.h"

#include <string.h>

#include "base/exit_codes.h"
#include "steering/pins.h"

#define RULE_WORDS                                                                                 \
	"[NAME] in GROUP:(PORT|any)@IFACE [source ADDR[/BITS]] [disabled] [may_loop]\n"            \
	"           out DEST[:PORT][@IFACE] [ttl N] [dscp N|NAME] [gso on|off|N]\n"                \
	"           [rate N(bit|kbit|mbit|gbit)] [pps N] [burst N(ms|s)] [out ...]"

static const struct verb rule_verbs[] = {
	{"list", "ls", "rule list [PATTERN]",
	 "rules with their states and rates; PATTERN as in a shell", 0, 1, WORDS_RULE_NAMES,
	 verb_rule_list},
	{"show", NULL, "rule show NAME", "one rule: counters, rates, latency, outputs", 1, 1,
	 WORDS_RULE_NAMES, verb_rule_show},
	{"add", NULL, "rule add " RULE_WORDS, "a new rule", 1, -1, WORDS_RULE_TEXT, verb_rule_text},
	{"del", "delete", "rule del NAME [NAME ...]", "remove rules", 1, -1, WORDS_RULE_NAMES,
	 verb_rule_names},
	{"replace", NULL, "rule replace " RULE_WORDS,
	 "a rule that exists is what the words say from now on", 1, -1, WORDS_RULE_TEXT,
	 verb_rule_text},
	{"enable", NULL, "rule enable NAME [NAME ...]", "put rules to work again", 1, -1,
	 WORDS_RULE_NAMES, verb_rule_names},
	{"disable", NULL, "rule disable NAME [NAME ...]", "keep rules, without relaying", 1, -1,
	 WORDS_RULE_NAMES, verb_rule_names},
	{},
};

static const struct verb config_verbs[] = {
	{"show", NULL, "config show", "the configuration that runs, as YAML", 0, 0, WORDS_NONE,
	 verb_config_show},
	{"check", NULL, "config check FILE", "is this file valid? Needs no daemon", 1, 1,
	 WORDS_FILE, verb_config_check},
	{"save", NULL, "config save [FILE]",
	 "write what runs to FILE, or the daemon to its own file", 0, 1, WORDS_FILE,
	 verb_config_save},
	{"reload", NULL, "config reload", "the daemon reads its file again", 0, 0, WORDS_NONE,
	 verb_config_reload},
	{"diff", NULL, "config diff", "what a reload would change", 0, 0, WORDS_NONE,
	 verb_config_diff},
	{},
};

static const struct verb stats_verbs[] = {
	{"show", "list", "stats show", "all counters", 0, 0, WORDS_NONE, verb_stats_show},
	{"reset-peaks", NULL, "stats reset-peaks", "peaks count from now on", 0, 0, WORDS_NONE,
	 verb_stats_reset},
	{},
};

static const struct verb iface_verbs[] = {
	{"list", "ls", "iface list", "interfaces with inputs, their queues and drops", 0, 0,
	 WORDS_NONE, verb_iface_list},
	{"show", NULL, "iface show NAME", "one interface, and who attached its program", 1, 1,
	 WORDS_INTERFACE, verb_iface_show},
	{"detach", NULL, "iface detach NAME [PINS] [--force]",
	 "take off a program that xdp-loader attached, and its pinned maps in the folder PINS\n"
	 "      (default " PINS_FOLDER "/NAME); --force: also under a daemon that runs. Needs\n"
	 "      root, and no daemon",
	 1, 3, WORDS_INTERFACE, verb_iface_detach},
	{},
};

static const struct verb worker_verbs[] = {
	{"list", "show", "worker list", "workers: frames, queues, drops", 0, 0, WORDS_NONE,
	 verb_worker_list},
	{},
};

static const struct verb group_verbs[] = {
	{"list", "show", "group list", "multicast groups that are joined", 0, 0, WORDS_NONE,
	 verb_group_list},
	{},
};

static const struct verb log_verbs[] = {
	{"show", "list", "log show", "what is logged, and where to", 0, 0, WORDS_NONE,
	 verb_log_show},
	{"set", NULL, "log set FACILITY|all error|warning|info|debug", "the level of a facility", 2,
	 2, WORDS_LOG, verb_log_set},
	{},
};

static const struct verb ping_verbs[] = {
	{"", NULL, "ping", "does the daemon answer, and does every worker?", 0, 0, WORDS_NONE,
	 verb_ping},
	{},
};

static const struct verb version_verbs[] = {
	{"", NULL, "version", "versions of client, daemon and protocol", 0, 0, WORDS_NONE,
	 verb_version},
	{},
};

static const struct verb metrics_verbs[] = {
	{"", NULL, "metrics", "the counters as OpenMetrics text", 0, 0, WORDS_NONE, verb_metrics},
	{},
};

static const struct verb monitor_verbs[] = {
	{"", NULL, "monitor [--exec PROGRAM [--timeout SECONDS]]",
	 "print events as they happen, or run PROGRAM for each, until interrupted;\n"
	 "      --timeout: kill a PROGRAM that runs longer than this (default 60)",
	 0, -1, WORDS_MONITOR, verb_monitor},
	{},
};

static const struct verb top_verbs[] = {
	{"", NULL, "top [-b] [-d SECONDS] [-n TIMES] [-o name|pps|bps|drops|exhausted]",
	 "rates of rules and outputs, live; -b: as plain text", 0, -1, WORDS_TOP, verb_top},
	{},
};

static const struct verb help_verbs[] = {
	{"", NULL, "help [OBJECT [VERB]]", "this text, or that of an object or verb", 0, 2,
	 WORDS_COMMAND, verb_help},
	{},
};

const struct object ctl_objects[] = {
	{"rule", "what is relayed", rule_verbs},
	{"config", "the configuration as a whole", config_verbs},
	{"stats", "counters", stats_verbs},
	{"iface", "interfaces", iface_verbs},
	{"worker", "the threads that relay", worker_verbs},
	{"group", "multicast memberships", group_verbs},
	{"log", "the daemon's log", log_verbs},
	{"metrics", "counters for Prometheus", metrics_verbs},
	{"monitor", "events as they happen", monitor_verbs},
	{"top", "rates, live, on the full screen", top_verbs},
	{"ping", "is the daemon alive?", ping_verbs},
	{"version", "versions", version_verbs},
	{"help", "help", help_verbs},
	{},
};

/* 0: it is not; 1: the word begins it; 2: it is the word. */
static int match(const char *word, const char *name)
{
	size_t length = strlen(word);

	if (!name || !length || strncmp(word, name, length) != 0)
		return 0;
	return name[length] ? 1 : 2;
}

const struct object *object_find(const char *word, unsigned int *candidates)
{
	const struct object *found = NULL;
	unsigned int count = 0;

	for (const struct object *object = ctl_objects; object->name; object++) {
		int kind = match(word, object->name);

		if (!kind)
			continue;
		found = object;
		count = kind == 2 ? 1 : count + 1;
		if (kind == 2)
			break;
	}
	if (candidates)
		*candidates = count;
	return count == 1 ? found : NULL;
}

const struct verb *verb_find(const struct object *object, const char *word,
			     unsigned int *candidates)
{
	const struct verb *found = NULL;
	unsigned int count = 0;

	for (const struct verb *verb = object->verbs; verb->name; verb++) {
		int kind = match(word, verb->name);

		if (!kind)
			continue;
		found = verb;
		count = kind == 2 ? 1 : count + 1;
		if (kind == 2)
			break;
	}
	/* Other names, which are not shortened: they would only make the shortening ambiguous. */
	for (const struct verb *verb = object->verbs; !count && verb->name; verb++) {
		if (match(word, verb->alias) == 2) {
			found = verb;
			count = 1;
		}
	}
	if (candidates)
		*candidates = count;
	return count == 1 ? found : NULL;
}

/* ---- wrong words ---- */

static int unknown_object(const char *word, unsigned int candidates)
{
	screen_print_to(stderr, "xmcastctl: %s object \"%s\", expected one of",
			candidates ? "ambiguous" : "unknown", word);
	for (const struct object *object = ctl_objects; object->name; object++) {
		if (!candidates || match(word, object->name))
			fprintf(stderr, " %s", object->name);
	}
	fputs("\nusage: xmcastctl [OPTIONS] OBJECT [VERB] [ARGUMENTS]\n", stderr);
	return EXIT_USAGE;
}

static int unknown_verb(const struct object *object, const char *word, unsigned int candidates)
{
	screen_print_to(stderr, "xmcastctl: %s verb \"%s\" of %s, expected one of",
			candidates ? "ambiguous" : "unknown", word, object->name);
	for (const struct verb *verb = object->verbs; verb->name; verb++) {
		if (!candidates || match(word, verb->name))
			fprintf(stderr, " %s", verb->name);
	}
	fprintf(stderr, "\nusage: xmcastctl [OPTIONS] %s VERB [ARGUMENTS]\n", object->name);
	return EXIT_USAGE;
}

static int check_words(const struct verb *verb, char **words, int count, bool dashed)
{
	/* Nobody means a rule, a file or an interface by it, unless behind "--". top(1)-like
	 * options are the verb's own. */
	if (count && words[0][0] == '-' && words[0][1] && !dashed && verb->words != WORDS_TOP &&
	    verb->words != WORDS_MONITOR)
		return ctl_usage(verb->usage, "\"%s\": options stand before the object", words[0]);
	if (count < verb->least)
		return ctl_usage(verb->usage, "too few arguments");
	if (verb->most >= 0 && count > verb->most)
		return ctl_usage(verb->usage, "unexpected argument \"%s\"", words[verb->most]);
	return 0;
}

/* ---- help ---- */

#define USAGE "usage: xmcastctl [OPTIONS]\n"

static void verb_usage(FILE *stream, const struct verb *verb)
{
	fprintf(stream, "  %s\n", verb->usage);
	fprintf(stream, "      %s\n", verb->help);
}

static void help_all(FILE *stream)
{
	fputs("usage: xmcastctl [OPTIONS] OBJECT [VERB] [ARGUMENTS]\n\noptions:\n", stream);
	ctl_options_help(stream);
	fputs("\nobjects and verbs:\n", stream);
	for (const struct object *object = ctl_objects; object->name; object++) {
		int used = fprintf(stream, "  %-8s", object->name);

		for (const struct verb *verb = object->verbs; verb->name; verb++)
			used += fprintf(stream, " %s", verb->name);
		fprintf(stream, "%*s%s\n", used < 59 ? 59 - used : 1, "", object->help);
	}
	fputs("\nObjects and verbs may be shortened as long as they are unambiguous; the first "
	      "verb is the\n"
	      "default. More: xmcastctl OBJECT help.\n"
	      "exit codes: 0 done, 1 usage, 2 refused, 3 no daemon answers\n",
	      stream);
}

int command_help(FILE *stream, char **words, int count)
{
	unsigned int candidates;
	const struct object *object;
	const struct verb *verb;

	if (!count) {
		help_all(stream);
		return EXIT_DONE;
	}
	object = object_find(words[0], &candidates);
	if (!object)
		return unknown_object(words[0], candidates);
	if (count > 1 && *object->verbs->name && strcmp(words[1], "help") != 0) {
		verb = verb_find(object, words[1], &candidates);
		if (!verb)
			return unknown_verb(object, words[1], candidates);
		fputs(USAGE, stream);
		verb_usage(stream, verb);
		return EXIT_DONE;
	}
	fputs(USAGE, stream);
	for (verb = object->verbs; verb->name; verb++)
		verb_usage(stream, verb);
	return EXIT_DONE;
}

int verb_help(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	int code = command_help(stdout, words, count);

	return code ? code : ctl_flush();
}

static bool is_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 ||
	       strcmp(word, "--help") == 0;
}

/* "-h" behind any command; "help" where it cannot be the name of a rule. */
static bool asks_for_help(const struct verb *verb, char **words, int count)
{
	if (count < 1 || !is_help(words[0]))
		return false;
	if (words[0][0] == '-')
		return true;
	return count == 1 && verb->words != WORDS_RULE_NAMES && verb->words != WORDS_INTERFACE &&
	       verb->words != WORDS_FILE && verb->words != WORDS_COMMAND;
}

int command_run(struct ctl *ctl, char **words, int count)
{
	unsigned int candidates;
	const struct object *object;
	const struct verb *verb;
	int used = 1;
	bool dashed;
	int code;

	object = object_find(words[0], &candidates);
	if (!object)
		return unknown_object(words[0], candidates);
	verb = object->verbs;
	if (*verb->name && count > 1) {
		if (is_help(words[1]))
			return verb_help(ctl, verb, words, 1);
		verb = verb_find(object, words[1], &candidates);
		if (!verb)
			return unknown_verb(object, words[1], candidates);
		used = 2;
	}
	if (asks_for_help(verb, words + used, count - used))
		return verb_help(ctl, verb, words, used);
	dashed = count > used && strcmp(words[used], "--") == 0;
	used += dashed;
	code = check_words(verb, words + used, count - used, dashed);
	return code ? code : verb->run(ctl, verb, words + used, count - used);
}
