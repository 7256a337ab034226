/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/command.h"

#include <string.h>

#include "base/exit_codes.h"
#include "base/near.h"
#include "ctl/show.h"
#include "steering/pins.h"

/* clang-format off */
static const struct command rule_verbs[] = {
	{.name = "list", .alias = "ls", .usage = "rule list [PATTERN]",
	 .help = "show rules with their states and rates, and why some are pending; PATTERN as in\n"
		 "      a shell; with -s also why one is not on the kernel path, and the whole rule",
	 .arguments = ARGUMENTS_RULE_NAMES, .most = 1, .run = verb_rule_list},
	{.name = "show", .usage = "rule show NAME|PATTERN [...]",
	 .help = "show rules in full: counters, rates, latency, outputs",
	 .arguments = ARGUMENTS_RULE_NAMES, .least = 1, .most = -1,
	 .run = verb_rule_show, .method = "rule.show", .show = show_rule},
	{.name = "add", .usage = "rule add RULE",
	 .help = "add a rule",
	 .arguments = ARGUMENTS_RULE_TEXT, .least = 1, .most = -1,
	 .run = verb_rule_text, .method = "rule.add", .done = "added"},
	{.name = "del", .alias = "delete", .usage = "rule del NAME|PATTERN [...]",
	 .help = "delete rules; cam{1..50} are all of a range",
	 .arguments = ARGUMENTS_RULE_NAMES, .least = 1, .most = -1,
	 .run = verb_rule_names, .method = "rule.del", .done = "deleted"},
	{.name = "replace", .usage = "rule replace RULE",
	 .help = "replace an existing rule",
	 .arguments = ARGUMENTS_RULE_TEXT, .least = 1, .most = -1,
	 .run = verb_rule_text, .method = "rule.replace", .done = "replaced"},
	{.name = "set", .usage = "rule set NAME [out DEST] OPTION VALUE [...]",
	 .help = "change options of a rule, and of one or all of its outputs: ttl 8, path kernel;\n"
		 "      VALUE may be `default`",
	 .arguments = ARGUMENTS_RULE_SET, .least = 3, .most = -1,
	 .run = verb_rule_set, .method = "rule.replace", .done = "changed"},
	{.name = "rename", .usage = "rule rename NAME NEW",
	 .help = "give a rule another name; its counters start again at 0",
	 .arguments = ARGUMENTS_RULE_NAMES, .least = 2, .most = 2,
	 .run = verb_rule_rename, .method = "rule.change", .done = "renamed"},
	{.name = "enable", .usage = "rule enable NAME|PATTERN [...]",
	 .help = "re-enable rules",
	 .arguments = ARGUMENTS_RULE_NAMES, .least = 1, .most = -1,
	 .run = verb_rule_names, .method = "rule.enable", .done = "enabled"},
	{.name = "disable", .usage = "rule disable NAME|PATTERN [...]",
	 .help = "disable rules without deleting them",
	 .arguments = ARGUMENTS_RULE_NAMES, .least = 1, .most = -1,
	 .run = verb_rule_names, .method = "rule.disable", .done = "disabled"},
	{},
};

static const struct command config_verbs[] = {
	{.name = "show", .usage = "config show",
	 .help = "print the running configuration as YAML",
	 .run = verb_config_show},
	{.name = "check", .usage = "config check [--live] FILE",
	 .help = "check a file; the daemon need not run. --live: also against this machine",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = 2, .run = verb_config_check},
	{.name = "apply", .usage = "config apply [--confirm TIME] FILE",
	 .help = "replace the running configuration by that of a file. --confirm: return to what ran\n"
		 "      before after TIME (30s, 10m, 1h), unless `config confirm` is run until then",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = 3, .run = verb_config_apply},
	{.name = "confirm", .usage = "config confirm",
	 .help = "keep what was applied with --confirm",
	 .method = "config.confirm", .show = show_confirmed},
	{.name = "rollback", .usage = "config rollback",
	 .help = "return at once to what ran before it",
	 .method = "config.rollback", .show = show_changed},
	{.name = "status", .usage = "config status",
	 .help = "show the daemon's file, and what waits to be confirmed",
	 .method = "config.status", .show = show_config_status},
	{.name = "save", .usage = "config save [FILE]",
	 .help = "write the running configuration to FILE, or to the daemon's own file",
	 .arguments = ARGUMENTS_FILE, .most = 1, .run = verb_config_save},
	{.name = "reload", .usage = "config reload",
	 .help = "have the daemon read its file again",
	 .method = "config.reload", .show = show_changed},
	{.name = "diff", .usage = "config diff [--exit-code]",
	 .help = "show what a reload would change: what runs (-), what the file says (+);\n"
		 "      --exit-code: exit with 2 if that is anything",
	 .arguments = ARGUMENTS_OPTIONS, .most = 1, .run = verb_config_diff},
	{},
};

