/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines that arrive on a socket, in a buffer that grows with them up to a limit. Used by both ends
 * of the control socket. One thread.
 */
#ifndef XMCAST_CONTROL_LINES_H
#define XMCAST_CONTROL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* All zero but `most`: empty, and no memory is held. */
struct lines {
	size_t most; /* bytes of the longest line, with its newline */
	char *bytes;
	size_t room;
	size_t start;  /* where the first line starts */
	size_t seen;   /* there is no newline before */
	size_t length; /* bytes in all */
};

/* Read once from a socket, without blocking. Returns the number of bytes; 0: end of file; -EAGAIN;
 * -EMSGSIZE: the limit is reached (lines_is_full()); -ENOMEM; other -errno. */
ssize_t lines_receive(struct lines *lines, int fd);

/* The first whole line, without its newline, or NULL. Valid until lines_receive(). */
const char *lines_first(struct lines *lines, size_t *length);

/* Remove the first line. */
void lines_drop(struct lines *lines);

/* Whether there is a line without an end that is already too long. */
bool lines_is_full(struct lines *lines);

/* Forget everything, and free the memory. */
void lines_clear(struct lines *lines);

#endif
