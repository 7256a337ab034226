/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file: writing it. Main thread: it waits for the disk. */
#ifndef XMCAST_RULES_SAVE_H
#define XMCAST_RULES_SAVE_H

#include <stddef.h>
#include <sys/types.h>

/* Mode of a new file that only the daemon reads. */
#define CONFIG_MODE_IF_NEW 0640

/*
 * Replace the file's content with `length` bytes, atomically: a reader sees the old content or the
 * new, whole, even after a crash. They are written to ".xmcast-save" in the same directory, which
 * gets the owner and the mode of the old file, or `mode_if_new` if there is none, and is then
 * renamed. Access lists and other extended attributes are not kept. A file of that name that a
 * killed process left is replaced; the writer holds a lock (flock(2)) on it, so that two never
 * write the same.
 *
 * Links are not followed in the directory: a path that is a symbolic link is refused, because
 * a user who may write to the directory could lead it anywhere.
 *
 * Needs the right to write to the directory, and to give a file to the owner of the old one.
 *
 * Returns 0 or -errno: -EISDIR or -EINVAL if something other than a regular file is there, -ELOOP
 * for a symbolic link, -EBUSY while another process saves in the directory. The old file is then
 * untouched and no temporary one is left.
 */
int config_save_file(const char *path, const char *text, size_t length, mode_t mode_if_new);

/* The same, but the file is ours and has mode 0600, whatever the old one had. */
int config_save_private_file(const char *path, const char *text, size_t length);

/* Remove a file, so that it does not come back after a crash. 0 or -errno; -ENOENT: there is none.
 */
int config_remove_file(const char *path);

/* Why a file was not saved, for people. `err` is what config_save_file() returned. */
const char *config_save_reason(int err);

#endif
