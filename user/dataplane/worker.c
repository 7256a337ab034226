/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_INGRESS
#include "dataplane/worker.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/wakeup.h"
#include "dataplane/merger.h"
#include "dataplane/thread.h"

/* Markers that may be in the queue beside the frames: worker_update() waits for its own. */
#define MARKERS 1

/* Interval at which the main thread looks at the heartbeats while it waits for a worker. */
#define CHECK_MS 1000

struct worker {
	struct ingress ingress;
	struct egress egress;
	struct frame_queue queue;
	struct xsk *xsk;
	char iface[IF_NAMESIZE];
	unsigned int rx_queue;

	struct thread in;  /* the ingress thread */
	struct thread out; /* the egress thread */
	bool adopted;	   /* the socket is another process's */
	bool resumes; /* another process, or this one before worker_pause(), has used the socket */
	bool relays;  /* the threads use the rings, since worker_go() */
	sem_t go;     /* posted once the ingress thread may use the RX ring, or has to end */
	const char *engine; /* constant text */
	atomic_bool failed;

	int command_fd; /* write end of the command stream */
	uint64_t generation;
	const struct ruleset *ruleset; /* in use */
	struct capture_tap *tap;       /* likewise; NULL: none */
	struct feed *feed;	       /* to the merger; NULL: nothing is merged */

	uint64_t stuck_after_ns;    /* a thread that is overdue for this long is stuck; 0: never */
	struct worker_state before; /* counted by another process: worker_carry() */
};

/* Of all workers; the main thread's. */
static const struct worker *first_stuck;

static void *ingress_main(void *arg)
{
	struct worker *worker = arg;

	if (thread_ready(&worker->in, sandbox_enter(SANDBOX_INGRESS)))
		return NULL;
	while (sem_wait(&worker->go) && errno == EINTR)
		;
	ingress_run(&worker->ingress);
	thread_ends(&worker->in);
	return NULL;
}

static void *egress_main(void *arg)
{
	struct worker *worker = arg;
	struct egress_loop *loop = NULL;
	int err;

	err = egress_loop_open(&loop, &worker->egress);
	worker->engine = err ? NULL : egress_loop_engine(loop);
	if (!err)
		err = sandbox_enter(SANDBOX_EGRESS);
	if (!thread_ready(&worker->out, err))
		err = egress_loop_run(loop);
	egress_loop_close(loop);
	if (worker->out.result)
		return NULL;
	if (err) {
		log_write(LOG_FACILITY_EGRESS, LOG_LEVEL_ERROR, "egress-failed",
			  LOG_IFACE(worker->iface), LOG_UINT("queue", worker->rx_queue),
			  LOG_ERROR(err));
		atomic_store(&worker->failed, true);
		err = wakeup_send(worker->egress.notify_fd);
		if (err)
			log_write(LOG_FACILITY_EGRESS, LOG_LEVEL_ERROR, "egress-notify-failed",
				  LOG_ERROR(err));
	}
	thread_ends(&worker->out);
	return NULL;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* SEQPACKET keeps records whole, and reads 0 once the other end is closed. */
static int open_stream(struct worker *worker)
{
	int stream[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, stream))
		return -errno;
	close_fd(worker->egress.command_fd);
	worker->command_fd = stream[0];
	worker->egress.command_fd = stream[1];
	return 0;
}

static int open_channels(struct worker *worker)
{
	worker->ingress.egress_wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->ingress.control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->egress.notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->ingress.egress_wakeup_fd < 0 || worker->ingress.control_fd < 0 ||
	    worker->egress.notify_fd < 0)
		return -errno;
	worker->egress.wakeup_fd = worker->ingress.egress_wakeup_fd;
	return open_stream(worker);
}

/* The threads of all workers take the CPUs of the list in turn. */
static int pick_cpu(const struct worker_config *config, unsigned int n)
{
	return config->nr_cpus ? config->cpus[n % config->nr_cpus] : -1;
}

