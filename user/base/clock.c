/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <stdio.h>

const char *clock_format(const struct timespec *time, char text[CLOCK_TEXT_SIZE])
{
	struct tm utc = {.tm_mday = 1};
	size_t length;

	gmtime_r(&time->tv_sec, &utc);
	length = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + length, CLOCK_TEXT_SIZE - length, ".%03dZ",
		 (int)(time->tv_nsec / 1000000 % 1000));
	return text;
}
