/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects and verbs: the one table of what xmcastctl can be told, which finding, help and
 * completion all read.
 */
#ifndef XMCAST_CTL_COMMAND_H
#define XMCAST_CTL_COMMAND_H

#include "ctl/ctl.h"

/* What the words behind a verb are, for completion. */
enum words {
	WORDS_NONE,
	WORDS_RULE_NAMES,
	WORDS_INTERFACE,
	WORDS_RULE_TEXT,
	WORDS_FILE,
	WORDS_LOG,
	WORDS_TOP,
	WORDS_MONITOR,
	WORDS_COMMAND,
};

struct verb {
	const char *name; /* "": the object has no verbs; NULL ends a list */
	const char *alias;
	const char *usage; /* from the object on */
	const char *help;
	int least; /* words behind it */
	int most;  /* -1: any number */
	enum words words;
	/* Returns an exit code. */
	int (*run)(struct ctl *ctl, const struct verb *verb, char **words, int count);
};

struct object {
	const char *name; /* NULL ends the list */
	const char *help;
	const struct verb *verbs; /* the first is the default */
};

extern const struct object ctl_objects[];

/* The one that the word names or, as long as that is unambiguous, begins. NULL: none; then
 * *candidates, if not NULL, is how many it could be. */
const struct object *object_find(const char *word, unsigned int *candidates);
const struct verb *verb_find(const struct object *object, const char *word,
			     unsigned int *candidates);

/* Run what the words say. Returns an exit code; wrong words have been told. */
int command_run(struct ctl *ctl, char **words, int count);

/* Help: of everything, of an object, of a verb. Returns an exit code. */
int command_help(FILE *stream, char **words, int count);

/* ---- what the verbs do, in verbs_*.c and others; as verb.run ---- */

#define VERB(name) int name(struct ctl *ctl, const struct verb *verb, char **words, int count)

VERB(verb_rule_list);
VERB(verb_rule_show);
VERB(verb_rule_text);  /* add, replace */
VERB(verb_rule_names); /* del, enable, disable */
VERB(verb_config_check);
VERB(verb_config_show);
VERB(verb_config_save);
VERB(verb_config_reload);
VERB(verb_config_diff);
VERB(verb_stats_show);
VERB(verb_stats_reset);
VERB(verb_iface_list);
VERB(verb_iface_show);
VERB(verb_iface_detach);
VERB(verb_worker_list);
VERB(verb_group_list);
VERB(verb_log_show);
VERB(verb_log_set);
VERB(verb_ping);
VERB(verb_version);
VERB(verb_metrics);
VERB(verb_monitor);
VERB(verb_top);
VERB(verb_help);

#endif
