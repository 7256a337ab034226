// SPDX-License-Identifier: BSD-2-Clause
/*
 * One header parser, two compilers: the same packets through the steering program in the kernel and
 * through xmc_parse() here must reach the same verdict, by the same reason, with the same key. A
 * third opinion (reference.h) watches for mistakes that both share.
 *
 * The packets are whole ones, damaged by a random walk that knows their structure. The walk depends
 * on its seed alone: XMCAST_SEED repeats one, XMCAST_PACKETS says how long it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>

#include <xmcast/packet.h>

#include "reference.h"
#include "require.h"
#include "steer_env.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* About ten seconds. */
#define DEFAULT_PACKETS 1000000
#define DEFAULT_SEED	0x786d63617374ULL

/* Every reason must be seen in a walk of this length. */
#define COVERING_PACKETS 10000

/* The socket comes and goes; not for each packet, because that is a slow call. */
#define SOCKET_PERIOD 256

static struct steer_env *env;
static char lacking[128]; /* why there is no `env` */

static uint64_t rng_state;

/* splitmix64 (Steele, Lea, Flood 2014): any seed will do. */
static uint64_t rng(void)
{
	uint64_t z = rng_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* 0..bound-1 */
static uint32_t below(uint32_t bound)
{
	return (rng() >> 32) * bound >> 32;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* The rules, in the map and here: some groups with a source, some without, some with both. */
#define MAX_RULES 16

static struct xmc_rule_key rules[MAX_RULES];
static size_t nr_rules;

static void add_rule(const struct xmc_rule_key *key)
{
	assert_true(nr_rules < COUNT(rules));
	assert_int_equal(steer_env_add_rule(env, key), 0);
	rules[nr_rules++] = *key;
}

static void remove_last_rule(void)
{
	assert_int_equal(steer_env_remove_rule(env, &rules[--nr_rules]), 0);
}

static bool rule_exists(const struct xmc_rule_key *key)
{
	for (size_t i = 0; i < nr_rules; i++) {
		if (memcmp(&rules[i], key, sizeof(*key)) == 0)
			return true;
	}
	return false;
}

static bool has_rule(const struct xmc_rule_key *key)
{
	struct xmc_rule_key any = *key;

	memset(&any.source, 0, sizeof(any.source));
	return rule_exists(key) || rule_exists(&any);
}

static const char *const sources4[] = {"10.9.9.9", "10.9.9.8", "192.0.2.77", "0.0.0.0"};
static const char *const groups4[] = {"239.1.1.1", "239.1.1.2", "232.1.2.3", "192.0.2.1"};
static const char *const sources6[] = {"2001:db8::9", "2001:db8::8", "fe80::1", "::"};
static const char *const groups6[] = {"ff3e::1", "ff3e::2", "ff02::1", "2001:db8::1"};
static const uint16_t ports[] = {5000, 5001, 0x8813 /* 5000 the other way around */};

static void install_rules(void)
{
	static const struct {
		const char *source, *group;
		uint16_t port;
	} table[] = {
		{NULL, "239.1.1.1", 5000},	  {"10.9.9.9", "239.1.1.1", 5000},
		{"10.9.9.8", "239.1.1.2", 5000},  {"192.0.2.77", "232.1.2.3", 5001},
		{NULL, "192.0.2.1", 5001},	  {NULL, "ff3e::1", 5000},
		{"2001:db8::9", "ff3e::1", 5000}, {"2001:db8::8", "ff3e::2", 5000},
		{NULL, "2001:db8::1", 5001},
	};
	struct xmc_rule_key key;

	nr_rules = 0;
	steer_env_remove_rules(env);
	for (size_t i = 0; i < COUNT(table); i++) {
		key = packet_flow(table[i].source, table[i].group, table[i].port);
		add_rule(&key);
	}
}

/*
 * The random walk: a whole packet, then some mutations. Never shorter than an Ethernet header,
 * because the kernel would not run it. No two draws stand where the compiler may choose which comes
 * first: a seed must mean the same walk everywhere.
 */

/* All headers are in the first bytes of a frame: the ones worth damaging. */
#define HEADERS 80

/* Half of them of a flow that has a rule, though not always of its source. */
static struct xmc_rule_key generate_flow(void)
{
	bool ipv4 = below(2);
	const char *source = (ipv4 ? sources4 : sources6)[below(COUNT(sources4))];
	const char *group = (ipv4 ? groups4 : groups6)[below(COUNT(groups4))];
	struct xmc_rule_key flow = packet_flow(source, group, ports[below(COUNT(ports))]);
	const struct xmc_rule_key *rule = &rules[below(nr_rules)];

	if (below(2) || packet_flow_is_ipv4(rule) != ipv4)
		return flow;
	flow.group = rule->group;
	flow.port = rule->port;
	if (below(4) && rule->source.w[3])
		flow.source = rule->source;
	return flow;
}

static void generate(struct packet *packet)
{
	struct xmc_rule_key flow = generate_flow();

	packet_build(packet, &flow, below(8) ? below(80) : below(1473));
	if (below(4) == 0 && packet->length < 60)
		packet_resize(packet, 60); /* as Ethernet pads it */
}

static uint16_t interesting16(void)
{
	static const uint16_t values[] = {0,	  1,	  7,	  8,	  9,	  19,	  20,
					  21,	  27,	  28,	  29,	  39,	  40,	  41,
					  0x7f,	  0x80,	  0xff,	  0x100,  0x1fff, 0x2000, 0x3fff,
					  0x4000, 0x7fff, 0x8000, 0xfff8, 0xfffe, 0xffff};

	return below(4) ? values[below(COUNT(values))] : rng();
}

static void mutate_bit(struct packet *packet)
{
	uint32_t bit = below((packet->length < HEADERS ? packet->length : HEADERS) * 8);

	packet->bytes[bit / 8] ^= 1 << bit % 8;
}

static void mutate_field(struct packet *packet)
{
	size_t offset = below(HEADERS);

	if (below(2))
		packet_set16(packet, offset & ~1UL, interesting16());
	else
		packet_set8(packet, offset, interesting16());
}

static void mutate_ethertype(struct packet *packet)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x9100, 0x0008};

	packet_set16(packet, ETH_TYPE, types[below(COUNT(types))]);
}

