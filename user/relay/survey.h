/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration against this machine: what of it could not run here now, without starting
 * anything. The questions are those that the relay asks when it starts. Main thread; no privilege.
 */
#ifndef XMCAST_RELAY_SURVEY_H
#define XMCAST_RELAY_SURVEY_H

#include <stdbool.h>

struct config;

struct survey_finding {
	bool problem;	   /* something would be pending or refused; otherwise a hint */
	const char *cause; /* one of the words in docs/explain.md */
	const char *about; /* an interface, an output of a rule, or "host" */
	const char *text;
	const char *next; /* a command, or NULL */
};

typedef void survey_handler(void *context, const struct survey_finding *finding);

/* Call `handle` for each finding. 0; -EMFILE, -ENOMEM: the network could not be queried. */
int survey(const struct config *config, survey_handler *handle, void *context);

#endif
