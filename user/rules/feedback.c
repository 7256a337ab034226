/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/feedback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lookup.h"

/*
 * The graph: rules, and between them the places where packets are sent and taken in. A place is an
 * address and port on one interface, or the same on any interface; rules that take any port have
 * places of their own, with port 0; and what is sent to every port goes to places that have all
 * rules of an address. Each has the index of the first rule there, and a list of the rules. So a
 * rule has two edges for each output, a place one for each of its rules, and all edges together are
 * no more than twice the outputs and four times the rules, however many rules share an input.
 *
 * Depth-first search without recursion. A node that is reached while it is on the path closes a
 * cycle (Tarjan 1972: such an edge exists if and only if there is a cycle).
 */

#define NONE UINT32_MAX

enum kind {
	RULE,
	PLACE,	      /* address, port (0: the rules of any), interface */
	ANYWHERE,     /* address, port */
	ALL_PORTS,    /* address, interface */
	ALL_ANYWHERE, /* address */
	KINDS
};

/* Where a node stands on the path. */
#define UNSEEN 0u
#define DONE   UINT32_MAX

struct node {
	uint32_t kind;
	uint32_t rule;	 /* the rule, or the first one of the place */
	uint32_t cursor; /* RULE: next edge, two an output; else the next rule there, or NONE */
};

struct feedback {
	const struct draft *draft;
	const struct rule *rules;
	struct errors *errors;
	struct lookup places[KINDS];
	uint32_t *next[KINDS]; /* by rule: the next one of the same place */
	uint32_t *seen[KINDS]; /* UNSEEN, depth on the path + 1, or DONE */
	struct node *path;
	uint32_t depth;
};

/* Names of a cycle that an error shows: from its beginning, and its last. */
#define NAMES_SHOWN 8

/* ---- places ---- */

static uint32_t hash_place(const struct xmc_addr *addr, uint16_t port, const char *iface)
{
	uint32_t hashed = lookup_hash(LOOKUP_SEED, addr, sizeof(*addr));

	hashed = lookup_hash(hashed, &port, sizeof(port));
	return lookup_hash(hashed, iface, strlen(iface));
}

/* Keys are outputs, as inputs are compared with those. */
static bool feeds_all_anywhere(const void *array, uint32_t index, const void *key)
{
	const struct rule *rule = (const struct rule *)array + index;
	const struct rule_output *output = key;

	return addr_equal(&rule->group, &output->to);
}

static bool feeds_all_ports(const void *array, uint32_t index, const void *key)
{
	const struct rule *rule = (const struct rule *)array + index;
	const struct rule_output *output = key;

	return feeds_all_anywhere(array, index, key) && strcmp(rule->iface, output->iface) == 0;
}

static bool feeds_anywhere(const void *array, uint32_t index, const void *key)
{
	const struct rule *rule = (const struct rule *)array + index;
	const struct rule_output *output = key;

	return feeds_all_anywhere(array, index, key) && rule->port == output->port;
}

static bool feeds_place(const void *array, uint32_t index, const void *key)
{
	const struct rule *rule = (const struct rule *)array + index;
	const struct rule_output *output = key;

	return feeds_all_ports(array, index, key) && rule->port == output->port;
}

/* Enter a rule under its place; its list begins with the first one entered, which never changes. */
static void enter(struct feedback *graph, enum kind kind, uint32_t index)
{
	const struct rule *rule = &graph->rules[index];
	struct rule_output key = {.to = rule->group};
	uint32_t first;

	if (kind == PLACE || kind == ANYWHERE)
		key.port = rule->port;
	if (kind == PLACE || kind == ALL_PORTS)
		memcpy(key.iface, rule->iface, sizeof(key.iface));
	first = lookup_add(&graph->places[kind], hash_place(&key.to, key.port, key.iface), &key,
			   index);
	graph->next[kind][index] = NONE;
	if (first == LOOKUP_NONE)
		return;
	graph->next[kind][index] = graph->next[kind][first];
	graph->next[kind][first] = index;
}

