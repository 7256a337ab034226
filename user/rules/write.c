/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/unicode.h"
#include "rules/choices.h"
#include "rules/utf8.h"
#include "rules/values.h"
#include "rules/words.h"
#include "rules/yaml_tree.h"

/* --- texts --- */

/* Plain, one of these is something else than a string to some reader of YAML. */
static bool is_yaml_word(const char *text)
{
	static const char *const words[] = {"y",   "n",	   "yes",   "no",  "on",
					    "off", "true", "false", "null"};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	return false;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Whether what begins with a digit could be a number, a date or a time. Not "1.2.3.4:5": those have
 * no dot before a colon. */
static bool may_be_number(const char *text)
{
	const char *dot = strchr(text, '.'), *colon = strchr(text, ':');

	return !strchr(text, '@') && !(dot && colon && dot < colon);
}

/* Whether the text is safe without quotes, in block style. Rather no than yes. */
static bool is_plain(const char *text)
{
	size_t length = strlen(text);

	if (!is_letter(text[0]) && !is_digit(text[0]) && text[0] != '/' && text[0] != '_')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_letter(text[i]) && !is_digit(text[i]) && !strchr("-_./:@>", text[i]))
			return false;
	}
	if (text[length - 1] == ':' || is_yaml_word(text))
		return false;
	return !is_digit(text[0]) || !may_be_number(text);
}

/* Whether a character stands for itself in double quotes: no line end of YAML, nothing invisible.
 */
static bool is_literal(uint32_t code)
{
	if (code < 0x80)
		return code >= 0x20 && code < 0x7f && code != '"' && code != '\\';
	return code > 0xa0 && code != 0x2028 && code != 0x2029 && utf8_is_printable(code);
}

