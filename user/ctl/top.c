/* SPDX-License-Identifier: BSD-2-Clause */
/* top: live rates of the rules. Waits for keys, signals, the clock and the daemon. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "base/clock.h"
#include "ctl/command.h"
#include "ctl/top_screen.h"
#include "ctl/top_view.h"

#define INTERVAL_LEAST 0.1
#define INTERVAL_MOST  3600.0

struct top {
	struct ctl *ctl;
	struct top_model *model;
	struct top_frame frame;
	double interval;      /* seconds */
	unsigned long frames; /* 0: no end */
	bool batch;
	bool leaving; /* the user pressed the key for it, or the keyboard has gone */
	unsigned int rows;
	unsigned int columns;
	/* Two descriptors: signals to leave also end a wait for the daemon, SIGWINCH does not. */
	int end_fd;
	int resize_fd;
	char *complaint; /* the errors of the last call */
	size_t complaint_size;
};

static double clock_now(void)
{
	return (double)clock_ns() / 1e9;
}

/* The options after "top", which is words[-1]. 0 or EXIT_USAGE. */
static int parse(struct top *top, const struct command *command, char **words, int count)
{
	double number;
	int option;

	opterr = 0;
	optind = 0; /* options before the object were parsed by getopt as well: start again */
	while ((option = getopt(count + 1, words - 1, "+:bd:n:o:")) != -1) {
		switch (option) {
		case 'b':
			top->batch = true;
			break;
		case 'd':
			if (!ctl_parse_number(optarg, INTERVAL_LEAST, INTERVAL_MOST,
					      &top->interval))
				return ctl_usage(command->usage,
						 "\"%s\": expected seconds, 0.1 to 3600", optarg);
			break;
		case 'n':
			if (!ctl_parse_number(optarg, 1, 1e9, &number))
				return ctl_usage(command->usage, "\"%s\": expected how often",
						 optarg);
			top->frames = (unsigned long)number;
			break;
		case 'o':
			if (!top_model_sort(top->model, optarg))
				return ctl_usage(command->usage,
						 "\"%s\": expected name, pps, bps, drops "
						 "or exhausted",
						 optarg);
			break;
		default:
			return ctl_usage(command->usage, "unknown option or no value: -%c", optopt);
		}
	}
	if (optind <= count)
		return ctl_usage(command->usage, "unexpected argument \"%s\"", words[optind - 1]);
	return 0;
}

static bool ended(const struct top *top)
{
	struct pollfd fd = {.fd = top->end_fd, .events = POLLIN};

	return top->leaving || poll(&fd, 1, 0) > 0;
}

/* ---- samples ---- */

/* Ask the daemon. Errors are kept in `complaint`, because the terminal shows a picture. 0 or an
 * exit code. */
static int ask(struct top *top, json_t **stats)
{
	int code;

	free(top->complaint);
	top->complaint = NULL;
	top->ctl->errors = open_memstream(&top->complaint, &top->complaint_size);
	if (!top->ctl->errors) {
		top->ctl->errors = stderr;
		return EXIT_REFUSED;
	}
	code = ctl_fetch(top->ctl, "stats.show", "rules", stats);
	fclose(top->ctl->errors);
	top->ctl->errors = stderr;
	return code;
}

/* top ends with the daemon. A request that the daemon refuses is repeated the next time. */
static int sample(struct top *top)
{
	json_t *stats = NULL;
	int code = ask(top, &stats);

	if (!code && top_model_sample(top->model, stats, clock_now()))
		code = EXIT_REFUSED;
	if (code == EXIT_REFUSED && !top->batch) {
		top_model_message(top->model, top->complaint ? top->complaint : "out of memory");
		return 0;
	}
	top_model_message(top->model, "");
	return code;
}

static int print_frame(struct top *top)
{
	const struct screen *screen = &top->ctl->screen;

	top_view_draw(top->model, 0, screen->width, &top->frame);
	for (size_t i = 0; i < top->frame.count; i++) {
		const struct top_line *line = &top->frame.lines[i];
		bool painted = screen->colour && line->colour != COLOUR_NONE;

		printf("%s%s%s\n", painted ? screen_colour(line->colour) : "", line->text,
		       painted ? SCREEN_PLAIN : "");
	}
	return ctl_flush();
}

static void draw(struct top *top)
{
	top_view_draw(top->model, top->rows, top->columns, &top->frame);
	top_screen_draw(&top->frame);
}

/* ---- the two ways to run ---- */

