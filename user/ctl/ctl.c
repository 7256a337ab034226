/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/ctl.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/exit_codes.h"
#include "base/json_text.h"
#include "base/text.h"
#include "rules/grammar.h"

/* The protocol's largest page. */
#define PAGE_ITEMS 500

/* Attempts to read a list while the rules change. */
#define MAX_READINGS 5

/* No list is longer (65,536 rules; memberships are fewer): a larger total is an error. */
#define MAX_ITEMS 1000000

/* Print what to do about a socket at which nobody answers, or that refuses us. */
static void print_hint(const struct ctl *ctl, int err)
{
	struct stat status;
	struct group *group;

	if (ctl->peer && (err == -ENOENT || err == -ECONNREFUSED)) {
		fprintf(ctl->errors, "xmcastctl: is %s running? See \"systemctl status %s\".\n",
			ctl->peer, ctl->peer);
		return;
	}
	if (*ctl->options.instance && (err == -ENOENT || err == -ECONNREFUSED)) {
		fputs("xmcastctl: is this instance running? See \"systemctl status 'xmcastd@*'\"\n",
		      ctl->errors);
		return;
	}
	if (err == -ENOENT || err == -ECONNREFUSED) {
		fputs("xmcastctl: is xmcastd running? See \"systemctl status xmcastd\". If it has "
		      "another socket,\n"
		      "xmcastctl: name it with --socket PATH, or its instance with -I NAME\n",
		      ctl->errors);
		return;
	}
	if (err != -EACCES)
		return;
	group = stat(ctl->options.socket, &status) ? NULL : getgrgid(status.st_gid);
	screen_print_to(ctl->errors,
			"xmcastctl: only root and the members of the socket's group%s%s may "
			"connect:\n"
			"xmcastctl: become a member of it, or set `control: { group: }` in the "
			"daemon's file\n",
			group ? " " : "", group ? group->gr_name : "");
}

/* With -j: {"error": {"code", "message", "data"}}, on one line; consumes `error`. */
static void print_json_error(const struct ctl *ctl, json_t *error)
{
	json_t *object = json_pack("{s:o}", "error", error);

	json_dumpf(object, ctl->errors,
		   JSON_ENSURE_ASCII | (ctl->options.pretty ? JSON_INDENT(2) : JSON_COMPACT));
	fputc('\n', ctl->errors);
	json_decref(object);
}

static void print_refusal(const struct ctl *ctl, json_t *error)
{
	if (ctl->options.json)
		print_json_error(ctl, json_incref(error));
	else
		refusal_print(ctl->errors, error, ctl->places);
}

int ctl_no_answer(const struct ctl *ctl, int err)
{
	const char *reason = err == -EPROTO	  ? "the answer is not of its protocol"
			     : err == -ECONNRESET ? "it has closed the connection"
						  : strerror(-err);
	const char *peer = ctl->peer ? ctl->peer : "xmcastd";

	if (ctl->options.json) {
		char *message = text_format("no answer from %s at %s: %s", peer,
					    ctl->options.socket, reason);

		print_json_error(ctl, json_pack("{s:o}", "message", json_text_string(message)));
		free(message);
		return EXIT_UNREACHABLE;
	}
	screen_print_to(ctl->errors, "xmcastctl: no answer from %s at %s: %s\n", peer,
			ctl->options.socket, reason);
	print_hint(ctl, err);
	return EXIT_UNREACHABLE;
}

int ctl_no_memory(void)
{
	fputs("xmcastctl: out of memory\n", stderr);
	return EXIT_REFUSED;
}

void ctl_print_usage(FILE *stream, const char *usage)
{
	fprintf(stream, "%s\n", usage);
	if (strstr(usage, " RULE"))
		grammar_print(stream, "        ");
}

int ctl_usage(const char *usage, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_format_list(format, arguments);
	va_end(arguments);
	screen_print_to(stderr, "xmcastctl: %s\n", text ? text : "out of memory");
	fputs("usage: xmcastctl [OPTIONS] ", stderr);
	ctl_print_usage(stderr, usage);
	free(text);
	return EXIT_USAGE;
}

int ctl_connect(struct ctl *ctl)
{
	int err = ctl->client ? 0 : control_client_open(&ctl->client, ctl->options.socket);

	return err ? ctl_no_answer(ctl, err) : 0;
}

/* A change may take long: 10,000 rules, each with its sockets. */
static int timeout_of(const char *method)
{
	bool changes = strncmp(method, "rule.", 5) == 0 || strncmp(method, "config.", 7) == 0;

	return changes ? 6 * CONTROL_TIMEOUT_MS : CONTROL_TIMEOUT_MS;
}

