/* SPDX-License-Identifier: BSD-2-Clause */
/* Waking the thread that waits for an eventfd. Any thread. */
#ifndef XMCAST_BASE_WAKEUP_H
#define XMCAST_BASE_WAKEUP_H

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

/* A lost wake-up would stop its reader for ever, and a write may fail once (a signal, a security
 * module, a supervisor): try again. A write that fails this often will not succeed. */
#define WAKEUP_TRIES 10

/* 0: the reader will wake up, or is awake (EAGAIN: the counter is full, because it has not been
 * read); -errno otherwise. */
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
