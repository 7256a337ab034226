// SPDX-License-Identifier: BSD-2-Clause
/* The restrictions of the ring: it accepts the engine's own operations, and no others. */
#include "watchdog.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/sandbox.h"

/* Only this test needs its ring. */
#include "dataplane/engine_uring.c"

#define SKIP 77

static struct uring *open_engine_of(const struct engine_handler *handler, int wakeup, int command)
{
	struct engine *engine;

	if (uring_open(&engine, handler, wakeup, command))
		_exit(SKIP);
	return (struct uring *)engine;
}

static void ignore_sent(void *context, struct send *send, int result)
{
}

static void ignore_command(void *context, const struct egress_command *command)
{
	(*(int *)context)++;
}

static void ignore_shutdown(void *context)
{
	*(int *)context += 100;
}

/* The ring's answer to one operation. */
static int answer(struct uring *uring, uint8_t opcode, uint8_t flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	struct io_uring_cqe *cqe;
	int result;

	if (!sqe)
		return -ENODATA;
	io_uring_prep_rw(opcode, sqe, -1, NULL, 0, 0);
	sqe->flags = flags;
	sqe->user_data = 99;
	if (io_uring_submit(&uring->ring) < 0)
		return -ENODATA;
	do {
		if (io_uring_wait_cqe(&uring->ring, &cqe))
			return -ENODATA;
		result = cqe->res;
		opcode = cqe->user_data != 99;
		io_uring_cqe_seen(&uring->ring, cqe);
	} while (opcode);
	return result;
}

/* In a child, because a sandbox cannot be left. */
static int child(void)
{
	static const uint8_t forbidden[] = {
		IORING_OP_OPENAT, IORING_OP_CONNECT, IORING_OP_ACCEPT,	  IORING_OP_WRITE,
		IORING_OP_SEND,	  IORING_OP_RECVMSG, IORING_OP_UNLINKAT,  IORING_OP_SOCKET,
		IORING_OP_CLOSE,  IORING_OP_TIMEOUT, IORING_OP_URING_CMD,
	};
	int heard = 0;
	const struct engine_handler handler = {
		.context = &heard,
		.sent = ignore_sent,
		.command = ignore_command,
		.shutdown = ignore_shutdown,
	};
	const struct egress_command ping = {.kind = EGRESS_PING};
	int wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct uring *uring;
	int stream[2];

	if (wakeup < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, stream) ||
	    sandbox_start(true))
		return 1;
	uring = open_engine_of(&handler, wakeup, stream[1]);
	/* The engine's own operations: a command, a wake-up, the end. */
	if (send(stream[0], &ping, sizeof(ping), 0) != sizeof(ping))
		return 2;
	while (!heard) {
		if (uring_enter(&uring->engine, true, UINT64_MAX))
			return 3;
	}
	if (eventfd_write(wakeup, 1) || uring_enter(&uring->engine, true, UINT64_MAX))
		return 4;
	if (answer(uring, IORING_OP_NOP, 0))
		return 5;
	for (size_t i = 0; i < COUNT(forbidden); i++) {
		if (answer(uring, forbidden[i], 0) != -EACCES)
			return 20 + (int)i;
	}
	if (answer(uring, IORING_OP_NOP, IOSQE_ASYNC) != -EACCES)
		return 6;
	/* No registrations, and no way to lift the restrictions. */
	if (register_with(uring, IORING_REGISTER_EVENTFD, &wakeup, 1) != -EACCES ||
	    register_with(uring, IORING_REGISTER_RESTRICTIONS, NULL, 0) == 0)
		return 7;
	uring_close(&uring->engine);
	return 0;
}

static void test_restricted(void **state)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIP)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_restricted)};

	watchdog_start("ring");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
