/* SPDX-License-Identifier: BSD-2-Clause */
/* capture: packets of a rule or of an interface, before and after. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/bundle.h"
#include "base/clock.h"
#include "base/exit_codes.h"
#include "base/version.h"
#include "ctl/capture_file.h"
#include "ctl/capture_filter.h"
#include "ctl/command.h"
#include "ctl/show.h"

/* How often the ring is looked at. The daemon does not wake its reader, because that would cost a
 * system call in the path of packets; the ring holds far more than what comes in this time. */
#define LOOK_MS 20

/* Packets between two looks at whether to go on. */
#define TURN 1024

/* The format of the ring that this program can read. */
#define FORMAT 1

/* How long the daemon may take to begin or to end. */
#define DAEMON_MS 10000

struct capture_run {
	struct ctl *ctl;
	struct ctl asking; /* a connection of its own, for the headers of outputs */
	const char *of;
	const char *path; /* of the file; "-": stdout; NULL: none */
	double packets;	  /* that are wanted; 0: any number */
	double snap;
	double rate;
	struct capture_filter filter;

	struct capture_file file;
	int signal_fd;
	void *memory; /* of the ring */
	struct capture_layout layout;
	struct capture_reader reader;
	struct capture_record *record; /* room for one */
	uint8_t *room;		       /* for its frame */
	uint64_t written;
	uint64_t filtered; /* not wanted */
	uint64_t unplaced; /* no memory for its place */
	bool full;	   /* the number of packets that was asked for is written */
	int code;
};

/* ---- options ---- */

static int parse_option(struct capture_run *run, const struct command *command, int option,
			const char *value)
{
	switch (option) {
	case 'w':
		run->path = value;
		return 0;
	case 'c':
		if (ctl_parse_number(value, 1, 1e15, &run->packets))
			return 0;
		return ctl_usage(command->usage, "\"%s\": expected a number of packets", value);
	case 's':
		if (ctl_parse_number(value, CAPTURE_SNAP_LEAST, CAPTURE_SNAP_MOST, &run->snap))
			return 0;
		return ctl_usage(command->usage, "\"%s\": expected bytes, %d to %d", value,
				 CAPTURE_SNAP_LEAST, CAPTURE_SNAP_MOST);
	default:
		if (ctl_parse_number(value, 1, CAPTURE_RATE_MOST, &run->rate))
			return 0;
		return ctl_usage(command->usage, "\"%s\": expected packets a second, 1 to %d",
				 value, CAPTURE_RATE_MOST);
	}
}

/* Behind the options, which may be anywhere: RULE or IFACE, then the filter. */
static int parse_words(struct capture_run *run, const struct command *command, char **words,
		       int count)
{
	struct capture_filter_error error = {};

	if (count < 1)
		return ctl_usage(command->usage, "too few arguments");
	run->of = words[0];
	if (capture_filter_parse(&run->filter, words + 1, count - 1, &error))
		return 0;
	if (error.word)
		return ctl_usage(command->usage, "filter: \"%s\": expected %s", error.word,
				 error.expected);
	return ctl_usage(command->usage, "filter: it ends where there should be %s",
			 error.expected);
}

static int parse(struct capture_run *run, const struct command *command, char **words, int count)
{
	static const struct option options[] = {{"write", required_argument, NULL, 'w'},
						{"count", required_argument, NULL, 'c'},
						{"snap", required_argument, NULL, 's'},
						{"rate", required_argument, NULL, 'r'},
						{}};
	int code = 0;

	opterr = 0;
	optind = 0; /* options before the object were parsed by getopt as well: start again */
	while (!code) {
		int option = getopt_long(count + 1, words - 1, ":w:c:s:", options, NULL);

		if (option == -1)
			return parse_words(run, command, words - 1 + optind, count + 1 - optind);
		if (option == ':' || option == '?')
			code = ctl_usage(command->usage,
					 option == ':' ? "no value after \"%s\""
						       : "unknown option \"%s\"",
					 words[optind - 2]);
		else
			code = parse_option(run, command, option, optarg);
	}
	return code;
}

/* ---- beginning ---- */

