/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file: the writing of it. Main thread: it waits for the disk. */
#ifndef XMCAST_RULES_SAVE_H
#define XMCAST_RULES_SAVE_H

#include <stddef.h>

/*
 * Put `length` bytes in place of the file, atomically: whoever opens it sees the old content or the
 * new, whole, also after a crash. They are written to a temporary file beside it (".xmcast-save-"
 * and a random number), which has the owner and the mode of the old one, or 0640 if there is none,
 * and takes its place. Access lists and other extended attributes are not taken over. If the path
 * is a symbolic link, the file that it leads to is replaced, and the link stays.
 *
 * Needs the right to write to the folder, and to give a file to the owner of the old one.
 *
 * Returns 0 or -errno: -EISDIR or -EINVAL if something else than a regular file is there, -ELOOP
 * for a chain of links; then the old file is untouched, and no temporary one is left.
 */
int config_save_file(const char *path, const char *text, size_t length);

/*
 * Remove the temporary files beside the file that a process left which was killed while it wrote
 * one. Whoever writes one holds a lock on it (flock(2)): those of others that are at work stay.
 * Best called at the start; what cannot be removed is left where it is.
 *
 * Returns how many were removed, or -errno if the folder cannot be read.
 */
int config_sweep(const char *path);

#endif