int worker_open(struct worker **out, const struct worker_options *options)
{
	struct xsk_options xsk = {
		.iface = options->iface,
		.queue = options->queue,
		.frames = options->sizes.frames,
		.mtu = options->mtu,
		.rx_ring = options->sizes.rx_ring,
		.copy = options->copy,
		.fail_if_busy = options->fail_if_busy,
	};
	unsigned int frames = options->adopt ? options->adopt->frames : options->sizes.frames;
	struct worker *worker;
	int err;

	worker = aligned_alloc(CACHE_LINE, sizeof(*worker));
	if (!worker)
		return -ENOMEM;
	memset(worker, 0, sizeof(*worker));
	worker->rx_queue = options->queue;
	thread_init(&worker->in, pick_cpu(&options->sizes, 2 * options->index),
		    &worker->ingress.counters.beats);
	thread_init(&worker->out, pick_cpu(&options->sizes, 2 * options->index + 1),
		    &worker->egress.counters.beats);
	worker->stuck_after_ns = options->sizes.watchdog * NS_PER_SECOND;
	snprintf(worker->iface, sizeof(worker->iface), "%s", options->iface);
	worker->ingress.control_fd = worker->ingress.egress_wakeup_fd = -1;
	worker->egress.notify_fd = worker->egress.command_fd = worker->command_fd = -1;
	sem_init(&worker->go, 0, 0);
	err = open_channels(worker);
	if (!err)
		err = frame_queue_init(&worker->queue, frames + MARKERS);
	if (!err)
		err = options->adopt ? xsk_adopt(&worker->xsk, options->adopt)
				     : xsk_open(&worker->xsk, &xsk);
	worker->adopted = worker->resumes = options->adopt;
	if (err) {
		worker_close(worker);
		return err;
	}
	worker->ingress.xsk = worker->egress.xsk = worker->xsk;
	worker->ingress.queue = worker->egress.queue = &worker->queue;
	worker->ingress.shard = worker->egress.shard = options->shard;
	worker->ingress.wakeup = worker->egress.wakeup = options->egress.wakeup;
	worker->egress.engine = options->egress.engine;
	*out = worker;
	return 0;
}

void worker_close(struct worker *worker)
{
	if (!worker || worker->in.heartbeat.stuck || worker->out.heartbeat.stuck)
		return;
	/* The merger's thread may still send from the frames. */
	if (!merger_remove_feed(merger_get(), worker->feed))
		return;
	xsk_close(worker->xsk);
	capture_tap_free(worker->tap);
	frame_queue_destroy(&worker->queue);
	close_fd(worker->ingress.egress_wakeup_fd);
	close_fd(worker->ingress.control_fd);
	close_fd(worker->egress.notify_fd);
	close_fd(worker->egress.command_fd);
	close_fd(worker->command_fd);
	sem_destroy(&worker->go);
	thread_destroy(&worker->in);
	thread_destroy(&worker->out);
	free(worker);
}

static int start_thread(struct worker *worker, struct thread *thread, void *(*run)(void *),
			const char *role)
{
	char name[16]; /* the kernel keeps 15 bytes */

	snprintf(name, sizeof(name), "%s%u/%.9s", role, worker->rx_queue, worker->iface);
	return thread_start(thread, run, worker, name);
}

int worker_prepare(struct worker *worker)
{
	int err = worker->command_fd < 0 ? open_stream(worker) : 0;

	if (err)
		return err;
	atomic_store(&worker->ingress.leave, false);
	atomic_store(&worker->ingress.stop, false);
	err = start_thread(worker, &worker->out, egress_main, "out");
	if (err)
		return err;
	err = start_thread(worker, &worker->in, ingress_main, "in");
	if (err)
		worker_stop(worker);
	return err;
}

/* Once there is a rule that merges its inputs. Without a feed its datagrams are counted drops. Its
 * slots hold all that the socket can receive, because the MTU may grow while it is open. */
