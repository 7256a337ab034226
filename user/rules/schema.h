/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration as YAML text, in the form of docs/xmcast.yaml: `rules`, each a mapping or a
 * line of the grammar, and the sections of settings.h. No I/O; any thread.
 */
#ifndef XMCAST_RULES_SCHEMA_H
#define XMCAST_RULES_SCHEMA_H

#include <stddef.h>

#include "base/errors.h"
#include "rules/config.h"

/*
 * Parse and validate, and put the result in place of *config, which was initialised before. `file`
 * is the name used in errors; it must outlive them. Returns 0, -EINVAL (every error appended) or
 * -ENOMEM; then *config is as if never called.
 */
int config_parse_yaml(const char *bytes, size_t length, const char *file, struct config *config,
		      struct errors *errors);

/* The text of a file. */
struct config_source {
	const char *file; /* its name; must outlive the errors and be another one for each */
	const char *bytes;
	size_t length;
};

/*
 * The same of several texts, which are one configuration: the first one may have everything, the
 * others, of conf.d, rules and interfaces; they may also be empty. Rules and interfaces remember
 * which of these they are from.
 */
int config_parse_sources(const struct config_source *sources, unsigned int count,
			 struct config *config, struct errors *errors);

#endif
