/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration as the text of a file, the counterpart of schema.h. No I/O; any thread. */
#ifndef XMCAST_RULES_WRITE_H
#define XMCAST_RULES_WRITE_H

#include <stddef.h>
#include <stdio.h>

#include "rules/config.h"

/*
 * Write a valid configuration as YAML, in the form of docs/xmcast.yaml: rules as mappings, and the
 * settings that are not the defaults. config_parse_yaml() makes an equal configuration of it
 * (config_equal()). Names and paths that other readers of YAML could take for a number or a boolean
 * are in quotes.
 *
 * Returns a malloc()ed string and its length. NULL: see errno. ENOMEM; EFBIG: it would be longer
 * than config_parse_yaml() accepts.
 */
char *config_write(const struct config *config, size_t *length);

/* The same of what is from one file: 0: the configuration file, with all settings; otherwise a file
 * of conf.d, by index + 1, with its rules and interfaces. */
char *config_write_file(const struct config *config, unsigned int file, size_t *length);

/* Write one rule as an item of `rules`, in block style. `defaults`: of the file, or NULL. */
void config_write_rule(const struct rule *rule, const struct default_config *defaults,
		       FILE *stream);

#endif
