/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every setting of a configuration, by name: how its value is written, and what a running daemon
 * does when it changes. The one table for all that writes or compares settings, so that none of
 * them forgets one. Pure; any thread.
 */
#ifndef XMCAST_RULES_VALUES_H
#define XMCAST_RULES_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "rules/config.h"

struct setting {
	/* SECTION.KEY or SECTION.KEY.KEY: its place in the file. In the file's order, so that those
	 * of a section are together. */
	const char *name;
	bool live;	       /* a running daemon takes it over; else at its next start */
	bool text;	       /* may need YAML's quotes */
	unsigned int argument; /* for `format` */
	/* Write the value as the file has it, without quotes. Nothing: not set, as by default. */
	void (*format)(const struct config *config, unsigned int argument, FILE *stream);
};

#define NR_SETTINGS 29
extern const struct setting setting_list[NR_SETTINGS];

/* The value, or NULL without memory; the caller frees it. */
char *setting_format(const struct setting *setting, const struct config *config);

/* The same for interfaces.IFACE.KEY. All need a restart. */
struct iface_setting {
	const char *name; /* KEY */
	bool text;	  /* may need YAML's quotes */
	void (*format)(const struct iface_config *iface, FILE *stream);
};

#define NR_IFACE_SETTINGS 5
extern const struct iface_setting iface_setting_list[NR_IFACE_SETTINGS];

/* What holds for interfaces that have no section. */
extern const struct iface_config iface_config_default;

char *iface_setting_format(const struct iface_setting *setting, const struct iface_config *iface);

#endif
