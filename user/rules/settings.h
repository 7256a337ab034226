/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one table of settings: where each stands in the file and in struct config, which values it
 * takes, its default and its purpose. The file is read and written, configurations are compared and
 * the reference (docs/xmcast.yaml, xmcast.yaml(5)) is generated from it: a new setting is one line
 * here and one member in model.h.
 *
 * Pure; any thread.
 */
#ifndef XMCAST_RULES_SETTINGS_H
#define XMCAST_RULES_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/errors.h"
#include "rules/field.h"
#include "rules/model.h"

/* All settings, in the order of the file: those of an interface, which are named interfaces.KEY and
 * are members of struct iface_config, and those of struct config. */
extern const struct field setting_list[];

/* A section of the file, in the order of the file; the last name is NULL. */
struct setting_section {
	const char *name;
	const char *help;
};

extern const struct setting_section setting_sections[];

#define SETTING_IFACES "interfaces"
#define SETTING_LEVELS "logging.levels"

/* Whether the setting is one of an interface: then `object` below is a struct iface_config,
 * otherwise a struct config. */
bool setting_of_iface(const struct field *setting);

/* The KEY, or SECTION.KEY, that a setting of this section ("egress", "logging.levels"; "": the
 * file) has within it; NULL if the setting belongs to another section. */
const char *setting_key(const struct field *setting, const char *section);

/* Set every setting of the config, or of the interface, to its default. */
void setting_defaults(void *object, bool of_iface);

/* As field_parse(). `seen` has a bit for each setting, by its index, that the file has set before:
 * a common log level does not change a facility's own. */
void setting_parse(const struct field *setting, const struct word *word, void *object,
		   uint64_t seen, struct errors *errors);

/* As field_format(). Objects are equal if and only if the texts of all settings are. */
const char *setting_format(const struct field *setting, const void *object,
			   char text[FIELD_TEXT_SIZE]);

/* The default as text, empty if it is no value. Returns `text`. */
const char *setting_default(const struct field *setting, char text[FIELD_TEXT_SIZE]);

/* Print a line for each setting, for people: its name, the form of its values, its default. */
void settings_print(FILE *stream);

#endif