static void mutate_version_ihl(struct packet *packet)
{
	uint8_t value = packet->bytes[IP_START];

	packet_set8(packet, IP_START,
		    below(2) ? (value & 0xf0) | below(16) : (value & 0xf) | below(16) << 4);
}

/* Off by a little: where the mistakes are. */
static void mutate_length(struct packet *packet)
{
	static const uint8_t fields[] = {IPV4_TOTAL_LENGTH, IPV4_UDP_LENGTH, IPV6_PAYLOAD_LENGTH,
					 IPV6_UDP_LENGTH};
	size_t field = fields[below(COUNT(fields))];
	uint16_t value = packet_get16(packet, field);

	packet_set16(packet, field, below(2) ? value + below(17) - 8 : interesting16());
}

static void mutate_protocol(struct packet *packet)
{
	static const uint8_t protocols[] = {0,	1,  2,	6,  17, 17, 17, 43,
					    44, 50, 51, 58, 59, 60, 136};
	uint8_t protocol = protocols[below(COUNT(protocols))];

	packet_set8(packet, below(2) ? IPV4_PROTOCOL : IPV6_NEXT_HEADER, protocol);
}

static void mutate_truncate(struct packet *packet)
{
	size_t spare = packet->length - PACKET_ETH_HEADER;

	packet_resize(packet, PACKET_ETH_HEADER + below((spare < HEADERS ? spare : HEADERS) + 1));
}

static void mutate_shorten(struct packet *packet)
{
	size_t cut = below(12);

	if (packet->length >= PACKET_ETH_HEADER + cut)
		packet_resize(packet, packet->length - cut);
}

static void mutate_extend(struct packet *packet)
{
	packet_resize(packet, packet->length + 1 + below(40));
}

static void mutate_tag(struct packet *packet)
{
	static const uint16_t tpids[] = {0x8100, 0x88a8, 0x9100};
	uint16_t tpid = tpids[below(COUNT(tpids))];

	packet_add_tag(packet, tpid, rng());
}

static void mutate_options(struct packet *packet)
{
	static const uint8_t kinds[] = {0, 43, 44, 51, 60};
	uint8_t kind = kinds[below(COUNT(kinds))];

	if (packet_get16(packet, ETH_TYPE) == 0x86dd)
		packet_add_ipv6_extension(packet, kind, below(4));
	else
		packet_add_ipv4_options(packet, 1 + below(10));
}

