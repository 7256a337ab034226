/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs of the object cluster: they ask xmcast-cluster instead of xmcastd, by the same
 * protocol. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "control/paths.h"
#include "ctl/command.h"
#include "ctl/screen.h"
#include "ctl/show.h"

/* The socket of the daemon, unless --socket names one, is not the one to ask. */
static void ask_cluster(struct ctl *ctl)
{
	const char *own = getenv("XMCAST_CLUSTER_SOCKET");

	ctl->peer = "xmcast-cluster";
	if (strcmp(ctl->options.socket, control_default_path()) == 0)
		ctl->options.socket = own && *own ? own : CONTROL_CLUSTER_PATH;
}

int verb_cluster_status(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *answer;
	int code;

	ask_cluster(ctl);
	code = ctl_fetch(ctl, "cluster.status", "shards", &answer);
	if (!code)
		code = ctl_show(ctl, answer, show_cluster);
	json_decref(answer);
	return code;
}

/* "tv/3", or "tv" for the shard 0. */
static json_t *parse_shard(const char *word, const char *node)
{
	const char *slash = strrchr(word, '/');
	size_t length = slash ? (size_t)(slash - word) : strlen(word);
	double number = 0;

	if (slash && (!ctl_parse_number(slash + 1, 0, 1023, &number) || number != (int)number))
		return NULL;
	return json_pack("{s:s%, s:i, s:s*}", "lease", word, length, "shard", (int)number, "node",
			 node);
}

/* Whether the node that a request is for obeys it: 0, or an exit code. xmcast-cluster ends each
 * request after some time. */
static int wait_accepted(struct ctl *ctl, const json_t *id)
{
	bool waits = true;
	int code = 0;

	while (!code && waits) {
		json_t *answer = NULL;
		const char *state;

		code = ctl_call(ctl, "cluster.asked", json_pack("{s:O}", "id", id), &answer);
		state = json_string_value(json_object_get(answer, "state"));
		waits = state && strcmp(state, "waiting") == 0;
		if (state && strcmp(state, "lost") == 0) {
			const char *reason = json_string_value(json_object_get(answer, "reason"));

			screen_print_to(ctl->errors, "xmcastctl: the request was lost: %s\n",
					reason ? reason : "no reason was given");
			code = EXIT_REFUSED;
		}
		json_decref(answer);
		if (waits)
			usleep(20000);
	}
	return code;
}

static int ask_node(struct ctl *ctl, const char *method, json_t *params)
{
	json_t *answer = NULL;
	int code = ctl_call(ctl, method, params, &answer);
	const json_t *id = json_object_get(answer, "asked");

	if (!code && id)
		code = wait_accepted(ctl, id);
	if (!code)
		code = ctl_show(ctl, answer, show_nothing);
	json_decref(answer);
	return code;
}

int verb_cluster_move(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params = parse_shard(words[0], count > 1 ? words[1] : NULL);

	if (!params)
		return ctl_usage(command->usage,
				 "\"%s\" is no shard, expected LEASE or LEASE/NUMBER", words[0]);
	ask_cluster(ctl);
	return ask_node(ctl, command->method, params);
}

int verb_cluster_drain(struct ctl *ctl, const struct command *command, char **words, int count)
{
	bool drain = strcmp(command->name, "drain") == 0;

	ask_cluster(ctl);
	return ask_node(ctl, command->method,
			json_pack("{s:b, s:s*}", "drain", drain, "node", count ? words[0] : NULL));
}