static int refuse(const struct capture_run *run, const char *what, int err)
{
	screen_print_to(stderr, "xmcastctl: %s%s%s: %s\n", what, run->path ? " " : "",
			run->path ? run->path : "", strerror(err));
	return EXIT_REFUSED;
}

/* What is captured may be confidential: only the user may read a new file, and an existing one must
 * be his. It keeps its contents until the capture has begun. */
static int open_file(struct capture_run *run)
{
	struct stat status;
	int fd;

	run->file.format = run->path		    ? CAPTURE_PCAPNG
			   : run->ctl->options.json ? CAPTURE_JSON
						    : CAPTURE_LINES;
	run->file.screen = &run->ctl->screen;
	run->file.stream = stdout;
	if (run->path && strcmp(run->path, "-") == 0 && isatty(STDOUT_FILENO)) {
		fputs("xmcastctl: a pcapng file is not for a terminal: -w FILE, or a pipe\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (!run->path || strcmp(run->path, "-") == 0)
		return 0;
	fd = open(run->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	run->file.stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (!run->file.stream)
		return refuse(run, "cannot write", errno);
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_uid != geteuid())
		return refuse(run, "the file of another user:", EPERM);
	return 0;
}

/* A file that could shrink would end this process with SIGBUS. */
static bool is_sound(int fd, size_t size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;

	return seals >= 0 && (seals & F_SEAL_SHRINK) && !fstat(fd, &status) &&
	       (size_t)status.st_size == size;
}

static int map_ring(struct capture_run *run)
{
	int socket = control_client_fd(run->ctl->client);
	const char begin = 'b';
	struct bundle bundle;
	int err;

	if (send(socket, &begin, 1, MSG_NOSIGNAL) != 1)
		return -ECONNRESET;
	err = bundle_receive(&bundle, socket, false, DAEMON_MS);
	if (err)
		return err == -EPIPE ? -ECONNRESET : err;
	run->memory = MAP_FAILED;
	if (bundle.nr_fds == 1 && is_sound(bundle.fds[0], run->layout.size))
		run->memory = mmap(NULL, run->layout.size, PROT_READ, MAP_SHARED, bundle.fds[0], 0);
	bundle_free(&bundle);
	return run->memory == MAP_FAILED ? -EPROTO : 0;
}

static int allocate(struct capture_run *run)
{
	run->record = malloc(sizeof(*run->record) + run->layout.snap);
	run->room = malloc(CAPTURE_HEADERS + run->layout.snap);
	return run->record && run->room ? 0 : -ENOMEM;
}

/* Ask the daemon for it. 0 or an exit code. */
static int begin(struct capture_run *run)
{
	struct ctl *ctl = run->ctl;
	json_t *answer;
	json_t *params = json_pack("{s:s, s:I, s:I}", "of", run->of, "rate", (json_int_t)run->rate,
				   "snap", (json_int_t)run->snap);
	int code;
	int err;

	if (!params) {
		screen_print_to(stderr, "xmcastctl: \"%s\" is not UTF-8\n", run->of);
		return EXIT_USAGE;
	}
	code = ctl_call(ctl, "capture.start", params, &answer);
	if (code)
		return code;
	err = capture_layout(&run->layout, (uint32_t)run->snap) &&
			      show_number(answer, "format") == FORMAT &&
			      show_number(answer, "bytes") == (long long)run->layout.size
		      ? allocate(run)
		      : -EPROTO;
	if (json_object_get(answer, "hint"))
		screen_print_to(stderr, "xmcastctl: %s\n", show_text(answer, "hint"));
	json_decref(answer);
	if (!err)
		err = map_ring(run);
	if (err)
		return ctl_no_answer(ctl, err);
	capture_reader_init(&run->reader, run->memory, &run->layout);
	run->file.snap = run->layout.snap;
	run->file.begin_ns = clock_read_ns(CLOCK_REALTIME);
	run->file.offset_ns = run->file.begin_ns - clock_ns();
	return 0;
}

/* ---- packets ---- */

static void parse_mac(const char *text, uint8_t mac[6])
{
	unsigned int bytes[6];

	/* NOLINTNEXTLINE(cert-err34-c): two digits always fit */
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
		   &bytes[4], &bytes[5]) != 6)
		return;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)bytes[i];
}