static void mutate_fragment(struct packet *packet)
{
	packet_set16(packet, IPV4_FRAGMENT, below(2) ? interesting16() : 1 << below(16));
}

static void mutate_mapped(struct packet *packet)
{
	size_t at = below(2) ? IPV6_SOURCE : IPV6_DESTINATION;
	size_t spoil = at + below(48); /* one time in four: all but mapped */

	for (size_t i = 0; i < 12; i++)
		packet_set8(packet, at + i, i < 10 ? 0 : 0xff);
	if (spoil < at + 12)
		packet_set8(packet, spoil, below(256));
}

/* Every length made to agree with the frame, so that a mutation gets further. */
static void mend_lengths(struct packet *packet)
{
	bool ipv4 = packet_get16(packet, ETH_TYPE) == 0x0800;
	size_t udp = ipv4 ? IPV4_UDP_PORT - 2 : IPV6_UDP_PORT - 2;

	if (packet->length < udp + PACKET_UDP_HEADER)
		return;
	packet_set16(packet, ipv4 ? IPV4_UDP_LENGTH : IPV6_UDP_LENGTH, packet->length - udp);
	if (ipv4)
		packet_set16(packet, IPV4_TOTAL_LENGTH, packet->length - IP_START);
	else
		packet_set16(packet, IPV6_PAYLOAD_LENGTH, packet->length - udp);
}

static void mutate(struct packet *packet)
{
	static void (*const mutations[])(struct packet *) = {
		mutate_bit,    mutate_field,	mutate_ethertype, mutate_version_ihl, mutate_length,
		mutate_length, mutate_protocol, mutate_truncate,  mutate_shorten,     mutate_extend,
		mutate_tag,    mutate_options,	mutate_fragment,  mutate_mapped,      mend_lengths,
	};

	for (unsigned int left = below(5); left > 0; left--)
		mutations[below(COUNT(mutations))](packet);
	/* Mostly, or nothing would ever get past the checksum. */
	if (below(4) && packet_get16(packet, ETH_TYPE) == 0x0800)
		packet_fix_ipv4_checksum(packet);
}

/* What user space makes of a packet: the daemon's own parser, and the reference. */
struct opinion {
	enum xmc_reason reason; /* XMC_STEERED: it is a datagram, `key` says of which flow */
	struct xmc_rule_key key;
};

static void disagree(uint64_t index, const struct packet *packet, const char *what)
{
	packet_dump(packet);
	fail_msg("packet %" PRIu64 " of seed %#" PRIx64 ": %s", index,
		 from_environment("XMCAST_SEED", DEFAULT_SEED), what);
}

/* On a copy that ends where the packet ends, for AddressSanitizer to watch. */
static struct opinion parse(uint64_t index, const struct packet *packet)
{
	uint8_t *frame = malloc(packet->length);
	struct xmc_datagram dgram = {};
	struct reference reference = {};
	struct opinion opinion = {};

	assert_non_null(frame);
	memcpy(frame, packet->bytes, packet->length);
	opinion.reason = xmc_parse(frame, frame + packet->length, &dgram);
	if (opinion.reason != reference_parse(frame, packet->length, &reference))
		disagree(index, packet, "parser and reference name different reasons");
	free(frame);
	if (opinion.reason != XMC_STEERED)
		return opinion;
	opinion.key.source = dgram.source;
	opinion.key.group = dgram.destination;
	opinion.key.port = dgram.port;
	if (memcmp(&opinion.key, &reference.key, sizeof(opinion.key)) ||
	    dgram.payload_offset != reference.payload_offset ||
	    dgram.payload_length != reference.payload_length)
		disagree(index, packet, "parser and reference read different datagrams");
	return opinion;
}

static enum xmc_reason expected(const struct opinion *opinion, bool socket)
{
	if (opinion->reason != XMC_STEERED)
		return opinion->reason;
	if (!has_rule(&opinion->key))
		return XMC_NO_RULE;
	return socket ? XMC_STEERED : XMC_NO_SOCKET;
}

