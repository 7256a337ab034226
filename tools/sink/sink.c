// SPDX-License-Identifier: BSD-2-Clause
/* xmcast-sink: the traffic sink. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "expect.h"
#include "receiver.h"
#include "report.h"

/* How late the end of --count or --idle may be noticed. */
#define TICK_MS 5

void *receiver_fail(int *status, const char *what, int error)
{
	fprintf(stderr, "xmcast-sink: %s: %s\n", what, strerror(error));
	*status = EXIT_FAILED;
	if (error == EPERM || error == EACCES) {
		fputs("xmcast-sink: run it as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON\n",
		      stderr);
		*status = EXIT_NO_PERMISSION;
	}
	return NULL;
}

struct flow_record *flow_list_add(struct flow_list *list)
{
	/* Grows at powers of two, so that no capacity needs to be stored. */
	if (!(list->count & (list->count - 1))) {
		size_t capacity = list->count ? list->count * 2 : 1;
		void *records = realloc(list->records, capacity * sizeof(*list->records));

		if (!records)
			return NULL;
		list->records = records;
	}
	memset(&list->records[list->count], 0, sizeof(*list->records));
	return &list->records[list->count++];
}

/* SIGINT and SIGTERM as a file descriptor. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool signalled(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info);
}

static bool finished(const struct options *options, const struct sink_totals *totals,
		     uint64_t start)
{
	uint64_t now = clock_ns();

	if (options->count && totals->received >= options->count)
		return true;
	if (options->duration_ns && now - start >= options->duration_ns)
		return true;
	/* Another CPU's clock may be read a little later than ours. */
	return options->idle_ns && totals->last_ns && now > totals->last_ns &&
	       now - totals->last_ns >= options->idle_ns;
}

static void receive(const struct options *options, const struct receiver_ops *ops,
		    struct receiver *receiver, int signals)
{
	uint64_t start = clock_ns();
	struct sink_totals totals;

	fputs("ready\n", stderr);
	do {
		ops->wait(receiver, TICK_MS, signals);
		ops->totals(receiver, &totals);
	} while (!signalled(signals) && !finished(options, &totals, start));
	ops->stop(receiver);
}

static int report(const struct options *options, const struct receiver_ops *ops,
		  struct receiver *receiver)
{
	struct report report = {.options = options, .receiver = ops->name(receiver)};
	int status = EXIT_OK;
	int err;

	ops->totals(receiver, &report.totals);
	report.overrun = ops->overrun(receiver);
	err = ops->collect(receiver, &report.flows);
	if (err) {
		receiver_fail(&status, "reading the flows", -err);
		goto out;
	}
	expect_nothing(&report.flows);
	if (options->expect_count && !expect_apply(options, &report.flows))
		status = EXIT_FAILED;
	if (!report_print(&report) && options->expect_count)
		status = EXIT_FAILED;
out:
	free(report.flows.records);
	return status;
}

int main(int argc, char **argv)
{
	static const struct receiver_ops *const methods[] = {
		[METHOD_XDP] = &receiver_xdp,
		[METHOD_SKB] = &receiver_skb,
		[METHOD_VERIFY] = &receiver_socket,
	};
	const struct receiver_ops *ops;
	struct receiver *receiver;
	struct options options;
	unsigned ifindex;
	int status, signals;

	if (!options_parse(argc, argv, &options, &status))
		return status;
	ops = methods[options.method];
	ifindex = if_nametoindex(options.interface);
	if (!ifindex) {
		receiver_fail(&status, options.interface, errno);
		return status;
	}
	signals = open_signals();
	if (signals < 0) {
		receiver_fail(&status, "signalfd", errno);
		return status;
	}
	receiver = ops->open(&options, ifindex, &status);
	if (!receiver)
		return status;
	receive(&options, ops, receiver, signals);
	status = report(&options, ops, receiver);
	ops->close(receiver);
	close(signals);
	return status;
}
