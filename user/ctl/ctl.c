/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/show.h"

/* The protocol's largest page. */
#define PAGE_ITEMS 500

/* Rules that change all the time: readings after which we give up. */
#define MAX_READINGS 5

/* No list of a daemon is longer (65,536 rules; memberships are fewer): what says so is not one. */
#define MAX_ITEMS 1000000

int ctl_no_answer(const struct ctl *ctl, int err)
{
	screen_print_to(ctl->errors, "xmcastctl: no answer from xmcastd at %s: %s\n",
			ctl->options.socket,
			err == -EPROTO	     ? "what came is not of its protocol"
			: err == -ECONNRESET ? "it has closed the connection"
					     : strerror(-err));
	return EXIT_UNREACHABLE;
}

int ctl_usage(const char *usage, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	screen_print_to(stderr, "xmcastctl: %s\n", text ? text : "no memory");
	fprintf(stderr, "usage: xmcastctl [OPTIONS] %s\n", usage);
	free(text);
	return EXIT_USAGE;
}

int ctl_connect(struct ctl *ctl)
{
	int err = ctl->client ? 0 : control_client_open(&ctl->client, ctl->options.socket);

	return err ? ctl_no_answer(ctl, err) : 0;
}

/* A method that changes things may have much to do: 10,000 rules, each with its sockets. */
static int patience(const char *method)
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
	control_client_timeout(ctl->client, patience(method));
	err = control_client_call(ctl->client, method, params, &answer);
	json_decref(params);
	if (err == 0 && json_is_object(answer)) {
		*result = answer;
		return 0;
	}
	if (err == 1) {
		show_refusal(ctl->errors, answer, ctl->places);
		code = EXIT_REFUSED;
	} else if (err == -EMSGSIZE) {
		fputs("xmcastctl: the request is larger than 8 MiB, the most that xmcastd takes\n",
		      ctl->errors);
		code = EXIT_REFUSED;
	} else {
		code = ctl_no_answer(ctl, err ? err : -EPROTO);
	}
	json_decref(answer);
	return code;
}

enum page { PAGE_LAST, PAGE_MORE, PAGE_CHANGED, PAGE_WRONG };

/* Add a page to those before; takes the reference to `page`. Everything but the list is that of the
 * last page, because counters only add up if rules are read before interfaces. */
static enum page add_page(json_t **whole, json_t *page, const char *list)
{
	json_t *items = json_object_get(page, list);
	const json_t *total = json_object_get(page, "total");
	json_t *all;
	enum page kind = PAGE_LAST;

	if (!json_is_array(items) || (total && !json_is_integer(total)) ||
	    json_integer_value(total) > MAX_ITEMS)
		kind = PAGE_WRONG;
	else if (*whole && !json_equal(json_object_get(*whole, "generation"),
				       json_object_get(page, "generation")))
		kind = PAGE_CHANGED;
	if (kind != PAGE_LAST) {
		json_decref(page);
		return kind;
	}
	if (json_array_size(items) && total)
		kind = PAGE_MORE;
	if (*whole) {
		all = json_object_get(*whole, list);
		if (json_array_extend(all, items) || json_object_set(page, list, all))
			kind = PAGE_WRONG;
		json_decref(*whole);
	}
	*whole = page;
	all = json_object_get(*whole, list);
	if (kind == PAGE_MORE && (json_int_t)json_array_size(all) >=
					 json_integer_value(json_object_get(*whole, "total")))
		kind = PAGE_LAST;
	return kind;
}

/* Read the list once, from its beginning. *kind: how it ended. */
static int read_list(struct ctl *ctl, const char *method, const char *list, json_t **whole,
		     enum page *kind)
{
	*kind = PAGE_MORE;
	while (*kind == PAGE_MORE) {
		size_t offset = json_array_size(json_object_get(*whole, list));
		json_t *page;
		int code = ctl_call(
			ctl, method,
			json_pack("{s:I, s:i}", "offset", (json_int_t)offset, "limit", PAGE_ITEMS),
			&page);

		if (code)
			return code;
		*kind = add_page(whole, page, list);
	}
	return 0;
}

int ctl_fetch(struct ctl *ctl, const char *method, const char *list, json_t **result)
{
	enum page kind = PAGE_CHANGED;
	json_t *whole = NULL;
	int code = 0;

	*result = NULL;
	for (int i = 0; i < MAX_READINGS && kind == PAGE_CHANGED && !code; i++) {
		json_decref(whole);
		whole = NULL;
		code = read_list(ctl, method, list, &whole, &kind);
	}
	if (!code && kind == PAGE_LAST) {
		*result = whole;
		return 0;
	}
	json_decref(whole);
	if (code)
		return code;
	if (kind == PAGE_WRONG)
		return ctl_no_answer(ctl, -EPROTO);
	fprintf(ctl->errors, "xmcastctl: the rules changed during each of %d readings; try again\n",
		MAX_READINGS);
	return EXIT_REFUSED;
}

int ctl_flush(void)
{
	/* An error on the way leaves its mark on the stream, and not always its number. */
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
		/* What cannot be written shows in the flush. */
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