static void provide_feed(struct worker *worker)
{
	struct merger *merger = merger_get();
	const struct feed_frames frames = {
		.memory = xsk_frame(worker->xsk, 0),
		.size = (size_t)(xsk_frame(worker->xsk, 1) - xsk_frame(worker->xsk, 0)),
		.count = xsk_frames(worker->xsk),
		.capacity = xsk_capacity(worker->xsk),
		.wakeup_fd = worker->egress.wakeup_fd,
	};

	if (worker->feed || !merger || !merger_runs(merger))
		return;
	worker->feed = merger_add_feed(merger, &frames);
	atomic_store(&worker->egress.feed, worker->feed);
	atomic_store(&worker->ingress.next_feed, worker->feed);
}

void worker_go(struct worker *worker, const struct ruleset *ruleset)
{
	provide_feed(worker);
	worker->ingress.feed = worker->feed;
	worker->ruleset = worker->ingress.ruleset = ruleset;
	worker->ingress.tap = NULL;
	/* By a marker in front of all packets both threads get the tap. */
	if (worker->tap) {
		atomic_store(&worker->ingress.next_generation, ++worker->generation);
		atomic_store(&worker->ingress.next, ruleset);
	}
	if (worker->resumes)
		xsk_resume(worker->xsk);
	worker->relays = true;
	sem_post(&worker->go);
}

int worker_start(struct worker *worker, const struct ruleset *ruleset)
{
	int err = worker_prepare(worker);

	if (!err)
		worker_go(worker, ruleset);
	return err;
}

static void wake_ingress(struct worker *worker)
{
	int err = wakeup_send(worker->ingress.control_fd);

	if (err)
		log_error("ingress-notify-failed", LOG_ERROR(err));
}

/* ---- heartbeats ---- */

/* True: wake the thread. */
static bool look(const struct worker *worker, struct thread *thread, uint64_t now_ns)
{
	bool wake = thread->runs && heartbeat_look(&thread->heartbeat, thread->id, thread->beats,
						   worker->stuck_after_ns, now_ns);

	if (thread->heartbeat.stuck && !first_stuck)
		first_stuck = worker;
	return wake;
}

void worker_check(struct worker *worker, uint64_t now_ns)
{
	if (!worker->relays)
		return;
	if (look(worker, &worker->in, now_ns))
		wake_ingress(worker);
	if (look(worker, &worker->out, now_ns))
		heartbeat_ping(worker->command_fd);
}

static uint64_t overdue_ns(const struct thread *thread)
{
	return thread->runs ? watch_overdue_ns(&thread->heartbeat.watch) : 0;
}

uint64_t worker_overdue_ns(const struct worker *worker)
{
	uint64_t ingress = overdue_ns(&worker->in), egress = overdue_ns(&worker->out);

	return ingress > egress ? ingress : egress;
}

const struct worker *worker_find_stuck(void)
{
	return first_stuck;
}

void worker_describe_stuck(const struct worker *worker, struct stuck_thread *stuck)
{
	bool ingress = worker->in.heartbeat.stuck;
	const struct thread *thread = ingress ? &worker->in : &worker->out;

	heartbeat_describe(&thread->heartbeat, thread->id, ingress ? "in" : "out", stuck);
}

/* Wait for a notification of the egress thread, and look at the heartbeats meanwhile. 0, or -EIO: a
 * thread has failed or is stuck. */