#define IMPORT_ARGUMENTS " [-o OUTPUT] FILE|-- TEXT"
static const struct command import_verbs[] = {
	{.name = "smcroute", .usage = "import smcroute" IMPORT_ARGUMENTS,
	 .help = "print a configuration that does what an smcroute.conf says; -o: write it to a\n"
		 "      file. TEXT: the configuration itself. The daemon need not run",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = -1, .run = verb_import},
	{.name = "igmpproxy", .usage = "import igmpproxy" IMPORT_ARGUMENTS,
	 .help = "the same for an igmpproxy.conf",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = -1, .run = verb_import},
	{.name = "mcr", .usage = "import mcr" IMPORT_ARGUMENTS,
	 .help = "the same for the JSON5 of MCR (mcrd)",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = -1, .run = verb_import},
	{.name = "socat", .usage = "import socat" IMPORT_ARGUMENTS,
	 .help = "the same for commands of socat: in a script, in a unit, or after --",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = -1, .run = verb_import},
	{.name = "udp-broadcast-relay", .usage = "import udp-broadcast-relay" IMPORT_ARGUMENTS,
	 .help = "the same for commands of udp-broadcast-relay-redux or udpbroadcastrelay",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = -1, .run = verb_import},
	{},
};

static const struct command stats_verbs[] = {
	{.name = "show", .alias = "list", .usage = "stats show",
	 .help = "show all counters",
	 .method = "stats.show", .list = "rules", .show = show_stats},
	{.name = "reset-peaks", .usage = "stats reset-peaks",
	 .help = "start new peaks of the rates",
	 .method = "stats.reset_peaks", .show = show_nothing},
	{},
};

static const struct command iface_verbs[] = {
	{.name = "list", .alias = "ls", .usage = "iface list",
	 .help = "show interfaces with inputs, their RX queues and drops",
	 .method = "iface.list", .show = show_interfaces},
	{.name = "show", .usage = "iface show NAME",
	 .help = "show one interface, and who attached its program",
	 .arguments = ARGUMENTS_INTERFACE, .least = 1, .most = 1,
	 .run = verb_named, .method = "iface.show", .show = show_interface},
	{.name = "detach", .usage = "iface detach NAME [PINS] [--force]",
	 .help = "detach the programs that xdp-loader attached, and remove the pinned maps in\n"
		 "      the directory PINS (default " PINS_DIRECTORY "/NAME); --force: even if a\n"
		 "      daemon has rules for the interface. Needs root; the daemon need not run",
	 .arguments = ARGUMENTS_INTERFACE, .least = 1, .most = 3, .run = verb_iface_detach},
	{},
};

static const struct command worker_verbs[] = {
	{.name = "list", .alias = "show", .usage = "worker list",
	 .help = "show workers: frames, queues, drops",
	 .method = "worker.list", .show = show_workers},
	{},
};

static const struct command group_verbs[] = {
	{.name = "list", .alias = "show", .usage = "group list",
	 .help = "show the multicast groups that are joined, and what receivers of outputs with\n"
		 "      `when joined` want",
	 .run = verb_group_list},
	{},
};

