/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one table of settings: where each stands in the file and in struct config, which values it
 * takes, its default and its purpose. The file is read and written, configurations are compared and
 * the reference (docs/xmcast.yaml, xmcast.yaml(5)) is generated from it: a new setting is one line
 * here and one field in model.h.
 *
 * Pure; any thread.
 */
#ifndef XMCAST_RULES_SETTINGS_H
#define XMCAST_RULES_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "rules/model.h"
#include "rules/words.h"

enum setting_type {
	SETTING_CHOICE,	 /* one of `choices` */
	SETTING_SWITCH,	 /* a bool; `choices` has its two words in the file */
	SETTING_NUMBER,	 /* `min` to `max`, or one of `choices`; any other value means "not set" */
	SETTING_POWER,	 /* the same, and a power of two */
	SETTING_GSO,	 /* see word_parse_gso() */
	SETTING_PATH,	 /* an absolute path */
	SETTING_ACCOUNT, /* the name or the number of a user or group */
	SETTING_LISTEN,	 /* a loopback address with a port, or off */
	SETTING_CPUS,	 /* a list of CPU numbers */
	SETTING_LEVEL,	 /* the log level of all facilities without one of their own */
	SETTING_OWN_LEVEL, /* the log level of one facility */
};

struct choice {
	const char *name; /* NULL ends a list */
	unsigned int value;
};

struct setting {
	/* SECTION.KEY or SECTION.SECTION.KEY, in the order of the file. The settings of an
	 * interface are named interfaces.KEY and are fields of struct iface_config. */
	const char *name;
	enum setting_type type;
	size_t offset, size; /* of its field in struct config or struct iface_config */
	bool live;	     /* a reload applies it; otherwise it needs a restart */
	unsigned int min, max;
	const struct choice *choices;
	unsigned int value;  /* default; texts and lists are empty by default */
	const char *what;    /* "number of seconds", "group": for error messages */
	const char *unset;   /* what an empty value or list means: for the reference */
	const char *example; /* a value for the reference, if the default is empty */
	const char *help;    /* for the reference: sentences without line breaks */
};

/* All settings. The list ends with a name that is NULL. */
extern const struct setting setting_list[];

/* A section of the file, in the order of the file; the last name is NULL. */
struct setting_section {
	const char *name;
	const char *help;
};

extern const struct setting_section setting_sections[];

#define SETTING_IFACES "interfaces"

/* Whether the setting is one of an interface: then `object` below is a struct iface_config,
 * otherwise a struct config. */
bool setting_of_iface(const struct setting *setting);

/* The KEY, or SECTION.KEY, that a setting of this section ("egress", "logging.levels"; "": the
 * file) has within it; NULL if the setting belongs to another section. */
const char *setting_key(const struct setting *setting, const char *section);

/* Set every setting of the config, or of the interface, to its default. */
void setting_defaults(void *object, bool of_iface);

/* Longest value as text, with its NUL: a list of WORKER_CPUS_MAX numbers. */
#define SETTING_TEXT_SIZE 1024

/*
 * Set the value that the word says, or append an error. Of SETTING_CPUS the word is one item of the
 * list and is appended. `seen` has a bit for each setting, by its index, that the file has set
 * before: a common log level does not change a facility's own.
 */
void setting_parse(const struct setting *setting, void *object, const struct word *word,
		   uint64_t seen, struct errors *errors);

/* Write the value as the file has it, without quotes; empty: not set. Returns `text`. Objects are
 * equal if and only if all their texts are. */
const char *setting_format(const struct setting *setting, const void *object,
			   char text[SETTING_TEXT_SIZE]);

/* Whether the setting is a text that may need YAML's quotes. */
bool setting_is_text(const struct setting *setting);

/* "a number from 1 to 64", "one of auto, native, skb": what a value, or an item of a list,
 * must be. Returns `text`. */
const char *setting_expected(const struct setting *setting, char text[SETTING_TEXT_SIZE]);

#endif
