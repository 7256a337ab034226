// SPDX-License-Identifier: BSD-2-Clause
#include "options.h"

#include <netinet/ether.h>
#include <string.h>

#include "base/addr.h"

static const char usage_text[] =
	"Usage: xmcast-gen IFACE [options]\n"
	"Send probe packets out of IFACE (XDP live frames) and report what was really sent.\n"
	"Prints \"ready\" on stderr once SIGINT and SIGTERM end it with its report.\n"
	"\n"
	"  --group ADDR        destination, IPv4 or IPv6 (default 239.1.1.1)\n"
	"  --port N            destination port (5000)\n"
	"  --source ADDR       any source address (10.9.9.9, or 2001:db8::9)\n"
	"  --src-port N        source port (40000)\n"
	"  --dst-mac MAC       needed for a unicast destination\n"
	"  --ttl N, --dscp N   TTL or hop limit, DSCP (16, 0)\n"
	"  --vlan ID           tag the packets (802.1Q)\n"
	"  --size BYTES[,...]  UDP payload, 32 to 3072; several are used in turn, see --size-by "
	"(1400);\n"
	"                      MIN-MAX: every packet has a random size\n"
	"  --size-by WHAT      packet: change within each flow; flow: one size a flow (packet)\n"
	"  --payload WHAT      behind the 32 bytes of each probe: pattern, which xmcast-sink "
	"checks;\n"
	"                      ts: packets of a transport stream in RTP (pattern)\n"
	"  --flows N           number of flows (1)\n"
	"  --flow-by WHAT      successive flows differ by port, group or both, or by source: "
	"its\n"
	"                      address and port (port)\n"
	"  --sides N           each N successive flows have the same payloads, number and sizes: "
	"the\n"
	"                      inputs of a rule that merges (1)\n"
	"  --also IFACE        odd flows (1, 3, 5) leave by this interface\n"
	"  --burst N           packets of one flow in a row before the next flow (1)\n"
	"  --rate PPS          over all flows, evenly paced (flat out)\n"
	"  --count N           stop after N packets over all flows\n"
	"  --duration SECONDS  stop after this time\n"
	"  --first-seq N       sequence number of each flow's first packet (0)\n"
	"  -j, --json          report as one JSON object\n"
	"  -h, --help  -V, --version\n"
	"\n"
	"Without --count and --duration it sends until SIGINT or SIGTERM. The other end of a veth\n"
	"needs an XDP program or GRO (ethtool -K PEER gro on).\n"
	"Exit status: 0 done, 1 usage, 2 failed, 77 no permission.\n";

enum {
	OPT_GROUP = 256,
	OPT_PORT,
	OPT_SOURCE,
	OPT_SOURCE_PORT,
	OPT_MAC,
	OPT_TTL,
	OPT_DSCP,
	OPT_VLAN,
	OPT_SIZE,
	OPT_SIZE_BY,
	OPT_PAYLOAD,
	OPT_FLOWS,
	OPT_FLOW_BY,
	OPT_SIDES,
	OPT_ALSO,
	OPT_BURST,
	OPT_RATE,
	OPT_COUNT,
	OPT_DURATION,
	OPT_FIRST,
};

static const struct option table[] = {
	{"group", required_argument, NULL, OPT_GROUP},
	{"port", required_argument, NULL, OPT_PORT},
	{"source", required_argument, NULL, OPT_SOURCE},
	{"src-port", required_argument, NULL, OPT_SOURCE_PORT},
	{"dst-mac", required_argument, NULL, OPT_MAC},
	{"ttl", required_argument, NULL, OPT_TTL},
	{"dscp", required_argument, NULL, OPT_DSCP},
	{"vlan", required_argument, NULL, OPT_VLAN},
	{"size", required_argument, NULL, OPT_SIZE},
	{"size-by", required_argument, NULL, OPT_SIZE_BY},
	{"payload", required_argument, NULL, OPT_PAYLOAD},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"flow-by", required_argument, NULL, OPT_FLOW_BY},
	{"sides", required_argument, NULL, OPT_SIDES},
	{"also", required_argument, NULL, OPT_ALSO},
	{"burst", required_argument, NULL, OPT_BURST},
	{"rate", required_argument, NULL, OPT_RATE},
	{"count", required_argument, NULL, OPT_COUNT},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"first-seq", required_argument, NULL, OPT_FIRST},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{},
};