static const struct command cluster_verbs[] = {
	{.name = "status", .alias = "show", .usage = "cluster status",
	 .help = "show nodes and shards of leases, as xmcast-cluster of this host sees them",
	 .method = "cluster.status", .run = verb_cluster_status},
	{.name = "move", .usage = "cluster move LEASE[/SHARD] [NODE]",
	 .help = "pass a shard on to another node, by default to its standby",
	 .least = 1, .most = 2, .run = verb_cluster_move, .method = "cluster.move"},
	{.name = "drain", .usage = "cluster drain [NODE]",
	 .help = "pass all shards of a host, by default this one, on, and take no others",
	 .most = 1, .run = verb_cluster_drain, .method = "cluster.drain"},
	{.name = "undrain", .usage = "cluster undrain [NODE]",
	 .help = "end that: shards come back after some time",
	 .most = 1, .run = verb_cluster_drain, .method = "cluster.drain"},
	{},
};

static const struct command lease_verbs[] = {
	{.name = "list", .alias = "show", .usage = "lease list",
	 .help = "show the shards of all leases: held or standby, and for how long",
	 .method = "lease.list", .list = "leases", .show = show_leases},
	{.name = "set", .usage = "lease set NAME[/SHARD] for DURATION",
	 .help = "hold a lease, or one shard of it, for 500ms, 10s, 5m, 1h, from now on",
	 .arguments = ARGUMENTS_LEASE, .least = 2, .most = 3,
	 .run = verb_lease_set, .method = "lease.set", .show = show_nothing},
	{.name = "release", .usage = "lease release NAME[/SHARD]",
	 .help = "end a lease, or one shard of it, now",
	 .arguments = ARGUMENTS_LEASE, .least = 1, .most = 1,
	 .run = verb_lease_release, .method = "lease.release", .show = show_nothing},
	{},
};

static const struct command log_verbs[] = {
	{.name = "show", .alias = "list", .usage = "log show",
	 .help = "show the log levels, and where the log goes",
	 .method = "log.show", .show = show_log},
	{.name = "set", .usage = "log set FACILITY|all error|warning|info|debug",
	 .help = "set the log level of a facility",
	 .arguments = ARGUMENTS_LOG, .least = 2, .most = 2, .run = verb_log_set},
	{},
};

