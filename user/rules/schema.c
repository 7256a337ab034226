/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules/draft.h"
#include "rules/grammar.h"
#include "rules/validate.h"
#include "rules/yaml_tree.h"

#define FRAMES_MIN	   64
#define FRAMES_MAX	   (1 << 20)
#define RX_RING_MIN	   64
#define RX_RING_MAX	   (1 << 16)
#define STATS_INTERVAL_MAX 86400

/* Below one full GSO batch with its book-keeping nothing could be sent. */
#define SEND_BUFFER_MIN (128 << 10)
#define SEND_BUFFER_MAX (256 << 20)

/* More than any Linux has (CONFIG_NR_CPUS). */
#define CPU_MAX 8191

/* Holds the names of all keys of a mapping, or of all choices of a value. */
#define NAMES_SIZE   128

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct walk {
	struct yaml_tree tree;
	struct draft draft;
	struct errors *errors;
};

/*
 * One key of a mapping. `parse` is called with a value of a kind in `kinds` (bits 1 << kind), and
 * with the object that the mapping fills. It appends errors and returns 0, or -ENOMEM.
 */
struct field {
	const char *key;
	unsigned int kinds;
	const char *expected;
	bool required;
	bool nullable; /* no value at all leaves the defaults */
	int (*parse)(struct walk *walk, tree_node value, void *object);
};

#define SCALAR	 (1u << TREE_SCALAR)
#define SEQUENCE (1u << TREE_SEQUENCE)
#define MAPPING	 (1u << TREE_MAPPING)

struct choice {
	const char *name;
	unsigned int value;
};

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

/* Append a name to "a, b, c". */
static void list_name(char names[NAMES_SIZE], const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, NAMES_SIZE - used, "%s%s", used ? ", " : "", name);
}

/* Whether the value is of a kind that is expected; if not, that is reported (unless it was). */
static bool check_kind(struct walk *walk, tree_node value, unsigned int kinds, const char *expected)
{
	enum tree_kind kind = tree_kind(&walk->tree, value);
	struct word word;

	if (kinds & (1u << kind))
		return true;
	if (kind == TREE_REFUSED)
		return false;
	word = tree_word(&walk->tree, value);
	if (tree_is_null(&walk->tree, value))
		word_error(walk->errors, &word, "no value, expected %s", expected);
	else
		word_error(walk->errors, &word, "wrong type, expected %s", expected);
	return false;
}

static void unknown_key(struct walk *walk, const struct word *key, const struct field *fields,
			size_t count)
{
	char names[NAMES_SIZE] = "";

	for (size_t i = 0; i < count; i++)
		list_name(names, fields[i].key);
	word_error(walk->errors, key, "unknown key, expected one of %s", names);
}

static const struct field *find_field(const struct word *key, const struct field *fields,
				      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (word_is(key, fields[i].key))
			return &fields[i];
	}
	return NULL;
}

static int walk_pair(struct walk *walk, tree_node key, tree_node value, const struct field *fields,
		     size_t count, unsigned int *seen, void *object)
{
	struct word word = tree_word(&walk->tree, key);
	const struct field *field;

	if (!check_kind(walk, key, SCALAR, "a key"))
		return 0;
	field = find_field(&word, fields, count);
	if (!field) {
		unknown_key(walk, &word, fields, count);
		return 0;
	}
	if (*seen & (1u << (field - fields)))
		word_error(walk->errors, &word, "duplicate key, expected it once");
	*seen |= 1u << (field - fields);
	if (field->nullable && tree_is_null(&walk->tree, value))
		return 0;
	if (!check_kind(walk, value, field->kinds, field->expected))
		return 0;
	return field->parse(walk, value, object);
}

/* Walk a mapping whose keys are `fields`. */
static int walk_mapping(struct walk *walk, tree_node mapping, const struct field *fields,
			size_t count, void *object)
{
	struct word word = tree_word(&walk->tree, mapping);
	unsigned int seen = 0;
	tree_node key = tree_child(&walk->tree, mapping);
	int error;

	while (key) {
		tree_node value = tree_next(&walk->tree, key);

		error = walk_pair(walk, key, value, fields, count, &seen, object);
		if (error)
			return error;
		key = tree_next(&walk->tree, value);
	}
	for (size_t i = 0; i < count; i++) {
		if (fields[i].required && !(seen & (1u << i)))
			word_error(walk->errors, &word, "no `%s:` here, expected %s", fields[i].key,
				   fields[i].expected);
	}
	return 0;
}

/* One of a few words. False: it is none of them, and that is reported. `more` says what else would
 * have been right. */
static bool parse_choice(struct walk *walk, const struct word *word, const struct choice *choices,
			 size_t count, const char *more, unsigned int *value)
{
	char names[NAMES_SIZE] = "";

	for (size_t i = 0; i < count; i++) {
		if (word_is(word, choices[i].name)) {
			*value = choices[i].value;
			return true;
		}
		list_name(names, choices[i].name);
	}
	word_error(walk->errors, word, "unknown value, expected one of %s%s", names, more);
	return false;
}

