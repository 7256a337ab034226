/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/read_all.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Bytes of the first read; the buffer doubles. */
#define FIRST_READ 4096

int read_all(int fd, size_t most, char **bytes, size_t *length)
{
	size_t room = 0;
	ssize_t count = 1;

	*bytes = NULL;
	*length = 0;
	while (count > 0 && *length <= most) {
		if (*length == room) {
			size_t larger = room ? 2 * room : FIRST_READ;
			char *enlarged = realloc(*bytes, larger + 1);

			if (!enlarged)
				return -ENOMEM;
			*bytes = enlarged;
			room = larger;
		}
		count = read(fd, *bytes + *length, room - *length);
		if (count > 0)
			*length += (size_t)count;
	}
	if (count < 0)
		return -errno;
	(*bytes)[*length] = '\0';
	return 0;
}
