/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "filters.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static atomic_bool started;
static atomic_bool filters;

/* ---- entering ---- */

static int load_filter(enum sandbox_role role)
{
#define PROGRAM(filter)                                                                            \
	{                                                                                          \
		sizeof(filter) / sizeof((filter)[0]), (struct sock_filter *)(filter)               \
	}
	static const struct sock_fprog programs[SANDBOX_ROLES] = {
		[SANDBOX_MAIN] = PROGRAM(main_filter),
		[SANDBOX_INGRESS] = PROGRAM(ingress_filter),
		[SANDBOX_EGRESS] = PROGRAM(egress_filter),
		[SANDBOX_EXPORTER] = PROGRAM(exporter_filter),
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &programs[role]) ? -errno : 0;
}

/*
 * By default glibc gives threads arenas of their own. Shrinking one calls open(2), and creating
 * many asks for the number of CPUs, which packet threads may not. The main arena needs only brk(2),
 * and keeps no memory of threads that have ended. Packet threads allocate when they start.
 */
static void share_arena(void)
{
	mallopt(M_ARENA_MAX, 1);
}

int sandbox_start(bool with_filters)
{
	share_arena();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	atomic_store(&filters, with_filters);
	atomic_store(&started, true);
	return 0;
}

bool sandbox_filters(void)
{
	return atomic_load(&filters);
}

void sandbox_missing(const char *part, int err)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static const char *logged[8];
	size_t i = 0;

	pthread_mutex_lock(&mutex);
	while (i < COUNT(logged) && logged[i] && strcmp(logged[i], part) != 0)
		i++;
	if (i < COUNT(logged) && !logged[i]) {
		logged[i] = part;
		log_warning("sandbox-incomplete", LOG_NAME("part", part), LOG_ERROR(err),
			    LOG_TEXT("hint", "this kernel does not support it; all other "
					     "protection is in place"));
	}
	pthread_mutex_unlock(&mutex);
}

/* Of the calling thread: libcap-ng keeps its state, and sets capabilities, for each thread. */
static int drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	return 0;
}

int sandbox_enter(enum sandbox_role role)
{
	int err = 0;

	if (!atomic_load(&started))
		return 0;
	if (role != SANDBOX_MAIN) {
		err = drop_capabilities();
		/* The exporter may open Unix sockets, as its scrapes do. */
		if (role != SANDBOX_EXPORTER)
			log_confine_thread();
	}
	if (err || !sandbox_filters())
		return err;
	err = load_filter(role);
	/* Out of memory is temporary: fail, instead of running a thread without its filter. */
	if (err == -ENOMEM)
		return err;
	if (err)
		sandbox_missing("seccomp", err);
	return 0;
}
