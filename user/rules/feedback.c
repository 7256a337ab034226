/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/feedback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lookup.h"
#include "rules/prefix.h"

/*
 * The graph: rules, and between them the places where packets are sent and taken in. A place is an
 * address, an IP protocol, a port (0: the rules of any port, or a protocol without) and an
 * interface. What is sent without an interface goes to places that have all interfaces of an
 * address, what is sent to every port to places that have all ports. So each rule enters four
 * places with each of its inputs, and has two edges for each output; a place has one for each of
 * its rules, however many share an input.
 *
 * Prefixes have no place. Behind these edges a rule has one for each of its outputs and each rule
 * with a prefix, or, if it has a prefix itself, each rule: most of them lead nowhere, and there are
 * few prefixes (RULE_PREFIXES_MAX).
 *
 * Depth-first search without recursion. A node that is reached while it is on the path closes a
 * cycle (Tarjan 1972: such an edge exists if and only if there is a cycle).
 *
 * Nodes are numbers: of N rules with M inputs, rule i is node i; what input j enters as a place of
 * kind k is node N + k * M + j, and the place itself is the node of the input that entered it
 * first.
 */

/* Kinds of places: these, or both, or neither. */
#define ALL_PORTS  1u
#define ALL_IFACES 2u
#define KINDS	   4u

struct place {
	struct xmc_addr addr;
	char iface[IF_NAMESIZE];
	uint16_t port;
	uint8_t protocol; /* as that of a rule */
	uint8_t kind;
};

/* Where a node stands on the path. */
#define UNSEEN 0u
#define DONE   UINT32_MAX

#define NONE   UINT32_MAX

/* A node on the path, and its next edge. */
struct node {
	uint32_t id;
	/* Of a rule: two for each output, then those of prefixes; of a place: an entry of it, or
	 * NONE. */
	uint64_t cursor;
};

struct feedback {
	const struct draft *draft;
	const struct rule *rules;
	uint32_t count;	 /* of rules */
	uint32_t inputs; /* of all rules */
	uint32_t *owner; /* by input: its rule */
	struct errors *errors;
	struct place *places; /* by entry: k * M + j */
	uint32_t *next;	      /* by entry: the next one of the same place */
	uint32_t *seen;	      /* by node: UNSEEN, depth on the path + 1, or DONE */
	struct node *path;
	uint32_t depth;
	struct lookup *lookup; /* finds the first entry of each place */
	uint32_t nr_prefixes;
	uint32_t *prefixes; /* rules with a prefix */
};

/* Names of a cycle that an error shows: from its beginning, and its last. */
#define NAMES_SHOWN 8

/* ---- places ---- */

static bool takes_part(const struct rule *rule)
{
	return !rule->disabled && !rule->may_loop;
}

static void fill_place(struct place *place, unsigned int kind, const struct xmc_addr *addr,
		       uint16_t port, uint8_t protocol, const char *iface)
{
	memset(place, 0, sizeof(*place));
	place->kind = (uint8_t)kind;
	place->protocol = protocol;
	place->addr = *addr;
	if (!(kind & ALL_PORTS))
		place->port = port;
	if (!(kind & ALL_IFACES))
		memcpy(place->iface, iface, sizeof(place->iface));
}

/* Enter an input of a rule into a place. Its list begins with the first entry, which never changes.
 */
static void enter(struct feedback *graph, unsigned int kind, uint32_t input,
		  const struct rule *view)
{
	uint32_t entry = kind * graph->inputs + input, first;

	fill_place(&graph->places[entry], kind, &view->group, view->port, view->protocol,
		   view->iface);
	first = lookup_add(graph->lookup, entry);
	graph->next[entry] = NONE;
	if (first == LOOKUP_NONE)
		return;
	graph->next[entry] = graph->next[first];
	graph->next[first] = entry;
}

static void enter_rule(struct feedback *graph, uint32_t index, uint32_t *input)
{
	const struct rule *rule = &graph->rules[index];

	for (unsigned int i = 0; i < rule_inputs(rule); i++, (*input)++) {
		struct rule view;

		graph->owner[*input] = index;
		rule_of_side(rule, i, &view);
		if (takes_part(rule) && rule->group_host_bits)
			graph->prefixes[graph->nr_prefixes++] = index;
		for (unsigned int kind = 0;
		     kind < KINDS && takes_part(rule) && !rule->group_host_bits; kind++)
			enter(graph, kind, *input, &view);
	}
}

