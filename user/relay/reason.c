/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int explain(char reason[REASON_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vsnprintf(reason, REASON_SIZE, format, args) >= REASON_SIZE)
		strcpy(&reason[REASON_SIZE - sizeof("...")], "...");
	va_end(args);
	return err;
}
