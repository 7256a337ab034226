/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration under construction: what has been parsed so far, and where it stood. It becomes a
 * struct config as a whole or not at all. Internal to this module; any thread.
 */
#ifndef XMCAST_RULES_DRAFT_H
#define XMCAST_RULES_DRAFT_H

#include "base/errors.h"
#include "rules/config.h"

/* Where the words of a rule stand: kept while parsing, so that later checks can name the place. */
struct rule_positions {
	bool named;			       /* the user gave the name, it was not derived */
	struct position name;		       /* where the rule begins, if it was not named */
	struct position input;		       /* GROUP:PORT@IFACE */
	struct position options[RULE_OPTIONS]; /* the value, or the word of a flag */
	struct position *outputs;	       /* DEST[:PORT][@IFACE], one per output of the rule */
};

void rule_positions_free(struct rule_positions *where);

/* Append an output to a rule under construction. One more than XMC_MAX_OUTPUTS are kept, for the
 * error about them. 0 or -ENOMEM. */
int rule_add_output(struct rule *rule, struct rule_positions *where,
		    const struct rule_output *output, const struct position *at);

/* Complete a rule that was parsed, in either form: what it does not say gets its default. */
void rule_complete(struct rule *rule, const struct rule_positions *where);

struct draft {
	struct config config;
	/* Parallel to config.rules from rule `first` on; the rules before it were accepted earlier,
	 * belong to somebody else and have no positions. */
	unsigned int first;
	struct rule_positions *rules_at;
	/* Parallel to the rules before `first`: where one of them is enabled; line 0: it is as it
	 * was. NULL: all are. */
	struct position *enabled_at;
	struct position *ifaces_at; /* parallel to config.ifaces */
	bool full;		    /* too many rules, and that has been reported */
};

void draft_init(struct draft *draft);

/* Start with (shallow copies of) the rules of a valid config. 0 or -ENOMEM. */
int draft_init_from(struct draft *draft, const struct config *config);

/* Append a rule. Takes what both own, even on failure, and leaves them all zero. 0, -ENOMEM, or
 * -E2BIG beyond XMC_MAX_RULES (an error is appended the first time). */
int draft_add_rule(struct draft *draft, struct rule *rule, struct rule_positions *where,
		   struct errors *errors);

/* Append an interface. 0 or -ENOMEM. */
int draft_add_iface(struct draft *draft, const struct iface_config *iface,
		    const struct position *at);

/* Free what the draft owns: everything but the rules before `first`. */
void draft_free(struct draft *draft);

/* Free the positions only, after config has been taken over. */
void draft_free_positions(struct draft *draft);

#endif