static int graph_init(struct feedback *graph)
{
	size_t entries;

	for (uint32_t i = 0; i < graph->count; i++)
		graph->inputs += rule_inputs(&graph->rules[i]);
	entries = (size_t)KINDS * graph->inputs;
	graph->owner = calloc(graph->inputs + 1UL, sizeof(*graph->owner));
	graph->places = calloc(entries + 1, sizeof(*graph->places));
	graph->next = calloc(entries + 1, sizeof(*graph->next));
	graph->seen = calloc(entries + graph->count + 1, sizeof(*graph->seen));
	graph->path = calloc(entries + graph->count + 1, sizeof(*graph->path));
	graph->prefixes = calloc(graph->count + 1UL, sizeof(*graph->prefixes));
	if (!graph->places || !graph->next || !graph->seen || !graph->path || !graph->prefixes ||
	    !graph->owner)
		return -ENOMEM;
	return lookup_init(graph->lookup, entries, graph->places, sizeof(*graph->places),
			   sizeof(*graph->places));
}

static void graph_free(struct feedback *graph)
{
	lookup_free(graph->lookup);
	free(graph->places);
	free(graph->next);
	free(graph->seen);
	free(graph->path);
	free(graph->prefixes);
	free(graph->owner);
}

/* ---- reports ---- */

/* "a -> b -> a", a long one with its middle left out. The path alternates between rules and places,
 * from depth `from` on. */
