/* SPDX-License-Identifier: BSD-2-Clause */
/* import PEER: the configuration of another relay as one of ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/exit_codes.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "import/import.h"
#include "rules/save.h"

/* Mode of a new output file: a configuration is nothing to hide. */
#define MODE_IF_NEW 0644

struct arguments_of_import {
	const char *output; /* NULL: stdout */
	const char *file;   /* NULL: the text itself follows */
	char **words;
	int count;
};

/* [-o OUTPUT] FILE, or [-o OUTPUT] -- WORD... 0 or EXIT_USAGE. A "--" before everything has been
 * skipped, and is words[-1]. */
static int parse(const struct command *command, char **words, int count,
		 struct arguments_of_import *arguments)
{
	bool is_text = strcmp(words[-1], "--") == 0;

	while (!is_text && count && words[0][0] == '-' && words[0][1]) {
		is_text = strcmp(words[0], "--") == 0;
		if (!is_text && strcmp(words[0], "-o") != 0)
			return ctl_usage(command->usage, "unknown option \"%s\"", words[0]);
		if (!is_text && count < 2)
			return ctl_usage(command->usage, "no value after \"-o\"");
		if (!is_text)
			arguments->output = words[1];
		words += is_text ? 1 : 2;
		count -= is_text ? 1 : 2;
	}
	if (!count)
		return ctl_usage(command->usage, "too few arguments");
	if (!is_text && count > 1 && strcmp(words[1], "-o") == 0)
		return ctl_usage(command->usage, "\"-o\" behind the file, expected it before");
	if (!is_text && count > 1)
		return ctl_usage(command->usage, "unexpected argument \"%s\"", words[1]);
	if (!is_text)
		arguments->file = words[0];
	arguments->words = words;
	arguments->count = count;
	return 0;
}

/* ---- input ---- */

/* At most one byte more than is allowed. 0 or -errno. */
static int read_stream(FILE *stream, struct text *text)
{
	char bytes[4096];
	size_t count = 1;

	while (count && text->length <= IMPORT_BYTES_MAX) {
		errno = 0;
		count = fread(bytes, 1, sizeof(bytes), stream);
		text_add_bytes(text, bytes, count);
	}
	if (ferror(stream))
		return errno ? -errno : -EIO;
	return text->failed ? -ENOMEM : 0;
}

static int read_file(const char *file, struct text *text)
{
	bool is_stdin = strcmp(file, "-") == 0;
	FILE *stream = is_stdin ? stdin : fopen(file, "re");
	int err = stream ? read_stream(stream, text) : -errno;

	if (stream && !is_stdin)
		fclose(stream);
	return err;
}

static bool is_address(const struct sockaddr *sockaddr, const struct xmc_addr *addr)
{
	char text[ADDR_TEXT_SIZE];
	struct xmc_addr own;

	if (!sockaddr)
		return false;
	if (sockaddr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sockaddr)->sin_addr, text,
			  sizeof(text));
	else if (sockaddr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, text,
			  sizeof(text));
	else
		return false;
	return addr_parse(text, &own) && addr_equal(&own, addr);
}

/* The interface of this machine that has an address. */
static bool iface_of(const struct xmc_addr *addr, char name[IF_NAMESIZE])
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (struct ifaddrs *one = list; one && !found; one = one->ifa_next) {
		found = is_address(one->ifa_addr, addr) && strlen(one->ifa_name) < IF_NAMESIZE;
		if (found)
			strcpy(name, one->ifa_name);
	}
	freeifaddrs(list);
	return found;
}

/* The words as one line. Those of a command are escaped, so that they stay the words that the
 * shell has made. */
static int join(const struct arguments_of_import *arguments, bool commands, struct text *text)
{
	for (int i = 0; i < arguments->count; i++) {
		text_add(text, i ? " " : "");
		for (const char *byte = arguments->words[i]; *byte; byte++) {
			if (commands && strchr(" \t\"'\\#$`*?[]{}()<>|&;!~", *byte))
				text_add(text, "\\");
			text_add_bytes(text, byte, 1);
		}
	}
	return text->failed ? -ENOMEM : 0;
}

/* ---- output ---- */

static void show_text_of(const struct screen *screen, const json_t *answer)
{
	fputs(show_text(answer, "text"), stdout);
}

static void report(const char *file, const struct sheet_count *count)
{
	screen_print_to(stderr, "%s: %u rule%s", file, count->rules, count->rules == 1 ? "" : "s");
	if (count->lost)
		fprintf(stderr,
			"; %u line%s not, or not wholly, carried over: see \"not carried over\" "
			"there",
			count->lost, count->lost == 1 ? "" : "s");
	fputc('\n', stderr);
}

static bool is_same_file(const char *output, const char *input)
{
	struct stat a, b;

	return output && input && !stat(output, &a) && !stat(input, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int write_file(const char *path, const char *text, size_t length)
{
	int err = config_save_file(path, text, length, MODE_IF_NEW);

	if (!err)
		return EXIT_DONE;
	screen_print_to(stderr, "xmcastctl: cannot write %s: %s\n", path, config_save_reason(err));
	return EXIT_REFUSED;
}

static int put(struct ctl *ctl, const char *output, const char *text, size_t length,
	       const struct sheet_count *count)
{
	json_t *answer;
	int code = output ? write_file(output, text, length) : EXIT_DONE;

	if (code || (output && !ctl->options.json))
		return code;
	answer = json_pack("{s:i, s:i, s:s}", "rules", (int)count->rules, "lost_lines",
			   (int)count->lost, "text", text);
	code = ctl_show(ctl, answer, show_text_of);
	json_decref(answer);
	return code;
}

static int import(struct ctl *ctl, const struct import_peer *peer, const char *output,
		  const struct import_source *source, struct errors *errors)
{
	struct sheet_count count;
	size_t length;
	char *text = import_configuration(peer, source, &length, &count, errors);
	int code = EXIT_REFUSED;

	if (text)
		code = put(ctl, output, text, length, &count);
	else if (errors->count)
		errors_print(errors, stderr);
	else
		ctl_no_memory();
	if (!code)
		report(source->file, &count);
	free(text);
	errors_free(errors);
	return code;
}

VERB(verb_import)
{
	const struct import_peer *peer = import_peer(command->name);
	struct arguments_of_import arguments = {0};
	int code = parse(command, words, count, &arguments);
	struct errors errors = {0};
	struct import_source source = {.iface_of = iface_of};
	struct text text = {0};
	int err;

	if (code)
		return code;
	if (is_same_file(arguments.output, arguments.file)) {
		screen_print_to(stderr,
				"xmcastctl: %s would overwrite what is imported: write another "
				"file with -o\n",
				arguments.output);
		return EXIT_REFUSED;
	}
	source.file = arguments.file ? arguments.file : peer->name;
	if (arguments.file && strcmp(arguments.file, "-") == 0)
		source.file = "stdin";
	err = arguments.file ? read_file(arguments.file, &text)
			     : join(&arguments, peer->commands, &text);
	source.bytes = text.bytes ? text.bytes : "";
	source.length = text.length;
	if (!err) {
		code = import(ctl, peer, arguments.output, &source, &errors);
	} else {
		screen_print_to(stderr, "xmcastctl: cannot read %s: %s\n", source.file,
				strerror(-err));
		code = EXIT_REFUSED;
	}
	text_free(&text);
	return code;
}
