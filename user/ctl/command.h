/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of xmcastctl, OBJECT [VERB]: one table, which parsing, help and completion read.
 */
#ifndef XMCAST_CTL_COMMAND_H
#define XMCAST_CTL_COMMAND_H

#include "ctl/ctl.h"

/* What the arguments of a command are, for completion. */
enum arguments {
	ARGUMENTS_NONE,
	ARGUMENTS_RULE_NAMES,
	ARGUMENTS_INTERFACE,
	ARGUMENTS_RULE_TEXT,
	ARGUMENTS_RULE_SET, /* a name, then options of rules and outputs */
	ARGUMENTS_FILE,
	ARGUMENTS_LOG,
	ARGUMENTS_LEASE,
	ARGUMENTS_OPTIONS, /* options of its own: "[-x" in its usage */
	ARGUMENTS_OPTIONS_FILE,
	ARGUMENTS_COMMAND,
	ARGUMENTS_CAPTURE, /* a rule or an interface, a filter, and options */
	ARGUMENTS_EXPLAIN, /* a packet, or the name of a rule, or options */
};

/* An object, which has verbs or is itself a command; or a verb. */
struct command {
	const char *name; /* NULL ends a list */
	const char *alias;
	const char *topic;	     /* of an object: what it is about */
	const struct command *verbs; /* the first is the default; NULL: a command */
	const char *usage;	     /* from the object on */
	const char *help;
	enum arguments arguments;
	int least; /* arguments */
	int most;  /* -1: any number */

	/* NULL: call `method` and print its answer with `show`. Otherwise returns an exit code; the
	 * words are the arguments, NULL-terminated, and words[-1] exists. */
	int (*run)(struct ctl *ctl, const struct command *command, char **words, int count);
	const char *method;
	const char *list; /* NULL, or the list that the method answers in pages */
	void (*show)(const struct screen *screen, const json_t *answer);
	const char *done; /* of a change of rules: "added" */
};

extern const struct command ctl_objects[];

/* The command of a list that has this name or alias, or the only one whose name begins with `word`;
 * otherwise NULL, and then *candidates (may be NULL) is the number that begin with it. */
const struct command *command_find(const struct command *list, const char *word,
				   unsigned int *candidates);

/* How many of the words may have xmcastctl's own options among them: all, but of a command that has
 * options itself only those up to its name. */
int command_mixed_words(char **words, int count);

/* Run a command. Returns an exit code, after printing an error if the words are wrong. */
int command_run(struct ctl *ctl, char **words, int count);

/* Help about everything, an object or a verb. Returns an exit code. */
int command_help(FILE *stream, char **words, int count);

/* ---- command.run, in verbs*.c and others ---- */

#define VERB(name) int name(struct ctl *ctl, const struct command *command, char **words, int count)

VERB(verb_rule_list);
VERB(verb_rule_show);
VERB(verb_rule_text);  /* add, replace */
VERB(verb_rule_names); /* del, enable, disable */
VERB(verb_rule_rename);
VERB(verb_rule_set);
VERB(verb_named); /* iface show */
VERB(verb_config_check);
VERB(verb_config_apply);
VERB(verb_config_show);
VERB(verb_config_diff);
VERB(verb_config_save);
VERB(verb_import);
VERB(verb_iface_detach);
VERB(verb_explain);
VERB(verb_lease_set);
VERB(verb_lease_release);
VERB(verb_group_list);
VERB(verb_log_set);
VERB(verb_ping);
VERB(verb_metrics);
VERB(verb_monitor);
VERB(verb_top);
VERB(verb_capture);
VERB(verb_help);
VERB(verb_cluster_status);
VERB(verb_cluster_move);
VERB(verb_cluster_drain); /* undrain, too */

#endif