static int wait_notified(struct worker *worker)
{
	struct pollfd fd = {.fd = worker->egress.notify_fd, .events = POLLIN};
	uint64_t count;
	int n;

	if (worker_failed(worker))
		return -EIO;
	do {
		n = poll(&fd, 1, CHECK_MS);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		worker_check(worker, clock_ns());
	else if (read(fd.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return worker_failed(worker) ? -EIO : 0;
}

/* Wait for the end of a thread unless it is stuck. True: it has ended. */
static bool join(struct worker *worker, struct thread *thread)
{
	while (!thread->heartbeat.stuck) {
		if (thread_join(thread, CHECK_MS))
			return true;
		worker_check(worker, clock_ns());
	}
	return false;
}

/* ---- update and stop ---- */

/* Until both threads use the ruleset of the last marker. */
static int wait_acknowledged(struct worker *worker)
{
	int err = 0;

	while (!err && atomic_load(&worker->egress.acknowledged) != worker->generation)
		err = wait_notified(worker);
	return err;
}

int worker_update(struct worker *worker, const struct ruleset *ruleset)
{
	int err = 0;

	worker->ruleset = ruleset;
	provide_feed(worker);
	if (!worker->relays) {
		worker->ingress.ruleset = ruleset;
		return 0;
	}
	/* The marker that worker_go() has sent may still be under way. */
	err = wait_acknowledged(worker);
	if (err)
		return err;
	atomic_store(&worker->ingress.next_generation, ++worker->generation);
	atomic_store(&worker->ingress.next, ruleset);
	wake_ingress(worker);
	return wait_acknowledged(worker);
}

int worker_flush(struct worker *worker)
{
	int err;

	atomic_store(&worker->ingress.flush, true);
	err = worker_update(worker, worker->ruleset);
	atomic_store(&worker->ingress.flush, false);
	return err;
}

int worker_capture(struct worker *worker, struct capture *capture)
{
	struct capture_tap *before = worker->tap;
	struct capture_tap *tap = NULL;
	int err;

	if (capture)
		tap = capture_tap_new(capture, worker->iface, xsk_frames(worker->xsk));
	if (capture && !tap)
		return -ENOMEM;
	worker->tap = tap;
	atomic_store(&worker->ingress.next_tap, tap);
	atomic_store(&worker->egress.next_tap, tap);
	err = worker_update(worker, worker->ruleset);
	/* A thread that is stuck may use it for ever. */
	if (!err)
		capture_tap_free(before);
	return err;
}

/* fill + RX + queued + in flight = all frames. The threads have ended, so only the first two are
 * left. */
static int audit(const struct worker *worker)
{
	uint64_t kernel = xsk_kernel_frames(worker->xsk);
	uint32_t queued = frame_queue_length(&worker->queue);
	uint64_t in_flight = counter_read(&worker->egress.counters.in_flight);
	unsigned int frames = xsk_frames(worker->xsk);
	bool ok = kernel == frames && !queued && !in_flight;

	log_write(LOG_FACILITY, ok ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "frame-audit",
		  LOG_IFACE(worker->iface), LOG_UINT("queue", worker->rx_queue),
		  LOG_UINT("frames", frames), LOG_UINT("kernel", kernel),
		  LOG_UINT("queued", queued), LOG_UINT("in_flight", in_flight),
		  LOG_INT("leaked", frames - (long long)kernel));
	return ok ? 0 : -EIO;
}

int worker_stop(struct worker *worker)
{
	bool relayed = worker->relays;
	bool settled = true;

	if (worker->in.runs) {
		/* Without an order to go, the RX ring is not its own. */
		if (!relayed)
			atomic_store(&worker->ingress.leave, true);
		atomic_store(&worker->ingress.stop, true);
		if (!relayed)
			sem_post(&worker->go);
		wake_ingress(worker);
		if (!join(worker, &worker->in))
			return -EIO;
		if (worker->feed)
			settled = merger_settle(merger_get(), NULL, worker->feed);
	}
	if (worker->out.runs) {
		/* Everything is in the queue now: the end of the stream orders a shut-down. */
		close_fd(worker->command_fd);
		worker->command_fd = -1;
		if (!join(worker, &worker->out))
			return -EIO;
	}
	worker->relays = false;
	/* The merger's thread may still send what this worker has received. */
	if (!settled)
		return -EIO;
	if (!relayed)
		return 0;
	if (atomic_load(&worker->failed))
		return -EIO;
	return audit(worker);
}

int worker_pause(struct worker *worker)
{
	int err;

	atomic_store(&worker->ingress.leave, true);
	err = worker_stop(worker);
	worker->resumes = true;
	return err;
}

struct xsk *worker_xsk(const struct worker *worker)
{
	return worker->xsk;
}

const char *worker_interface(const struct worker *worker)
{
	return worker->iface;
}

unsigned int worker_queue(const struct worker *worker)
{
	return worker->rx_queue;
}

unsigned int worker_shard(const struct worker *worker)
{
	return worker->ingress.shard;
}

const char *worker_engine(const struct worker *worker)
{
	return worker->engine;
}

void worker_cpus(const struct worker *worker, int cpus[WORKER_THREADS])
{
	cpus[0] = worker->in.cpu;
	cpus[1] = worker->out.cpu;
}

bool worker_failed(const struct worker *worker)
{
	return atomic_load(&worker->failed) || worker->in.heartbeat.stuck ||
	       worker->out.heartbeat.stuck;
}

int worker_notify_fd(const struct worker *worker)
{
	return worker->egress.notify_fd;
}

void worker_state_add(struct worker_state *sum, const struct worker_state *state)
{
	sum->sent += state->sent;
	sum->sent_bytes += state->sent_bytes;
	sum->send_errors += state->send_errors;
	sum->submitted += state->submitted;
	sum->rate_limited += state->rate_limited;
	sum->withheld += state->withheld;
	sum->unwanted += state->unwanted;
	sum->inactive_side += state->inactive_side;
	for (unsigned int i = 0; i < INGRESS_DROPS; i++)
		sum->drops[i] += state->drops[i];
	sum->received += state->received;
	sum->wakeups += state->wakeups;
	sum->sleeps += state->sleeps;
	sum->submits += state->submits;
	sum->sends += state->sends;
	sum->cq_overflows += state->cq_overflows;
	sum->kernel.rx_dropped += state->kernel.rx_dropped;
	sum->kernel.rx_ring_full += state->kernel.rx_ring_full;
	sum->kernel.fill_ring_empty += state->kernel.fill_ring_empty;
	sum->uncertain += state->uncertain;
}

void worker_read(const struct worker *worker, struct worker_state *state)
{
	const struct ingress_counters *in = &worker->ingress.counters;
	const struct egress_counters *out = &worker->egress.counters;

	memset(state, 0, sizeof(*state));
	state->waiting = xsk_waiting(worker->xsk);
	/* From the last stage of a packet to the first, so that a sum never has more than what it
	 * comes from (base/counter.h). */
	state->sent = counter_read(&out->sent);
	state->sent_bytes = counter_read(&out->sent_bytes);
	state->send_errors = counter_read(&out->send_errors);
	state->submitted = counter_read(&out->submitted);
	state->rate_limited = counter_read(&out->rate_limited);
	state->withheld = counter_read(&out->withheld) + counter_read(&in->merge_full);
	state->unwanted = counter_read(&out->unwanted);
	state->inactive_side = counter_read(&out->inactive_side);
	for (unsigned int i = 0; i < INGRESS_DROPS; i++)
		state->drops[i] = counter_read(&in->drops[i]);
	state->received = counter_read(&in->received);
	state->wakeups = counter_read(&in->wakeups);
	state->sleeps = counter_read(&out->sleeps);
	state->submits = counter_read(&out->submits);
	state->sends = counter_read(&out->sends);
	state->cq_overflows = counter_read(&out->cq_overflows);
	state->queued = frame_queue_length(&worker->queue) +
			(worker->feed ? feed_frames_held(worker->feed) : 0);
	state->in_flight = counter_read(&out->in_flight);
	state->frames = xsk_frames(worker->xsk);
	state->kernel_frames = xsk_kernel_frames(worker->xsk);
	xsk_read_drops(worker->xsk, &state->kernel);
	state->uncertain = xsk_uncertain(worker->xsk);
	worker_state_add(state, &worker->before);
}

bool worker_is_adopted(const struct worker *worker)
{
	return worker->adopted;
}

uint32_t worker_taken_before(const struct worker *worker)
{
	return worker->adopted ? xsk_taken_before(worker->xsk) : 0;
}

void worker_carry(struct worker *worker, const struct worker_state *before)
{
	worker->before = *before;
	if (worker->adopted)
		worker->before.kernel = (struct xsk_drops){};
}