const struct command ctl_objects[] = {
	{.name = "rule", .topic = "what is relayed", .verbs = rule_verbs},
	{.name = "config", .topic = "the whole configuration", .verbs = config_verbs},
	{.name = "import", .topic = "from other relays", .verbs = import_verbs},
	{.name = "stats", .topic = "counters", .verbs = stats_verbs},
	{.name = "iface", .topic = "interfaces", .verbs = iface_verbs},
	{.name = "worker", .topic = "the threads that relay", .verbs = worker_verbs},
	{.name = "group", .topic = "multicast memberships", .verbs = group_verbs},
	{.name = "cluster", .topic = "which host relays", .verbs = cluster_verbs},
	{.name = "lease", .topic = "what this host may send", .verbs = lease_verbs},
	{.name = "log", .topic = "the daemon's log", .verbs = log_verbs},
	{.name = "check", .topic = "a file, before it is used", .usage = "check [--live] FILE",
	 .help = "as config check",
	 .arguments = ARGUMENTS_OPTIONS_FILE, .least = 1, .most = 2, .run = verb_config_check},
	{.name = "explain", .topic = "why nothing arrives",
	 .usage = "explain NAME | [--pcap FILE [INTERFACE]] | SOURCE[:PORT] \\> GROUP:PORT@IFACE [len N] [ttl N] [dscp N] [vlan [ad/]ID ...]",
	 .help = "show why a rule is pending, silent or losing packets, and the next command to run;\n"
		 "      or step by step what would happen to a packet, of which nothing is sent. The\n"
		 "      word `to` is the same as \\>; behind the word `rule` there is a name in any case.\n"
		 "      --pcap: what would happen to the packets of a capture, one row for each flow",
	 .arguments = ARGUMENTS_EXPLAIN, .least = 1, .most = -1, .run = verb_explain},
	{.name = "metrics", .topic = "counters for Prometheus", .usage = "metrics [--format openmetrics|prometheus]",
	 .help = "print the counters as OpenMetrics, the default, or in Prometheus' text format",
	 .arguments = ARGUMENTS_OPTIONS, .most = -1, .run = verb_metrics},
	{.name = "monitor", .topic = "events, as they happen",
	 .usage = "monitor [--exec PROGRAM [--timeout SECONDS]]",
	 .help = "print events as they happen, or run PROGRAM for each, until interrupted;\n"
		 "      --timeout: kill a PROGRAM that runs longer than this (default 60)",
	 .arguments = ARGUMENTS_OPTIONS, .most = -1, .run = verb_monitor},
	{.name = "top", .topic = "live rates, full screen",
	 .usage = "top [-b] [-d SECONDS] [-n TIMES] [-o name|pps|bps|drops|exhausted]",
	 .help = "show live rates of rules and outputs; -b: as plain text",
	 .arguments = ARGUMENTS_OPTIONS, .most = -1, .run = verb_top},
	{.name = "capture", .topic = "packets of a rule, before and after",
	 .usage = "capture NAME|IFACE [-w FILE] [-c N] [-s BYTES] [--rate N] [FILTER]",
	 .help = "print packets of a rule, or of all rules with an input on IFACE, as they come\n"
		 "      and as they are sent, until interrupted; -w: as pcapng, \"-\": to stdout;\n"
		 "      -c: until N were written; -s: bytes of each that are kept; --rate: received\n"
		 "      packets a second, at most (default 1000); FILTER: all of src ADDR, dst ADDR,\n"
		 "      host ADDR, [src|dst] port N, len N[-M], in, out; \"not\" in front of one",
	 .arguments = ARGUMENTS_CAPTURE, .least = 1, .most = -1, .run = verb_capture},
	{.name = "ping", .topic = "is the daemon alive?", .usage = "ping",
	 .help = "check that the daemon answers and every worker makes progress",
	 .run = verb_ping},
	{.name = "version", .topic = "versions", .usage = "version",
	 .help = "print the versions of client, daemon and protocol",
	 .method = "version", .show = show_version},
	{.name = "help", .topic = "help", .usage = "help [OBJECT [VERB]]",
	 .help = "print help, about everything, an object or a verb",
	 .arguments = ARGUMENTS_COMMAND, .most = 2, .run = verb_help},
	{},
};
/* clang-format on */

const struct command *command_find(const struct command *list, const char *word,
				   unsigned int *candidates)
{
	const struct command *found = NULL;
	size_t length = strlen(word);
	unsigned int count = 0;

	for (const struct command *command = list; length && command->name; command++) {
		if (strncmp(word, command->name, length) != 0)
			continue;
		found = command;
		count++;
		if (!command->name[length]) {
			count = 1;
			break;
		}
	}
	/* Aliases cannot be shortened: that would only make more words ambiguous. */
	for (const struct command *command = list; !count && command->name; command++) {
		if (command->alias && strcmp(word, command->alias) == 0)
			return command;
	}
	if (candidates)
		*candidates = count;
	return count == 1 ? found : NULL;
}

/* Words of other programs. */
static const struct {
	const char *word, *hint;
} foreign[] = {
	{"status", "did you mean `rule list`, `ping` or `config status`?"},
	{"start", "did you mean `rule enable`, or \"systemctl start xmcastd\"?"},
	{"stop", "did you mean `rule disable`, or \"systemctl stop xmcastd\"?"},
	{"restart", "did you mean `config reload`, or \"systemctl restart xmcastd\"?"},
	{"route", "did you mean `rule`?"},
	{"mroute", "did you mean `rule`?"},
};

/* The same for verbs. */
static const struct {
	const char *object, *word, *verb;
} foreign_verbs[] = {
	{"rule", "start", "enable"},	  {"rule", "stop", "disable"},
	{"rule", "on", "enable"},	  {"rule", "off", "disable"},
	{"rule", "change", "set"},	  {"rule", "edit", "set"},
	{"config", "load", "apply"},	  {"config", "commit", "confirm"},
	{"config", "cancel", "rollback"}, {"config", "abort", "rollback"},
	{"config", "undo", "rollback"},	  {"lease", "take", "set"},
	{"lease", "drop", "release"},	  {"lease", "del", "release"},
};

