// SPDX-License-Identifier: BSD-2-Clause
/*
 * The same packets, given to the steering program in the kernel and to xmc_parse() here, must get
 * the same verdict with the same reason and key. If several rules take a packet, the program must
 * find the same one as the daemon's ruleset. A third implementation (reference.h, and
 * expected_rule() here) catches mistakes that both share.
 *
 * The packets are valid ones, damaged by a random walk (walk.h). The walk depends only on its seed:
 * XMCAST_SEED repeats one, XMCAST_PACKETS sets its length.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>

#include <xmcast/packet.h>

#include "dataplane/ruleset.h"
#include "reference.h"
#include "require.h"
#include "rewritten.h"
#include "steer_env.h"
#include "walk.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* These take about ten seconds. */
#define DEFAULT_PACKETS 1000000
#define DEFAULT_SEED	0x786d63617374ULL

/* Every reason must be seen in a walk of this length. */
#define COVERING_PACKETS 10000

/* The socket is added and removed, but not for each packet, because that is a slow call. */
#define SOCKET_PERIOD 256

static struct steer_env *env;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* The rules, in the map and here: some groups with a source, some without, some with both. The
 * number of a rule in the map is its index here. */
#define MAX_RULES 32

static struct xmc_rule_key rules[MAX_RULES];
static size_t nr_rules;

/* The same rules as the daemon has them. NULL: a key that no rule can have, because the grammar
 * cannot express it. */
static struct stream *streams[MAX_RULES];
static struct ruleset *ruleset;

static void update_ruleset(void)
{
	struct stream *present[MAX_RULES];
	uint32_t tags[MAX_RULES];
	unsigned int count = 0;

	for (size_t i = 0; i < nr_rules; i++) {
		if (!streams[i])
			continue;
		tags[count] = rules[i].tags;
		present[count++] = streams[i];
	}
	ruleset_free(ruleset);
	assert_int_equal(ruleset_new(&ruleset, present, tags, count), 0);
}

/* A stream without outputs, of a rule with this key. */
static struct stream *stream_of(const struct xmc_rule_key *key)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct xmc_rule_key again;

	assert_non_null(stream);
	stream->references = 1;
	stream->rule.source = key->source;
	stream->rule.source_host_bits = key->host_bits % XMC_HOST_BITS_ANY;
	stream->rule.group = key->group;
	stream->rule.port = ntohs(key->port);
	rule_key(&stream->rule, &again);
	again.tags = key->tags;
	if (memcmp(&again, key, sizeof(again)) == 0)
		return stream;
	stream_put(stream);
	return NULL;
}

static void add_rule(const struct xmc_rule_key *key)
{
	assert_true(nr_rules < COUNT(rules));
	assert_int_equal(steer_env_add_rule(env, key, nr_rules), 0);
	streams[nr_rules] = stream_of(key);
	rules[nr_rules++] = *key;
	update_ruleset();
}

static void remove_last_rule(void)
{
	assert_int_equal(steer_env_remove_rule(env, &rules[--nr_rules]), 0);
	update_ruleset();
	stream_put(streams[nr_rules]);
}

static bool rule_exists(const struct xmc_rule_key *key)
{
	for (size_t i = 0; i < nr_rules; i++) {
		if (memcmp(&rules[i], key, sizeof(*key)) == 0)
			return true;
	}
	return false;
}

static bool bit_of(const struct xmc_addr *addr, unsigned int bit)
{
	return addr->b[bit / 8] >> (7 - bit % 8) & 1;
}

/* Whether a rule takes a packet, bit by bit: the leading bits of its source are the packet's, the
 * host bits are 0. */
static bool takes(const struct xmc_rule_key *rule, const struct xmc_rule_key *packet)
{
	if (memcmp(&rule->group, &packet->group, sizeof(rule->group)) != 0 ||
	    (rule->port && rule->port != packet->port) || rule->protocol != packet->protocol ||
	    rule->tags != packet->tags)
		return false;
	for (unsigned int bit = 0; bit < 128; bit++) {
		bool wanted = bit < 128U - rule->host_bits && bit_of(&packet->source, bit);

		if (bit_of(&rule->source, bit) != wanted)
			return false;
	}
	return true;
}

/* Whether `a` is more specific than `b`, if both take the same packet. */
static bool is_better(const struct xmc_rule_key *a, const struct xmc_rule_key *b)
{
	if (!a->port != !b->port)
		return a->port;
	return a->host_bits < b->host_bits;
}