int ctl_call(struct ctl *ctl, const char *method, json_t *params, json_t **result)
{
	json_t *answer = NULL;
	int code = ctl_connect(ctl);
	int err;

	*result = NULL;
	if (code) {
		json_decref(params);
		return code;
	}
	control_client_timeout(ctl->client, timeout_of(method));
	err = control_client_call(ctl->client, method, params, &answer);
	json_decref(params);
	if (err == 0 && json_is_object(answer)) {
		*result = answer;
		return 0;
	}
	if (err == 1) {
		print_refusal(ctl, answer);
		code = EXIT_REFUSED;
	} else if (err == -EMSGSIZE) {
		fputs("xmcastctl: the request is larger than 8 MiB, the most that xmcastd "
		      "accepts\n",
		      ctl->errors);
		code = EXIT_REFUSED;
	} else {
		code = ctl_no_answer(ctl, err ? err : -EPROTO);
	}
	json_decref(answer);
	return code;
}

/* Read the list once. 0 or an exit code; or -EAGAIN: the rules have changed meanwhile. */
static int read_list(struct ctl *ctl, const char *method, const char *list, json_t **result)
{
	/* The last page, with the items of all pages. Everything else is of that page, because
	 * counters only add up if rules are read before interfaces. */
	json_t *whole = NULL;
	bool more = true;
	int code = 0;

	while (more && !code) {
		json_t *all = json_object_get(whole, list);
		json_int_t offset = (json_int_t)json_array_size(all);
		const json_t *total;
		json_t *items;
		json_t *page;

		code = ctl_call(ctl, method,
				json_pack("{s:I, s:i}", "offset", offset, "limit", PAGE_ITEMS),
				&page);
		if (code)
			break;
		items = json_object_get(page, list);
		total = json_object_get(page, "total");
		offset += (json_int_t)json_array_size(items);
		more = json_array_size(items) && offset < json_integer_value(total);
		if (!json_is_array(items) || (total && !json_is_integer(total)) ||
		    json_integer_value(total) > MAX_ITEMS)
			code = ctl_no_answer(ctl, -EPROTO);
		else if (whole && !json_equal(json_object_get(whole, "generation"),
					      json_object_get(page, "generation")))
			code = -EAGAIN;
		else if (whole &&
			 (json_array_extend(all, items) || json_object_set(page, list, all)))
			code = ctl_no_answer(ctl, -ENOMEM);
		json_decref(whole);
		whole = page;
	}
	if (code)
		json_decref(whole);
	else
		*result = whole;
	return code;
}

int ctl_fetch(struct ctl *ctl, const char *method, const char *list, json_t **result)
{
	int code = -EAGAIN;

	*result = NULL;
	for (int i = 0; i < MAX_READINGS && code == -EAGAIN; i++)
		code = read_list(ctl, method, list, result);
	if (code != -EAGAIN)
		return code;
	fprintf(ctl->errors, "xmcastctl: the rules changed during each of %d readings; try again\n",
		MAX_READINGS);
	return EXIT_REFUSED;
}

int ctl_flush(void)
{
	/* After an earlier error its errno may be lost. */
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	if (errno != EPIPE)
		fprintf(stderr, "xmcastctl: cannot write: %s\n",
			errno ? strerror(errno) : "the output was lost");
	return EXIT_REFUSED;
}

int ctl_show(struct ctl *ctl, const json_t *answer,
	     void (*show)(const struct screen *screen, const json_t *answer))
{
	size_t flags = JSON_ENSURE_ASCII | (ctl->options.pretty ? JSON_INDENT(2) : JSON_COMPACT);

	if (!ctl->options.json) {
		show(&ctl->screen, answer);
	} else {
		/* ctl_flush() reports errors. */
		json_dumpf(answer, stdout, flags);
		putchar('\n');
	}
	return ctl_flush();
}

int ctl_call_and_show(struct ctl *ctl, const char *method, json_t *params,
		      void (*show)(const struct screen *screen, const json_t *answer))
{
	json_t *answer;
	int code = ctl_call(ctl, method, params, &answer);

	if (!code)
		code = ctl_show(ctl, answer, show);
	json_decref(answer);
	return code;
}

int ctl_signals(const int *numbers)
{
	sigset_t signals;

	sigemptyset(&signals);
	for (; *numbers; numbers++)
		sigaddset(&signals, *numbers);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool ctl_parse_number(const char *text, double least, double most, double *number)
{
	char *end;

	errno = 0;
	*number = strtod(text, &end);
	return *text && !*end && !errno && *number >= least && *number <= most;
}