/* A verb without its object: write with which objects it is one. */
static bool suggest_object_of(const char *word)
{
	unsigned int found = 0;

	for (const struct command *object = ctl_objects; object->name; object++) {
		for (const struct command *verb = object->verbs; verb && verb->name; verb++) {
			if (strcmp(word, verb->name) == 0 ||
			    (verb->alias && strcmp(word, verb->alias) == 0))
				fprintf(stderr, "%s `%s %s`", found++ ? " or" : ", did you mean",
					object->name, verb->name);
		}
	}
	if (found)
		fputc('?', stderr);
	return found;
}

/* Write what may be meant by a word that is no object. False: nothing is known. */
static bool suggest_object(const char *word)
{
	struct near near = {.word = word, .length = strlen(word)};
	char question[NEAR_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (strcmp(word, foreign[i].word) == 0) {
			fprintf(stderr, ", %s", foreign[i].hint);
			return true;
		}
	}
	if (suggest_object_of(word))
		return true;
	for (const struct command *object = ctl_objects; object->name; object++)
		near_offer(&near, object->name, strlen(object->name));
	fputs(near_question(&near, question), stderr);
	return near.name;
}

static bool suggest_verb(const struct command *verbs, const char *object, const char *word)
{
	struct near near = {.word = word, .length = strlen(word)};
	char question[NEAR_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(foreign_verbs) / sizeof(foreign_verbs[0]); i++) {
		if (strcmp(object, foreign_verbs[i].object) == 0 &&
		    strcmp(word, foreign_verbs[i].word) == 0) {
			fprintf(stderr, ", did you mean %s?", foreign_verbs[i].verb);
			return true;
		}
	}
	for (; verbs->name; verbs++)
		near_offer(&near, verbs->name, strlen(verbs->name));
	fputs(near_question(&near, question), stderr);
	return near.name;
}

/* Not found: which words are expected. `object`: what the list's verbs belong to, or NULL. */
static int unknown(const struct command *list, const char *object, const char *word,
		   unsigned int candidates)
{
	screen_print_to(stderr, "xmcastctl: %s %s \"%s\"%s%s", candidates ? "ambiguous" : "unknown",
			object ? "verb" : "object", word, object ? " of " : "",
			object ? object : "");
	if (!candidates && (object ? suggest_verb(list, object, word) : suggest_object(word))) {
		fputc('\n', stderr);
		return EXIT_USAGE;
	}
	fputs(", expected one of", stderr);
	for (; list->name; list++) {
		if (!candidates || strncmp(word, list->name, strlen(word)) == 0)
			fprintf(stderr, " %s", list->name);
	}
	fprintf(stderr, "\nusage: xmcastctl [OPTIONS] %s%s [ARGUMENTS]\n",
		object ? object : "OBJECT", object ? " VERB" : " [VERB]");
	return EXIT_USAGE;
}

/* ---- help ---- */

static void help_all(FILE *stream)
{
	fputs("usage: xmcastctl [OPTIONS] OBJECT [VERB] [ARGUMENTS]\n\noptions:\n", stream);
	ctl_options_help(stream);
	fputs("\nobjects and verbs:\n", stream);
	for (const struct command *object = ctl_objects; object->name; object++) {
		const struct command *verb = object->verbs;
		fprintf(stream, "  %-8s %s\n", object->name, object->topic);
		if (verb)
			fprintf(stream, "%10s", "");
		for (; verb && verb->name; verb++)
			fprintf(stream, " %s%s", verb->name, verb[1].name ? "" : "\n");
	}
	fputs("\nObjects and verbs may be shortened as long as they are unambiguous; the first "
	      "verb is the\n"
	      "default. More: xmcastctl OBJECT help.\n"
	      "exit codes: 0 done, 1 usage, 2 refused, 3 the daemon is unreachable\n",
	      stream);
}

