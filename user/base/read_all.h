/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a whole file whose size is not known before: files in /proc do not say it. Any thread. */
#ifndef XMCAST_BASE_READ_ALL_H
#define XMCAST_BASE_READ_ALL_H

#include <stddef.h>

/*
 * Read until the end, or until there is more than `most`: then *length is larger than that. *bytes
 * is the caller's, also on failure, and ends with a NUL that is not counted. 0 or -errno.
 */
int read_all(int fd, size_t most, char **bytes, size_t *length);

#endif
