/* SPDX-License-Identifier: BSD-2-Clause */
/* What the main thread has at hand: for main.c and for the control methods. */
#ifndef XMCAST_DAEMON_DAEMON_H
#define XMCAST_DAEMON_DAEMON_H

#include "control/server.h"
#include "daemon/options.h"
#include "daemon/relay.h"
#include "telemetry/event.h"

struct daemon {
	struct options options;
	struct config config; /* to start with; then the relay has it */
	struct relay *relay;
	struct events events;
	struct control_server *control;
	struct exporter *exporter; /* NULL: no metrics.listen */
	int epoll_fd;
	int signal_fd;
	int timer_fd;
	unsigned int seconds; /* since the last statistics line */
	bool stopping;
};

#endif
