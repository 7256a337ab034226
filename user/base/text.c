/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

char *text_format_list(const char *format, va_list arguments)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = length < 0 ? NULL : malloc((size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *text_format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_format_list(format, arguments);
	va_end(arguments);
	return text;
}
