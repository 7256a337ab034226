/* SPDX-License-Identifier: BSD-2-Clause */
/* monitor: print events as they happen, or run a program for each. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/program.h"
#include "ctl/show.h"

/* How often a daemon that does not answer is tried again. */
#define RETRY_MS 1000

/* ---- print ---- */

static int print_events(struct ctl *ctl)
{
	json_t *event;
	json_t *answer;
	int code = ctl_call(ctl, "monitor.start", NULL, &answer);
	int err;

	json_decref(answer);
	if (code)
		return code;
	control_client_timeout(ctl->client, -1);
	while (true) {
		event = NULL;
		err = control_client_event(ctl->client, &event);
		if (err == -EINTR)
			return EXIT_DONE;
		if (err)
			return ctl_no_answer(ctl, err);
		/* ctl_show() flushes each line, because readers wait for events. */
		code = ctl_show(ctl, event, show_event);
		json_decref(event);
		if (code)
			return code;
	}
}

/* ---- run a program ---- */

/* Run the program for each event of one connection. -EINTR: a signal came; -errno: the daemon is
 * not running, or has gone, which was logged unless *logged was set. */
static int run_connection(const char *socket, struct program *program, bool *logged)
{
	struct control_client *client = NULL;
	json_t *answer = NULL;
	const char *reason;
	int err = control_client_open(&client, socket);

	if (!err) {
		control_client_interrupt(client, program->signal_fd);
		err = control_client_call(client, "monitor.start", NULL, &answer);
	}
	if (!err) {
		log_info("daemon-reachable", LOG_TEXT("socket", socket));
		*logged = false;
		control_client_timeout(client, -1);
	}
	/* Events that happen while the program runs wait in the daemon. It keeps a bounded number
	 * for each client, and reports how many it had to drop as an event, events-lost. */
	while (!err) {
		json_t *event = NULL;

		err = control_client_event(client, &event);
		if (err)
			break;
		if (strcmp(show_text(event, "event"), "events-lost") == 0)
			log_warning("events-lost", LOG_INT("count", show_number(event, "count")));
		program_run(program, event);
		json_decref(event);
		if (program->signals)
			err = -EINTR;
	}
	reason = err == 1 ? show_text(answer, "message") : strerror(-err);
	if (err != -EINTR && !*logged)
		log_warning("daemon-unreachable", LOG_TEXT("socket", socket),
			    LOG_TEXT("error", reason));
	*logged = true;
	json_decref(answer);
	control_client_close(client);
	return err;
}

/* Until a signal comes, whether or not a daemon is running: it may be started at any time. */
static int run_program(const char *socket, struct program *program)
{
	struct pollfd fd = {.fd = program->signal_fd, .events = POLLIN};
	bool logged = false;

	signal(SIGCHLD, SIG_DFL); /* may be inherited as ignored; then no child could be reaped */
	while (run_connection(socket, program, &logged) != -EINTR && poll(&fd, 1, RETRY_MS) == 0)
		continue;
	return EXIT_DONE;
}

/* ---- options ---- */

/* The options after "monitor", which is words[-1]. *name stays NULL without --exec. 0 or
 * EXIT_USAGE. */
static int parse(const struct command *command, char **words, int count, const char **name,
		 struct program *program)
{
	static const struct option options[] = {{"exec", required_argument, NULL, 'e'},
						{"timeout", required_argument, NULL, 't'},
						{}};
	bool timeout = false;
	double seconds;

	opterr = 0;
	optind = 0; /* options before the object were parsed by getopt as well: start again */
	while (true) {
		const char *word = words[optind ? optind - 1 : 0];
		int option = getopt_long(count + 1, words - 1, "+:", options, NULL);

		switch (option) {
		case -1:
			if (optind <= count)
				return ctl_usage(command->usage, "unexpected argument \"%s\"",
						 words[optind - 1]);
			if (timeout && !*name)
				return ctl_usage(command->usage, "--timeout is for --exec");
			return 0;
		case 'e':
			*name = optarg;
			break;
		case 't':
			if (!ctl_parse_number(optarg, 0.1, 3600, &seconds))
				return ctl_usage(command->usage,
						 "\"%s\": expected seconds, 0.1 to 3600", optarg);
			program->timeout_ms = (unsigned int)(seconds * 1000);
			timeout = true;
			break;
		default:
			return ctl_usage(command->usage,
					 option == ':' ? "no value after \"%s\""
						       : "unknown option \"%s\"",
					 word);
		}
	}
}

int verb_monitor(struct ctl *ctl, const struct command *command, char **words, int count)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	struct program program = {.timeout_ms = PROGRAM_TIMEOUT_MS};
	const char *name = NULL;
	int code = parse(command, words, count, &name, &program);
	int err;

	if (!code && name && ctl->options.json)
		code = ctl_usage(command->usage, "with --exec no events are printed: omit -j");
	if (code)
		return code;
	err = name ? program_find(&program, name) : 0;
	if (err) {
		screen_print_to(stderr, "xmcastctl: cannot run %s: %s\n", name, strerror(-err));
		return EXIT_REFUSED;
	}
	if (!name)
		code = ctl_connect(ctl);
	if (code)
		return code;
	program.signal_fd = ctl_signals(signals);
	if (program.signal_fd < 0) {
		perror("xmcastctl: signalfd");
		return EXIT_REFUSED;
	}
	if (name) {
		code = run_program(ctl->options.socket, &program);
	} else {
		control_client_interrupt(ctl->client, program.signal_fd);
		code = print_events(ctl);
	}
	close(program.signal_fd);
	return code;
}