static bool takes_part(const struct rule *rule)
{
	return !rule->disabled && !rule->may_loop;
}

static int init_places(struct feedback *graph, uint32_t count)
{
	static bool (*const feeds[KINDS])(const void *array, uint32_t index, const void *key) = {
		[PLACE] = feeds_place,
		[ANYWHERE] = feeds_anywhere,
		[ALL_PORTS] = feeds_all_ports,
		[ALL_ANYWHERE] = feeds_all_anywhere,
	};
	int err = 0;

	for (enum kind kind = PLACE; !err && kind < KINDS; kind++)
		err = lookup_init(&graph->places[kind], count, graph->rules, feeds[kind]);
	return err;
}

static int graph_init(struct feedback *graph)
{
	uint32_t count = graph->draft->config.nr_rules;

	for (enum kind kind = RULE; kind < KINDS; kind++) {
		graph->seen[kind] = calloc(count + 1UL, sizeof(uint32_t));
		graph->next[kind] = kind == RULE ? NULL : calloc(count + 1UL, sizeof(uint32_t));
		if (!graph->seen[kind] || (kind != RULE && !graph->next[kind]))
			return -ENOMEM;
	}
	/* Rules and places alternate, each is on the path at most once. */
	graph->path = calloc(KINDS * (count + 1UL), sizeof(*graph->path));
	if (!graph->path || init_places(graph, count))
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		if (!takes_part(&graph->rules[i]))
			continue;
		for (enum kind kind = PLACE; kind < KINDS; kind++)
			enter(graph, kind, i);
	}
	return 0;
}

static void graph_free(struct feedback *graph)
{
	for (enum kind kind = RULE; kind < KINDS; kind++) {
		lookup_free(&graph->places[kind]);
		free(graph->next[kind]);
		free(graph->seen[kind]);
	}
	free(graph->path);
}

/* ---- telling ---- */

/* The nearest rule of the path, from depth `from` on. There is one at `from` or behind it. */
static const struct node *rule_from(const struct feedback *graph, uint32_t from)
{
	while (graph->path[from].kind != RULE)
		from++;
	return &graph->path[from];
}

