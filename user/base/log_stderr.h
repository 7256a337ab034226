/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines to stderr without waiting for their reader: a stalled pipe, a terminal after Ctrl-S, a
 * slow journal.
 *
 * stderr is shared with the programs that started us, so O_NONBLOCK must not be set on it, and poll
 * followed by write is not enough, because another program may fill a pipe in between. Therefore a
 * pipe or terminal is opened once more, and O_NONBLOCK is set there; a socket is written to with
 * MSG_DONTWAIT. A pipe of another user that cannot be opened is written to with RWF_NOWAIT, which
 * pipes know since Linux 6.4; before, that one case is left to poll. Other files are just written
 * to.
 *
 * The caller's lock. log_stderr_open() calls open(2), the other function only system calls that
 * packet threads may make.
 */
#ifndef XMCAST_BASE_LOG_STDERR_H
#define XMCAST_BASE_LOG_STDERR_H

#include <stddef.h>

/* Look at what stderr is. To be called before the first line, and when stderr was redirected; until
 * then a write may wait. */
void log_stderr_open(void);

/* Write one line of at most LOG_JSON_SIZE bytes. 0; -EAGAIN: it would have to wait; other -errno of
 * write(2). If a terminal accepts only a part, the rest is written before the next line. */
int log_stderr_write(const char *line, size_t length);

#endif
