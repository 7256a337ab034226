// SPDX-License-Identifier: BSD-2-Clause
/*
 * xmcast-bench-receive: how many packets a second AF_XDP alone can receive, with the relay's own
 * code.
 *
 * It steers as xmcastd does, receives into the same frames and rings with the same code, and
 * returns every frame at once. This is an upper bound for what a relay on this interface delivers;
 * the ratio of the two shows the cost of relaying.
 *
 * One thread is both sides of struct xsk here: it takes frames out of the RX ring and is the only
 * producer of the fill ring.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "args.h"
#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/xsk.h"
#include "rules/config.h"
#include "steering/steer.h"

/* As in the relay's ingress thread. */
#define BATCH 64

/* How often reception is interrupted to check for a signal or the end of --duration. */
#define BATCHES_PER_LOOK 1024

static const char usage_text[] =
	"Usage: xmcast-bench-receive IFACE [options]\n"
	"Receive steered packets through AF_XDP, return the frames at once, and report the rate.\n"
	"Prints \"ready\" on stderr, and one JSON object on stdout at its end.\n"
	"\n"
	"  --group ADDR        destination to steer (default 239.1.1.1)\n"
	"  --port N            destination port (5000)\n"
	"  --flows N           number of consecutive ports (1)\n"
	"  --vlan ID           their 802.1Q tag (untagged)\n"
	"  --queue N           RX queue (0)\n"
	"  --frames N          UMEM frames, a power of two (xmcastd's default)\n"
	"  --rx-ring N         RX ring entries, a power of two (xmcastd's default)\n"
	"  --duration SECONDS  stop after this time, otherwise at SIGINT or SIGTERM\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0 done, 1 usage, 2 failed, 77 no permission.\n";

struct options {
	struct rule rule; /* the first flow's input */
	uint64_t flows;
	uint64_t vlan; /* 0: untagged */
	uint64_t queue;
	uint64_t duration_ns; /* 0: until a signal */
	struct worker_config sizes;
};

struct receiver {
	struct steer *steer;
	struct xsk *xsk;
	int signal_fd;
	uint64_t received;
	uint64_t first_ns, last_ns;
};

/* ---- command line ------------------------------------------------------------------------------
 */

enum {
	OPT_GROUP = 256,
	OPT_PORT,
	OPT_FLOWS,
	OPT_VLAN,
	OPT_QUEUE,
	OPT_FRAMES,
	OPT_RX_RING,
	OPT_DURATION
};

static const struct option table[] = {
	{"group", required_argument, NULL, OPT_GROUP},
	{"port", required_argument, NULL, OPT_PORT},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"vlan", required_argument, NULL, OPT_VLAN},
	{"queue", required_argument, NULL, OPT_QUEUE},
	{"frames", required_argument, NULL, OPT_FRAMES},
	{"rx-ring", required_argument, NULL, OPT_RX_RING},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"help", no_argument, NULL, 'h'},
	{},
};

static bool power_of_two(const char *text, unsigned int *value)
{
	uint64_t number;

	if (!args_number(text, 64, 1 << 20, &number) || number & (number - 1))
		return false;
	*value = (unsigned int)number;
	return true;
}

