/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The io_uring engine. Waits for any event with one call, submit_and_wait(1):
 *
 *   send       a send has completed
 *   arrival    the ingress thread has queued frames: multishot poll on the wake-up eventfd
 *   command    a read on the command stream: > 0 a command, 0 the stream is closed, < 0 an error
 *   shutdown   posted by the thread itself when the command stream has closed
 *
 * Sources: io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "dataplane/engine.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* All sends and the few other requests fit into the submission queue at once. The completion queue
 * has room for twice as many (CQSIZE), so that it never overflows. */
#define SQ_ENTRIES (2 * ENGINE_SENDS)

/* One thread submits, and completions run in its own calls, never in an interrupt (Linux 6.1). */
#define SETUP_FLAGS                                                                                \
	(IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |     \
	 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE)
#define SETUP_TEXT "io_uring:defer_taskrun,single_issuer,coop_taskrun,submit_all,cqsize"

/* The only operations that the ring is used for. seccomp does not see what a ring does, so the ring
 * itself is restricted to them (base/sandbox.h). */
static const uint8_t operations[] = {
	IORING_OP_SENDMSG,
	IORING_OP_POLL_ADD,
	IORING_OP_READ,
	IORING_OP_NOP,
};

/* What a completion is about: the low bits of its user_data, which are 0 in the address of a send.
 */
enum event {
	EVENT_SEND,
	EVENT_ARRIVAL,
	EVENT_COMMAND,
	EVENT_SHUTDOWN,
	EVENT_MASK = 7,
};

struct uring {
	struct engine engine;
	struct io_uring ring;
	int wakeup_fd;
	int command_fd;
	struct egress_command command;
	struct log_limit command_limit;
};

/* An entry to prepare. A full submission queue is submitted first. */
static struct io_uring_sqe *get_sqe(struct uring *uring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&uring->ring)))
		io_uring_submit(&uring->ring);
	return sqe;
}

static void arm_arrival(struct uring *uring)
{
	struct io_uring_sqe *sqe = get_sqe(uring);

	io_uring_prep_poll_multishot(sqe, uring->wakeup_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, EVENT_ARRIVAL);
}

static void arm_command(struct uring *uring)
{
	struct io_uring_sqe *sqe = get_sqe(uring);

	io_uring_prep_read(sqe, uring->command_fd, &uring->command, sizeof(uring->command), 0);
	io_uring_sqe_set_data64(sqe, EVENT_COMMAND);
}

