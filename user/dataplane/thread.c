/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_INGRESS
#include "dataplane/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

void thread_init(struct thread *thread, int cpu, const counter_t *beats)
{
	*thread = (struct thread){.cpu = cpu, .beats = beats};
	sem_init(&thread->ready, 0, 0);
	sem_init(&thread->ended, 0, 0);
}

void thread_destroy(struct thread *thread)
{
	sem_destroy(&thread->ready);
	sem_destroy(&thread->ended);
}

/* Without its CPU a thread is slower but works: log and continue. */
static void bind_to_cpu(const struct thread *thread, const char *name)
{
	cpu_set_t *set;
	size_t size;
	int err;

	if (thread->cpu < 0)
		return;
	set = CPU_ALLOC((size_t)thread->cpu + 1);
	if (!set)
		return;
	size = CPU_ALLOC_SIZE((size_t)thread->cpu + 1);
	CPU_ZERO_S(size, set);
	CPU_SET_S((size_t)thread->cpu, size, set);
	err = pthread_setaffinity_np(thread->id, size, set);
	CPU_FREE(set);
	if (err)
		log_warning("cpu-refused", LOG_NAME("thread", name), LOG_INT("cpu", thread->cpu),
			    LOG_ERROR(-err));
}

int thread_start(struct thread *thread, void *(*run)(void *context), void *context,
		 const char *name)
{
	sigset_t all;
	sigset_t old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread->id, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	pthread_setname_np(thread->id, name);
	bind_to_cpu(thread, name);
	while (sem_wait(&thread->ready) && errno == EINTR)
		;
	thread->runs = !thread->result;
	if (thread->result)
		pthread_join(thread->id, NULL);
	return thread->result;
}

int thread_ready(struct thread *thread, int result)
{
	thread->result = result;
	sem_post(&thread->ready);
	return result;
}

void thread_ends(struct thread *thread)
{
	sem_post(&thread->ended);
}

bool thread_join(struct thread *thread, unsigned int ms)
{
	uint64_t until_ns = clock_ns() + ms * NS_PER_MS;
	const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SECOND),
				       .tv_nsec = (long)(until_ns % NS_PER_SECOND)};
	int err;

	do {
		err = sem_clockwait(&thread->ended, CLOCK_MONOTONIC, &until);
	} while (err && errno == EINTR);
	if (err)
		return false;
	pthread_join(thread->id, NULL);
	thread->runs = false;
	return true;
}
