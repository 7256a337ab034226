/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file: reading it. Its content is up to schema.h. Main thread. */
#ifndef XMCAST_RULES_FILE_H
#define XMCAST_RULES_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/errors.h"
#include "rules/config.h"

/*
 * The directory with further files of rules and interfaces beside a configuration file: conf.d
 * beside xmcast.yaml, NAME.d beside NAME.yaml. Those whose names end with .yaml and do not begin
 * with a dot are read behind the file, in the order of the bytes of their names. False: the path is
 * too long.
 */
bool config_parts_directory(const char *path, char directory[PATH_MAX]);

/* Whether there are such files beside the configuration file. */
bool config_has_parts(const char *path);

/*
 * Read, parse and validate the file, with those of its directory, and put the result in place of
 * *config, which was initialised before. `path` must outlive the errors. Never blocks on a FIFO:
 * only regular files are read.
 *
 * Returns 0; -EINVAL if the content is refused, another -errno if the file cannot be read (both
 * with errors appended); -ENOMEM. On failure *config is as if never called.
 */
int config_load_file(const char *path, struct config *config, struct errors *errors);

/*
 * The same for a file that decides what the daemon does: refused (-EACCES) if anybody but root and
 * our own user can change it or put another one in its place (base/trust.h). At the `start`, the
 * user that the file names in security.user may own it as well; the groups that it names must then
 * be groups of that user.
 */
int config_load_trusted_file(const char *path, bool start, struct config *config,
			     struct errors *errors);

#endif
