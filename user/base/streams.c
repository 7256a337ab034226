/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_codes.h"

void streams_reserve(void)
{
	int fd;

	do {
		/* Returns the lowest free number. */
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int streams_flush(const char *program)
{
	int failed;

	errno = 0;
	failed = fflush(stdout) || ferror(stdout);
	if (!failed)
		return EXIT_DONE;
	/* If an earlier write failed, its errno is not known any more. */
	fprintf(stderr, "%s: cannot write to stdout: %s\n", program,
		errno ? strerror(errno) : "a write failed");
	return EXIT_USAGE;
}
