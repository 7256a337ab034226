/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules and configurations under construction: what has been parsed so far, and where it stood. A
 * draft becomes a struct config as a whole or not at all. Internal to this directory; any thread.
 */
#ifndef XMCAST_RULES_DRAFT_H
#define XMCAST_RULES_DRAFT_H

#include "base/errors.h"
#include "rules/config.h"

/* Where an output stands, and what it says. */
struct output_place {
	struct position at; /* of DEST[:PORT][@IFACE] */
	unsigned int given; /* a bit for each field of the output */
};

/* Where the words of a rule stand: kept while parsing, so that later checks can name the place. All
 * zero: the rule was accepted earlier, and nothing is reported about it. */
struct rule_positions {
	bool named; /* the user gave the name, it was not derived */
	/* Errors about them have been appended already. */
	bool name_reported, input_reported;
	/* Of the values, or of the words of flags. The rule's own place is that of its name, even
	 * if it has none; line 0: accepted. */
	struct position at[RULE_FIELDS];
	struct position sides[RULE_SIDES_MAX]; /* of each of several inputs */
	struct output_place *outputs;	       /* one per output */
	struct position enabled; /* where an accepted rule has been enabled; line 0: it was not */
};

/* Where the input that a view of a rule has stands. */
static inline const struct position *position_of_input(const struct rule *view,
						       const struct rule_positions *where)
{
	return view->nr_sides ? &where->sides[view->side] : &where->at[RULE_INPUT];
}

static inline const struct position *position_of_source(const struct rule *view,
							const struct rule_positions *where)
{
	return view->nr_sides ? &where->sides[view->side] : &where->at[RULE_SOURCE];
}

/* " (line 4)" if the position is in the input, in another file " (FILE:4)", otherwise nothing. For
 * messages about another rule, at `from`. Returns `text`. */
#define LINE_TEXT_SIZE 320
const char *position_line(const struct position *at, const struct position *from,
			  char text[LINE_TEXT_SIZE]);

/* One rule of a configuration, and where it stands. */
struct placed_rule {
	const struct rule *rule;
	struct rule_positions *where;
};

/* Append the error that a rule has the input, or the name, of one that was there before. */
void report_same_input(const struct placed_rule *rule, const struct placed_rule *before,
		       struct errors *errors);
void report_same_name(const struct placed_rule *rule, const struct placed_rule *before,
		      struct errors *errors);

void rule_positions_free(struct rule_positions *where);

/* Append an output to a rule under construction. One more than XMC_MAX_OUTPUTS are kept, for the
 * error about them. 0 or -ENOMEM. */
int rule_add_output(struct rule *rule, struct rule_positions *where,
		    const struct rule_output *output, const struct position *at);

/* Complete a rule that was parsed, in either form: what it does not say gets its default. May be
 * called again with other defaults. */
void rule_complete(struct rule *rule, const struct rule_positions *where,
		   const struct default_config *defaults);

struct draft {
	struct config config;
	struct rule_positions *rules_at; /* parallel to config.rules */
	unsigned int room;		 /* elements of both arrays */
	struct position *ifaces_at;	 /* parallel to config.ifaces */
};

void draft_init(struct draft *draft);

/* Start with a copy of a valid config. The arrays of rules stay in place for `more` rules. 0 or
 * -ENOMEM; then the draft is empty. */
int draft_init_from(struct draft *draft, const struct config *config, size_t more);

/* Append a rule. Takes what both own, even on failure, and leaves them all zero. 0 or -ENOMEM. */
int draft_add_rule(struct draft *draft, struct rule *rule, struct rule_positions *where);

/* Empty the place of a rule; it has no name then. */
void draft_drop_rule(struct draft *draft, unsigned int index);

/* Close the gaps of dropped rules. */
void draft_compact(struct draft *draft);

/* Append an interface. 0 or -ENOMEM. */
int draft_add_iface(struct draft *draft, const struct iface_config *iface,
		    const struct position *at);

/* Free all that the draft owns. */
void draft_free(struct draft *draft);

/* Move the config out of the draft, and free the rest. */
void draft_finish(struct draft *draft, struct config *config);

#endif
