/* SPDX-License-Identifier: BSD-2-Clause */
/* What the main thread has at hand: for main.c and for the control methods. */
#ifndef XMCAST_DAEMON_DAEMON_H
#define XMCAST_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/notify.h"
#include "control/server.h"
#include "daemon/hook.h"
#include "daemon/options.h"
#include "relay/relay.h"
#include "rules/config.h"
#include "telemetry/event.h"
#include "telemetry/sampler.h"

/* How reading the configuration went, for whoever watches. */
struct reload_state {
	bool last_successful;
	uint64_t last_seconds; /* when it was last read with success, Unix time */
	uint64_t count;	       /* reloads, refused ones included; the start is none */
};

/* The text of the running configuration, kept while somebody reads it in pieces. */
struct config_text {
	char *text;
	size_t length;
	uint64_t generation; /* of the relay, when it was written */
};

/* The program that is run for events. */
struct event_hook {
	struct hook *running; /* NULL: none */
	char path[HOOK_PATH_SIZE];
	uint64_t epoll_data;
};

/* The service manager that started us. */
struct service {
	struct notify *notify; /* NULL: there is none */
	int timer_fd;	       /* of its watchdog, or -1 */
};

struct daemon {
	struct options options;
	struct config config; /* to start with; then the relay has it */
	struct relay *relay;
	struct event_counts event_counts;
	struct sampler *sampler;
	bool sampling;		  /* a sample of all rules is being taken */
	unsigned int next_sample; /* the rule where it goes on */
	struct event_hook hook;
	struct control_server *control;
	struct launcher *launcher;
	struct exporter *exporter; /* NULL: no metrics.listen */
	struct service service;
	struct reload_state reload;
	struct config_text text;
	int epoll_fd;
	int signal_fd;
	int timer_fd;
	unsigned int seconds; /* since the last statistics line */
	bool stopping;
	bool broken; /* a worker failed in the midst of a change: the relay must end */
};

#endif
