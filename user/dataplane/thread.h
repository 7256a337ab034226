/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread of the data plane, as the main thread sees it. Signals are the main thread's: the thread
 * blocks all of them. It says when it is ready or has failed, its heartbeat is watched, and it is
 * joined unless it is stuck. Main thread, except for thread_ready() and thread_ends().
 */
#ifndef XMCAST_DATAPLANE_THREAD_H
#define XMCAST_DATAPLANE_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "dataplane/heartbeat.h"

struct thread {
	pthread_t id;
	int cpu;		/* that it is bound to, or -1: any */
	const counter_t *beats; /* of its loop */
	bool runs;
	int result;  /* of thread_ready() */
	sem_t ready; /* posted once it is ready, or has failed */
	sem_t ended;
	struct heartbeat heartbeat;
};

void thread_init(struct thread *thread, int cpu, const counter_t *beats);
void thread_destroy(struct thread *thread); /* it does not run */

/* Start it, and wait for thread_ready(). `name`: the kernel keeps 15 bytes. Without its CPU, which
 * is logged, it runs on any. 0; or -errno, also of thread_ready(): then it does not run. */
int thread_start(struct thread *thread, void *(*run)(void *context), void *context,
		 const char *name);

/* By the thread: it is ready (0), or has failed and now returns. Returns `result`. */
int thread_ready(struct thread *thread, int result);

/* By the thread: it now returns, and uses nothing any more. */
void thread_ends(struct thread *thread);

/* Wait up to `ms` milliseconds for its end. False: it still runs. */
bool thread_join(struct thread *thread, unsigned int ms);

#endif