static void put_quoted(const char *text, FILE *stream)
{
	fputc('"', stream);
	for (unsigned int bytes; *text; text += bytes) {
		uint32_t code;

		bytes = utf8_decode(text, strlen(text), &code);
		/* Not from a file; there is no way to write it. */
		if (!bytes)
			break;
		if (is_literal(code))
			fwrite(text, 1, bytes, stream);
		else if (code == '"' || code == '\\')
			fprintf(stream, "\\%c", (char)code);
		else if (code < 0x100)
			fprintf(stream, "\\x%02x", code);
		else
			fprintf(stream, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
	}
	fputc('"', stream);
}

static void put_text(const char *text, FILE *stream)
{
	if (is_plain(text))
		fputs(text, stream);
	else
		put_quoted(text, stream);
}

/* --- rules --- */

static void put_limit(const struct rule_output *output, FILE *stream)
{
	char text[RATE_TEXT_SIZE];

	if (output->rate_bps)
		fprintf(stream, "        rate: %s\n", rate_format(output->rate_bps, text));
	if (output->rate_pps)
		fprintf(stream, "        pps: %u\n", output->rate_pps);
	if (output->burst_ms)
		fprintf(stream, "        burst: %s\n", burst_format(output->burst_ms, text));
}

static void put_output(const struct rule_output *output, FILE *stream)
{
	char to[ENDPOINT_TEXT_SIZE];

	fputs("      - to: ", stream);
	put_text(output_format(output, to), stream);
	fputc('\n', stream);
	if (output->ttl != rule_default_ttl(&output->to))
		fprintf(stream, "        ttl: %u\n", output->ttl);
	if (output->dscp) {
		const char *name = dscp_name(output->dscp);

		if (name)
			fprintf(stream, "        dscp: %s\n", name);
		else
			fprintf(stream, "        dscp: %u\n", output->dscp);
	}
	if (output->gso == 1)
		fputs("        gso: off\n", stream);
	else if (output->gso)
		fprintf(stream, "        gso: %u\n", output->gso);
	put_limit(output, stream);
}

static void put_source(const struct rule *rule, FILE *stream)
{
	char text[SOURCE_TEXT_SIZE];

	fputs("    source: ", stream);
	source_format(rule, text);
	/* No number has three dots. */
	if (addr_is_ipv4(&rule->source))
		fputs(text, stream);
	else
		put_text(text, stream);
	fputc('\n', stream);
}

static bool has_derived_name(const struct rule *rule)
{
	struct rule derived = *rule;

	rule_derive_name(&derived);
	return strcmp(derived.name, rule->name) == 0;
}

static void put_rule(const struct rule *rule, FILE *stream)
{
	char text[ENDPOINT_TEXT_SIZE];

	fputs("  - ", stream);
	if (!has_derived_name(rule)) {
		fputs("name: ", stream);
		put_text(rule->name, stream);
		fputs("\n    ", stream);
	}
	fputs("in: ", stream);
	put_text(input_format(rule, text), stream);
	fputc('\n', stream);
	if (!addr_is_any(&rule->source))
		put_source(rule, stream);
	if (rule->disabled)
		fputs("    enabled: no\n", stream);
	if (rule->may_loop)
		fputs("    may_loop: yes\n", stream);
	fputs("    out:\n", stream);
	for (unsigned int i = 0; i < rule->nr_outputs; i++)
		put_output(&rule->outputs[i], stream);
}

static void put_rules(const struct config *config, FILE *stream)
{
	fputs(config->nr_rules ? "rules:\n" : "rules: []\n", stream);
	for (unsigned int i = 0; i < config->nr_rules; i++)
		put_rule(&config->rules[i], stream);
}

/* --- interfaces --- */

/* Whether the text is written: it is there, and not as by default. */
static bool differs(const char *text, const char *usual)
{
	return *text && strcmp(text, usual) != 0;
}

/* "KEY: VALUE" for what is not as by default; nothing at all is `{}`. */
static int put_iface(const struct iface_config *iface, FILE *stream)
{
	const char *before = "\n";
	bool failed = false;

	fputs("  ", stream);
	put_text(iface->name, stream);
	fputc(':', stream);
	for (size_t i = 0; i < NR_IFACE_SETTINGS && !failed; i++) {
		const struct iface_setting *setting = &iface_setting_list[i];
		char *text = iface_setting_format(setting, iface);
		char *usual = iface_setting_format(setting, &iface_config_default);

		failed = !text || !usual;
		if (!failed && differs(text, usual)) {
			fprintf(stream, "%s    %s: ", before, setting->name);
			if (setting->text)
				put_text(text, stream);
			else
				fputs(text, stream);
			fputc('\n', stream);
			before = "";
		}
		free(text);
		free(usual);
	}
	if (*before)
		fputs(" {}\n", stream);
	return failed ? -ENOMEM : 0;
}

static int put_ifaces(const struct config *config, FILE *stream)
{
	int error = 0;

	if (config->nr_ifaces)
		fputs("\ninterfaces:\n", stream);
	for (unsigned int i = 0; i < config->nr_ifaces && !error; i++)
		error = put_iface(&config->ifaces[i], stream);
	return error;
}

/* --- other settings --- */

/* Write the path "a.b.c" as keys, one below the other, without those of them that stand there from
 * the path before. */
static void put_keys(const char *path, const char *before, FILE *stream)
{
	unsigned int depth = 0;

	for (;;) {
		size_t length = strcspn(path, ".");
		bool same = strncmp(path, before, length) == 0 && before[length] == '.';

		if (!same) {
			if (depth == 0)
				fputc('\n', stream);
			fprintf(stream, "%*s%.*s:", (int)depth * 2, "", (int)length, path);
			before = "";
		}
		if (!path[length])
			return;
		if (!same)
			fputc('\n', stream);
		else
			before += length + 1;
		path += length + 1;
		depth++;
	}
}

static int put_setting(const struct setting *setting, const struct config *config,
		       const struct config *defaults, const char **before, FILE *stream)
{
	char *text = setting_format(setting, config);
	char *usual = setting_format(setting, defaults);
	int error = text && usual ? 0 : -ENOMEM;

	if (!error && differs(text, usual)) {
		put_keys(setting->name, *before, stream);
		*before = setting->name;
		fputc(' ', stream);
		if (setting->text)
			put_text(text, stream);
		else
			fputs(text, stream);
		fputc('\n', stream);
	}
	free(text);
	free(usual);
	return error;
}

static int put_settings(const struct config *config, FILE *stream)
{
	const char *before = "";
	struct config defaults;
	int error = 0;

	config_init(&defaults);
	for (size_t i = 0; i < NR_SETTINGS && !error; i++)
		error = put_setting(&setting_list[i], config, &defaults, &before, stream);
	return error;
}

/* --- the whole --- */

char *config_write(const struct config *config, size_t *length)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, length);
	int error;

	if (!stream)
		return NULL;
	put_rules(config, stream);
	error = put_ifaces(config, stream);
	if (!error)
		error = put_settings(config, stream);
	if (!error && ferror(stream))
		error = -ENOMEM;
	/* That may come to no text and no error, and then *length is not set either. */
	if ((fclose(stream) != 0 || !text) && !error)
		error = -ENOMEM;
	if (!error && *length > TREE_BYTES_MAX)
		error = -EFBIG;
	if (!error)
		return text;
	free(text);
	errno = -error;
	return NULL;
}