/* Ask the daemon what the kernel puts into the headers of an output. If it does not say, for
 * example because the rule has just been removed, that stays unknown. */
static void ask_headers(struct capture_run *run, const struct capture_record *record,
			struct capture_place *place)
{
	json_t *params =
		json_pack("{s:s, s:i}", "rule", record->rule, "output", (int)record->output);
	json_t *answer = NULL;
	long long port;

	if (!params || ctl_call(&run->asking, "capture.headers", params, &answer))
		return;
	if (!*place->iface)
		snprintf(place->iface, sizeof(place->iface), "%s", show_text(answer, "interface"));
	snprintf(place->to, sizeof(place->to), "%s", show_text(answer, "to"));
	if (!addr_parse(show_text(answer, "source"), &place->headers.source))
		place->headers.source = (struct xmc_addr){};
	port = show_number(answer, "source_port");
	place->headers.source_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
	parse_mac(show_text(answer, "mac_to"), place->headers.mac_to);
	parse_mac(show_text(answer, "mac_from"), place->headers.mac_from);
	json_decref(answer);
}

static struct capture_place *place_of(struct capture_run *run, const struct capture_record *record)
{
	struct capture_place *place = capture_file_find(&run->file, record);
	struct capture_place fresh = {.kind = record->kind, .output = record->output};

	if (place)
		return place;
	memcpy(fresh.iface, record->iface, sizeof(fresh.iface));
	if (record->kind != CAPTURE_RECEIVED) {
		memcpy(fresh.rule, record->rule, sizeof(fresh.rule));
		fresh.serial = record->kind == CAPTURE_SUBMITTED ? record->serial : 0;
		ask_headers(run, record, &fresh);
	}
	return capture_file_add(&run->file, &fresh);
}

static void take_record(struct capture_run *run)
{
	const struct capture_record *record = run->record;
	struct capture_place *place = place_of(run, record);
	struct capture_frame frame;

	if (!place) {
		run->unplaced++;
		return;
	}
	place->seen++;
	capture_frame_make(&frame, record, &place->headers, run->layout.snap, run->room);
	if (!capture_filter_matches(&run->filter, &frame, record->kind == CAPTURE_RECEIVED)) {
		run->filtered++;
		return;
	}
	capture_file_write(&run->file, place, record, &frame);
	run->written++;
	run->full = run->packets > 0 && (double)run->written >= run->packets;
}

/* Write what is in the ring. `last`: the daemon has ended the capture. False: enough is written, or
 * no more can be. */
static bool take_records(struct capture_run *run, bool last)
{
	FILE *stream = run->file.stream;
	unsigned int taken = 0;

	while (!run->full && (last || taken < TURN) &&
	       capture_reader_next(&run->reader, run->record, clock_ns(), last)) {
		take_record(run);
		taken++;
		if (ferror(stream))
			break;
	}
	errno = 0;
	/* Readers of the file wait for packets; flush only when no more are queued. */
	if (taken < TURN && !ferror(stream))
		fflush(stream);
	if (!ferror(stream))
		return !run->full;
	run->code = EXIT_REFUSED;
	if (errno != EPIPE)
		refuse(run, "cannot write", errno ? errno : EIO);
	return false;
}

/* ---- until the end ---- */

/* The daemon closes the connection when it has ended the capture: then all counters are final. */
static void end(struct capture_run *run)
{
	struct pollfd fd = {.fd = control_client_fd(run->ctl->client), .events = POLLIN};
	char byte;

	shutdown(fd.fd, SHUT_WR);
	while (poll(&fd, 1, DAEMON_MS) > 0 && recv(fd.fd, &byte, 1, MSG_DONTWAIT) > 0)
		continue;
}

static void follow(struct capture_run *run)
{
	struct pollfd fds[] = {
		{.fd = control_client_fd(run->ctl->client), .events = POLLIN},
		{.fd = run->signal_fd, .events = POLLIN},
	};

	while (take_records(run, false)) {
		if (poll(fds, 2, LOOK_MS) <= 0)
			continue;
		if (fds[1].revents) {
			end(run);
			take_records(run, true);
			return;
		}
		take_records(run, true);
		if (!run->code && !run->full) {
			fputs("xmcastctl: xmcastd has ended the capture: it stops, another one "
			      "takes over, or the rule or interface is gone\n",
			      stderr);
			run->code = EXIT_UNREACHABLE;
		}
		return;
	}
	end(run);
}

