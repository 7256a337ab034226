/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs of interfaces. */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "steering/leftovers.h"
#include "steering/pins.h"

int verb_iface_list(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "iface.list", NULL, show_interfaces);
}

int verb_iface_show(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	json_t *params = json_pack("{s:s}", "name", words[0]);

	if (!params)
		return ctl_usage(verb->usage, "\"%s\" is no UTF-8", words[0]);
	return ctl_call_and_show(ctl, "iface.show", params, show_interface);
}

/* ---- detach ---- */

struct detach {
	const char *iface;
	char pins[PINS_PATH_SIZE];
	bool force;
};

static int parse_detach(const struct verb *verb, char **words, int count, struct detach *detach)
{
	const char *pins = NULL;

	*detach = (struct detach){.iface = words[0]};
	if (strlen(detach->iface) >= IF_NAMESIZE)
		return ctl_usage(verb->usage, "\"%s\" is no name of an interface", words[0]);
	for (int i = 1; i < count; i++) {
		if (strcmp(words[i], "--force") == 0)
			detach->force = true;
		else if (!pins && words[i][0] == '/' && strlen(words[i]) < PINS_PATH_SIZE)
			pins = words[i];
		else
			return ctl_usage(verb->usage, "unexpected argument \"%s\"", words[i]);
	}
	if (pins)
		strcpy(detach->pins, pins);
	else
		pins_folder(detach->iface, NULL, detach->pins);
	return 0;
}

/* Is this IFACE that interface? Its rules may have it by another of its names (altname). */
static bool is_iface(const json_t *one, const char *iface)
{
	long long ifindex = show_number(one, "ifindex");

	return strcmp(show_text(one, "name"), iface) == 0 ||
	       (ifindex > 0 && ifindex == (long long)if_nametoindex(iface));
}

/* 0: no daemon has the interface, or there is none; else an exit code. */
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
		if (!is_iface(one, iface))
			continue;
		screen_print_to(stderr,
				"xmcastctl: xmcastd has rules for %s: stop it, or remove them, or "
				"say --force\n",
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
		return "an xmcastd has attached the program by itself: it goes when that is "
		       "stopped";
	case EPERM:
	case EACCES:
		return "this needs root";
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

static int report(struct ctl *ctl, const struct detach *detach, const struct leftovers *done)
{
	json_t *programs = json_array();
	json_t *answer;
	int code;

	for (unsigned int i = 0; programs && i < done->nr_programs; i++)
		json_array_append_new(programs, json_integer(done->programs[i]));
	answer = json_pack("{s:s, s:o, s:s, s:i}", "name", detach->iface, "programs", programs,
			   "pins", detach->pins, "removed_pins", (int)done->pins);
	code = answer ? ctl_show(ctl, answer, show_detached) : EXIT_REFUSED;
	json_decref(answer);
	return code;
}

int verb_iface_detach(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	struct leftovers done = {0};
	struct detach detach;
	int code = parse_detach(verb, words, count, &detach);
	int err;

	if (!code && !detach.force)
		code = check_daemon(ctl, detach.iface);
	if (code)
		return code;
	err = leftovers_detach(detach.iface, &done);
	/* An interface that is gone may have left its maps. */
	if (err && err != -ENODEV) {
		screen_print_to(stderr, "xmcastctl: %s: %s\n", detach.iface, explain(err));
		return EXIT_REFUSED;
	}
	err = leftovers_unpin(detach.pins, &done);
	if (err) {
		screen_print_to(stderr, "xmcastctl: %s: %s\n", detach.pins,
				err == -EINVAL ? "is in no bpffs" : explain(err));
		return EXIT_REFUSED;
	}
	return report(ctl, &detach, &done);
}