static char *format_cycle(const struct feedback *graph, uint32_t from)
{
	const struct rule *first = NULL;
	uint32_t count = 0, shown = 0;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (uint32_t i = from; i < graph->depth; i++)
		count += graph->path[i].id < graph->count;
	for (uint32_t i = from; i < graph->depth; i++) {
		const struct rule *rule = &graph->rules[graph->path[i].id];

		if (graph->path[i].id >= graph->count)
			continue;
		if (!first)
			first = rule;
		shown++;
		if (shown < NAMES_SHOWN || shown == count)
			fprintf(stream, "%s -> ", rule->name);
		else if (shown == NAMES_SHOWN)
			fprintf(stream, "(%u more) -> ", count - NAMES_SHOWN);
	}
	fputs(first ? first->name : "", stream);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* The rules into which the outputs of a rule may send beside those that places name. */
static uint32_t count_overlaps(const struct feedback *graph, const struct rule *rule)
{
	return rule->group_host_bits ? graph->count : graph->nr_prefixes;
}

/* The output of an edge of a rule. */
static unsigned int output_of(const struct feedback *graph, const struct node *node,
			      uint64_t cursor)
{
	const struct rule *rule = &graph->rules[node->id];
	uint64_t named = 2UL * rule->nr_outputs;

	return (unsigned int)(cursor < named ? cursor / 2
					     : (cursor - named) / count_overlaps(graph, rule));
}

/* Append an error about a cycle at a rule of the path: at the output that the path follows, or
 * where the rule was enabled. False: the rule was accepted earlier, and nobody has touched it. */
static bool report_at(struct feedback *graph, const struct node *node, const char *cycle)
{
	const struct rule *rule = &graph->rules[node->id];
	const struct rule_positions *where = &graph->draft->rules_at[node->id];
	/* The cursor is behind the edge. */
	unsigned int output = output_of(graph, node, node->cursor - 1);
	const struct position *at = &where->enabled;
	char text[ENDPOINT_TEXT_SIZE];
	const char *word = rule->name;

	if (where->at[RULE_NAME].line) {
		at = &where->outputs[output].at;
		word = output_format(&rule->outputs[output], text);
	}
	if (!at->line)
		return false;
	errors_add(graph->errors, at, word, strlen(word),
		   "rules that feed themselves: %s, expected no such loop, or `may_loop` in one of "
		   "them",
		   cycle);
	return true;
}

/* The rules from depth `from` of the path on are a cycle. It is reported at the rule that closes
 * it, or at the nearest one before that has a place: rules that were accepted earlier have no cycle
 * among themselves. */
static int report(struct feedback *graph, uint32_t from)
{
	bool reported = false;
	char *cycle;

	if (graph->errors->count >= ERRORS_MAX) {
		/* It would only be counted: looking for its place would make many cycles slow. */
		errors_add(graph->errors, &(struct position){.file = ""}, NULL, 0, "a loop");
		return 0;
	}
	cycle = format_cycle(graph, from);
	if (!cycle)
		return -ENOMEM;
	for (uint32_t i = graph->depth; i-- > from && !reported;) {
		if (graph->path[i].id < graph->count)
			reported = report_at(graph, &graph->path[i], cycle);
	}
	free(cycle);
	return 0;
}

/* ---- search ---- */

/* Go on to a node, unless it was seen; if it is on the path, it closes a cycle. */
static int visit(struct feedback *graph, uint32_t id, uint64_t cursor)
{
	if (graph->seen[id] == DONE)
		return 0;
	if (graph->seen[id] != UNSEEN)
		return report(graph, graph->seen[id] - 1);
	graph->path[graph->depth] = (struct node){id, cursor};
	graph->seen[id] = ++graph->depth;
	return 0;
}

/* What is sent to one port goes to the rules of that port, the first edge, and to those of any
 * port, the second; what may be sent to every port goes to all rules of the address, and has one
 * edge. */
static int follow_output(struct feedback *graph, struct node *node)
{
	const struct rule *rule = &graph->rules[node->id];
	const struct rule_output *output = &rule->outputs[node->cursor / 2];
	uint16_t port = rule_output_port(rule, output);
	bool second = node->cursor++ % 2, every_port = port == RULE_PORT_KEPT;
	unsigned int kind = (*output->iface ? 0 : ALL_IFACES) | (every_port ? ALL_PORTS : 0);
	struct place place;
	uint32_t entry;

	if (rule_output_is_input(rule, output) || (second && every_port))
		return 0;
	fill_place(&place, kind, &output->to, second ? RULE_PORT_ANY : port, rule->protocol,
		   output->iface);
	entry = lookup_find(graph->lookup, &place);
	return entry == LOOKUP_NONE ? 0 : visit(graph, graph->count + entry, entry);
}

/* Does what an output of one rule sends reach the input of another one, by a prefix of either? */
static bool overlaps(const struct rule *from, const struct rule_output *output,
		     const struct rule *to, unsigned int side)
{
	uint8_t sent = output->same ? from->group_host_bits : 0;
	uint16_t port = rule_output_port(from, output);
	struct rule view;

	if (from == to)
		return false;
	to = rule_of_side(to, side, &view);
	return takes_part(to) && (sent || to->group_host_bits) && from->protocol == to->protocol &&
	       strcmp(output->iface, to->iface) == 0 &&
	       (port == RULE_PORT_KEPT || to->port == RULE_PORT_ANY || port == to->port) &&
	       (sent > to->group_host_bits
			? prefix_has(&output->to, sent, &to->group)
			: prefix_has(&to->group, to->group_host_bits, &output->to));
}

static int follow_overlap(struct feedback *graph, struct node *node)
{
	const struct rule *rule = &graph->rules[node->id];
	uint32_t count = count_overlaps(graph, rule);
	uint64_t edge = node->cursor++ - 2UL * rule->nr_outputs;
	uint32_t index = (uint32_t)(edge % count);

	if (!rule->group_host_bits)
		index = graph->prefixes[index];
	for (unsigned int side = 0; side < rule_inputs(&graph->rules[index]); side++) {
		if (overlaps(rule, &rule->outputs[edge / count], &graph->rules[index], side))
			return visit(graph, index, 0);
	}
	return 0;
}

/* One step from the end of the path. */
static int step(struct feedback *graph)
{
	struct node *node = &graph->path[graph->depth - 1];
	uint32_t entry = (uint32_t)node->cursor;

	if (node->id < graph->count) {
		const struct rule *rule = &graph->rules[node->id];
		uint64_t named = 2UL * rule->nr_outputs;

		if (node->cursor < named)
			return follow_output(graph, node);
		if (node->cursor < named + (uint64_t)rule->nr_outputs * count_overlaps(graph, rule))
			return follow_overlap(graph, node);
	} else if (entry != NONE) {
		node->cursor = graph->next[entry];
		return visit(graph, graph->owner[entry % graph->inputs], 0);
	}
	graph->seen[node->id] = DONE;
	graph->depth--;
	return 0;
}

int feedback_check(const struct draft *draft, struct errors *errors)
{
	struct lookup lookup = {0};
	struct feedback graph = {
		.draft = draft,
		.lookup = &lookup,
		.rules = draft->config.rules,
		.count = draft->config.nr_rules,
		.errors = errors,
	};
	int err = graph_init(&graph);
	uint32_t input = 0;

	for (uint32_t i = 0; i < graph.count && !err; i++)
		enter_rule(&graph, i, &input);
	for (uint32_t i = 0; i < graph.count && !err; i++) {
		if (takes_part(&graph.rules[i]))
			err = visit(&graph, i, 0);
		while (graph.depth && !err)
			err = step(&graph);
	}
	graph_free(&graph);
	return err;
}
