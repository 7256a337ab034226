/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/methods_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "control/errors_json.h"
#include "daemon/daemon.h"
#include "daemon/reload.h"
#include "daemon/statistics.h"
#include "rules/range.h"

/* Twice the number of rules, so that a whole configuration can be replaced at once. */
#define OPERATIONS_MAX (2 * XMC_MAX_RULES)

/* ---- reading ---- */

static json_t *rule_json(const struct daemon *daemon, const struct stats *stats, unsigned int index)
{
	const struct rule_counts *counts = &stats->books->rules[index];
	const struct stats_rates *rates = &stats->rules[index];
	const struct range *range = counts->rule->range;
	char *text = rule_format(counts->rule, &relay_config(daemon->relay)->defaults);
	json_t *json;

	if (!text)
		return NULL;
	json = json_pack("{s:s, s:s, s:o*, s:b, s:s, s:o*, s:s, s:o*, s:s, s:I, s:I, s:i}", "name",
			 counts->rule->name, "rule", text, "range",
			 json_text_string(range ? range->text : NULL), "enabled",
			 !counts->rule->disabled, "state", counts->state, "reason",
			 json_text_string(counts->reason), "path", counts->path, "path_reason",
			 json_text_string(counts->path_reason), "flow", flow_name(rates->flow),
			 "rate_pps", (json_int_t)rates->second.pps, "rate_bps",
			 (json_int_t)rates->second.bps, "outputs", (int)counts->rule->nr_outputs);
	free(text);
	return json;
}

/* Append an item and take its reference. False without memory, or if the item is NULL. */
static bool append(json_t *array, json_t *item)
{
	return json_array_append_new(array, item) == 0;
}

void method_rule_list(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	struct control_page page;
	struct stats *stats;
	json_t *rules;

	if (!control_param_page(params, &page, reply))
		return;
	stats = statistics_now(daemon, page.offset, page.limit);
	rules = json_array();
	for (unsigned int i = 0; stats && rules && i < stats->books->nr_rules; i++) {
		if (!append(rules, rule_json(daemon, stats, i))) {
			json_decref(rules);
			rules = NULL;
		}
	}
	if (stats && rules)
		reply->result = json_pack("{s:i, s:I, s:O}", "total", (int)stats->books->all_rules,
					  "generation", (json_int_t)relay_generation(daemon->relay),
					  "rules", rules);
	json_decref(rules);
	stats_free(stats);
}

unsigned int method_find_rule(const struct config *config, const char *name)
{
	unsigned int i = 0;

	while (i < config->nr_rules && strcmp(config->rules[i].name, name) != 0)
		i++;
	return i;
}

void method_rule_show(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	const char *name = control_param_string(params, "name", reply);
	const struct config *config = relay_config(daemon->relay);
	char text[NO_RULE_TEXT_SIZE];
	struct stats *stats;
	unsigned int rule;
	json_t *more;

	if (!name)
		return;
	rule = method_find_rule(config, name);
	if (rule == config->nr_rules) {
		control_fail(reply, CONTROL_NOT_FOUND, "%.127s: %s", name,
			     no_rule_text(config, name, text));
		return;
	}
	stats = statistics_now(daemon, rule, 1);
	if (!stats)
		return;
	/* The keys of rule.list and the counters. Keys in both are equal, except "outputs". */
	reply->result = rule_json(daemon, stats, 0);
	more = stats_rule_json(stats, 0);
	if (!reply->result || !more || json_object_update(reply->result, more)) {
		json_decref(reply->result);
		reply->result = NULL;
	}
	json_decref(more);
	stats_free(stats);
}

/* ---- changing ---- */

