/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/schema.h"

#include <errno.h>
#include <string.h>

#include "rules/draft.h"
#include "rules/grammar.h"
#include "rules/settings.h"
#include "rules/validate.h"
#include "rules/walk.h"

/* A rule that a mapping fills. */
struct rule_object {
	struct rule rule;
	struct rule_positions where;
};

/* An output that a mapping fills. */
struct output_object {
	struct rule_output output;
	struct position at;
	bool has_ttl;
};

/* --- outputs --- */

static int parse_to(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);

	output->at = word.at;
	word_parse_output(&word, &output->output, walk->errors);
	return 0;
}

static int parse_ttl(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);

	output->has_ttl = true;
	word_parse_ttl(&word, &output->output.ttl, walk->errors);
	return 0;
}

static int parse_dscp(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);

	word_parse_dscp(&word, &output->output.dscp, walk->errors);
	return 0;
}

static int parse_output_gso(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);
	unsigned int gso;

	if (word_parse_gso(&word, &gso, walk->errors))
		output->output.gso = (uint8_t)gso;
	return 0;
}

static int parse_rate(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);

	word_parse_rate(&word, &output->output.rate_bps, walk->errors);
	return 0;
}

static int parse_pps(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);

	word_parse_pps(&word, &output->output.rate_pps, walk->errors);
	return 0;
}

static int parse_burst(struct walk *walk, tree_node value, void *object)
{
	struct output_object *output = object;
	struct word word = tree_word(&walk->tree, value);

	word_parse_burst(&word, &output->output.burst_ms, walk->errors);
	return 0;
}

static const struct field output_fields[] = {
	{"to", SCALAR, "DEST[:PORT][@IFACE]", .required = true, .parse = parse_to},
	{"ttl", SCALAR, "a number from 1 to 255", .parse = parse_ttl},
	{"dscp", SCALAR, "a number from 0 to 63 or a name", .parse = parse_dscp},
	{"gso", SCALAR, "on, off or a number", .parse = parse_output_gso},
	{"rate", SCALAR, "a rate such as 50mbit", .parse = parse_rate},
	{"pps", SCALAR, "packets a second", .parse = parse_pps},
	{"burst", SCALAR, "a time such as 100ms", .parse = parse_burst},
};

static int parse_output(struct walk *walk, tree_node item, struct rule_object *rule)
{
	struct output_object output = {.output.port = 0};
	unsigned int before = walk->errors->count;
	int error;

	if (!walk_check_kind(walk, item, SCALAR | MAPPING,
			     "a mapping with `to`, or DEST[:PORT][@IFACE]"))
		return 0;
	if (tree_kind(&walk->tree, item) == TREE_SCALAR)
		error = parse_to(walk, item, &output);
	else
		error = walk_mapping(walk, item, output_fields, COUNT(output_fields), &output);
	if (error || walk->errors->count != before)
		return error;
	if (!output.has_ttl)
		output.output.ttl = rule_default_ttl(&output.output.to);
	return rule_add_output(&rule->rule, &rule->where, &output.output, &output.at);
}

static int parse_out(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	tree_node item = tree_child(&walk->tree, value);
	int error = 0;

	if (!item)
		word_error(walk->errors, &word, "no outputs, expected at least one");
	for (; item && !error; item = tree_next(&walk->tree, item))
		error = parse_output(walk, item, object);
	return error;
}

/* --- rules --- */

static int parse_name(struct walk *walk, tree_node value, void *object)
{
	struct rule_object *rule = object;
	struct word word = tree_word(&walk->tree, value);

	rule->where.named = true;
	rule->where.name = word.at;
	word_parse_name(&word, rule->rule.name, walk->errors);
	return 0;
}

static int parse_in(struct walk *walk, tree_node value, void *object)
{
	struct rule_object *rule = object;
	struct word word = tree_word(&walk->tree, value);

	rule->where.input = word.at;
	word_parse_input(&word, &rule->rule, walk->errors);
	return 0;
}

static int parse_source(struct walk *walk, tree_node value, void *object)
{
	struct rule_object *rule = object;
	struct word word = tree_word(&walk->tree, value);

	rule->where.source = word.at;
	word_parse_source(&word, &rule->rule, walk->errors);
	return 0;
}

static int parse_enabled(struct walk *walk, tree_node value, void *object)
{
	struct rule_object *rule = object;
	struct word word = tree_word(&walk->tree, value);
	bool enabled;

	if (walk_bool(walk, &word, &enabled))
		rule->rule.disabled = !enabled;
	return 0;
}

static int parse_may_loop(struct walk *walk, tree_node value, void *object)
{
	struct rule_object *rule = object;
	struct word word = tree_word(&walk->tree, value);

	walk_bool(walk, &word, &rule->rule.may_loop);
	return 0;
}

