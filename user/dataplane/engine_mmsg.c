/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sendmmsg engine, for hosts where io_uring is disabled and for tools that do not understand it
 * (ThreadSanitizer, valgrind). Consecutive sends to one socket go with one sendmmsg(2), events are
 * waited for with poll(2).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "base/clock.h"
#include "base/log.h"
#include "dataplane/engine.h"

struct mmsg {
	struct engine engine;
	int wakeup_fd;
	int command_fd;
	bool closed; /* the command stream */
	struct log_limit command_limit;
	unsigned int count;
	struct send *sends[ENGINE_SENDS];
	struct mmsghdr headers[ENGINE_SENDS];
};

static void mmsg_send(struct engine *engine, struct send *send)
{
	struct mmsg *mmsg = (struct mmsg *)engine;

	mmsg->sends[mmsg->count] = send;
	mmsg->headers[mmsg->count++].msg_hdr = send->message;
}

/* Send everything that is prepared, in order. A call ends at the first send that fails, which is
 * reported; the next call starts behind it. */
static void send_all(struct mmsg *mmsg)
{
	const struct engine_handler *handler = &mmsg->engine.handler;
	unsigned int i = 0;

	while (i < mmsg->count) {
		unsigned int end = i + 1;
		int n;

		while (end < mmsg->count && mmsg->sends[end]->fd == mmsg->sends[i]->fd)
			end++;
		n = sendmmsg(mmsg->sends[i]->fd, &mmsg->headers[i], end - i,
			     MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			handler->sent(handler->context, mmsg->sends[i], -errno);
			i++;
		}
		for (; n > 0; n--, i++)
			handler->sent(handler->context, mmsg->sends[i],
				      (int)mmsg->headers[i].msg_len);
	}
	mmsg->count = 0;
}

static void read_command(struct mmsg *mmsg)
{
	const struct engine_handler *handler = &mmsg->engine.handler;
	struct egress_command command;
	ssize_t n = recv(mmsg->command_fd, &command, sizeof(command), MSG_DONTWAIT);

	if (n == 0) {
		mmsg->closed = true;
		handler->shutdown(handler->context);
	} else if (n == sizeof(command)) {
		handler->command(handler->context, &command);
	} else if ((n > 0 || errno != EAGAIN) &&
		   log_allowed(&mmsg->command_limit, "egress-command-failed")) {
		log_error("egress-command-failed", LOG_INT("result", n));
	}
}

/* For poll(2); rounded up, so that it does not return early again and again. */
static int timeout_ms(uint64_t until_ns)
{
	uint64_t now_ns = clock_ns();

	if (until_ns == UINT64_MAX)
		return -1;
	return until_ns > now_ns ? (int)((until_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static int mmsg_enter(struct engine *engine, bool wait, uint64_t until_ns)
{
	struct mmsg *mmsg = (struct mmsg *)engine;
	struct pollfd fds[] = {
		{.fd = mmsg->wakeup_fd, .events = POLLIN},
		/* A closed stream stays readable: look at it only once. */
		{.fd = mmsg->closed ? -1 : mmsg->command_fd, .events = POLLIN},
	};
	bool sent = mmsg->count > 0;
	uint64_t count;

	send_all(mmsg);
	/* Completed sends are something to report. */
	if (poll(fds, 2, wait && !sent ? timeout_ms(until_ns) : 0) <= 0)
		return 0;
	if ((fds[0].revents & POLLIN) && read(mmsg->wakeup_fd, &count, sizeof(count)) < 0 &&
	    errno != EAGAIN)
		log_error("egress-wakeup-failed", LOG_ERROR(-errno));
	if (fds[1].revents)
		read_command(mmsg);
	return 0;
}

static unsigned int mmsg_overflows(const struct engine *engine)
{
	return 0;
}

static void mmsg_close(struct engine *engine)
{
	free(engine);
}

static int mmsg_open(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		     int command_fd)
{
	struct mmsg *mmsg = calloc(1, sizeof(*mmsg));

	if (!mmsg)
		return -ENOMEM;
	mmsg->engine.ops = &engine_mmsg;
	mmsg->engine.handler = *handler;
	mmsg->engine.text = "sendmmsg";
	mmsg->wakeup_fd = wakeup_fd;
	mmsg->command_fd = command_fd;
	*out = &mmsg->engine;
	return 0;
}

const struct engine_ops engine_mmsg = {
	.open = mmsg_open,
	.close = mmsg_close,
	.send = mmsg_send,
	.enter = mmsg_enter,
	.overflows = mmsg_overflows,
};
