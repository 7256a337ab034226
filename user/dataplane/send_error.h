/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of sends, counted by errno in a small fixed table: bounded memory, bounded labels.
 */
#ifndef XMCAST_DATAPLANE_SEND_ERROR_H
#define XMCAST_DATAPLANE_SEND_ERROR_H

#include <errno.h>
#include <string.h>

/* The errors of UDP sends (udp(7), ip(7), and those of the layers below). The last slot counts all
 * others. */
#define SEND_ERRNOS                                                                                \
	EAGAIN, ENOBUFS, ENOMEM, ENETUNREACH, EHOSTUNREACH, ENETDOWN, ENODEV, ENXIO, EACCES,       \
		EPERM, EMSGSIZE, EINVAL, EIO, ECONNREFUSED, EADDRNOTAVAIL, EFAULT, ECANCELED

static const int send_errnos[] = {SEND_ERRNOS};

#define SEND_ERROR_OTHER (sizeof(send_errnos) / sizeof(send_errnos[0]))
#define SEND_ERRORS	 (SEND_ERROR_OTHER + 1)

/* Slot of a positive errno. */
static inline unsigned int send_error_slot(int error)
{
	unsigned int slot = 0;

	while (slot < SEND_ERROR_OTHER && send_errnos[slot] != error)
		slot++;
	return slot;
}

/* "EAGAIN" and so on, "other" for the last slot. */
static inline const char *send_error_name(unsigned int slot)
{
	return slot < SEND_ERROR_OTHER ? strerrorname_np(send_errnos[slot]) : "other";
}

#endif
