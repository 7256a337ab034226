/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/screen.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "base/text.h"

/* Assumed if the width of a terminal is unknown. */
#define DEFAULT_WIDTH 80

/* A larger value of COLUMNS is a typing error. */
#define MAX_WIDTH 10000

const char *screen_colour(enum colour colour)
{
	static const char *const sequences[] = {
		[COLOUR_NONE] = "",	   [COLOUR_GOOD] = "\033[32m", [COLOUR_WARN] = "\033[33m",
		[COLOUR_BAD] = "\033[31m", [COLOUR_DIM] = "\033[2m",   [COLOUR_HEADING] = "\033[1m",
	};

	return sequences[colour];
}

enum colour screen_state_colour(const char *state)
{
	static const struct {
		const char *state;
		enum colour colour;
	} colours[] = {
		{"held", COLOUR_GOOD},
		{"selected", COLOUR_GOOD},
		{"active", COLOUR_GOOD},
		{"flowing", COLOUR_GOOD},
		{"interface-ready", COLOUR_GOOD},
		{"interface-recovered", COLOUR_GOOD},
		{"pending", COLOUR_WARN},
		{"silent", COLOUR_WARN},
		{"impaired", COLOUR_WARN},
		{"interface-impaired", COLOUR_WARN},
		{"events-lost", COLOUR_WARN},
		{"config-rolled-back", COLOUR_WARN},
		{"failed", COLOUR_BAD},
		{"interface-failed", COLOUR_BAD},
		{"dropping", COLOUR_BAD},
		{"stream-broken", COLOUR_BAD},
		{"buffer-exhausted", COLOUR_BAD},
		{"reload-refused", COLOUR_BAD},
		{"rollback-failed", COLOUR_BAD},
		{"disabled", COLOUR_DIM},
		{"never", COLOUR_DIM},
		{"idle", COLOUR_DIM},
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (strcmp(state, colours[i].state) == 0)
			return colours[i].colour;
	}
	return COLOUR_NONE;
}

/* COLUMNS; 0: not set, or not a width. */
static unsigned int wanted_width(void)
{
	const char *columns = getenv("COLUMNS");
	char *end;
	unsigned long wanted;

	if (!columns || !*columns)
		return 0;
	wanted = strtoul(columns, &end, 10);
	return *end || wanted > MAX_WIDTH ? 0 : (unsigned int)wanted;
}

static unsigned int terminal_width(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return DEFAULT_WIDTH;
}

void screen_init(struct screen *screen)
{
	*screen = (struct screen){.stream = stdout, .terminal = isatty(STDOUT_FILENO)};
	/* watch(1) shows a pipe on a terminal, and sets COLUMNS. */
	screen->width = wanted_width();
	if (!screen->width && screen->terminal)
		screen->width = terminal_width();
}

/* The bytes of the character at `text`, and its columns; 0: not one to be shown. Characters without
 * a column of their own are not, because they change how others look: combining characters, marks
 * for the direction of writing. */
static size_t character(const char *text, size_t *columns)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t length = mbrtowc(&wide, text, MB_CUR_MAX, &state);
	int width;

	if (length == 0 || length > MB_CUR_MAX || !iswprint((wint_t)wide))
		return 0;
	width = wcwidth(wide);
	*columns = width > 0 ? (size_t)width : 0;
	return width > 0 ? length : 0;
}

char *screen_escape(const char *text, const char *keep)
{
	size_t length = strlen(text);
	char *escaped = length < SIZE_MAX / 4 - 1 ? malloc(length * 4 + 1) : NULL;
	char *to = escaped;
	size_t columns;

	if (!escaped)
		return NULL;
	while (*text) {
		length = strchr(keep, *text) ? 1 : character(text, &columns);
		if (length)
			to = mempcpy(to, text, length);
		else
			to += sprintf(to, "\\x%02x", (unsigned char)*text);
		text += length ? length : 1;
	}
	*to = '\0';
	return escaped;
}

size_t screen_width(const char *escaped)
{
	size_t width = 0;
	size_t columns = 0;

	for (size_t length; (length = character(escaped, &columns)); escaped += length)
		width += columns;
	return width;
}

void screen_cut(char *escaped, size_t width, const char *mark)
{
	size_t left = width - (width ? strlen(mark) : 0);
	size_t columns = 0;
	size_t length;

	if (screen_width(escaped) <= width)
		return;
	while ((length = character(escaped, &columns)) && columns <= left) {
		escaped += length;
		left -= columns;
	}
	strcpy(escaped, width ? mark : "");
}

static void print_escaped(FILE *stream, const char *format, va_list arguments)
{
	char *plain = text_format_list(format, arguments);
	char *escaped = plain ? screen_escape(plain, "\n") : NULL;

	fputs(escaped ? escaped : "(out of memory)\n", stream);
	free(escaped);
	free(plain);
}

void screen_print(const struct screen *screen, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_escaped(screen->stream, format, arguments);
	va_end(arguments);
}

void screen_print_to(FILE *stream, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_escaped(stream, format, arguments);
	va_end(arguments);
}

/* Three digits of value / 1000^n, and its unit; 999.5 and more belong to the next one. */
static const char *scaled(double value, double step, const char *const *units, unsigned int count,
			  char text[UNITS_SIZE])
{
	unsigned int unit = 0;

	while (value >= 999.5 && unit + 1 < count) {
		value /= step;
		unit++;
	}
	if (unit == 0)
		snprintf(text, UNITS_SIZE, "%.0f%s", value, units[0]);
	else
		snprintf(text, UNITS_SIZE, "%.*f%s",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[unit]);
	return text;
}

const char *screen_units(long long value, char text[UNITS_SIZE])
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

	return scaled((double)value, 1000, units, sizeof(units) / sizeof(units[0]), text);
}

const char *screen_nanoseconds(long long ns, char text[UNITS_SIZE])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return scaled((double)ns, 1000, units, sizeof(units) / sizeof(units[0]), text);
}

const char *screen_seconds(long long seconds, char text[UNITS_SIZE])
{
	unsigned long long s = seconds < 0 ? 0 : (unsigned long long)seconds;

	if (s < 60)
		snprintf(text, UNITS_SIZE, "%llus", s);
	else if (s < 3600)
		snprintf(text, UNITS_SIZE, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, UNITS_SIZE, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(text, UNITS_SIZE, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return text;
}