static int run_batch(struct top *top)
{
	struct pollfd fd = {.fd = top->end_fd, .events = POLLIN};
	unsigned long shown = 0;
	int code;

	while (true) {
		code = sample(top);
		if (code)
			return ended(top) ? EXIT_DONE : code;
		code = print_frame(top);
		if (code || ++shown == top->frames ||
		    poll(&fd, 1, (int)(top->interval * 1000)) != 0)
			return code;
		putchar('\n');
	}
}

/* Handle the keys that were pressed. False: leave. */
static bool handle_keys(struct top *top, short events)
{
	int key;

	top->leaving |= (events & (POLLHUP | POLLERR)) != 0;
	while (!top->leaving && (key = top_screen_key()) >= 0)
		top->leaving = top_model_key(top->model, key);
	return !top->leaving;
}

/* The same, called while top waits for the daemon, which may be stopped. */
static bool attend(void *context, short events)
{
	struct top *top = context;

	if (!handle_keys(top, events))
		return false;
	draw(top);
	return true;
}

/* Wait for a key, a signal, the daemon or the time `until`. True: leave. */
static bool wait_for(struct top *top, double until, bool *hung_up)
{
	struct pollfd fds[] = {
		{.fd = top->end_fd, .events = POLLIN},
		{.fd = top->resize_fd, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = control_client_fd(top->ctl->client), .events = POLLIN},
	};
	double left = until - clock_now();
	struct signalfd_siginfo info;

	if (poll(fds, 4, left > 0 ? (int)(left * 1000) + 1 : 0) < 0)
		return false; /* a signal that ncurses handles: SIGTSTP, SIGCONT */
	if (fds[0].revents)
		return true;
	if (fds[1].revents) {
		while (read(top->resize_fd, &info, sizeof(info)) > 0)
			continue;
		top_screen_size(&top->rows, &top->columns);
	}
	*hung_up = fds[3].revents != 0;
	return !handle_keys(top, fds[2].revents);
}

static int run_screen(struct top *top)
{
	unsigned long shown = 0;
	double next = 0;
	bool hung_up = false;
	int code;

	top_screen_size(&top->rows, &top->columns);
	top_model_message(top->model, "waiting for xmcastd");
	draw(top);
	while (true) {
		/* The daemon sends nothing without a request: input means that it has ended. */
		if (hung_up || clock_now() >= next) {
			if (top->frames && shown++ == top->frames)
				return EXIT_DONE;
			code = sample(top);
			if (code)
				return ended(top) ? EXIT_DONE : code;
			next = clock_now() + top->interval;
		}
		draw(top);
		if (wait_for(top, next, &hung_up))
			return EXIT_DONE;
	}
}

static int run(struct top *top, const struct command *command)
{
	static const int end[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0};
	static const int resize[] = {SIGWINCH, 0};
	int code = ctl_connect(top->ctl);

	if (code)
		return code;
	top->end_fd = ctl_signals(end);
	top->resize_fd = ctl_signals(resize);
	if (top->end_fd < 0 || top->resize_fd < 0) {
		perror("xmcastctl: signalfd");
		return EXIT_REFUSED;
	}
	control_client_interrupt(top->ctl->client, top->end_fd);
	if (top->batch) {
		code = run_batch(top);
	} else if (top_screen_open(top->ctl->options.colour != COLOUR_NEVER)) {
		return ctl_usage(command->usage, "this type of terminal is unknown: use top -b");
	} else {
		control_client_attend(top->ctl->client, STDIN_FILENO, attend, top);
		code = run_screen(top);
		top_screen_close();
	}
	if (code && top->complaint)
		fputs(top->complaint, stderr);
	return code;
}

int verb_top(struct ctl *ctl, const struct command *command, char **words, int count)
{
	struct top top = {.ctl = ctl, .interval = 1, .end_fd = -1, .resize_fd = -1};
	int code;

	top.model = top_model_new();
	if (!top.model)
		return ctl_no_memory();
	code = parse(&top, command, words, count);
	if (!code && ctl->options.json)
		code = ctl_usage(command->usage, "top is for people: use -j stats show");
	if (!code && !top.batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		code = ctl_usage(command->usage, "not a terminal: use top -b");
	if (!code)
		code = run(&top, command);
	if (top.end_fd >= 0)
		close(top.end_fd);
	if (top.resize_fd >= 0)
		close(top.resize_fd);
	free(top.complaint);
	top_frame_free(&top.frame);
	top_model_free(top.model);
	return code;
}
