/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration as the text of a file, the counterpart of schema.h. No I/O; any thread. */
#ifndef XMCAST_RULES_WRITE_H
#define XMCAST_RULES_WRITE_H

#include <stddef.h>

#include "rules/config.h"

/*
 * Write a valid configuration as YAML, in the form of docs/xmcast.yaml: rules as mappings, and of
 * all else what is not as by default. config_parse_yaml() makes the same of it (config_equal()).
 * What a name or a path could mean to other readers of YAML (a number, a boolean) is in quotes.
 *
 * Returns a malloc()ed string and its length. NULL: see errno. ENOMEM; EFBIG: it would be longer
 * than what config_parse_yaml() takes.
 */
char *config_write(const struct config *config, size_t *length);

#endif