static bool is_number(const struct word *word)
{
	return word->length > 0 && word->text[0] >= '0' && word->text[0] <= '9';
}

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

static const struct field output_fields[] = {
	{"to", SCALAR, "DEST:PORT[@IFACE]", .required = true, .parse = parse_to},
	{"ttl", SCALAR, "a number from 1 to 255", .parse = parse_ttl},
	{"dscp", SCALAR, "a number from 0 to 63 or a name", .parse = parse_dscp},
	{"gso", SCALAR, "on, off or a number", .parse = parse_output_gso},
};

static int parse_output(struct walk *walk, tree_node item, struct rule_object *rule)
{
	struct output_object output = {.output.port = 0};
	unsigned int before = walk->errors->count;
	int error;

	if (!check_kind(walk, item, SCALAR | MAPPING, "a mapping with `to`, or DEST:PORT[@IFACE]"))
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
	word_parse_source(&word, &rule->rule.source, walk->errors);
	return 0;
}

static const struct field rule_fields[] = {
	{"name", SCALAR, "a rule name", .parse = parse_name},
	{"in", SCALAR, "GROUP:PORT@IFACE", .required = true, .parse = parse_in},
	{"source", SCALAR, "the address of a host", .parse = parse_source},
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

	if (!check_kind(walk, item, SCALAR | MAPPING, "a rule"))
		return 0;
	error = parse_rule_item(walk, item, &rule);
	if (!error && walk->errors->count == before)
		return draft_add_rule(&walk->draft, &rule.rule, &rule.where, walk->errors);
	rule_free(&rule.rule);
	rule_positions_free(&rule.where);
	return error;
}

static int parse_rules(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	tree_node item = tree_child(&walk->tree, value);
	int error = 0;

	if (!item)
		word_error(walk->errors, &word, "no rules, expected at least one");
	for (; item && !error; item = tree_next(&walk->tree, item))
		error = parse_rule(walk, item);
	/* Too many, and that has been reported: the rest of the file is still read. */
	return error == -E2BIG ? 0 : error;
}

/* --- interfaces --- */

static const struct choice modes[] = {
	{"auto", IFACE_MODE_AUTO},
	{"native", IFACE_MODE_NATIVE},
	{"skb", IFACE_MODE_SKB},
};

static int parse_mode(struct walk *walk, tree_node value, void *object)
{
	struct iface_config *iface = object;
	struct word word = tree_word(&walk->tree, value);
	unsigned int mode;

	if (parse_choice(walk, &word, modes, COUNT(modes), "", &mode))
		iface->mode = mode;
	return 0;
}

static int parse_queues(struct walk *walk, tree_node value, void *object)
{
	static const struct choice all[] = {{"all", 0}};
	struct iface_config *iface = object;
	struct word word = tree_word(&walk->tree, value);

	if (is_number(&word))
		word_parse_number(&word, "number of queues", 1, XMC_MAX_QUEUES, &iface->queues,
				  walk->errors);
	else
		parse_choice(walk, &word, all, COUNT(all), " or a number", &iface->queues);
	return 0;
}

static const struct field iface_fields[] = {
	{"mode", SCALAR, "auto, native or skb", .parse = parse_mode},
	{"queues", SCALAR, "all or a number", .parse = parse_queues},
};

static int parse_iface(struct walk *walk, tree_node key, tree_node value)
{
	struct word word = tree_word(&walk->tree, key);
	struct iface_config iface = {.mode = IFACE_MODE_AUTO};
	bool valid = check_kind(walk, key, SCALAR, "an interface name") &&
		     word_parse_iface(&word, iface.name, walk->errors);
	int error;

	if (!tree_is_null(&walk->tree, value)) {
		if (!check_kind(walk, value, MAPPING, "a mapping with mode, queues"))
			return 0;
		error = walk_mapping(walk, value, iface_fields, COUNT(iface_fields), &iface);
		if (error)
			return error;
	}
	/* Also after an error inside it, so that a duplicate is found. */
	return valid ? draft_add_iface(&walk->draft, &iface, &word.at) : 0;
}

static int parse_interfaces(struct walk *walk, tree_node value, void *object)
{
	tree_node key = tree_child(&walk->tree, value);

	while (key) {
		tree_node iface = tree_next(&walk->tree, key);
		int error = parse_iface(walk, key, iface);

		if (error)
			return error;
		key = tree_next(&walk->tree, iface);
	}
	return 0;
}

/* --- egress --- */

static const struct choice engines[] = {
	{"io_uring", ENGINE_IO_URING},
	{"sendmmsg", ENGINE_SENDMMSG},
};

