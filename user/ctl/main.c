/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastctl: asks a running xmcastd. Grammar in iproute2's manner: OBJECT VERB, unambiguous
 * prefixes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "base/version.h"
#include "ctl/batch.h"
#include "ctl/command.h"
#include "ctl/complete.h"

/* Without stdin, stdout or stderr the next descriptor to be opened, the daemon's socket, would be
 * taken for it. What is put there refuses to be written. */
static void occupy_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static bool wants_colour(const struct ctl *ctl)
{
	const char *term = getenv("TERM");

	if (ctl->options.json || ctl->options.colour == COLOUR_NEVER)
		return false;
	if (ctl->options.colour == COLOUR_ALWAYS)
		return true;
	return ctl->screen.terminal && term && *term && strcmp(term, "dumb") != 0;
}

static int run(struct ctl *ctl, char **words, int count)
{
	if (ctl->options.version) {
		printf("xmcastctl %s\n", xmc_version);
		return ctl_flush();
	}
	if (ctl->options.help)
		return verb_help(ctl, NULL, words, count > 2 ? 2 : count);
	if (ctl->options.batch && count)
		return ctl_usage("-batch FILE", "unexpected argument \"%s\"", words[0]);
	if (ctl->options.batch)
		return batch_run(ctl);
	if (!count) {
		command_help(stderr, NULL, 0);
		return EXIT_USAGE;
	}
	/* For the shell, not for people: in no help. */
	if (strcmp(words[0], "complete") == 0)
		return complete_run(ctl, words + 1, count - 1);
	return command_run(ctl, words, count);
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.errors = stderr};
	int first;
	int code;

	occupy_standard_descriptors();
	first = ctl_options_parse(&ctl.options, argc, argv);
	if (first < 0)
		return EXIT_USAGE;
	screen_init(&ctl.screen);
	ctl.screen.colour = wants_colour(&ctl);
	ctl.screen.brief = ctl.options.brief;
	ctl.screen.stats = ctl.options.stats;
	code = run(&ctl, argv + first, argc - first);
	control_client_close(ctl.client);
	return code;
}
