/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xmcast-reference yaml        print docs/xmcast.yaml
 * xmcast-reference man <PAGE   print xmcast.yaml(5) or xmcastd(8) with its generated parts made anew
 *
 * They are generated from the tables of settings and options in user/rules, and committed.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/grammar.h"
#include "rules/settings.h"

/* Where comments begin in the YAML file, and where its lines end. */
#define COMMENT 37
#define WIDTH	100

/* The last part of a name. */
static const char *last_key(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

#define ABOUT_SIZE (2 * FIELD_TEXT_SIZE)

/* Whether the help explains every value. */
static bool explains_choices(const struct field *field)
{
	for (const struct choice *choice = field->choices; choice && choice->name; choice++) {
		if (!strstr(field->help, choice->name))
			return false;
	}
	return true;
}

/* All sentences about a field, except a default that is a value. */
static void describe(const struct field *field, char about[ABOUT_SIZE])
{
	bool number = field->type == FIELD_NUMBER || field->type == FIELD_POWER ||
		      field->type == FIELD_UNITS;
	char expected[FIELD_TEXT_SIZE];
	size_t used = (size_t)snprintf(about, ABOUT_SIZE, "%s", field->help);

	if (number || (field->type == FIELD_CHOICE && !explains_choices(field))) {
		field_expected(field, expected);
		expected[0] = (char)toupper(expected[0]);
		used += (size_t)snprintf(about + used, ABOUT_SIZE - used, " %s.", expected);
	}
	if (field->unset)
		used += (size_t)snprintf(about + used, ABOUT_SIZE - used, " Default: %s.",
					 field->unset);
	if (field->live)
		snprintf(about + used, ABOUT_SIZE - used, " A reload applies it.");
}

/* ---- YAML ---- */

/* Print words from this column on, as a comment that goes on below itself. */
static void put_comment(size_t column, const char *words)
{
	size_t used = 0;

	while (*words) {
		size_t length = strcspn(words, " ");

		if (!used || COMMENT + 2 + used + 1 + length > WIDTH) {
			if (used)
				printf("\n");
			printf("%*s#", (int)(COMMENT - (used ? 0 : column)), "");
			used = 0;
		}
		printf(" %.*s", (int)length, words);
		used += length + 1;
		words += length + (words[length] == ' ');
	}
	printf("\n");
}

static void put_line(const char *line, const char *comment)
{
	size_t column = strlen(line);

	printf("%s", line);
	if (!*comment) {
		printf("\n");
		return;
	}
	if (column >= COMMENT)
		printf("\n");
	put_comment(column < COMMENT ? column : 0, comment);
}

/* The options from the first to the one in front of `end`. */
static void yaml_options(const struct field *options, const struct field *end, const char *indent)
{
	char line[256], about[ABOUT_SIZE];

	for (; options < end; options++) {
		snprintf(line, sizeof(line), "%s%s: %s", indent, rule_field_key(options),
			 options->example ? options->example : options->unset);
		describe(options, about);
		put_line(line, about);
	}
}

static void yaml_rules(void)
{
	put_line("rules:", "");
	put_line("  - name: cam1", "Default: derived from the input.");
	put_line("    in: 239.1.1.1:5000@eth0",
		 "GROUP:PORT@IFACE, or the address of a host instead of a group. PORT may be any, "
		 "of a group: 239.1.1.1:any@eth0 matches every port that no other rule claims. "
		 "GROUP/PROTO@IFACE is an IP protocol other than UDP, by its number or its name in "
		 "/etc/protocols, such as 239.1.1.1/esp@eth0: it needs the kernel path, and its "
		 "outputs have no port. IPv6 needs quotes in YAML: \"[ff3e::1]:5000@eth0\".");
	yaml_options(rule_options, &rule_fields[RULE_SELECT], "    ");
	put_line("    out:", "1 to 256 outputs, each in one of these forms:");
	put_line("      - to: 239.2.2.2:6000@eth1", "DEST[:PORT][@IFACE]. A group, 255.255.255.255 "
						    "and a link-local address need an interface.");
	yaml_options(output_options, &output_fields[OUTPUT_FIELDS], "        ");
	put_line("      - 10.0.0.100:6000",
		 "Short for { to: ... }. IPv4 or IPv6, whatever the input is.");
	put_line("      - 239.2.2.4@eth1",
		 "Without a port: each datagram keeps its destination port.");
	put_line("  - name: cam3", "");
	put_line("    in:",
		 "Several inputs of one stream, 2 to 4, each with a label of its own. On "
		 "one line: in A:239.1.1.3:5000@eth0 in B:239.1.2.3:5000@eth2 source "
		 "10.9.8.8.");
	put_line("      - A:239.1.1.3:5000@eth0", "Short for { in: ... }.");
	put_line("      - in: B:239.1.2.3:5000@eth2", "");
	put_line("        source: 10.9.8.8", "As above, of this input alone.");
	yaml_options(&rule_fields[RULE_SELECT], &rule_fields[RULE_MERGE], "    ");
	put_line("    # Instead of select:", "");
	yaml_options(&rule_fields[RULE_MERGE], &rule_fields[RULE_FIELDS], "    # ");
	put_line("    out: 239.2.2.5:6000@eth1", "");
	put_line("  # A rule may also be one line, as on the command line:", "");
	put_line("  - cam2 in 239.1.1.2:5000@eth0 out 239.2.2.3:6000@eth1 ttl 8", "");
	put_line("  - name: cam4", "");
	put_line("    group: tv", "The rule has the lease of this group, see groups.");
	put_line("    in: 239.1.1.4:5000@eth0", "");
	put_line("    out: 239.2.2.6:6000@eth1", "");
	printf("\n");
	put_line("groups:", "What the rules of a group have in common. Not for rules in one line.");
	put_line("  tv:", "");
	put_line("    lease: tv/16", "As of a rule, and instead of it.");
}

static void yaml_setting(const struct field *setting, const char *indent)
{
	char line[FIELD_TEXT_SIZE + 64], text[FIELD_TEXT_SIZE], about[ABOUT_SIZE];

	setting_default(setting, text);
	snprintf(line, sizeof(line), "%s%s%s: %s", indent, *text ? "" : "# ",
		 last_key(setting->name), *text ? text : setting->example);
	describe(setting, about);
	put_line(line, about);
}

/* The facilities stand in one line, as a mapping that is empty by default. */
static void yaml_levels(const char *help)
{
	char comment[1024];
	size_t used = (size_t)snprintf(comment, sizeof(comment),
				       "%s A reload applies it. Facilities:", help);

	for (int i = 0; i < LOG_FACILITIES; i++)
		used += (size_t)snprintf(comment + used, sizeof(comment) - used, "%s %s",
					 i ? "," : "", log_facility_name((enum log_facility)i));
	snprintf(comment + used, sizeof(comment) - used, ".");
	put_line("  levels: {}", comment);
}

static void yaml_section(const struct setting_section *section)
{
	bool ifaces = strcmp(section->name, SETTING_IFACES) == 0, levels = false;
	char line[64];

	snprintf(line, sizeof(line), "%s:", section->name);
	printf("\n");
	put_line(line, section->help);
	if (ifaces)
		put_line("  eth0:", "");
	for (const struct field *setting = setting_list; setting->name; setting++) {
		if (!setting_key(setting, section->name) || setting->type == FIELD_RETIRED)
			continue;
		if (!setting_key(setting, SETTING_LEVELS))
			yaml_setting(setting, ifaces ? "    " : "  ");
		else if (!levels)
			yaml_levels(setting->help);
		levels |= setting_key(setting, SETTING_LEVELS) != NULL;
	}
}

static int print_yaml(void)
{
	printf("# Every setting of xmcastd, with its default. Only `rules` is needed; [] is an "
	       "empty list.\n"
	       "# A setting needs a restart unless a reload applies it, as it does for rules.\n"
	       "# Check a file with: xmcastd -t -c FILE\n"
	       "\n");
	yaml_rules();
	for (const struct setting_section *section = setting_sections; section->name; section++)
		yaml_section(section);
	return 0;
}

/* ---- manual page ---- */

/* mdoc(7) wants each sentence on a line of its own. */
static void man_sentences(const char *text)
{
	while (*text) {
		const char *end = strstr(text, ". ");
		size_t length = end ? (size_t)(end - text) + 1 : strlen(text);

		printf("%.*s\n", (int)length, text);
		text += length;
		text += *text == ' ';
	}
}

/* ".It Li gso : Li on | off | Ar N": words as they are, and what they stand for. */
static void man_item(const char *key, const char *form)
{
	const char *macro = "";

	printf(".It Li %s :", key);
	while (*form) {
		size_t length = strcspn(form, "|([");
		const char *wanted = islower((unsigned char)*form) ? "Li" : "Ar";

		if (length && strcmp(macro, wanted) != 0)
			printf(" %s", wanted);
		macro = wanted;
		if (length)
			printf(" %.*s", (int)length, form);
		form += length;
		if (*form == '|') {
			printf(" |");
			form++;
		} else if (*form == '(') {
			/* "N(ms|s)": a unit. */
			printf(" Ns Pq Li %.*s", (int)strlen(form) - 2, form + 1);
			break;
		} else if (strcmp(form, "[/BITS]") == 0 || strcmp(form, "[/SHARDS]") == 0) {
			printf(" Ns Op Li / Ns Ar %.*s", (int)strlen(form) - 3, form + 2);
			break;
		} else if (strncmp(form, "[:PORT]", strlen("[:PORT]")) == 0) {
			printf(" Ns Op \\&: Ns Ar PORT");
			macro = "Op";
			form += strlen("[:PORT]");
		} else if (*form) {
			printf(" Li \\&[ Ns Ar N , No ... Ns Li \\&]");
			break;
		}
	}
	printf("\n");
}

static void man_options(const struct field *options)
{
	char form[FIELD_TEXT_SIZE], about[ABOUT_SIZE];

	for (; options->name; options++) {
		field_form(options, form);
		man_item(rule_field_key(options), form);
		describe(options, about);
		man_sentences(about);
	}
}

static void man_setting(const struct field *setting)
{
	char text[FIELD_TEXT_SIZE], about[ABOUT_SIZE];

	if (setting_key(setting, SETTING_LEVELS)) {
		printf(".It Li levels\n");
		man_sentences(setting->help);
		printf("A reload applies it.\nFacilities:\n.Li");
		for (int i = 0; i < LOG_FACILITIES; i++)
			printf(" %s %s", log_facility_name((enum log_facility)i),
			       i + 1 < LOG_FACILITIES ? "," : ".");
		printf("\nDefault: none.\n");
		return;
	}
	field_form(setting, text);
	man_item(last_key(setting->name), text);
	describe(setting, about);
	man_sentences(about);
	setting_default(setting, text);
	if (*text)
		printf("Default: %s.\n", text);
}

static void man_settings(void)
{
	for (const struct setting_section *section = setting_sections; section->name; section++) {
		bool levels = false;

		printf(".Ss %s\n", section->name);
		man_sentences(section->help);
		printf(".Bl -tag -width Ds\n");
		for (const struct field *setting = setting_list; setting->name; setting++) {
			bool own_level = setting_key(setting, SETTING_LEVELS);

			if (setting_key(setting, section->name) && !(own_level && levels) &&
			    setting->type != FIELD_RETIRED)
				man_setting(setting);
			levels |= own_level && setting_key(setting, section->name);
		}
		printf(".El\n");
	}
}

/* Copy the page, with what stands between "begin generated" and "end generated" made anew. */
static int print_man(void)
{
	static const char begin[] = ".\\\" begin generated ", end[] = ".\\\" end generated";
	unsigned int parts = 0;
	bool copying = true;
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		if (strncmp(line, end, strlen(end)) == 0)
			copying = true;
		if (copying)
			fputs(line, stdout);
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		copying = false;
		parts++;
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line + strlen(begin), "options of a rule") == 0)
			man_options(rule_options);
		else if (strcmp(line + strlen(begin), "options of an output") == 0)
			man_options(output_options);
		else if (strcmp(line + strlen(begin), "settings") == 0)
			man_settings();
		else
			grammar_print(stdout, "");
	}
	if (copying && parts)
		return 0;
	fprintf(stderr, "xmcast-reference: a page without, or with half of, a generated part\n");
	return 1;
}

int main(int argc, char **argv)
{
	int err;

	if (argc == 2 && strcmp(argv[1], "yaml") == 0) {
		err = print_yaml();
	} else if (argc == 2 && strcmp(argv[1], "man") == 0) {
		err = print_man();
	} else {
		fprintf(stderr, "usage: xmcast-reference yaml|man <PAGE\n");
		return 1;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "xmcast-reference: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return err;
}