static const struct choice wakeups[] = {
	{"eventfd", WAKEUP_EVENTFD},
	{"hybrid", WAKEUP_HYBRID},
	{"spin", WAKEUP_SPIN},
};

static int parse_engine(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	unsigned int engine;

	if (parse_choice(walk, &word, engines, COUNT(engines), "", &engine))
		walk->draft.config.egress.engine = engine;
	return 0;
}

static int parse_gso(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_gso(&word, &walk->draft.config.egress.gso, walk->errors);
	return 0;
}

static int parse_wakeup(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	unsigned int wakeup;

	if (parse_choice(walk, &word, wakeups, COUNT(wakeups), "", &wakeup))
		walk->draft.config.egress.wakeup = wakeup;
	return 0;
}

static int parse_send_buffer(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_number(&word, "number of bytes", SEND_BUFFER_MIN, SEND_BUFFER_MAX,
			  &walk->draft.config.egress.send_buffer, walk->errors);
	return 0;
}

static const struct field egress_fields[] = {
	{"engine", SCALAR, "io_uring or sendmmsg", .parse = parse_engine},
	{"gso", SCALAR, "on, off or a number", .parse = parse_gso},
	{"wakeup", SCALAR, "eventfd, hybrid or spin", .parse = parse_wakeup},
	{"send_buffer", SCALAR, "a number of bytes", .parse = parse_send_buffer},
};

static int parse_egress(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, egress_fields, COUNT(egress_fields), NULL);
}

/* --- workers, statistics --- */

/* The rings of AF_XDP take sizes that are powers of two only. */
static void parse_power(struct walk *walk, tree_node value, const char *what, unsigned int min,
			unsigned int max, unsigned int *number)
{
	struct word word = tree_word(&walk->tree, value);

	if (!word_parse_number(&word, what, min, max, number, walk->errors))
		return;
	if (*number & (*number - 1))
		word_error(walk->errors, &word,
			   "not a valid %s, expected a power of two from %u to %u", what, min, max);
}

static int parse_frames(struct walk *walk, tree_node value, void *object)
{
	parse_power(walk, value, "number of frames", FRAMES_MIN, FRAMES_MAX,
		    &walk->draft.config.workers.frames);
	return 0;
}

static int parse_rx_ring(struct walk *walk, tree_node value, void *object)
{
	parse_power(walk, value, "ring size", RX_RING_MIN, RX_RING_MAX,
		    &walk->draft.config.workers.rx_ring);
	return 0;
}

static int parse_cpus(struct walk *walk, tree_node value, void *object)
{
	struct worker_config *workers = &walk->draft.config.workers;
	tree_node item = tree_child(&walk->tree, value);

	workers->nr_cpus = 0;
	for (; item; item = tree_next(&walk->tree, item)) {
		struct word word = tree_word(&walk->tree, item);
		unsigned int cpu;

		if (!check_kind(walk, item, SCALAR, "the number of a CPU") ||
		    !word_parse_number(&word, "CPU", 0, CPU_MAX, &cpu, walk->errors))
			continue;
		if (workers->nr_cpus == WORKER_CPUS_MAX) {
			word_error(walk->errors, &word, "too many CPUs, expected at most %d",
				   WORKER_CPUS_MAX);
			return 0;
		}
		workers->cpus[workers->nr_cpus++] = (uint16_t)cpu;
	}
	return 0;
}

static const struct field worker_fields[] = {
	{"frames", SCALAR, "a number", .parse = parse_frames},
	{"rx_ring", SCALAR, "a number", .parse = parse_rx_ring},
	{"cpus", SEQUENCE, "a list of CPU numbers", .parse = parse_cpus},
};

static int parse_workers(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, worker_fields, COUNT(worker_fields), NULL);
}

static int parse_interval(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_number(&word, "number of seconds", 0, STATS_INTERVAL_MAX,
			  &walk->draft.config.stats_interval, walk->errors);
	return 0;
}

static const struct field statistics_fields[] = {
	{"interval", SCALAR, "a number of seconds", .parse = parse_interval},
};

static int parse_statistics(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, statistics_fields, COUNT(statistics_fields), NULL);
}

/* --- the whole --- */

static const struct field root_fields[] = {
	{"rules", SEQUENCE, "a list of rules", .required = true, .parse = parse_rules},
	{"interfaces", MAPPING, "a mapping of interface names", .nullable = true,
	 .parse = parse_interfaces},
	{"egress", MAPPING, "a mapping with engine, gso, wakeup, send_buffer", .nullable = true,
	 .parse = parse_egress},
	{"workers", MAPPING, "a mapping with frames, rx_ring, cpus", .nullable = true,
	 .parse = parse_workers},
	{"statistics", MAPPING, "a mapping with interval", .nullable = true,
	 .parse = parse_statistics},
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
	if (!check_kind(walk, root, MAPPING, "a mapping with `rules:`"))
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