static bool address(const char *option, const char *text, struct xmc_addr *addr)
{
	if (addr_parse(text, addr) && !addr_is_any(addr))
		return true;
	return args_refuse("--%s: \"%s\" is not an IPv4 or IPv6 address", option, text);
}

static bool mac(const char *text, uint8_t bytes[6])
{
	const struct ether_addr *address = strlen(text) == 17 ? ether_aton(text) : NULL;

	if (address) {
		memcpy(bytes, address->ether_addr_octet, 6);
		return true;
	}
	return args_refuse("--dst-mac: \"%s\" is not a MAC address such as 02:00:00:00:00:01",
			   text);
}

static bool size_range(const char *min, const char *max, struct options *options)
{
	uint64_t low = 0, high = 0;

	if (!args_take_number("size", min, PROBE_SIZE_MIN, PROBE_SIZE_MAX, &low) ||
	    !args_take_number("size", max, low, PROBE_SIZE_MAX, &high))
		return false;
	options->sizes[0] = low;
	options->sizes_count = 1;
	options->size_span = high - low + 1;
	return true;
}

static bool sizes(char *text, struct options *options)
{
	char *word = strchr(text, '-');

	if (word) {
		*word++ = '\0';
		return size_range(text, word, options);
	}
	options->size_span = 0;
	options->sizes_count = 0;
	while ((word = strsep(&text, ","))) {
		uint64_t size = 0;

		if (options->sizes_count == GEN_MAX_SIZES)
			return args_refuse("--size: at most %d sizes", GEN_MAX_SIZES);
		if (!args_take_number("size", word, PROBE_SIZE_MIN, PROBE_SIZE_MAX, &size))
			return false;
		options->sizes[options->sizes_count++] = size;
	}
	return true;
}

static bool size_by(const char *text, struct options *options)
{
	options->size_by_flow = strcmp(text, "flow") == 0;
	return options->size_by_flow || strcmp(text, "packet") == 0 ||
	       args_refuse("--size-by: \"%s\" is not packet or flow", text);
}

static bool payload(const char *text, struct options *options)
{
	options->ts = strcmp(text, "ts") == 0;
	return options->ts || strcmp(text, "pattern") == 0 ||
	       args_refuse("--payload: \"%s\" is not pattern or ts", text);
}

static bool flow_by(const char *text, struct options *options)
{
	options->by_port = !strcmp(text, "port") || !strcmp(text, "both");
	options->by_group = !strcmp(text, "group") || !strcmp(text, "both");
	options->by_source = !strcmp(text, "source");
	return options->by_port || options->by_group || options->by_source ||
	       args_refuse("--flow-by: \"%s\" is not port, group, both or source", text);
}

/* Options about addresses and headers; take_amount() handles the others. */
static bool take_header(int option, char *text, struct options *options)
{
	uint64_t value = 0;
	bool ok = true;

	switch (option) {
	case OPT_GROUP:
		return address("group", text, &options->group);
	case OPT_SOURCE:
		return address("source", text, &options->source);
	case OPT_ALSO:
		if (strlen(text) >= IFNAMSIZ || !*text)
			return args_refuse("--also: \"%s\" is not an interface name", text);
		strcpy(options->also, text);
		break;
	case OPT_MAC:
		options->has_mac = true;
		return mac(text, options->destination_mac);
	case OPT_PORT:
		ok = args_take_number("port", text, 1, 65535, &value);
		options->port = value;
		break;
	case OPT_SOURCE_PORT:
		ok = args_take_number("src-port", text, 1, 65535, &value);
		options->source_port = value;
		break;
	case OPT_TTL:
		ok = args_take_number("ttl", text, 1, 255, &value);
		options->ttl = value;
		break;
	case OPT_DSCP:
		ok = args_take_number("dscp", text, 0, 63, &value);
		options->dscp = value;
		break;
	case OPT_VLAN:
		ok = args_take_number("vlan", text, 1, 4094, &value);
		options->vlan = value;
		break;
	}
	return ok;
}

