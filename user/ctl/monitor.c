/* SPDX-License-Identifier: BSD-2-Clause */
/* monitor: events as they happen, until a signal comes or the daemon goes. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"

/* From here on these come through a descriptor: none is lost between two waits. */
static int open_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int watch(struct ctl *ctl)
{
	json_t *event;
	json_t *answer;
	int code = ctl_call(ctl, "monitor.start", NULL, &answer);
	int err;

	json_decref(answer);
	if (code)
		return code;
	control_client_timeout(ctl->client, -1);
	while (true) {
		event = NULL;
		err = control_client_event(ctl->client, &event);
		if (err == -EINTR)
			return EXIT_DONE;
		if (err)
			return ctl_no_answer(ctl, err);
		/* Flushed line by line: somebody waits for it. */
		code = ctl_show(ctl, event, show_event);
		json_decref(event);
		if (code)
			return code;
	}
}

int verb_monitor(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	int code = ctl_connect(ctl);
	int fd;

	if (code)
		return code;
	fd = open_signals();
	if (fd < 0) {
		perror("xmcastctl: signalfd");
		return EXIT_REFUSED;
	}
	control_client_interrupt(ctl->client, fd);
	code = watch(ctl);
	close(fd);
	return code;
}