/* The index of the most specific rule that takes the packet, or nr_rules. */
static size_t expected_rule(const struct xmc_rule_key *packet)
{
	size_t best = nr_rules;

	for (size_t i = 0; i < nr_rules; i++) {
		if (takes(&rules[i], packet) &&
		    (best == nr_rules || is_better(&rules[i], &rules[best])))
			best = i;
	}
	return best;
}

static const char *const sources4[] = {"10.9.9.9",  "10.9.9.8",	  "10.9.200.1",
				       "10.77.1.1", "192.0.2.77", "0.0.0.0"};
static const char *const groups4[] = {"239.1.1.1", "239.1.1.2", "232.1.2.3", "192.0.2.1"};
static const char *const sources6[] = {"2001:db8::9",	"2001:db8::8", "2001:db8:0:1::1",
				       "2001:db8:1::1", "fe80::1",     "::"};
_Static_assert(COUNT(sources4) == COUNT(sources6), "one is picked before the family is known");
static const char *const groups6[] = {"ff3e::1", "ff3e::2", "ff02::1", "2001:db8::1"};
static const uint16_t ports[] = {5000, 5001, 0x8813 /* 5000 with swapped bytes */, 0};

static void install_rules(void)
{
	static const struct {
		const char *source, *group;
		uint16_t port;
		uint8_t host_bits;
		uint8_t protocol;
		uint32_t tags;
	} table[] = {
		{NULL, "239.1.1.1", 5000, 0, 0, 0},
		{"10.9.9.9", "239.1.1.1", 5000, 0, 0, 0},
		{"10.9.9.8", "239.1.1.2", 5000, 0, 0, 0},
		{"192.0.2.77", "232.1.2.3", 5001, 0, 0, 0},
		{NULL, "192.0.2.1", 5001, 0, 0, 0},
		{NULL, "ff3e::1", 5000, 0, 0, 0},
		{"2001:db8::9", "ff3e::1", 5000, 0, 0, 0},
		{"2001:db8::8", "ff3e::2", 5000, 0, 0, 0},
		{NULL, "2001:db8::1", 5001, 0, 0, 0},
		{"10.9.0.0", "239.1.1.2", 5000, 16, 0, 0},
		{"10.0.0.0", "239.1.1.2", 5001, 24, 0, 0},
		{"192.0.2.64", "232.1.2.3", 5000, 4, 0, 0},
		{"2001:db8::", "ff3e::2", 5000, 64, 0, 0},
		{"2001:db8::", "ff3e::2", 5001, 96, 0, 0},
		{"2001:db8::8", "ff02::1", 5000, 1, 0, 0},
		/* any port */
		{NULL, "232.1.2.3", 0, 0, 0, 0},
		{"10.9.0.0", "239.1.1.1", 0, 16, 0, 0},
		{"10.9.9.8", "239.1.1.2", 0, 0, 0, 0},
		{NULL, "ff02::1", 0, 0, 0, 0},
		{"2001:db8::", "ff3e::2", 0, 64, 0, 0},
		/* another protocol than UDP */
		{NULL, "239.1.1.1", 0, 0, 50, 0},
		{"10.9.9.9", "239.1.1.1", 0, 0, 50, 0},
		{"10.9.0.0", "239.1.1.2", 0, 16, 47, 0},
		{NULL, "ff3e::1", 0, 0, 50, 0},
		{"2001:db8::", "ff02::1", 0, 64, 47, 0},
		/* tagged, with and without an untagged rule beside it */
		{NULL, "239.1.1.1", 5000, 0, 0, 0x1064},
		{NULL, "239.1.1.1", 5000, 0, 0, 0x2064},
		{"10.9.0.0", "239.1.1.1", 5000, 16, 0, 0x20c81064},
		{NULL, "ff3e::1", 5000, 0, 0, 0x1064},
		{NULL, "192.0.2.1", 0, 0, 50, 0x1064},
	};
	struct xmc_rule_key key;

	while (nr_rules)
		remove_last_rule();
	steer_env_remove_rules(env);
	for (size_t i = 0; i < COUNT(table); i++) {
		key = packet_flow(table[i].source, table[i].group, table[i].port);
		if (table[i].host_bits)
			key.host_bits = table[i].host_bits;
		key.protocol = table[i].protocol;
		key.tags = table[i].tags;
		add_rule(&key);
	}
}

/* The random walk: a valid packet, then some mutations. */

/* Half of the packets belong to a flow that has a rule, though not always to its source. */
static struct xmc_rule_key generate_flow(void)
{
	bool ipv4 = walk_below(2);
	const char *source = (ipv4 ? sources4 : sources6)[walk_below(COUNT(sources4))];
	const char *group = (ipv4 ? groups4 : groups6)[walk_below(COUNT(groups4))];
	struct xmc_rule_key flow = packet_flow(source, group, ports[walk_below(COUNT(ports))]);
	const struct xmc_rule_key *rule = &rules[walk_below(nr_rules)];

