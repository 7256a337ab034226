/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of xmcastctl: its options, its screen and its connection, and the calls of the daemon.
 * Whoever fails here has told the user on stderr, and gives the exit code to leave with. One
 * thread.
 */
#ifndef XMCAST_CTL_CTL_H
#define XMCAST_CTL_CTL_H

#include <jansson.h>

#include "control/client.h"
#include "ctl/options.h"
#include "ctl/screen.h"

/* Where the texts of a transaction stand in the user's own file, so that the daemon's errors about
 * its n-th operation become errors about a line. */
struct places {
	const char *file;
	size_t count;
	const struct place {
		unsigned int line;
		unsigned int column; /* of the text's first byte, from 1 */
	} * list;
};

struct ctl {
	struct ctl_options options;
	struct screen screen;
	struct control_client *client; /* NULL until the first call */
	FILE *errors;		       /* where complaints about the daemon go: stderr */
	const struct places *places;   /* NULL: errors stand where the daemon says */
};

/* Connect, unless that has been done. 0 or EXIT_UNREACHABLE. */
int ctl_connect(struct ctl *ctl);

/* Call a method; takes over `params` (NULL: none). 0, then the caller owns *result, an object; or
 * an exit code. */
int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result);

/*
 * Call a method with pages until the whole list, the key `list` of its result, is there. Begins
 * again when the rules change meanwhile, a few times. The result is the first page's with the
 * whole list.
 */
int ctl_fetch(struct ctl *ctl, const char *method, const char *list, json_t **result);

/* Say why a wait for the daemon ended (`err`: -errno). Returns EXIT_UNREACHABLE. */
int ctl_no_answer(const struct ctl *ctl, int err);

/* Say what is wrong with the last command line, with a usage line. Returns EXIT_USAGE. */
int ctl_usage(const char *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Show it: as JSON if that is asked for, else with `show`. 0 or an exit code. */
int ctl_show(struct ctl *ctl, const json_t *answer,
	     void (*show)(const struct screen *screen, const json_t *answer));

/* All that was written has arrived: 0, or EXIT_REFUSED (said, unless nobody reads any more). */
int ctl_flush(void);

/* call + show */
int ctl_call_and_show(struct ctl *ctl, const char *method, json_t *params,
		      void (*show)(const struct screen *screen, const json_t *answer));

#endif
