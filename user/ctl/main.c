/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastctl: asks a running xmcastd. Grammar in iproute2's manner: OBJECT VERB, unambiguous
 * prefixes. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "base/exit_codes.h"
#include "control/client.h"
#include "control/server.h"
#include "ctl/show.h"

struct command {
	const char *object;
	const char *verb; /* NULL: the object alone */
	const char *method;
	void (*show)(const json_t *answer);
	const char *help;
};

static const struct command commands[] = {
	{"ping", NULL, "ping", show_ping, "does the daemon answer, and does every worker?"},
	{"stats", "show", "stats.show", show_stats, "all counters"},
	{"version", NULL, "version", show_version, "versions of client, daemon and protocol"},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct arguments {
	const char *socket;
	bool json;
	bool pretty;
};

static const struct option long_options[] = {
	{"json", no_argument, NULL, 'j'},	  {"pretty", no_argument, NULL, 'p'},
	{"socket", required_argument, NULL, 's'}, {"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},	  {},
};

static void print_help(FILE *stream)
{
	fputs("usage: xmcastctl [-j] [-p] [--socket PATH] OBJECT [VERB]\n"
	      "\n"
	      "  -j, --json    answer in JSON; -p, --pretty indents it\n"
	      "  --socket PATH control socket of the daemon (default $XMCAST_SOCKET, else\n"
	      "                " CONTROL_DEFAULT_PATH ")\n"
	      "  -V, -h        version, this text\n"
	      "\n",
	      stream);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(stream, "  %-8s %-6s %s\n", commands[i].object,
			commands[i].verb ? commands[i].verb : "", commands[i].help);
	fputs("\nObjects and verbs may be shortened as long as they are unambiguous.\n"
	      "exit codes: 0 done, 1 usage, 2 refused, 3 no daemon answers\n",
	      stream);
}

static bool is_prefix(const char *word, const char *of)
{
	return *word && strncmp(word, of, strlen(word)) == 0;
}

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "xmcastctl: %s \"%s\"; see xmcastctl --help\n", what, word);
	return EXIT_USAGE;
}

/* Find the command that the words name. A command without a verb takes none; one with a verb takes
 * it as the default, as "ip link" means "ip link show". */
static int find_command(char **words, int count, const struct command **found)
{
	*found = NULL;
	if (!count) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (!is_prefix(words[0], commands[i].object))
			continue;
		if (*found)
			return usage("ambiguous object", words[0]);
		*found = &commands[i];
	}
	if (!*found)
		return usage("unknown object", words[0]);
	if (count > 1 && (!(*found)->verb || !is_prefix(words[1], (*found)->verb)))
		return usage("unknown verb", words[1]);
	if (count > 2)
		return usage("unexpected argument", words[2]);
	return 0;
}

/* A list comes in pages: add the rules of those that follow to the first. As control_client_call().
 */
static int call_paged(struct control_client *client, const char *method, json_t **answer)
{
	json_t *rules = json_object_get(*answer, "rules");
	const json_t *total = json_object_get(*answer, "total");
	int err = 0;

	while (!err && rules && (json_int_t)json_array_size(rules) < json_integer_value(total)) {
		json_t *params = json_pack("{s:I, s:i}", "offset",
					   (json_int_t)json_array_size(rules), "limit", 500);
		json_t *page = NULL;

		err = control_client_call(client, method, params, &page);
		json_decref(params);
		if (err > 0) {
			json_decref(*answer);
			*answer = page;
			return err;
		}
		if (!err && !json_array_size(json_object_get(page, "rules")))
			err = -EPROTO; /* they have become fewer meanwhile */
		if (!err)
			json_array_extend(rules, json_object_get(page, "rules"));
		json_decref(page);
	}
	return err;
}

static int run(const struct command *command, const struct arguments *arguments)
{
	struct control_client *client = NULL;
	json_t *answer = NULL;
	bool dead;
	int err;

	err = control_client_open(&client, arguments->socket);
	if (!err)
		err = control_client_call(client, command->method, NULL, &answer);
	if (!err)
		err = call_paged(client, command->method, &answer);
	control_client_close(client);
	if (err < 0) {
		fprintf(stderr, "xmcastctl: no answer from xmcastd at %s: %s\n", arguments->socket,
			strerror(-err));
		return EXIT_UNREACHABLE;
	}
	if (err) {
		fprintf(stderr, "xmcastctl: refused: %s\n",
			json_string_value(json_object_get(answer, "message")));
	} else if (arguments->json) {
		json_dumpf(answer, stdout, arguments->pretty ? JSON_INDENT(2) : JSON_COMPACT);
		putchar('\n');
	} else {
		command->show(answer);
	}
	/* The answer to a ping: a worker does not do its work. */
	dead = json_is_false(json_object_get(answer, "alive"));
	json_decref(answer);
	if (!err && (fflush(stdout) || ferror(stdout))) {
		fprintf(stderr, "xmcastctl: cannot write: %s\n", strerror(errno));
		return EXIT_REFUSED;
	}
	return err || dead ? EXIT_REFUSED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	const char *environment = getenv("XMCAST_SOCKET");
	struct arguments arguments = {
		.socket = environment && *environment ? environment : CONTROL_DEFAULT_PATH,
	};
	const struct command *command;
	int option;
	int code;

	opterr = 0;
	/* '+': options stand before the object, as in ip(8). */
	while ((option = getopt_long(argc, argv, "+:jpVh", long_options, NULL)) != -1) {
		switch (option) {
		case 'j':
			arguments.json = true;
			break;
		case 'p':
			arguments.pretty = true;
			break;
		case 's':
			arguments.socket = optarg;
			break;
		case 'V':
			printf("xmcastctl %s\n", xmc_version);
			return EXIT_DONE;
		case 'h':
			print_help(stdout);
			return EXIT_DONE;
		case ':':
			return usage("an argument is missing after", argv[optind - 1]);
		default:
			return usage("unknown option", argv[optind - 1]);
		}
	}
	code = find_command(argv + optind, argc - optind, &command);
	return code ? code : run(command, &arguments);
}