	if (walk_below(2) || packet_flow_is_ipv4(rule) != ipv4)
		return flow;
	flow.group = rule->group;
	flow.tags = rule->tags;
	if (rule->port)
		flow.port = rule->port;
	if (walk_below(4) && rule->source.w[3])
		flow.source = rule->source;
	return flow;
}

/* The tags of a flow, and sometimes one with a priority only. */
static void add_tags(struct packet *packet, uint32_t tags)
{
	for (; tags; tags >>= 16)
		packet_add_tag(packet, tags & XMC_TAG_8021AD ? 0x88a8 : 0x8100,
			       (tags & 0xfff) | (walk_random() & 0xf000));
	if (walk_below(16) == 0)
		packet_add_tag(packet, walk_below(2) ? 0x88a8 : 0x8100, walk_random() & 0xf000);
}

static void generate(struct packet *packet)
{
	struct xmc_rule_key flow = generate_flow();

	packet_build(packet, &flow, walk_below(8) ? walk_below(80) : walk_below(1473));
	if (walk_below(8) == 0)
		make_protocol(packet, walk_below(2) ? 50 : 47);
	if (walk_below(4) == 0 && packet->length < 60)
		packet_resize(packet, 60); /* as Ethernet pads it */
	add_tags(packet, flow.tags);
}

/* What user space finds: the daemon's own parser, and the reference. */
struct opinion {
	enum xmc_reason reason;
	bool whole; /* a rule may take it; then the rest describes it */
	struct xmc_rule_key key;
	struct xmc_datagram dgram;
};

static void disagree(uint64_t index, const struct packet *packet, const char *what)
{
	packet_dump(packet);
	fail_msg("packet %" PRIu64 " of seed %#" PRIx64 ": %s", index,
		 from_environment("XMCAST_SEED", DEFAULT_SEED), what);
}

/* Works on a copy of exactly the packet's size, so that AddressSanitizer sees reads past its end.
 */
static struct opinion parse(uint64_t index, const struct packet *packet)
{
	uint8_t *frame = malloc(packet->length);
	struct xmc_datagram dgram = {};
	struct reference reference = {};
	struct opinion opinion = {};

	assert_non_null(frame);
	memcpy(frame, packet->bytes, packet->length);
	opinion.reason = xmc_parse(frame, frame + packet->length, &dgram);
	if (opinion.reason != reference_parse(frame, packet->length, &reference) ||
	    dgram.tags != reference.key.tags)
		disagree(index, packet, "parser and reference name different reasons or tags");
	free(frame);
	/* A datagram to port 0 is valid except for that: check that no rule takes it. */
	if (opinion.reason == XMC_NO_RULE)
		opinion.key = reference.key;
	opinion.key.tags = dgram.tags;
	opinion.whole =
		opinion.reason == XMC_STEERED || (opinion.reason == XMC_NOT_UDP && dgram.protocol);
	if (!opinion.whole)
		return opinion;
	opinion.dgram = dgram;
	opinion.key.protocol = dgram.protocol;
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
	if (!opinion->whole || expected_rule(&opinion->key) == nr_rules)
		return opinion->key.tags		? XMC_VLAN
		       : opinion->reason == XMC_STEERED ? XMC_NO_RULE
							: opinion->reason;
	return socket ? XMC_STEERED : XMC_NO_SOCKET;
}

static void check_verdict(uint64_t index, const struct packet *packet, enum xmc_reason reason)
{
	uint32_t action = reason == XMC_STEERED ? XDP_REDIRECT : XDP_PASS;
	struct steer_result result;
	char what[160];
	int err;

	err = steer_env_run(env, packet, &result);
	if (!err && result.action == action && result.reason == reason && result.counted == 1 &&
	    result.unchanged && result.same)
		return;
	if (err)
		snprintf(what, sizeof(what), "BPF_PROG_TEST_RUN: %s", strerror(-err));
	else
		snprintf(what, sizeof(what),
			 "user space says %s; BPF says %s (action %u, counted %" PRIu64 ", %s, %s)",
			 steer_reason_name(reason), steer_reason_name(result.reason), result.action,
			 result.counted, result.unchanged ? "unchanged" : "CHANGED",
			 result.same ? "so does the user path's" : "the user path's does NOT");
	disagree(index, packet, what);
}

