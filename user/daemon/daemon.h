/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of the main thread, for main.c, the configuration source and the control methods. */
#ifndef XMCAST_DAEMON_DAEMON_H
#define XMCAST_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/notify.h"
#include "control/server.h"
#include "daemon/options.h"
#include "relay/relay.h"
#include "rules/config.h"
#include "telemetry/event.h"
#include "telemetry/sampler.h"

/* Loads and reloads of the configuration, as clients and metrics see them. */
struct reload_state {
	bool last_successful;
	uint64_t last_seconds; /* Unix time of the last successful one */
	uint64_t count;	       /* reloads, including refused ones, without the start */
};

/* The running configuration as text, kept while a client reads it in pieces. */
struct config_text {
	char *text;
	size_t length;
	uint64_t generation; /* of the relay, when it was written */
};

/* The service manager that started us. */
struct service {
	struct notify *notify; /* NULL: there is none */
	int timer_fd;	       /* of its watchdog, or -1 */
};

/* A process that asks for our place (daemon/hand_over.h). */
enum successor_state {
	SUCCESSOR_NONE,
	SUCCESSOR_CONNECTED,
	SUCCESSOR_OFFERED,
	SUCCESSOR_PAUSED,
	SUCCESSOR_COMMITTED,
};

struct successor {
	enum successor_state state;
	int fd;		       /* -1: there is none */
	int process_fd;	       /* pidfd of this process, for it; -1: unavailable */
	uint64_t source;       /* epoll data */
	uint64_t relay_source; /* likewise, of the relay */
	unsigned int seconds;  /* since it connected */
};

/* The capture of a client (daemon/capture.h). */
enum capture_state {
	CAPTURE_NONE,
	CAPTURE_PREPARED,  /* its answer is being sent */
	CAPTURE_CONNECTED, /* the client has not begun */
	CAPTURE_RUNNING,
};

struct capture_service {
	enum capture_state state;
	struct capture *capture; /* NULL: there is none */
	int fd;			 /* -1: there is none */
	uint64_t source;	 /* epoll data */
	int pid;		 /* of the client, as it connected */
	unsigned int seconds;	 /* since it was prepared */
};

/* An applied configuration that has to be confirmed (daemon/confirm.h). */
struct confirmation {
	bool awaited;
	uint64_t until_seconds; /* Unix time of the rollback */
	uint64_t deadline_ns;	/* the same of CLOCK_BOOTTIME, which nobody sets */
	char *source;		/* what the client calls it */
	struct config before;	/* what a rollback returns to */
	bool failed;		/* the rollback was tried, and is tried again */
};

struct fd_store;
struct take_over;

struct daemon {
	struct options options;
	struct config config; /* until relay_open(); then it is the relay's */
	struct relay *relay;
	struct sampler *sampler;
	bool sampling;		  /* a sample of all rules is being taken */
	unsigned int next_sample; /* the rule where it continues */
	struct event_counts event_counts;
	struct control_server *control;
	uint64_t lease_client; /* of lease.set with "sole"; 0: none */
	struct service service;
	struct successor successor;
	struct capture_service capture;
	struct fd_store *store; /* of the service manager; NULL: not used */
	uint64_t stored;	/* relay_changes() of what is in it */
	bool left; /* all was left there: the maps of programs that go on stay as they are */
	struct take_over *take_over; /* whose place we take; NULL: nobody's */
	struct reload_state reload;
	struct confirmation confirmation;
	struct config_text text;
	int epoll_fd;
	int signal_fd;
	int timer_fd;
	unsigned int seconds; /* since the last statistics record */
	bool stopping;
	bool broken; /* a worker failed during a change: the relay must end */
};

#endif