int command_help(FILE *stream, char **words, int count)
{
	const struct command *command;
	const struct command *object;
	unsigned int candidates;
	bool all_verbs;

	if (!count) {
		help_all(stream);
		return EXIT_DONE;
	}
	object = command_find(ctl_objects, words[0], &candidates);
	if (!object)
		return unknown(ctl_objects, NULL, words[0], candidates);
	all_verbs = object->verbs && (count == 1 || strcmp(words[1], "help") == 0);
	command = object->verbs ? object->verbs : object;
	if (object->verbs && !all_verbs)
		command = command_find(object->verbs, words[1], &candidates);
	if (!command)
		return unknown(object->verbs, object->name, words[1], candidates);
	fputs("usage: xmcastctl [OPTIONS]\n", stream);
	do {
		fputs("  ", stream);
		ctl_print_usage(stream, command->usage);
		fprintf(stream, "      %s\n", command->help);
	} while (all_verbs && (++command)->name);
	return EXIT_DONE;
}

int verb_help(struct ctl *ctl, const struct command *command, char **words, int count)
{
	int code = command_help(stdout, words, count);

	return code ? code : ctl_flush();
}

static bool is_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 ||
	       strcmp(word, "--help") == 0;
}

/* "-h" after any command; "help" where it cannot be the name of a rule, an interface or a file. */
static bool asks_for_help(const struct command *command, char **words, int count)
{
	enum arguments kind = command->arguments;

	if (count < 1 || !is_help(words[0]))
		return false;
	return words[0][0] == '-' ||
	       (count == 1 && kind != ARGUMENTS_RULE_NAMES && kind != ARGUMENTS_INTERFACE &&
		kind != ARGUMENTS_FILE && kind != ARGUMENTS_COMMAND);
}

/* ---- running ---- */

/* A command that is one call of the daemon. */
static int call(struct ctl *ctl, const struct command *command)
{
	json_t *answer;
	int code;

	if (command->list)
		code = ctl_fetch(ctl, command->method, command->list, &answer);
	else
		code = ctl_call(ctl, command->method, NULL, &answer);
	if (!code)
		code = ctl_show(ctl, answer, command->show);
	json_decref(answer);
	return code;
}

/* Commands with options of their own, and those whose words may begin with a dash. */
static bool has_options(const struct command *command)
{
	return command->arguments == ARGUMENTS_OPTIONS ||
	       command->arguments == ARGUMENTS_OPTIONS_FILE ||
	       command->arguments == ARGUMENTS_CAPTURE || command->arguments == ARGUMENTS_EXPLAIN ||
	       strstr(command->usage, "[--");
}

int command_mixed_words(char **words, int count)
{
	const struct command *command = command_find(ctl_objects, words[0], NULL);
	int at = 0;

	if (command && command->verbs) {
		const struct command *verbs = command->verbs;

		for (at = 1; at < count && words[at][0] == '-';)
			at++;
		command = at < count ? command_find(verbs, words[at], NULL) : verbs;
	}
	return command && has_options(command) && at < count ? at + 1 : count;
}

int command_run(struct ctl *ctl, char **words, int count)
{
	const struct command *command;
	unsigned int candidates;
	int used = 1;

	command = command_find(ctl_objects, words[0], &candidates);
	if (!command)
		return unknown(ctl_objects, NULL, words[0], candidates);
	if (command->verbs && count > 1) {
		const struct command *object = command;

		if (is_help(words[1]))
			return verb_help(ctl, NULL, words, 1);
		command = command_find(object->verbs, words[1], &candidates);
		if (!command)
			return unknown(object->verbs, object->name, words[1], candidates);
		used = 2;
	} else if (command->verbs && command->verbs->least) {
		/* No verb can be the default: none does anything without arguments. */
		command_help(stderr, words, 1);
		return EXIT_USAGE;
	} else if (command->verbs) {
		command = command->verbs;
	}
	words += used;
	count -= used;
	if (asks_for_help(command, words, count))
		return verb_help(ctl, NULL, words - used, used);
	if (count < command->least)
		return ctl_usage(command->usage, "too few arguments");
	if (command->most >= 0 && count > command->most)
		return ctl_usage(command->usage, "unexpected argument \"%s\"",
				 words[command->most]);
	return command->run ? command->run(ctl, command, words, count) : call(ctl, command);
}
