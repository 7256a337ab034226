/* SPDX-License-Identifier: BSD-2-Clause */
/* Waking whoever waits for an eventfd. Any thread. */
#ifndef XMCAST_BASE_WAKEUP_H
#define XMCAST_BASE_WAKEUP_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

/* A wake-up that is lost stops its reader for ever, while the kernel may refuse a write for a
 * moment (a signal, a security module, a supervisor); one that is refused so often stays refused.
 */
#define WAKEUP_TRIES 10

/* 0: the reader will wake, or is awake (EAGAIN: the count is full, as nobody has read it); else
 * -errno. */
static inline int wakeup_send(int fd)
{
	const uint64_t one = 1;
	int tries = WAKEUP_TRIES;

	while (write(fd, &one, sizeof(one)) < 0) {
		if (errno == EAGAIN)
			return 0;
		if (!--tries)
			return -errno;
	}
	return 0;
}

#endif