/* ---- what was missed ---- */

struct capture_sums {
	uint64_t received; /* packets that the capture is about */
	uint64_t sent;
	uint64_t limited; /* not captured: over the rate */
	uint64_t lost;	  /* not captured: no room, or not read in time */
};

static struct capture_sums sum(const struct capture_run *run)
{
	const struct capture_counts *counts = run->reader.page->counts;
	struct capture_sums sums = {
		.sent = counts[CAPTURE_SENT].matched,
		.lost = run->reader.lost + run->unplaced,
	};

	for (unsigned int i = 0; i < CAPTURE_COUNTS; i++) {
		if (i != CAPTURE_SENT)
			sums.received += counts[i].matched;
		sums.limited += counts[i].limited;
		sums.lost += counts[i].lost;
	}
	return sums;
}

static void print_end(const struct capture_run *run)
{
	struct capture_sums sums = sum(run);
	json_t *json;

	if (!run->ctl->options.json || run->file.stream == stdout) {
		fprintf(stderr,
			"%llu packets captured; %llu received and %llu sent meanwhile; not "
			"captured: "
			"%llu over the rate, %llu lost, %llu not wanted\n",
			(unsigned long long)run->written, (unsigned long long)sums.received,
			(unsigned long long)sums.sent, (unsigned long long)sums.limited,
			(unsigned long long)sums.lost, (unsigned long long)run->filtered);
	}
	if (!run->ctl->options.json || (run->path && run->file.stream == stdout))
		return;
	json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "captured_packets",
			 (json_int_t)run->written, "received_packets", (json_int_t)sums.received,
			 "sent_packets", (json_int_t)sums.sent, "rate_limited_packets",
			 (json_int_t)sums.limited, "lost_packets", (json_int_t)sums.lost,
			 "filtered_packets", (json_int_t)run->filtered);
	json_dumpf(json, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
	json_decref(json);
	putchar('\n');
}

static void finish(struct capture_run *run)
{
	FILE *stream = run->file.stream;

	capture_file_end(&run->file, run->reader.page->counts);
	errno = 0;
	if (stream != stdout && fclose(stream) && !run->code)
		run->code = refuse(run, "cannot write", errno);
	print_end(run);
	if (!run->code)
		run->code = ctl_flush();
}

static int run_capture(struct capture_run *run)
{
	int code = open_file(run);

	if (!code)
		code = begin(run);
	if (code)
		return code;
	/* Not of a pipe or a device. */
	if (run->file.stream != stdout && ftruncate(fileno(run->file.stream), 0) && errno != EINVAL)
		return refuse(run, "cannot write", errno);
	capture_file_begin(&run->file, "xmcastctl");
	follow(run);
	finish(run);
	return run->code;
}

int verb_capture(struct ctl *ctl, const struct command *command, char **words, int count)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, 0};
	struct capture_run run = {
		.ctl = ctl,
		.asking = {.options = ctl->options, .errors = fopen("/dev/null", "we")},
		.snap = CAPTURE_SNAP_DEFAULT,
		.rate = CAPTURE_RATE_DEFAULT,
		.memory = MAP_FAILED,
		.signal_fd = -1,
	};
	int code = parse(&run, command, words, count);

	if (!run.asking.errors)
		code = refuse(&run, "/dev/null", errno);
	if (!code) {
		/* A reader that has gone is an error of the stream. */
		signal(SIGPIPE, SIG_IGN);
		run.signal_fd = ctl_signals(signals);
		code = run.signal_fd < 0 ? refuse(&run, "signalfd", errno) : run_capture(&run);
	}
	control_client_close(run.asking.client);
	if (run.asking.errors)
		fclose(run.asking.errors);
	if (run.memory != MAP_FAILED)
		munmap(run.memory, run.layout.size);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	capture_file_free(&run.file);
	free(run.record);
	free(run.room);
	return code;
}
