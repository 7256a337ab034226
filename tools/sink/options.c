// SPDX-License-Identifier: BSD-2-Clause
#include "options.h"

#include <string.h>

#include "base/addr.h"

static const char usage_text[] =
	"Usage: xmcast-sink IFACE [options]\n"
	"Receive the probe packets of xmcast-gen on IFACE and report, for each flow, loss,\n"
	"duplicates, reordering, corruption and latency. Prints \"ready\" on stderr.\n"
	"\n"
	"How to receive (default: XDP program, native if the driver supports it):\n"
	"  --skb               tc ingress program; counts the segments of GSO packets\n"
	"  --verify            UDP sockets; checks every byte. Needs --port, and --group to join\n"
	"XDP and tc consume the probes; all other packets go on to the stack.\n"
	"\n"
	"  --port N|A-B        destination ports (any)\n"
	"  --group ADDR[/N]    destination addresses (any)\n"
	"                      With either, a packet that is not a probe counts as corrupted.\n"
	"  --count N           stop after N packets\n"
	"  --duration SECONDS  stop after this time\n"
	"  --idle SECONDS      stop when no packet has arrived for this long after the first\n"
	"  --flows MAX         flows to distinguish (4096)\n"
	"  --expect FILE       what xmcast-gen -j wrote; read at the end; repeatable. Loss is "
	"exact\n"
	"                      then, and any fault is exit status 2\n"
	"  --copies N          destinations at which each expected flow must arrive (1)\n"
	"  -j, --json          report as one JSON object\n"
	"  -h, --help  -V, --version\n"
	"\n"
	"Without --count, --duration and --idle it receives until SIGINT or SIGTERM.\n"
	"Without --expect, what was lost before a flow's first packet and after its last is "
	"unseen.\n"
	"Exit status: 0 done, 1 usage, 2 failed, 77 no permission.\n";

enum {
	OPT_SKB = 256,
	OPT_VERIFY,
	OPT_PORT,
	OPT_GROUP,
	OPT_COUNT,
	OPT_DURATION,
	OPT_IDLE,
	OPT_FLOWS,
	OPT_EXPECT,
	OPT_COPIES,
};

static const struct option table[] = {
	{"skb", no_argument, NULL, OPT_SKB},
	{"verify", no_argument, NULL, OPT_VERIFY},
	{"port", required_argument, NULL, OPT_PORT},
	{"group", required_argument, NULL, OPT_GROUP},
	{"count", required_argument, NULL, OPT_COUNT},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"idle", required_argument, NULL, OPT_IDLE},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"expect", required_argument, NULL, OPT_EXPECT},
	{"copies", required_argument, NULL, OPT_COPIES},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{},
};

static bool ports(char *text, struct options *options)
{
	char *dash = strchr(text, '-');
	uint64_t first = 0, last = 0;

	if (dash)
		*dash = '\0';
	if (!args_take_number("port", text, 1, 65535, &first) ||
	    !args_take_number("port", dash ? dash + 1 : text, 1, 65535, &last))
		return false;
	if (last < first)
		return args_refuse("--port: %llu-%llu: the first port is larger than the last",
				   (unsigned long long)first, (unsigned long long)last);
	options->filter.port_min = first;
	options->filter.port_max = last;
	options->filter.explicit = 1;
	options->has_port = true;
	return true;
}

/* Mask of `bits` bits, in the form of struct xmc_addr. */
static void prefix_mask(unsigned bits, __u32 mask[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned here = bits > 32 ? 32 : bits;

		mask[i] = here ? XMC_BE32(UINT32_MAX << (32 - here)) : 0;
		bits -= here;
	}
}

static bool groups(char *text, struct options *options)
{
	char *slash = strchr(text, '/');
	struct sink_filter *filter = &options->filter;
	uint64_t width, bits;

	if (slash)
		*slash = '\0';
	if (!addr_parse(text, &options->group) || addr_is_any(&options->group))
		return args_refuse("--group: \"%s\" is not an IPv4 or IPv6 address", text);
	width = bits = addr_is_ipv4(&options->group) ? 32 : 128;
	if (slash && !args_take_number("group", slash + 1, 1, width, &bits))
		return false;
	options->groups = width - bits <= 12 ? 1U << (width - bits) : MAX_VERIFY_GROUPS + 1;
	/* IPv4 is the last 32 bits of the IPv4-mapped form. */
	prefix_mask(128 - width + bits, filter->mask);
	for (int i = 0; i < 4; i++) {
		options->group.w[i] &= filter->mask[i];
		filter->address[i] = options->group.w[i];
	}
	filter->explicit = 1;
	return true;
}

static bool expect(const char *path, struct options *options)
{
	if (options->expect_count == MAX_EXPECT)
		return args_refuse("--expect: at most %d files", MAX_EXPECT);
	options->expect[options->expect_count++] = path;
	return true;
}

static bool take(int option, char *text, void *context)
{
	struct options *options = context;
	uint64_t value = 0;
	bool ok;

	switch (option) {
	case OPT_SKB:
	case OPT_VERIFY:
		if (options->method != METHOD_XDP)
			return args_refuse("--skb and --verify exclude each other");
		options->method = option == OPT_SKB ? METHOD_SKB : METHOD_VERIFY;
		return true;
	case OPT_PORT:
		return ports(text, options);
	case OPT_GROUP:
		return groups(text, options);
	case OPT_COUNT:
		return args_take_number("count", text, 1, INT64_MAX, &options->count);
	case OPT_DURATION:
		return args_take_seconds("duration", text, &options->duration_ns);
	case OPT_IDLE:
		return args_take_seconds("idle", text, &options->idle_ns);
	case OPT_EXPECT:
		return expect(text, options);
	case OPT_FLOWS:
		ok = args_take_number("flows", text, 1, MAX_FLOWS, &value);
		options->flows = value;
		return ok;
	case OPT_COPIES:
		ok = args_take_number("copies", text, 1, XMC_MAX_OUTPUTS, &value);
		options->copies = value;
		return ok;
	}
	return false;
}

static bool consistent(const struct options *options)
{
	const struct sink_filter *filter = &options->filter;

	if (options->method != METHOD_VERIFY)
		return true;
	if (!options->has_port || filter->port_max - filter->port_min >= MAX_VERIFY_PORTS)
		return args_refuse("--verify needs --port, of at most %d ports: a socket for each",
				   MAX_VERIFY_PORTS);
	if (options->groups > MAX_VERIFY_GROUPS)
		return args_refuse(
			"--verify joins every address of --group, at most %d (/20, /116)",
			MAX_VERIFY_GROUPS);
	return true;
}

bool options_parse(int argc, char **argv, struct options *options, int *status)
{
	const struct args args = {usage_text, table, take, options};

	*options = (struct options){.filter.port_max = 65535, .flows = 4096, .copies = 1};
	return args_parse(&args, argc, argv, &options->json, options->interface, status) &&
	       consistent(options);
}