static bool take_amount(int option, char *text, struct options *options)
{
	uint64_t value = 0;
	bool ok = true;

	switch (option) {
	case OPT_SIZE:
		return sizes(text, options);
	case OPT_SIZE_BY:
		return size_by(text, options);
	case OPT_PAYLOAD:
		return payload(text, options);
	case OPT_FLOW_BY:
		return flow_by(text, options);
	case OPT_RATE:
		return args_take_number("rate", text, 0, 1000000000, &options->rate_pps);
	case OPT_COUNT:
		return args_take_number("count", text, 1, INT64_MAX, &options->count);
	case OPT_DURATION:
		return args_take_seconds("duration", text, &options->duration_ns);
	case OPT_FIRST:
		return args_take_number("first-seq", text, 0, INT64_MAX, &options->first_sequence);
	case OPT_FLOWS:
		ok = args_take_number("flows", text, 1, GEN_MAX_FLOWS, &value);
		options->flows = value;
		break;
	case OPT_SIDES:
		ok = args_take_number("sides", text, 1, GEN_MAX_FLOWS, &value);
		options->sides = value;
		break;
	case OPT_BURST:
		ok = args_take_number("burst", text, 1, 1000000, &value);
		options->burst = value;
		break;
	}
	return ok;
}

static bool take(int option, char *text, void *context)
{
	return take_header(option, text, context) && take_amount(option, text, context);
}

/* Checks that concern several options. */
static bool consistent(struct options *options)
{
	bool ipv4 = addr_is_ipv4(&options->group);
	uint64_t last = options->flows - 1;
	uint32_t low;

	if (addr_is_any(&options->source))
		addr_parse(ipv4 ? "10.9.9.9" : "2001:db8::9", &options->source);
	if (addr_is_ipv4(&options->source) != ipv4)
		return args_refuse("--source and --group must have the same address family");
	if (options->flows % options->sides)
		return args_refuse("--flows %u is no multiple of --sides %u", options->flows,
				   options->sides);
	if (options->size_by_flow && options->size_span)
		return args_refuse("--size MIN-MAX and --size-by flow exclude each other");
	if (!addr_is_multicast(&options->group) && !options->has_mac)
		return args_refuse(
			"--group is unicast: give its Ethernet address with --dst-mac MAC "
			"(ip -br link shows the peer's)");
	if (options->by_port && options->port + last > 65535)
		return args_refuse("--flows %u from --port %u go beyond port 65535", options->flows,
				   options->port);
	if (options->by_source && options->source_port + last > 65535)
		return args_refuse("--flows %u from --src-port %u go beyond port 65535",
				   options->flows, options->source_port);
	low = XMC_BE32(options->source.w[3]);
	if (options->by_source && (low + last > UINT32_MAX || (ipv4 && low >> 29 == 6)))
		return args_refuse("--flows %u from --source go beyond the last host address",
				   options->flows);
	low = XMC_BE32(options->group.w[3]);
	if (options->by_group && (low + last > UINT32_MAX || (ipv4 && (low ^ (low + last)) >> 28)))
		return args_refuse("--flows %u from --group go beyond the last multicast group",
				   options->flows);
	return true;
}

static void set_defaults(struct options *options)
{
	*options = (struct options){
		.port = 5000,
		.source_port = 40000,
		.sizes = {1400},
		.sizes_count = 1,
		.flows = 1,
		.sides = 1,
		.burst = 1,
		.by_port = true,
		.ttl = 16,
	};
	addr_parse("239.1.1.1", &options->group);
}

bool options_parse(int argc, char **argv, struct options *options, int *status)
{
	const struct args args = {usage_text, table, take, options};

	set_defaults(options);
	return args_parse(&args, argc, argv, &options->json, options->interface, status) &&
	       consistent(options);
}
