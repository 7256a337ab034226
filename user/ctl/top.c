/* SPDX-License-Identifier: BSD-2-Clause */
/* top: the rules with their rates, live. Waits for keys, signals, the clock and the daemon. */
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
	struct top_view *view;
	struct top_frame frame;
	double interval;      /* seconds */
	unsigned long frames; /* 0: no end */
	bool batch;
	bool leaving; /* a key says so, or there is no keyboard any more */
	unsigned int rows;
	unsigned int columns;
	int end_fd;	 /* signals that mean: leave */
	int resize_fd;	 /* SIGWINCH */
	char *complaint; /* what the last call had to say */
	size_t complaint_size;
};

static double clock_now(void)
{
	return (double)clock_ns() / 1e9;
}

static bool parse_number(const char *text, double least, double most, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return *text && !*end && !errno && *value >= least && *value <= most;
}

/* The options behind "top"; words[-1] is "top" itself. 0 or EXIT_USAGE. */
static int parse(struct top *top, const struct verb *verb, char **words, int count)
{
	double number;
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt(count + 1, words - 1, "+:bd:n:o:")) != -1) {
		switch (option) {
		case 'b':
			top->batch = true;
			break;
		case 'd':
			if (!parse_number(optarg, INTERVAL_LEAST, INTERVAL_MOST, &top->interval))
				return ctl_usage(verb->usage,
						 "\"%s\": expected seconds, 0.1 to 3600", optarg);
			break;
		case 'n':
			if (!parse_number(optarg, 1, 1e9, &number))
				return ctl_usage(verb->usage, "\"%s\": expected how often", optarg);
			top->frames = (unsigned long)number;
			break;
		case 'o':
			if (!top_view_sort(top->view, optarg))
				return ctl_usage(verb->usage,
						 "\"%s\": expected name, pps, bps, drops "
						 "or exhausted",
						 optarg);
			break;
		default:
			return ctl_usage(verb->usage, "unknown option or no value: -%c", optopt);
		}
	}
	if (optind <= count)
		return ctl_usage(verb->usage, "unexpected argument \"%s\"", words[optind - 1]);
	return 0;
}

/* ---- signals ---- */

static int signal_descriptor(const int *numbers, size_t count)
{
	sigset_t signals;

	sigemptyset(&signals);
	for (size_t i = 0; i < count; i++)
		sigaddset(&signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Two descriptors, because those that end us also end a wait for the daemon, and a new size of the
 * window does not. */
static int open_signals(struct top *top)
{
	static const int end[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	static const int resize[] = {SIGWINCH};

	top->end_fd = signal_descriptor(end, 4);
	top->resize_fd = signal_descriptor(resize, 1);
	return top->end_fd < 0 || top->resize_fd < 0 ? -errno : 0;
}

static bool ended(const struct top *top)
{
	struct pollfd fd = {.fd = top->end_fd, .events = POLLIN};

	return top->leaving || poll(&fd, 1, 0) > 0;
}

/* ---- samples ---- */

/* Ask the daemon. What there is to complain of is kept, for the terminal is not stderr's now. 0 or
 * an exit code. */
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

/* A daemon that goes ends us; one that cannot answer now may do so the next time. */
static int sample(struct top *top)
{
	json_t *stats = NULL;
	int code = ask(top, &stats);

	if (!code && top_view_sample(top->view, stats, clock_now()))
		code = EXIT_REFUSED;
	if (code == EXIT_REFUSED && !top->batch) {
		top_view_message(top->view, top->complaint ? top->complaint : "no memory");
		return 0;
	}
	top_view_message(top->view, "");
	return code;
}

static int print_frame(struct top *top)
{
	const struct screen *screen = &top->ctl->screen;

	top_view_draw(top->view, 0, screen->width, &top->frame);
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
	top_view_draw(top->view, top->rows, top->columns, &top->frame);
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

/* Do what the keys say. False: leave. */
static bool take_keys(struct top *top, short events)
{
	int key;

	top->leaving |= (events & (POLLHUP | POLLERR)) != 0;
	while (!top->leaving && (key = top_screen_key()) >= 0)
		top->leaving = top_view_key(top->view, key);
	return !top->leaving;
}

/* The same while a daemon that may be stopped is waited for. */
static bool attend(void *context, short events)
{
	struct top *top = context;

	if (!take_keys(top, events))
		return false;
	draw(top);
	return true;
}

/* Wait until something happens or the time has come. True: a key or a signal says to leave. */
static bool wait_for(struct top *top, double until, bool *daemon_speaks)
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
		return false; /* a signal that is ncurses' own: SIGTSTP, SIGCONT */
	if (fds[0].revents)
		return true;
	if (fds[1].revents) {
		while (read(top->resize_fd, &info, sizeof(info)) > 0)
			continue;
		top_screen_size(&top->rows, &top->columns);
	}
	*daemon_speaks = fds[3].revents != 0;
	return !take_keys(top, fds[2].revents);
}

static int run_screen(struct top *top)
{
	unsigned long shown = 0;
	double next = 0;
	bool daemon_speaks = false;
	int code;

	top_screen_size(&top->rows, &top->columns);
	top_view_message(top->view, "waiting for xmcastd");
	draw(top);
	while (true) {
		/* It speaks without being asked: it has gone. */
		if (daemon_speaks || clock_now() >= next) {
			if (top->frames && shown++ == top->frames)
				return EXIT_DONE;
			code = sample(top);
			if (code)
				return ended(top) ? EXIT_DONE : code;
			next = clock_now() + top->interval;
		}
		draw(top);
		if (wait_for(top, next, &daemon_speaks))
			return EXIT_DONE;
	}
}

static int run(struct top *top, const struct verb *verb)
{
	int code = ctl_connect(top->ctl);

	if (code)
		return code;
	if (open_signals(top)) {
		perror("xmcastctl: signalfd");
		return EXIT_REFUSED;
	}
	control_client_interrupt(top->ctl->client, top->end_fd);
	if (top->batch) {
		code = run_batch(top);
	} else if (top_screen_open(top->ctl->options.colour != COLOUR_NEVER)) {
		return ctl_usage(verb->usage, "not a terminal that it can use: try top -b");
	} else {
		control_client_attend(top->ctl->client, STDIN_FILENO, attend, top);
		code = run_screen(top);
		top_screen_close();
	}
	if (code && top->complaint)
		fputs(top->complaint, stderr);
	return code;
}

int verb_top(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	struct top top = {.ctl = ctl, .interval = 1, .end_fd = -1, .resize_fd = -1};
	int code;

	top.view = top_view_new();
	if (!top.view) {
		fputs("xmcastctl: no memory\n", stderr);
		return EXIT_REFUSED;
	}
	code = parse(&top, verb, words, count);
	if (!code && ctl->options.json)
		code = ctl_usage(verb->usage, "top is for people: try -j stats show");
	if (!code && !top.batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		code = ctl_usage(verb->usage, "not a terminal: try top -b");
	if (!code)
		code = run(&top, verb);
	if (top.end_fd >= 0)
		close(top.end_fd);
	if (top.resize_fd >= 0)
		close(top.resize_fd);
	free(top.complaint);
	top_frame_free(&top.frame);
	top_view_free(top.view);
	return code;
}
