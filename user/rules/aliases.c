/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/aliases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lookup.h"
#include "rules/config.h"
#include "rules/rule.h"

struct name {
	char text[IF_NAMESIZE];
	unsigned int number; /* of the interface; 0: there is none */
	uint32_t first;	     /* the first name of that */
};

/* All names, each once, in the order in which they come. */
struct names {
	struct name *list;
	uint32_t count;
	struct lookup lookup;
	bool several; /* an interface has more than one */
};

static name_resolver *resolve;

void aliases_resolve_with(name_resolver *resolver)
{
	resolve = resolver;
}

static void add(struct names *names, const char *text)
{
	struct name *name = &names->list[names->count];

	if (!*text || lookup_find(&names->lookup, text) != LOOKUP_NONE)
		return;
	strcpy(name->text, text);
	name->number = resolve(text);
	name->first = names->count;
	for (uint32_t i = 0; name->number && i < names->count; i++) {
		if (names->list[i].number != name->number)
			continue;
		name->first = i;
		names->several = true;
		break;
	}
	lookup_add(&names->lookup, names->count++);
}

static size_t count_names(const struct config *config)
{
	size_t count = config->nr_rules + config->nr_ifaces;

	for (unsigned int i = 0; i < config->nr_rules; i++)
		count += config->rules[i].nr_outputs + config->rules[i].nr_sides;
	return count;
}

static void collect(struct names *names, const struct config *config)
{
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];

		add(names, rule->iface);
		for (unsigned int j = 0; j < rule->nr_sides; j++)
			add(names, rule->sides[j].iface);
		for (unsigned int j = 0; j < rule->nr_outputs; j++)
			add(names, rule->outputs[j].iface);
	}
	for (unsigned int i = 0; i < config->nr_ifaces; i++)
		add(names, config->ifaces[i].name);
}

static void replace(const struct names *names, char text[IF_NAMESIZE])
{
	if (*text) {
		const struct name *name = &names->list[lookup_find(&names->lookup, text)];

		strcpy(text, names->list[name->first].text);
	}
}

int aliases_unify(struct config *copy, const struct config *config)
{
	size_t most = count_names(config);
	struct name *list = calloc(most + 1, sizeof(*list));
	struct names names = {.list = list};
	int err = -ENOMEM;

	if (!list || lookup_init(&names.lookup, most, list->text, sizeof(*list), 0))
		goto out;
	if (resolve)
		collect(&names, config);
	err = names.several ? config_copy(copy, config) : -ENOENT;
	for (unsigned int i = 0; !err && i < copy->nr_rules; i++) {
		struct rule *rule = &copy->rules[i];

		replace(&names, rule->iface);
		for (unsigned int j = 0; j < rule->nr_sides; j++)
			replace(&names, rule->sides[j].iface);
		for (unsigned int j = 0; j < rule->nr_outputs; j++)
			replace(&names, rule->outputs[j].iface);
	}
	for (unsigned int i = 0; !err && i < copy->nr_ifaces; i++)
		replace(&names, copy->ifaces[i].name);
out:
	lookup_free(&names.lookup);
	free(list);
	return err;
}
