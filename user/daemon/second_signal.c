/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/second_signal.h"

#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "base/clock.h"

/* timeout(1) and others signal a process and then its process group, so that it receives the same
 * signal twice. Within this time the same signal counts as the first one. */
#define SAME_SIGNAL_NS (NS_PER_SECOND / 3)

/* The first signal; number 0: none has arrived. Also used by the signal handler. */
static struct {
	volatile sig_atomic_t number;
	uint64_t ns;
} first;

void second_signal_note_first(int number)
{
	first.ns = clock_ns();
	first.number = number;
}

static void on_second(int signal)
{
	/* The daemon ends for another reason, and keeps the exit code of that. */
	if (!first.number) {
		second_signal_note_first(signal);
		return;
	}
	if (signal == first.number && clock_ns() - first.ns < SAME_SIGNAL_NS)
		return;
	_exit(128 + signal);
}

void second_signal_arm(void)
{
	struct sigaction action = {.sa_handler = on_second, .sa_flags = SA_RESTART};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	action.sa_mask = signals; /* one handler at a time */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
}
