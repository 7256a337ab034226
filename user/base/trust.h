/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether somebody else could have put something there: owners and modes of files and folders.
 *
 * Trusted are root, the user that we are, and `other` (the user that we are about to become;
 * TRUST_NOBODY: there is none). Only looks; any thread.
 */
#ifndef XMCAST_BASE_TRUST_H
#define XMCAST_BASE_TRUST_H

#include <stddef.h>
#include <sys/stat.h>

#define TRUST_NOBODY ((uid_t)-1)

/* Room for why something is not trusted: owner, mode, and what was expected. */
#define TRUST_TEXT_SIZE 160

/* A file that was opened or looked at: 0; -EACCES: *text says that somebody else may change it. */
int trust_file(const struct stat *status, uid_t other, char text[TRUST_TEXT_SIZE]);

/*
 * The folder that `path` is in, and all above it: nobody else may put something else there. So each
 * belongs to somebody trusted and others may write to it only if it is sticky (/tmp); a symbolic
 * link on the way belongs to somebody trusted. 0; -EACCES: `where` (PATH_MAX bytes) is the part of
 * the path, and *text says why; another -errno: it cannot be looked at.
 */
int trust_folder(const char *path, char *where, char text[TRUST_TEXT_SIZE]);

#endif