static const struct field rule_fields[] = {
	{"name", SCALAR, "a rule name", .parse = parse_name},
	{"in", SCALAR, "GROUP:PORT@IFACE", .required = true, .parse = parse_in},
	{"source", SCALAR, "the address of a host, or a prefix", .parse = parse_source},
	{"enabled", SCALAR, "yes or no", .parse = parse_enabled},
	{"may_loop", SCALAR, "yes or no", .parse = parse_may_loop},
	{"out", SEQUENCE, "a list of outputs", .required = true, .parse = parse_out},
};

/* One item of the list: a mapping, or a line of the grammar. Fills *rule unless there are errors.
 */
static int parse_rule_item(struct walk *walk, tree_node item, struct rule_object *rule)
{
	struct word word = tree_word(&walk->tree, item);
	int error;

	if (tree_kind(&walk->tree, item) == TREE_SCALAR) {
		error = grammar_parse_rule(word.text, word.length, &word.at, &rule->rule,
					   &rule->where, walk->errors);
		return error == -EINVAL ? 0 : error;
	}
	rule->where.name = word.at;
	error = walk_mapping(walk, item, rule_fields, COUNT(rule_fields), rule);
	if (!error && !rule->where.named)
		rule_derive_name(&rule->rule);
	return error;
}

static int parse_rule(struct walk *walk, tree_node item)
{
	unsigned int before = walk->errors->count;
	struct rule_object rule = {.where.named = false};
	int error;

	if (!walk_check_kind(walk, item, SCALAR | MAPPING, "a rule"))
		return 0;
	error = parse_rule_item(walk, item, &rule);
	if (!error && walk->errors->count == before)
		return draft_add_rule(&walk->draft, &rule.rule, &rule.where, walk->errors);
	rule_free(&rule.rule);
	rule_positions_free(&rule.where);
	return error;
}

/* `[]` is a daemon that is told its rules while it runs. */
static int parse_rules(struct walk *walk, tree_node value, void *object)
{
	tree_node item = tree_child(&walk->tree, value);
	int error = 0;

	for (; item && !error; item = tree_next(&walk->tree, item))
		error = parse_rule(walk, item);
	/* Too many, and that has been reported: the rest of the file is still read. */
	return error == -E2BIG ? 0 : error;
}

/* --- the whole --- */

static const struct field root_fields[] = {
	{"rules", SEQUENCE, "a list of rules", .required = true, .parse = parse_rules},
	{"interfaces", MAPPING, "a mapping of interface names", .nullable = true,
	 .parse = settings_interfaces},
	{"egress", MAPPING, "a mapping with engine, gso, wakeup, send_buffer", .nullable = true,
	 .parse = settings_egress},
	{"workers", MAPPING, "a mapping with frames, rx_ring, cpus, watchdog", .nullable = true,
	 .parse = settings_workers},
	{"statistics", MAPPING, "a mapping with interval", .nullable = true,
	 .parse = settings_statistics},
	{"control", MAPPING, "a mapping with group, admin_group, save_changes", .nullable = true,
	 .parse = settings_control},
	{"logging", MAPPING, "a mapping with level, levels, to, format", .nullable = true,
	 .parse = settings_logging},
	{"events", MAPPING, "a mapping with silent_after, hook", .nullable = true,
	 .parse = settings_events},
	{"metrics", MAPPING, "a mapping with listen", .nullable = true, .parse = settings_metrics},
	{"security", MAPPING, "a mapping with user, group, sandbox", .nullable = true,
	 .parse = settings_security},
};

static int walk_root(struct walk *walk, const char *file)
{
	struct position start = {file, 1, 1};
	tree_node root = tree_root(&walk->tree);

	if (!root || tree_is_null(&walk->tree, root)) {
		errors_add(walk->errors, &start, NULL, 0,
			   "an empty file, expected `rules:` with a list of rules");
		return 0;
	}
	if (!walk_check_kind(walk, root, MAPPING, "a mapping with `rules:`"))
		return 0;
	return walk_mapping(walk, root, root_fields, COUNT(root_fields), NULL);
}

int config_parse_yaml(const char *bytes, size_t length, const char *file, struct config *config,
		      struct errors *errors)
{
	unsigned int before = errors->count;
	struct walk walk = {.errors = errors};
	int error;

	draft_init(&walk.draft);
	error = tree_parse(&walk.tree, bytes, length, file, errors);
	if (!error)
		error = walk_root(&walk, file);
	if (!error)
		error = config_validate(&walk.draft, errors);
	tree_free(&walk.tree);
	if (!error && errors->count != before)
		error = -EINVAL;
	if (error) {
		draft_free(&walk.draft);
		return error;
	}
	draft_free_positions(&walk.draft);
	config_free(config);
	*config = walk.draft.config;
	return 0;
}
