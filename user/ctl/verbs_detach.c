/* SPDX-License-Identifier: BSD-2-Clause */
/* iface detach: remove what xdp-loader attached, with or without a daemon. */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "steering/leftovers.h"
#include "steering/pins.h"

struct detach {
	const char *iface;
	char pins[PINS_PATH_SIZE];
	bool force;
};

static int parse(const struct command *command, char **words, int count, struct detach *detach)
{
	const char *pins = NULL;

	*detach = (struct detach){.iface = words[0]};
	if (strlen(detach->iface) >= IF_NAMESIZE)
		return ctl_usage(command->usage, "\"%s\" is not the name of an interface",
				 words[0]);
	for (int i = 1; i < count; i++) {
		if (strcmp(words[i], "--force") == 0)
			detach->force = true;
		else if (!pins && words[i][0] == '/' && strlen(words[i]) < PINS_PATH_SIZE)
			pins = words[i];
		else
			return ctl_usage(command->usage, "unexpected argument \"%s\"", words[i]);
	}
	if (pins)
		strcpy(detach->pins, pins);
	else
		pins_directory(detach->iface, NULL, detach->pins);
	return 0;
}

/* 0: no daemon has rules for the interface, or none is running; otherwise an exit code. */
static int check_daemon(struct ctl *ctl, const char *iface)
{
	int err = control_client_open(&ctl->client, ctl->options.socket);
	const json_t *one;
	json_t *answer;
	size_t i;
	int code;

	if (err == -ENOENT || err == -ECONNREFUSED)
		return 0;
	if (err)
		return ctl_no_answer(ctl, err);
	code = ctl_call(ctl, "iface.list", NULL, &answer);
	json_array_foreach(json_object_get(answer, "interfaces"), i, one)
	{
		long long ifindex = show_number(one, "ifindex");

		/* Its rules may use another name of the interface (altname). */
		if (strcmp(show_text(one, "name"), iface) != 0 &&
		    (ifindex <= 0 || ifindex != (long long)if_nametoindex(iface)))
			continue;
		screen_print_to(stderr,
				"xmcastctl: xmcastd has rules for %s: stop it, or remove them, or "
				"use --force\n",
				show_text(one, "name"));
		code = EXIT_REFUSED;
	}
	json_decref(answer);
	return code;
}

static const char *explain(int err)
{
	switch (-err) {
	case EBUSY:
		return "an xmcastd attached the program itself: stop that xmcastd";
	case EPERM:
	case EACCES:
		return "this needs root";
	case EINVAL:
		return "not in a bpffs";
	default:
		return strerror(-err);
	}
}

static void show_detached(const struct screen *screen, const json_t *answer)
{
	const json_t *program;
	size_t i;

	json_array_foreach(json_object_get(answer, "programs"), i, program)
		screen_print(screen, "%s: detached program %lld\n", show_text(answer, "name"),
			     (long long)json_integer_value(program));
	if (!i)
		screen_print(screen, "%s: no steering program is attached\n",
			     show_text(answer, "name"));
	screen_print(screen, "%s: removed %lld pinned maps\n", show_text(answer, "pins"),
		     show_number(answer, "removed_pins"));
}

int verb_iface_detach(struct ctl *ctl, const struct command *command, char **words, int count)
{
	struct leftovers done = {0};
	struct detach detach;
	const char *what;
	json_t *programs;
	json_t *answer;
	int code = parse(command, words, count, &detach);
	int err;

	if (!code && !detach.force)
		code = check_daemon(ctl, detach.iface);
	if (code)
		return code;
	what = detach.iface;
	err = leftovers_detach(detach.iface, &done);
	/* The maps of an interface that has gone may still be pinned. */
	if (!err || err == -ENODEV) {
		what = detach.pins;
		err = leftovers_unpin(detach.pins, &done);
	}
	if (err) {
		screen_print_to(stderr, "xmcastctl: %s: %s\n", what, explain(err));
		return EXIT_REFUSED;
	}
	programs = json_array();
	for (unsigned int i = 0; programs && i < done.nr_programs; i++)
		json_array_append_new(programs, json_integer(done.programs[i]));
	answer = json_pack("{s:s, s:o, s:s, s:i}", "name", detach.iface, "programs", programs,
			   "pins", detach.pins, "removed_pins", (int)done.pins);
	code = answer ? ctl_show(ctl, answer, show_detached) : EXIT_REFUSED;
	json_decref(answer);
	return code;
}
