/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file: the reading of it. What it says is schema.h's. Main thread. */
#ifndef XMCAST_RULES_FILE_H
#define XMCAST_RULES_FILE_H

#include "base/errors.h"
#include "rules/config.h"

/*
 * Read, parse and validate the file and put the result in place of *config, which was initialised
 * before. `path` must outlive the errors. Never blocks on a FIFO: only regular files are read.
 *
 * Returns 0; -EINVAL if the content is refused, another -errno if the file cannot be read (both
 * with errors appended); -ENOMEM. On failure *config is as if never called.
 */
int config_load_file(const char *path, struct config *config, struct errors *errors);

/* The same of a file that decides what we do: refused (-EACCES) unless it belongs to root, to us or
 * to the user that it names in security.user, and nobody else may write it. */
int config_load_trusted_file(const char *path, struct config *config, struct errors *errors);

#endif