static bool port_number(const char *text, uint16_t *port)
{
	uint64_t number;

	if (!args_number(text, 1, UINT16_MAX, &number))
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool take(int option, const char *text, struct options *options)
{
	switch (option) {
	case OPT_GROUP:
		return addr_parse(text, &options->rule.group);
	case OPT_PORT:
		return port_number(text, &options->rule.port);
	case OPT_FLOWS:
		return args_number(text, 1, XMC_MAX_RULES, &options->flows);
	case OPT_VLAN:
		return args_number(text, 1, 4094, &options->vlan);
	case OPT_QUEUE:
		return args_number(text, 0, XMC_MAX_QUEUES - 1, &options->queue);
	case OPT_FRAMES:
		return power_of_two(text, &options->sizes.frames);
	case OPT_RX_RING:
		return power_of_two(text, &options->sizes.rx_ring);
	case OPT_DURATION:
		return args_seconds(text, &options->duration_ns);
	default:
		return false;
	}
}

static bool usage(const char *what, const char *word)
{
	fprintf(stderr, "xmcast-bench-receive: %s%s; see --help\n", what, word);
	return false;
}

static bool parse(int argc, char **argv, struct options *options, int *status)
{
	struct config defaults;
	int option;

	config_init(&defaults);
	*options = (struct options){.flows = 1, .sizes = defaults.workers};
	options->rule.port = 5000;
	addr_parse("239.1.1.1", &options->rule.group);
	*status = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			*status = EXIT_OK;
			return false;
		}
		if (!take(option, optarg, options))
			return usage("cannot take: ", optarg ? optarg : "that option");
	}
	if (optind + 1 != argc)
		return usage("one interface is needed", "");
	if (strlen(argv[optind]) >= sizeof(options->rule.iface))
		return usage("not a valid interface name: ", argv[optind]);
	if (options->rule.port + options->flows - 1 > UINT16_MAX)
		return usage("--flows goes beyond port 65535", "");
	snprintf(options->rule.iface, sizeof(options->rule.iface), "%s", argv[optind]);
	return true;
}

/* ---- setting up --------------------------------------------------------------------------------
 */

static int fail(const char *what, int err)
{
	fprintf(stderr, "xmcast-bench-receive: %s: %s\n", what, strerror(-err));
	return err;
}

static int query_mtu(const char *iface, unsigned int *mtu)
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	if (ioctl(fd, SIOCGIFMTU, &request))
		err = -errno;
	else
		*mtu = (unsigned int)request.ifr_mtu;
	close(fd);
	return err;
}

static int open_socket(struct receiver *receiver, const struct options *options)
{
	struct xsk_options xsk = {
		.iface = options->rule.iface,
		.queue = (unsigned int)options->queue,
		.frames = options->sizes.frames,
		.rx_ring = options->sizes.rx_ring,
	};
	unsigned int mtu = 0;
	int err;

	err = query_mtu(options->rule.iface, &mtu);
	if (err)
		return fail(options->rule.iface, err);
	if (xsk_is_jumbo(mtu))
		return fail("a packet of this MTU does not fit a frame", -EMSGSIZE);
	xsk.mtu = mtu;
	err = xsk_open(&receiver->xsk, &xsk);
	return err ? fail("opening the AF_XDP socket", err) : 0;
}

static int add_rules(struct receiver *receiver, const struct options *options)
{
	struct rule rule = options->rule;
	struct xmc_rule_key key;
	int err;

	for (uint64_t i = 0; i < options->flows; i++) {
		rule.port = (uint16_t)(options->rule.port + i);
		rule_key(&rule, &key);
		key.tags = options->vlan ? XMC_TAG_8021Q | (uint32_t)options->vlan : 0;
		err = steer_add_rule(receiver->steer, &key, NULL);
		if (err)
			return fail("adding a rule", err);
	}
	return 0;
}

/* In the order that steer.h prescribes: sockets, rules, and only then the packets. */
static int open_receiver(struct receiver *receiver, const struct options *options)
{
	enum iface_mode mode;
	int err;

	err = open_socket(receiver, options);
	if (err)
		return err;
	err = steer_open(&receiver->steer, false);
	if (err)
		return fail("loading the XDP program", err);
	err = steer_set_socket(receiver->steer, (unsigned int)options->queue,
			       xsk_fd(receiver->xsk));
	if (err)
		return fail("registering the socket", err);
	err = add_rules(receiver, options);
	if (err)
		return err;
	err = steer_attach(receiver->steer, (int)if_nametoindex(options->rule.iface),
			   IFACE_MODE_AUTO, &mode);
	return err ? fail("attaching the XDP program", err) : 0;
}

static int open_signals(struct receiver *receiver)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	receiver->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return receiver->signal_fd < 0 ? fail("signalfd", -errno) : 0;
}