static void on_arrival(struct uring *uring, const struct io_uring_cqe *cqe)
{
	uint64_t count;

	/* The next pass of the loop takes the frames themselves. */
	if (cqe->res > 0 && read(uring->wakeup_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("egress-wakeup-failed", LOG_ERROR(-errno));
	/* The kernel may end a multishot request at any time. */
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_arrival(uring);
}

static void on_command(struct uring *uring, int result)
{
	if (result == 0) {
		struct io_uring_sqe *sqe = get_sqe(uring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, EVENT_SHUTDOWN);
		return;
	}
	if (result == sizeof(uring->command))
		uring->engine.handler.command(uring->engine.handler.context, &uring->command);
	else if (log_allowed(&uring->command_limit, "egress-command-failed"))
		log_error("egress-command-failed", LOG_INT("result", result));
	arm_command(uring);
}

static void reap(struct uring *uring)
{
	const struct engine_handler *handler = &uring->engine.handler;
	struct io_uring_cqe *cqe;
	unsigned int count = 0;
	unsigned int head;

	io_uring_for_each_cqe (&uring->ring, head, cqe) {
		count++;
		switch (cqe->user_data & EVENT_MASK) {
		case EVENT_SEND:
			handler->sent(handler->context, (struct send *)(uintptr_t)cqe->user_data,
				      cqe->res);
			break;
		case EVENT_ARRIVAL:
			on_arrival(uring, cqe);
			break;
		case EVENT_COMMAND:
			on_command(uring, cqe->res);
			break;
		case EVENT_SHUTDOWN:
			handler->shutdown(handler->context);
			break;
		}
	}
	io_uring_cq_advance(&uring->ring, count);
}

static void uring_send(struct engine *engine, struct send *send)
{
	struct io_uring_sqe *sqe = get_sqe((struct uring *)engine);

	/* MSG_DONTWAIT: the kernel must not park a send, because the next one would overtake it. */
	io_uring_prep_sendmsg(sqe, send->fd, &send->message, MSG_DONTWAIT | MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, send);
}

/* Submit, and wait for a completion until then. */
static int wait_until(struct uring *uring, uint64_t until_ns)
{
	uint64_t now_ns = clock_ns();
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct __kernel_timespec left = {
		.tv_sec = (long long)(left_ns / NS_PER_SECOND),
		.tv_nsec = (long long)(left_ns % NS_PER_SECOND),
	};
	struct io_uring_cqe *cqe;

	if (until_ns == UINT64_MAX)
		return io_uring_submit_and_wait(&uring->ring, 1);
	return io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &left, NULL);
}

static int uring_enter(struct engine *engine, bool wait, uint64_t until_ns)
{
	struct uring *uring = (struct uring *)engine;
	int n = wait ? wait_until(uring, until_ns) : io_uring_submit_and_get_events(&uring->ring);

	reap(uring);
	return n >= 0 || n == -EINTR || n == -EAGAIN || n == -EBUSY || n == -ETIME ? 0 : n;
}

static unsigned int uring_overflows(const struct engine *engine)
{
	return *((const struct uring *)engine)->ring.cq.koverflow;
}

static void uring_close(struct engine *engine)
{
	struct uring *uring = (struct uring *)engine;

	io_uring_queue_exit(&uring->ring);
	free(uring);
}

/* liburing 2.3 declares functions for these, but its shared library does not have them. */
static int register_with(const struct uring *uring, unsigned int what, const void *list,
			 unsigned int count)
{
	long result = syscall(SYS_io_uring_register, uring->ring.ring_fd, what, list, count);

	return result < 0 ? -errno : 0;
}

/* Restrict the ring, which was created disabled, to `operations`, and enable it. The thread that
 * enables it becomes its single issuer. */
static int restrict_ring(struct uring *uring)
{
	struct io_uring_restriction list[COUNT(operations)] = {};
	int err;

	for (unsigned int i = 0; i < COUNT(operations); i++) {
		list[i].opcode = IORING_RESTRICTION_SQE_OP;
		list[i].sqe_op = operations[i];
	}
	err = register_with(uring, IORING_REGISTER_RESTRICTIONS, list, COUNT(operations));
	if (!err)
		err = register_with(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	return err;
}

static int uring_open(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		      int command_fd)
{
	struct io_uring_params params = {
		.flags = SETUP_FLAGS | (sandbox_filters() ? IORING_SETUP_R_DISABLED : 0),
		.cq_entries = 2 * SQ_ENTRIES,
	};
	struct uring *uring = calloc(1, sizeof(*uring));
	int err;

	if (!uring)
		return -ENOMEM;
	uring->engine.ops = &engine_uring;
	uring->engine.handler = *handler;
	uring->wakeup_fd = wakeup_fd;
	uring->command_fd = command_fd;
	uring->engine.text = SETUP_TEXT;
	err = io_uring_queue_init_params(SQ_ENTRIES, &uring->ring, &params);
	if (err) {
		free(uring);
		return err;
	}
	if (sandbox_filters())
		err = restrict_ring(uring);
	if (err) {
		uring_close(&uring->engine);
		return err;
	}
	arm_arrival(uring);
	arm_command(uring);
	*out = &uring->engine;
	return 0;
}

const struct engine_ops engine_uring = {
	.open = uring_open,
	.close = uring_close,
	.send = uring_send,
	.enter = uring_enter,
	.overflows = uring_overflows,
};