static void change(struct daemon *daemon, const struct rule_operation *operations, size_t count,
		   const char *label, struct control_reply *reply)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	struct relay_change change;
	char reason[REASON_SIZE];
	int err;

	if (!errors)
		return;
	err = daemon_change_rules(daemon, operations, count, label, &change, errors, reason);
	if (!err) {
		reply->result = change_json(daemon, &change);
	} else if (err == -EINVAL && errors->count) {
		control_fail(reply, CONTROL_REFUSED, "refused: %u error%s, nothing was changed",
			     errors->count, errors->count == 1 ? "" : "s");
		reply->data = errors_json(errors);
	} else if (err != -ENOMEM || *reason) {
		control_fail(reply, CONTROL_FAILED, "%s; nothing was changed", reason);
	}
	errors_free(errors);
	free(errors);
}

json_t *change_json(const struct daemon *daemon, const struct relay_change *change)
{
	return json_pack("{s:I, s:i, s:i, s:i, s:i}", "generation",
			 (json_int_t)relay_generation(daemon->relay), "added", (int)change->added,
			 "removed", (int)change->removed, "replaced", (int)change->replaced,
			 "pending", (int)change->pending);
}

/* One operation for each string of a list. */
static void change_each(struct daemon *daemon, enum rule_verb verb, const char *key,
			const json_t *params, struct control_reply *reply)
{
	const json_t *texts = control_param_strings(params, key, OPERATIONS_MAX, reply);
	size_t count = json_array_size(texts);
	struct rule_operation *operations;

	if (!texts)
		return;
	operations = calloc(count, sizeof(*operations));
	if (!operations)
		return;
	for (size_t i = 0; i < count; i++) {
		operations[i].verb = verb;
		operations[i].text = json_string_value(json_array_get(texts, i));
	}
	change(daemon, operations, count, key, reply);
	free(operations);
}

void method_rule_add(void *context, const json_t *params, struct control_reply *reply)
{
	change_each(context, RULE_ADD, "rules", params, reply);
}

void method_rule_replace(void *context, const json_t *params, struct control_reply *reply)
{
	change_each(context, RULE_REPLACE, "rules", params, reply);
}

void method_rule_del(void *context, const json_t *params, struct control_reply *reply)
{
	change_each(context, RULE_DELETE, "names", params, reply);
}

void method_rule_enable(void *context, const json_t *params, struct control_reply *reply)
{
	change_each(context, RULE_ENABLE, "names", params, reply);
}

void method_rule_disable(void *context, const json_t *params, struct control_reply *reply)
{
	change_each(context, RULE_DISABLE, "names", params, reply);
}

static const struct {
	const char *name;
	enum rule_verb verb;
	const char *key;
} verbs[] = {
	{"add", RULE_ADD, "rule"},	   {"replace", RULE_REPLACE, "rule"},
	{"del", RULE_DELETE, "name"},	   {"enable", RULE_ENABLE, "name"},
	{"disable", RULE_DISABLE, "name"},
};

/* {"do": VERB, "rule"|"name": TEXT} and nothing else. */
static bool parse_operation(const json_t *object, struct rule_operation *operation)
{
	const char *verb = json_string_value(json_object_get(object, "do"));

	if (!verb || json_object_size(object) != 2)
		return false;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) != 0)
			continue;
		operation->verb = verbs[i].verb;
		operation->text = json_string_value(json_object_get(object, verbs[i].key));
		return operation->text != NULL;
	}
	return false;
}

void method_rule_change(void *context, const json_t *params, struct control_reply *reply)
{
	const json_t *list = control_param_objects(params, "operations", OPERATIONS_MAX, reply);
	size_t count = json_array_size(list);
	struct rule_operation *operations;

	if (!list)
		return;
	operations = calloc(count, sizeof(*operations));
	if (!operations)
		return;
	for (size_t i = 0; i < count; i++) {
		if (parse_operation(json_array_get(list, i), &operations[i]))
			continue;
		control_fail(reply, RPC_INVALID_PARAMS,
			     "operations: item %zu: expected {\"do\": \"add\" or \"replace\", "
			     "\"rule\": TEXT} or {\"do\": \"del\", \"enable\" or \"disable\", "
			     "\"name\": NAME}",
			     i + 1);
		goto out;
	}
	change(context, operations, count, "operations", reply);
out:
	free(operations);
}
