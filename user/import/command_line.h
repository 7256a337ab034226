/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of a program in a text: command lines, a shell script, units of systemd. Words are
 * split and unquoted as a shell does; nothing is expanded and nothing is run. Pure; any thread.
 */
#ifndef XMCAST_IMPORT_COMMAND_LINE_H
#define XMCAST_IMPORT_COMMAND_LINE_H

#include <stdbool.h>

#include "base/text.h"
#include "import/import.h"
#include "import/reading.h"

/* Words of one command, which none of these programs has. */
#define COMMAND_WORDS_MAX 256

struct command_line {
	struct reading reading;
	struct word rest; /* of the line */
	struct sheet *sheet;
	const char *const *programs; /* names; the last is NULL */
	/* The arguments, without the program. */
	char *words[COMMAND_WORDS_MAX];
	unsigned int count;
	struct text bytes; /* of the words */
};

void command_line_init(struct command_line *line, const struct import_source *source,
		       const char *const *programs, struct sheet *sheet);

/*
 * The next command of one of the programs. Its lines are on the sheet, as are those of other
 * commands, which are lost. False: there is no other, or no memory, which the sheet knows.
 */
bool command_line_next(struct command_line *line);

void command_line_free(struct command_line *line);

#endif