/* BPF and the daemon's ruleset must find the expected rule for this datagram. */
static void check_rule(uint64_t index, const struct packet *packet, const struct opinion *opinion)
{
	size_t expected = expected_rule(&opinion->key);
	bool exists = expected < nr_rules;
	uint32_t number = UINT32_MAX;
	struct stream *stream;
	char what[160];
	int found;

	found = steer_env_find(env, packet, &number);
	if (found != exists || (exists && number != expected)) {
		snprintf(what, sizeof(what), "rule %zu of %zu takes it; BPF finds rule %u (%d)",
			 expected, nr_rules, number, found);
		disagree(index, packet, what);
	}
	if (opinion->key.protocol) /* the user path does not carry it */
		return;
	stream = ruleset_find(ruleset, &opinion->dgram);
	if (exists && !streams[expected]) /* the ruleset cannot have that one */
		return;
	if (stream != (exists ? streams[expected] : NULL))
		disagree(index, packet, "the ruleset finds another rule");
}

static void check(uint64_t index, const struct packet *packet, const struct opinion *opinion,
		  bool socket)
{
	check_verdict(index, packet, expected(opinion, socket));
	if (opinion->whole)
		check_rule(index, packet, opinion);
}

/* Check again with one more rule, which must be neither missed nor mistaken for another. */
static void check_with_rule(uint64_t index, const struct packet *packet,
			    const struct opinion *opinion, bool socket,
			    const struct xmc_rule_key *key)
{
	int err;

	if (rule_exists(key))
		return;
	if (key->host_bits > XMC_HOST_BITS_ANY) {
		err = steer_env_add_rule(env, key, nr_rules);
		assert_int_equal(err, -EINVAL);
		return;
	}
	add_rule(key);
	check(index, packet, opinion, socket);
	remove_last_rule();
}

/*
 * The key that BPF looks up cannot be seen, but it can be tested: a rule with exactly the key of
 * user space must take the packet, and a rule that differs by one bit must not.
 */
static void check_key(uint64_t index, const struct packet *packet, const struct opinion *opinion,
		      bool socket)
{
	struct xmc_rule_key key = opinion->key;
	uint32_t bit;

	/* A host, any source, or a prefix; sometimes with a host bit set, which matches nothing.
	 */
	if (walk_below(3) == 0)
		key.host_bits = (uint8_t)walk_below(XMC_HOST_BITS_ANY + 1);
	else if (walk_below(2))
		key.host_bits = XMC_HOST_BITS_ANY;
	for (bit = 128U - key.host_bits; bit < 128; bit++)
		key.source.b[bit / 8] &= ~(0x80 >> bit % 8);
	if (walk_below(3) == 0)
		key.port = 0;
	bit = walk_below(sizeof(key) * 8);
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
		/* No rule here is on the kernel path or has a lease, every packet fits, and there
		 * is no bond: see test_rewrite, test_lease and test_steer. */
		if (!seen[i] && i != XMC_FORWARDED && i != XMC_STANDBY && i != XMC_TOO_LARGE &&
		    i != XMC_INACTIVE_MEMBER)
			fail_msg("the walk never led to: %s", steer_reason_name(i));
	}
}

static void test_same_verdict(void **state)
{
	uint64_t packets = from_environment("XMCAST_PACKETS", DEFAULT_PACKETS);
	uint64_t seed = from_environment("XMCAST_SEED", DEFAULT_SEED);
	uint64_t seen[XMC_REASONS] = {};
	struct packet packet;
	bool socket = true;

	env = steer_env_get();
	walk_begin(seed);
	fprintf(stderr, "XMCAST_SEED=%#" PRIx64 " XMCAST_PACKETS=%" PRIu64 "\n", seed, packets);
	install_rules();
	for (uint64_t i = 0; i < packets; i++) {
		struct opinion opinion;
		enum xmc_reason reason;

		if (i % SOCKET_PERIOD == 0 && socket != (walk_below(4) > 0)) {
			socket = !socket;
			if (socket)
				assert_int_equal(steer_env_add_socket(env, 0), 0);
			else
				assert_int_equal(steer_env_remove_socket(env, 0), 0);
		}
		generate(&packet);
		walk_mutate(&packet);
		opinion = parse(i, &packet);
		reason = expected(&opinion, socket);
		check(i, &packet, &opinion, socket);
		/* Of the packets that a rule takes only some, because changing rules is slow. */
		if (reason == XMC_NO_RULE || (opinion.whole && !walk_below(4)))
			check_key(i, &packet, &opinion, socket);
		seen[reason]++;
	}
	report(seen, packets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_verdict),
	};

	return steer_env_exit_code(cmocka_run_group_tests_name(
		"differential", tests, steer_env_setup, steer_env_teardown));
}
