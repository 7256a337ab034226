/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of xmcastctl: its options, its screen, its connection, and calls of the daemon. A
 * function that fails has printed the reason on stderr, and returns the exit code for the program.
 * One thread.
 */
#ifndef XMCAST_CTL_CTL_H
#define XMCAST_CTL_CTL_H

#include <jansson.h>

#include "control/client.h"
#include "ctl/options.h"
#include "ctl/refusal.h"
#include "ctl/screen.h"

struct ctl {
	struct ctl_options options;
	struct screen screen;
	const char *peer;	       /* who is asked; NULL: xmcastd */
	struct control_client *client; /* NULL until the first call */
	FILE *errors;		       /* for failed calls: stderr */
	const struct places *places;   /* for refusals; NULL: places are shown as received */
};

/* Connect, unless there is a connection. 0 or EXIT_UNREACHABLE. */
int ctl_connect(struct ctl *ctl);

/* Call a method; consumes `params` (NULL: none). 0, then the caller owns *result, an object;
 * otherwise an exit code. */
int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result);

/*
 * Call a method page by page until the whole list, the member `list` of its result, is read. Starts
 * again, a few times, if the rules change meanwhile. The result is the last page with the whole
 * list in it. 0 or an exit code, as ctl_call().
 */
int ctl_fetch(struct ctl *ctl, const char *method, const char *list, json_t **result);

/* Print why there is no answer (`err`: -errno). Returns EXIT_UNREACHABLE. */
int ctl_no_answer(const struct ctl *ctl, int err);

/* Print that there is no memory. Returns EXIT_REFUSED. */
int ctl_no_memory(void);

/* Print a usage, and the grammar of RULE if that is in it. */
void ctl_print_usage(FILE *stream, const char *usage);

/* Print what is wrong with the command line, and the usage. Returns EXIT_USAGE. */
int ctl_usage(const char *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print an answer: as JSON with -j, otherwise by `show`. 0 or an exit code. */
int ctl_show(struct ctl *ctl, const json_t *answer,
	     void (*show)(const struct screen *screen, const json_t *answer));

/* ctl_call() and ctl_show() */
int ctl_call_and_show(struct ctl *ctl, const char *method, json_t *params,
		      void (*show)(const struct screen *screen, const json_t *answer));

/* Block these signals, a list that ends with 0. A non-blocking signalfd(2) of them, so that none is
 * lost between two waits, or -1. */
int ctl_signals(const int *numbers);

/* A number from `least` to `most`, in the whole text. False: it is something else. */
bool ctl_parse_number(const char *text, double least, double most, double *number);

/* Write out stdout. 0, or EXIT_REFUSED after printing the reason, unless that is a reader that has
 * gone (head(1), say). */
int ctl_flush(void);

#endif
