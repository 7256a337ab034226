/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/merger_thread.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/wakeup.h"
#include "dataplane/egress.h"
#include "dataplane/heartbeat.h"

/* A wait of the main thread ends after this many times `workers.watchdog`, although the heartbeat
 * moves: what all feeds can hold has been sent by then, so the thread will never settle. */
#define MOST_PERIODS 10

static struct {
	struct egress egress;
	pthread_t thread;
	sem_t ready; /* posted by the starting thread: it runs, or has failed */
	int command_fd;
	int result;
	bool runs;
	atomic_bool failed;
	unsigned int watchdog; /* seconds */
	struct heartbeat heartbeat;
} self = {.command_fd = -1};

static void *run(void *arg)
{
	struct egress_loop *loop = NULL;
	int err = egress_loop_open(&loop, &self.egress);

	if (!err)
		err = sandbox_enter(SANDBOX_EGRESS);
	self.result = err;
	sem_post(&self.ready);
	if (!err)
		err = egress_loop_run(loop);
	egress_loop_close(loop);
	if (err && !self.result) {
		log_error("merger-failed", LOG_ERROR(err));
		atomic_store(&self.failed, true);
		wakeup_send(self.egress.notify_fd);
	}
	return NULL;
}

static void close_all(void)
{
	int fds[] = {self.egress.wakeup_fd, self.egress.notify_fd, self.egress.command_fd,
		     self.command_fd};

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	self.command_fd = -1;
	sem_destroy(&self.ready);
}

static int open_channels(void)
{
	int stream[2];

	self.egress.wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	self.egress.notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	self.egress.command_fd = self.command_fd = -1;
	if (self.egress.wakeup_fd < 0 || self.egress.notify_fd < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, stream))
		return -errno;
	self.command_fd = stream[0];
	self.egress.command_fd = stream[1];
	return 0;
}

/* Signals are the main thread's. */
static int create_thread(void)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&self.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	pthread_setname_np(self.thread, "merge");
	while (sem_wait(&self.ready) && errno == EINTR)
		;
	if (self.result)
		pthread_join(self.thread, NULL);
	return self.result;
}

/* ---- heartbeat ---- */

void merger_check(uint64_t now_ns)
{
	if (self.runs && heartbeat_look(&self.heartbeat, self.thread, &self.egress.counters.beats,
					self.watchdog * NS_PER_SECOND, now_ns))
		heartbeat_ping(self.command_fd);
}

/* See merger_thread_side.check. */
static bool check(unsigned int looks)
{
	merger_check(clock_ns());
	if (self.watchdog && looks >= MOST_PERIODS * self.watchdog)
		self.heartbeat.stuck = true;
	return !self.heartbeat.stuck;
}

uint64_t merger_overdue_ns(void)
{
	return self.runs ? watch_overdue_ns(&self.heartbeat.watch) : 0;
}

bool merger_stuck(void)
{
	return self.heartbeat.stuck;
}

void merger_describe_stuck(struct stuck_thread *stuck)
{
	heartbeat_describe(&self.heartbeat, self.thread, "merge", stuck);
}

/* ---- start and stop ---- */

int merger_start(const struct egress_config *config, unsigned int watchdog)
{
	struct merger_thread_side side;
	int err;

	if (self.runs)
		return 0;
	if (!merger_get())
		return -ENOMEM;
	memset(&self.egress, 0, sizeof(self.egress));
	self.egress.merger = merger_get();
	self.egress.engine = config->engine;
	self.egress.wakeup = config->wakeup;
	self.watchdog = watchdog;
	memset(&self.heartbeat, 0, sizeof(self.heartbeat));
	sem_init(&self.ready, 0, 0);
	err = open_channels();
	side = (struct merger_thread_side){
		.wakeup_fd = self.egress.wakeup_fd,
		.notify_fd = self.egress.notify_fd,
		.acknowledged = &self.egress.acknowledged,
		.failed = &self.failed,
		.check = check,
		.unused = &self.egress.counters.inactive_side,
		.withheld = &self.egress.counters.withheld,
	};
	if (!err) {
		merger_attach(merger_get(), &side);
		err = create_thread();
	}
	if (err) {
		merger_attach(merger_get(), NULL);
		close_all();
		return err;
	}
	self.runs = true;
	return 0;
}

void merger_stop(void)
{
	if (!self.runs)
		return;
	if (!merger_settle(merger_get(), NULL, NULL))
		return;
	close(self.command_fd);
	self.command_fd = -1;
	pthread_join(self.thread, NULL);
	merger_attach(merger_get(), NULL);
	close_all();
	self.runs = false;
}

bool merger_failed(void)
{
	return atomic_load(&self.failed) || self.heartbeat.stuck;
}

void merger_read(struct worker_state *state)
{
	const struct egress_counters *out = &self.egress.counters;

	memset(state, 0, sizeof(*state));
	if (!self.runs)
		return;
	state->sent = counter_read(&out->sent);
	state->sent_bytes = counter_read(&out->sent_bytes);
	state->send_errors = counter_read(&out->send_errors);
	state->submitted = counter_read(&out->submitted);
	state->rate_limited = counter_read(&out->rate_limited);
	state->withheld = counter_read(&out->withheld);
	state->unwanted = counter_read(&out->unwanted);
	state->inactive_side = counter_read(&out->inactive_side);
	state->in_flight = counter_read(&out->in_flight);
	state->queued = merger_queued(merger_get());
}