/* "a -> b -> a", a long one with its middle left out. */
static char *format_cycle(const struct feedback *graph, uint32_t from)
{
	const char *first = graph->rules[rule_from(graph, from)->rule].name;
	uint32_t count = 0, shown = 0;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (uint32_t i = from; i < graph->depth; i++)
		count += graph->path[i].kind == RULE;
	for (uint32_t i = from; i < graph->depth; i++) {
		if (graph->path[i].kind != RULE)
			continue;
		shown++;
		if (shown < NAMES_SHOWN || shown == count)
			fprintf(stream, "%s -> ", graph->rules[graph->path[i].rule].name);
		else if (shown == NAMES_SHOWN)
			fprintf(stream, "(%u more) -> ", count - NAMES_SHOWN);
	}
	fputs(first, stream);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* Which output of this rule the path follows: the cursor is behind its edge. */
static uint32_t followed_output(const struct node *node)
{
	return (node->cursor - 1) / 2;
}

/* Where an error about this rule's output stands. False: nobody has touched the rule. */
static bool find_place(const struct feedback *graph, const struct node *node, struct position *at)
{
	const struct draft *draft = graph->draft;

	if (node->rule >= draft->first) {
		*at = draft->rules_at[node->rule - draft->first].outputs[followed_output(node)];
		return true;
	}
	if (!draft->enabled_at || !draft->enabled_at[node->rule].line)
		return false;
	*at = draft->enabled_at[node->rule];
	return true;
}

/* What stands there: the output, or the name of the rule that was enabled. */
static const char *word_of(const struct feedback *graph, const struct node *node,
			   char text[ENDPOINT_TEXT_SIZE])
{
	const struct rule *rule = &graph->rules[node->rule];
	const struct rule_output *output = &rule->outputs[followed_output(node)];

	if (node->rule < graph->draft->first)
		return rule->name;
	return output_format(output, text);
}

/* The rules from depth `from` of the path on are a cycle. The rule that closes it is told, or else
 * the next before it that has a place: rules that were there before have no cycle among themselves.
 */
static int report(struct feedback *graph, uint32_t from)
{
	const struct node *node = NULL;
	struct position at = {.file = ""};
	char text[ENDPOINT_TEXT_SIZE];
	const char *word;
	char *cycle;

	if (graph->errors->count >= ERRORS_MAX) {
		/* Counted, and not kept: to look for its place would make many cycles slow. */
		errors_add(graph->errors, &at, NULL, 0, "a loop");
		return 0;
	}
	for (uint32_t i = graph->depth; i-- > from;) {
		if (graph->path[i].kind == RULE && find_place(graph, &graph->path[i], &at)) {
			node = &graph->path[i];
			break;
		}
	}
	cycle = format_cycle(graph, from);
	if (!cycle)
		return -ENOMEM;
	word = node ? word_of(graph, node, text) : NULL;
	errors_add(graph->errors, &at, word, word ? strlen(word) : 0,
		   "rules that feed themselves: %s, expected no such loop, or `may_loop` in one of "
		   "them",
		   cycle);
	free(cycle);
	return 0;
}

/* ---- search ---- */

/* Go on to a node, unless it was seen; on the path already, it closes a cycle. */
static int visit(struct feedback *graph, enum kind kind, uint32_t rule)
{
	uint32_t *seen = &graph->seen[kind][rule];

	if (*seen == DONE)
		return 0;
	if (*seen != UNSEEN)
		return report(graph, *seen - 1);
	graph->path[graph->depth] = (struct node){kind, rule, kind == RULE ? 0 : rule};
	*seen = ++graph->depth;
	return 0;
}

/* What is sent to one port goes to the rules of that port, the first edge, and of any port, the
 * second; what may be sent to every port to all rules of the address, and has one edge. */
static int follow_output(struct feedback *graph, struct node *node)
{
	const struct rule *rule = &graph->rules[node->rule];
	const struct rule_output *output = &rule->outputs[node->cursor / 2];
	uint16_t port = rule_output_port(rule, output);
	bool second = node->cursor++ % 2;
	struct rule_output key = {.to = output->to, .port = second ? RULE_PORT_ANY : port};
	enum kind kind = *output->iface ? PLACE : ANYWHERE;
	uint32_t first;

	if (rule_output_is_input(rule, output) || (second && port == RULE_PORT_KEPT))
		return 0;
	if (port == RULE_PORT_KEPT)
		kind = *output->iface ? ALL_PORTS : ALL_ANYWHERE;
	memcpy(key.iface, output->iface, sizeof(key.iface));
	first = lookup_find(&graph->places[kind], hash_place(&key.to, key.port, key.iface), &key);
	return first == LOOKUP_NONE ? 0 : visit(graph, kind, first);
}

/* One step from the end of the path. */
static int step(struct feedback *graph)
{
	struct node *node = &graph->path[graph->depth - 1];
	bool ends = node->kind == RULE ? node->cursor == 2 * graph->rules[node->rule].nr_outputs
				       : node->cursor == NONE;
	uint32_t rule = node->cursor;

	if (ends) {
		graph->seen[node->kind][node->rule] = DONE;
		graph->depth--;
		return 0;
	}
	if (node->kind == RULE)
		return follow_output(graph, node);
	node->cursor = graph->next[node->kind][rule];
	return visit(graph, RULE, rule);
}

static int search(struct feedback *graph)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < graph->draft->config.nr_rules; i++) {
		if (takes_part(&graph->rules[i]))
			err = visit(graph, RULE, i);
		while (!err && graph->depth)
			err = step(graph);
	}
	return err;
}

int feedback_check(const struct draft *draft, struct errors *errors)
{
	struct feedback graph = {
		.draft = draft,
		.rules = draft->config.rules,
		.errors = errors,
	};
	int err = graph_init(&graph);

	if (!err)
		err = search(&graph);
	graph_free(&graph);
	return err;
}
