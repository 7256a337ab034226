/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of the test program, as it would be on a terminal, without the terminal. */
#ifndef XMCAST_TESTS_LOG_CAPTURE_H
#define XMCAST_TESTS_LOG_CAPTURE_H

#include <fcntl.h>
#include <unistd.h>

#include "base/log_stderr.h"
#include "stamps.h"

static int real_stderr = -1;
static int reader = -1;

static inline void redirect(int fd)
{
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	log_stderr_open();
}

/* Log into a pipe instead of the terminal. Its writers would wait, as in a pipe that a shell makes.
 */
static inline void capture(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	real_stderr = dup(STDERR_FILENO);
	redirect(fds[1]);
	reader = fds[0];
}

/* What was written since capture(), without time stamps; must hold `size` bytes. */
static inline size_t release(char *text, size_t size)
{
	ssize_t n = read(reader, text, size - 1);
	size_t length = n > 0 ? (size_t)n : 0;

	text[length] = '\0';
	length = without_stamps(text);
	redirect(real_stderr);
	close(reader);
	return length;
}

#endif