static void close_receiver(struct receiver *receiver)
{
	steer_close(receiver->steer);
	xsk_close(receiver->xsk);
	if (receiver->signal_fd >= 0)
		close(receiver->signal_fd);
}

/* ---- receiving ---------------------------------------------------------------------------------
 */

/* Receive one batch and return its frames. Returns their number. */
static unsigned int turn_over(struct receiver *receiver)
{
	struct xsk_frame frames[BATCH];
	uint32_t indexes[BATCH];
	unsigned int count;

	count = xsk_receive(receiver->xsk, frames, BATCH);
	for (unsigned int i = 0; i < count; i++) {
		indexes[i] = frames[i].index;
		xsk_hand_over(receiver->xsk, indexes[i], OWNER_INGRESS, OWNER_EGRESS);
	}
	xsk_return(receiver->xsk, indexes, count);
	receiver->received += count;
	return count;
}

/* Receive all that is available, but return now and then. */
static void drain(struct receiver *receiver)
{
	unsigned int count = turn_over(receiver);

	if (!count)
		return;
	if (!receiver->first_ns)
		receiver->first_ns = clock_ns();
	for (int i = 0; count && i < BATCHES_PER_LOOK; i++)
		count = turn_over(receiver);
	receiver->last_ns = clock_ns();
}

/* Until a signal arrives or the time is over. Sleeps whenever the ring is empty, as ingress does.
 */
static void receive(struct receiver *receiver, const struct options *options)
{
	const uint64_t end = options->duration_ns ? clock_ns() + options->duration_ns : UINT64_MAX;
	struct pollfd fds[] = {
		{.fd = xsk_fd(receiver->xsk), .events = POLLIN},
		{.fd = receiver->signal_fd, .events = POLLIN},
	};

	fputs("ready\n", stderr);
	for (;;) {
		uint64_t now = clock_ns();
		int timeout = -1;

		if (now >= end)
			return;
		if (end != UINT64_MAX)
			timeout = (int)((end - now) / 1000000 % 1000) + 1;
		if (poll(fds, 2, timeout) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			return;
		drain(receiver);
	}
}

static int report(const struct receiver *receiver)
{
	uint64_t verdicts[XMC_REASONS] = {};
	struct xsk_drops drops = {};
	double seconds = (double)(receiver->last_ns - receiver->first_ns) / 1e9;
	int err;

	err = xsk_read_drops(receiver->xsk, &drops);
	if (!err)
		err = steer_verdicts(receiver->steer, verdicts);
	if (err)
		return fail("reading the counters", err);
	printf("{\"received_packets\": %" PRIu64 ", \"seconds\": %.9f, \"rate_pps\": %.1f, "
	       "\"steered_packets\": %" PRIu64 ", \"rx_dropped\": %" PRIu64
	       ", \"rx_ring_full\": %" PRIu64 ", \"fill_ring_empty\": %" PRIu64
	       ", \"zero_copy\": %s}\n",
	       receiver->received, seconds, seconds > 0 ? (double)receiver->received / seconds : 0,
	       verdicts[XMC_STEERED], drops.rx_dropped, drops.rx_ring_full, drops.fill_ring_empty,
	       xsk_zero_copy(receiver->xsk) ? "true" : "false");
	return 0;
}

int main(int argc, char **argv)
{
	struct receiver receiver = {.signal_fd = -1};
	struct options options;
	int status, err;

	if (!parse(argc, argv, &options, &status))
		return status;
	err = open_signals(&receiver);
	if (!err)
		err = open_receiver(&receiver, &options);
	if (!err) {
		receive(&receiver, &options);
		/* Detach first, so that the counters stop; packets already received are still
		 * counted. */
		steer_detach(receiver.steer);
		while (turn_over(&receiver))
			;
		err = report(&receiver);
	}
	close_receiver(&receiver);
	if (err == -EPERM || err == -EACCES)
		return EXIT_NO_PERMISSION;
	return err ? EXIT_FAILED : EXIT_OK;
}