static void check(uint64_t index, const struct packet *packet, enum xmc_reason reason)
{
	uint32_t action = reason == XMC_STEERED ? XDP_REDIRECT : XDP_PASS;
	struct steer_result result;
	char what[160];
	int err;

	err = steer_env_run(env, packet, &result);
	if (!err && result.action == action && result.reason == reason && result.counted == 1 &&
	    result.unchanged)
		return;
	if (err)
		snprintf(what, sizeof(what), "BPF_PROG_TEST_RUN: %s", strerror(-err));
	else
		snprintf(what, sizeof(what),
			 "user space says %s; BPF says %s (action %u, counted %" PRIu64 ", %s)",
			 steer_reason_name(reason), steer_reason_name(result.reason), result.action,
			 result.counted, result.unchanged ? "unchanged" : "CHANGED");
	disagree(index, packet, what);
}

/* With one more rule, which must neither be missed nor taken for another. */
static void check_with_rule(uint64_t index, const struct packet *packet,
			    const struct opinion *opinion, bool socket,
			    const struct xmc_rule_key *key)
{
	if (rule_exists(key))
		return;
	add_rule(key);
	check(index, packet, expected(opinion, socket));
	remove_last_rule();
}

/*
 * The key that BPF looks up cannot be seen, but it can be found: a rule with exactly the key of
 * user space must take a packet that none took, and a rule that differs by one bit must not.
 */
static void check_key(uint64_t index, const struct packet *packet, const struct opinion *opinion,
		      bool socket)
{
	struct xmc_rule_key key = opinion->key;
	uint32_t bit = below(sizeof(key) * 8);

	if (below(2))
		memset(&key.source, 0, sizeof(key.source));
	check_with_rule(index, packet, opinion, socket, &key);
	((uint8_t *)&key)[bit / 8] ^= 1 << bit % 8;
	check_with_rule(index, packet, opinion, socket, &key);
}

static void report(const uint64_t seen[XMC_REASONS], uint64_t packets)
{
	fprintf(stderr, "packets=%" PRIu64, packets);
	for (int i = 0; i < XMC_REASONS; i++)
		fprintf(stderr, " %s=%" PRIu64, steer_reason_name(i), seen[i]);
	fputc('\n', stderr);
	for (int i = 0; i < XMC_REASONS && packets >= COVERING_PACKETS; i++) {
		if (!seen[i])
			fail_msg("the walk never led to: %s", steer_reason_name(i));
	}
}

static void test_same_verdict(void **state)
{
	uint64_t packets = from_environment("XMCAST_PACKETS", DEFAULT_PACKETS);
	uint64_t seen[XMC_REASONS] = {};
	struct packet packet;
	bool socket = true;
	int err;

	if (!env)
		skip_for(lacking);
	err = steer_env_add_socket(env, 0);
	if (err && steer_env_is_lacking(err))
		skip_for("no AF_XDP sockets (CAP_NET_RAW, CONFIG_XDP_SOCKETS)");
	assert_int_equal(err, 0);
	rng_state = from_environment("XMCAST_SEED", DEFAULT_SEED);
	fprintf(stderr, "XMCAST_SEED=%#" PRIx64 " XMCAST_PACKETS=%" PRIu64 "\n", rng_state,
		packets);
	install_rules();
	for (uint64_t i = 0; i < packets; i++) {
		struct opinion opinion;
		enum xmc_reason reason;

		if (i % SOCKET_PERIOD == 0 && socket != (below(4) > 0)) {
			socket = !socket;
			if (socket)
				assert_int_equal(steer_env_add_socket(env, 0), 0);
			else
				assert_int_equal(steer_env_remove_socket(env, 0), 0);
		}
		generate(&packet);
		mutate(&packet);
		opinion = parse(i, &packet);
		reason = expected(&opinion, socket);
		check(i, &packet, reason);
		if (reason == XMC_NO_RULE)
			check_key(i, &packet, &opinion, socket);
		seen[reason]++;
	}
	report(seen, packets);
}

static int setup(void **state)
{
	const char *step;
	int err = steer_env_open(&env, &step);

	if (!err)
		return 0;
	snprintf(lacking, sizeof(lacking), "%s: %s", step, strerror(-err));
	if (steer_env_is_lacking(err))
		return 0; /* the test skips */
	fprintf(stderr, "%s\n", lacking);
	return -1;
}

static int teardown(void **state)
{
	steer_env_close(env);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_verdict),
	};
	int failed = cmocka_run_group_tests_name("differential", tests, setup, teardown);

	if (!failed && lacking[0])
		return EXIT_SKIPPED;
	return failed;
}
