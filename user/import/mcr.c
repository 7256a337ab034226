/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of MCR (mcrd), in JSON5:
 *
 *     { rules: [{ name, input: { interface, group, port, protocol },
 *                 outputs: [{ interface, group, port, ttl }] }],
 *       multicast_ttl, pinning, pim, igmp, msdp, control_plane }
 */
#include <errno.h>
#include <string.h>

#include "import/import.h"
#include "import/json5.h"
#include "import/reading.h"
#include "rules/rule.h"

/* Bytes of a value that are looked at: no address, number or interface is longer. */
#define VALUE_MAX 100

struct mcr {
	struct sheet *sheet;
	struct reading reading; /* up to the line of the last rule */
	struct word line;
	const char *ttl; /* of outputs that name none; NULL: the default, which is ours */
};

/* The line at which an object begins becomes the current one. */
static void show_line(struct mcr *mcr, const json_t *object)
{
	json_int_t number = json_integer_value(json_object_get(object, JSON5_LINE));

	while (mcr->reading.line < number && reading_line(&mcr->reading, &mcr->line))
		continue;
	sheet_line(mcr->sheet, mcr->line.at.line, mcr->line.text, mcr->line.length);
}

/* A member that is a string; NULL: the member is missing, or is no string. */
static const char *member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Every member that is not one of the names, which are separated by blanks. */
static void report_others(struct sheet *sheet, const json_t *object, const char *names)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		const char *known = strstr(names, name);
		size_t length = strlen(name);

		if (strcmp(name, JSON5_LINE) == 0)
			continue;
		if (!known || !length || (known > names && known[-1] != ' ') ||
		    (known[length] && known[length] != ' '))
			sheet_lost(sheet, "%.100s: unknown", name);
	}
}

/* NAME of the grammar: MCR's may have any characters. */
static void add_name(struct mcr *mcr, const char *name, struct text *text)
{
	size_t start = text->length;
	bool changed = false;

	for (; *name; name++) {
		changed |= !name_byte_is_valid(*name);
		text_add_bytes(text, name_byte_is_valid(*name) ? name : "_", 1);
	}
	if (changed && !text->failed)
		sheet_note(mcr->sheet,
			   "the name is %.100s: blanks, quotes and what is not ASCII become _",
			   text->bytes + start);
	text_add(text, " ");
}

/* GROUP:PORT@INTERFACE, without the parts that are missing. */
static void add_endpoint(const json_t *place, bool esp, struct text *text)
{
	const char *group = member(place, "group");
	const char *port = member(place, "port");
	const char *iface = member(place, "interface");
	struct word word = {.text = group, .length = group ? strnlen(group, VALUE_MAX) : 0};

	if (group)
		reading_add_address(text, &word);
	if (port && !esp)
		text_add_format(text, ":%.*s", VALUE_MAX, port);
	if (iface)
		text_add_format(text, "@%.*s", VALUE_MAX, iface);
}

static void add_output(const struct mcr *mcr, const json_t *output, bool esp, struct text *text)
{
	const char *ttl = member(output, "ttl");
	const char *group = member(output, "group");
	struct xmc_addr to;

	text_add(text, " out ");
	add_endpoint(output, esp, text);
	if (!ttl)
		ttl = mcr->ttl;
	/* MCR sets the TTL of multicast outputs only. */
	if (ttl && group && addr_parse(group, &to) && addr_is_multicast(&to))
		text_add_format(text, " ttl %.*s", VALUE_MAX, ttl);
	report_others(mcr->sheet, output, "group port interface ttl");
}

/* A blank in a value would make two words of it. */
static bool has_blanks(const char *text)
{
	for (; *text; text++) {
		if (byte_is_space(*text))
			return true;
	}
	return false;
}

/* Whether every value that becomes a word of the rule is a single word. */
static bool values_are_words(struct sheet *sheet, const json_t *place)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)place, name, value)
	{
		const char *text = json_string_value(value);

		if (!text || !has_blanks(text))
			continue;
		sheet_lost(sheet, "'%.100s': a blank in %.100s", text, name);
		return false;
	}
	return true;
}

static void add_rule(struct mcr *mcr, const json_t *rule)
{
	const json_t *input = json_object_get(rule, "input");
	const json_t *outputs = json_object_get(rule, "outputs");
	const char *protocol = member(input, "protocol");
	bool esp = protocol && strcmp(protocol, "esp") == 0;
	bool good = values_are_words(mcr->sheet, input);
	const char *name = member(rule, "name");
	struct text text = {0};
	const json_t *output;
	size_t i;

	if (name && *name)
		add_name(mcr, name, &text);
	text_add(&text, "in ");
	if (esp) {
		const char *iface = member(input, "interface");
		const char *group = member(input, "group");

		text_add_format(&text, "%.*s/esp@%.*s path kernel", VALUE_MAX, group ? group : "",
				VALUE_MAX, iface ? iface : "");
	} else {
		add_endpoint(input, false, &text);
	}
	if (protocol && !esp && strcmp(protocol, "udp") != 0)
		sheet_lost(mcr->sheet, "protocol %.100s: treated as UDP, as MCR does", protocol);
	report_others(mcr->sheet, rule, "name input outputs");
	report_others(mcr->sheet, input, "interface group port protocol");
	json_array_foreach(outputs, i, output)
	{
		if (i > XMC_MAX_OUTPUTS)
			break;
		good = values_are_words(mcr->sheet, output) && good;
		add_output(mcr, output, esp, &text);
	}
	if (good)
		sheet_rule(mcr->sheet, text.failed ? NULL : text.bytes);
	text_free(&text);
}

/* What the file says beside rules. */
static void add_settings(struct mcr *mcr, const json_t *config)
{
	static const struct {
		const char *name;
		const char *text;
	} settings[] = {
		{"pinning", "set `workers: { cpus: [...] }`: each interface has a worker for each "
			    "of its RX queues, and their threads take these CPUs in turn"},
		{"pim", "no multicast routing protocol is spoken: FRR's pimd does, beside xmcast"},
		{"igmp",
		 "rules that follow the joins of receivers are not available yet; a querier "
		 "is up to the switch, a bridge or a router"},
		{"msdp", "no multicast routing protocol is spoken: FRR's pimd does, beside xmcast"},
		{"control_plane", "does not apply: there is no reverse-path check and no protocol"},
	};

	show_line(mcr, config);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (json_object_get(config, settings[i].name))
			sheet_lost(mcr->sheet, "%s: %s", settings[i].name, settings[i].text);
	}
	report_others(mcr->sheet, config,
		      "rules multicast_ttl pinning pim igmp msdp control_plane");
}

IMPORT_READER(mcr_read)
{
	struct position at = {.file = source->file};
	struct mcr mcr = {.sheet = sheet, .reading = {source->bytes, source->length, 0}};
	json_t *config = json5_parse(source->bytes, source->length, source->file, errors);
	const json_t *rules = json_object_get(config, "rules");
	const json_t *rule;
	size_t i;

	if (!config)
		return -errno;
	if (!json_is_object(config) || (rules && !json_is_array(rules))) {
		errors_add(errors, &at, NULL, 0,
			   "no configuration of MCR, expected { rules: [...] }");
		json_decref(config);
		return -EINVAL;
	}
	mcr.ttl = member(config, "multicast_ttl");
	add_settings(&mcr, config);
	json_array_foreach(rules, i, rule)
	{
		if (json_is_object(rule)) {
			show_line(&mcr, rule);
			add_rule(&mcr, rule);
		} else {
			sheet_lost(sheet, "rules[%zu]: not an object", i);
		}
	}
	json_decref(config);
	return 0;
}
