// SPDX-License-Identifier: BSD-2-Clause
/* Rulesets: which stream a packet finds, and references to streams. */
#include "watchdog.h"

#include <arpa/inet.h>
#include <errno.h>

#include "dataplane/ruleset.h"

#define MANY 10000

/* A stream without outputs and counters, which a ruleset does not use. */
static struct stream *new_stream(const char *source, const char *group, uint16_t port)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->references = 1;
	stream->rule.port = port;
	assert_true(addr_parse(group, &stream->rule.group));
	if (source)
		assert_true(addr_parse(source, &stream->rule.source));
	return stream;
}

static struct stream *find(const struct ruleset *ruleset, const char *source, const char *group,
			   uint16_t port)
{
	struct xmc_datagram dgram = {.port = htons(port)};

	assert_true(addr_parse(source, &dgram.source));
	assert_true(addr_parse(group, &dgram.destination));
	return ruleset_find(ruleset, &dgram);
}

/* A ruleset that holds the only references to these streams. */
static struct ruleset *ruleset_of(struct stream **streams, unsigned int count)
{
	struct ruleset *ruleset;

	assert_int_equal(ruleset_new(&ruleset, streams, NULL, count), 0);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(streams[i]->references, 2);
		stream_put(streams[i]);
	}
	return ruleset;
}

static void test_empty(void **state)
{
	struct ruleset *ruleset = ruleset_of(NULL, 0);

	assert_null(find(ruleset, "10.9.9.9", "239.1.1.1", 5000));
	assert_null(find(ruleset, "0.0.0.0", "0.0.0.0", 0));
	assert_null(find(ruleset, "::", "::", 0)); /* the key of a free slot */
	ruleset_free(ruleset);
	ruleset_free(NULL);
}

static void test_any_source(void **state)
{
	struct stream *any = new_stream(NULL, "239.1.1.1", 5000);
	struct ruleset *ruleset = ruleset_of(&any, 1);

	assert_ptr_equal(find(ruleset, "10.9.9.9", "239.1.1.1", 5000), any);
	assert_ptr_equal(find(ruleset, "0.0.0.0", "239.1.1.1", 5000), any);
	assert_null(find(ruleset, "10.9.9.9", "239.1.1.2", 5000));
	assert_null(find(ruleset, "10.9.9.9", "239.1.1.1", 5001));
	assert_null(find(ruleset, "10.9.9.9", "239.1.1.1", htons(5000)));
	ruleset_free(ruleset);
}

static void test_one_source(void **state)
{
	struct stream *one = new_stream("10.9.9.9", "239.1.1.1", 5000);
	struct ruleset *ruleset = ruleset_of(&one, 1);

	assert_ptr_equal(find(ruleset, "10.9.9.9", "239.1.1.1", 5000), one);
	assert_null(find(ruleset, "10.9.9.8", "239.1.1.1", 5000));
	assert_null(find(ruleset, "0.0.0.0", "239.1.1.1", 5000));
	assert_null(find(ruleset, "::", "239.1.1.1", 5000));
	ruleset_free(ruleset);
}

/* (S,G) before (*,G), whatever their order. */
static void test_source_first(void **state)
{
	for (int swap = 0; swap < 2; swap++) {
		struct stream *any = new_stream(NULL, "239.1.1.1", 5000);
		struct stream *one = new_stream("10.9.9.9", "239.1.1.1", 5000);
		struct stream *two = new_stream("10.9.9.8", "239.1.1.1", 5000);
		struct stream *other = new_stream("10.9.9.8", "239.1.1.2", 5000);
		struct stream *streams[] = {swap ? one : any, swap ? any : one, two, other};
		struct ruleset *ruleset = ruleset_of(streams, 4);

		assert_ptr_equal(find(ruleset, "10.9.9.9", "239.1.1.1", 5000), one);
		assert_ptr_equal(find(ruleset, "10.9.9.8", "239.1.1.1", 5000), two);
		assert_ptr_equal(find(ruleset, "10.9.9.7", "239.1.1.1", 5000), any);
		assert_ptr_equal(find(ruleset, "10.9.9.8", "239.1.1.2", 5000), other);
		assert_null(find(ruleset, "10.9.9.9", "239.1.1.2", 5000));
		ruleset_free(ruleset);
	}
}

static void test_ipv6(void **state)
{
	struct stream *any = new_stream(NULL, "ff3e::1", 5000);
	struct stream *one = new_stream("2001:db8::9", "ff3e::1", 5000);
	struct stream *mapped = new_stream(NULL, "1.2.3.4", 5000);
	struct stream *streams[] = {any, one, mapped};
	struct ruleset *ruleset = ruleset_of(streams, 3);

	assert_ptr_equal(find(ruleset, "2001:db8::9", "ff3e::1", 5000), one);
	assert_ptr_equal(find(ruleset, "2001:db8::8", "ff3e::1", 5000), any);
	assert_null(find(ruleset, "2001:db8::9", "ff3e::2", 5000));
	assert_null(find(ruleset, "2001:db8::9", "ff3e:0:0:1::1", 5000));
	assert_null(find(ruleset, "2001:db8::9", "::102:304", 5000)); /* not the mapped one */
	assert_ptr_equal(find(ruleset, "5.6.7.8", "1.2.3.4", 5000), mapped);
	ruleset_free(ruleset);
}

/* The same input with other tags is another input. */
static void test_tags(void **state)
{
	static const uint32_t tags[] = {0, 0x1064, 0x20c81064, 0x2064};
	struct xmc_datagram dgram = {.port = htons(5000)};
	struct stream *streams[4];
	struct ruleset *ruleset;

	for (unsigned int i = 0; i < 4; i++)
		streams[i] = new_stream(NULL, "239.1.1.1", 5000);
	assert_int_equal(ruleset_new(&ruleset, streams, tags, 4), 0);
	assert_true(addr_parse("239.1.1.1", &dgram.destination));
	for (unsigned int i = 0; i < 4; i++) {
		dgram.tags = tags[i];
		assert_ptr_equal(ruleset_find(ruleset, &dgram), streams[i]);
		dgram.tags = tags[i] ^ 1;
		assert_null(ruleset_find(ruleset, &dgram));
	}
	ruleset_free(ruleset);
	assert_int_equal(ruleset_new(&ruleset, streams, NULL, 4), -EEXIST);
	for (unsigned int i = 0; i < 4; i++)
		stream_put(streams[i]);
}

static void expect_duplicate(struct stream *a, struct stream *b)
{
	struct stream *other = new_stream(NULL, "239.1.1.9", 1);
	struct stream *streams[] = {other, a, b};
	struct ruleset *ruleset = NULL;

	assert_int_equal(ruleset_new(&ruleset, streams, NULL, 3), -EEXIST);
	assert_null(ruleset);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(streams[i]->references, 1);
		stream_put(streams[i]);
	}
}

static void test_duplicates(void **state)
{
	expect_duplicate(new_stream(NULL, "239.1.1.1", 5000), new_stream(NULL, "239.1.1.1", 5000));
	expect_duplicate(new_stream("10.9.9.9", "239.1.1.1", 5000),
			 new_stream("10.9.9.9", "239.1.1.1", 5000));
	expect_duplicate(new_stream("2001:db8::9", "ff3e::1", 5000),
			 new_stream("2001:db8::9", "ff3e::1", 5000));
}

/* The i-th of many: successive IPv4 groups, ports and sources, as administrators assign them. */
static void name_flow(unsigned int i, char source[16], char group[16], uint16_t *port)
{
	snprintf(source, 16, "10.0.%u.%u", i % 7, 1 + i % 251);
	snprintf(group, 16, "239.1.%u.%u", i / 200 % 256, i % 200);
	*port = (uint16_t)(5000 + i % 3);
}

static void test_many(void **state)
{
	struct stream **streams = calloc(MANY, sizeof(struct stream *));
	struct ruleset *ruleset;
	char source[16];
	char group[16];
	uint16_t port;

	watchdog_start(__func__);
	assert_non_null(streams);
	for (unsigned int i = 0; i < MANY; i++) {
		name_flow(i, source, group, &port);
		streams[i] = new_stream(i % 2 ? source : NULL, group, port);
	}
	ruleset = ruleset_of(streams, MANY);
	for (unsigned int i = 0; i < MANY; i++) {
		name_flow(i, source, group, &port);
		assert_ptr_equal(find(ruleset, source, group, port), streams[i]);
		assert_null(find(ruleset, source, group, (uint16_t)(port + 3)));
		assert_null(find(ruleset, source, group, (uint16_t)(port - 3)));
		group[2] = '8'; /* 238 */
		assert_null(find(ruleset, source, group, port));
		name_flow(i, source, group, &port);
		if (i % 2)
			assert_null(find(ruleset, "10.1.0.1", group, port));
		else
			assert_ptr_equal(find(ruleset, "10.1.0.1", group, port), streams[i]);
	}
	ruleset_free(ruleset);
	free(streams);
	watchdog_stop();
}

/* A stream lives as long as a ruleset or its opener holds it. AddressSanitizer reports mistakes. */
static void test_references(void **state)
{
	struct stream *kept = new_stream(NULL, "239.1.1.1", 5000);
	struct stream *gone = new_stream(NULL, "239.1.1.2", 5000);
	struct stream *streams[] = {kept, gone};
	struct ruleset *before;
	struct ruleset *after;

	assert_int_equal(ruleset_new(&before, streams, NULL, 2), 0);
	assert_int_equal(ruleset_new(&after, streams, NULL, 1), 0);
	streams[0] = NULL; /* the array was copied */
	assert_int_equal(kept->references, 3);
	assert_int_equal(gone->references, 2);
	stream_put(gone);
	assert_ptr_equal(find(before, "1.1.1.1", "239.1.1.2", 5000), gone);
	assert_int_equal(gone->rule.port, 5000);
	ruleset_free(before); /* and `gone` with it */
	assert_null(find(after, "1.1.1.1", "239.1.1.2", 5000));
	assert_ptr_equal(find(after, "1.1.1.1", "239.1.1.1", 5000), kept);
	assert_int_equal(kept->references, 2);
	ruleset_free(after);
	assert_int_equal(kept->references, 1);
	stream_put(kept);
	stream_put(NULL);
}

/* ---- sources of every length, against a naive reference ---- */

#define RULES	20
#define PACKETS 2000

static uint32_t seed = 20240229;

static uint32_t below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

/* Few groups, ports and sources, which share prefixes of every length. */
static void random_flow(bool ipv4, struct xmc_addr *source, struct xmc_addr *group, uint16_t *port)
{
	assert_true(addr_parse(ipv4 ? "85.85.85.85" : "2001:5555:5555:5555::5555", source));
	if (below(4))
		source->b[15 - below(ipv4 ? 4 : 16)] ^= (uint8_t)(1U << below(8));
	assert_true(addr_parse(ipv4 ? "239.1.1.0" : "ff3e::", group));
	group->b[15] = (uint8_t)below(2);
	*port = (uint16_t)(5000 + below(2));
}

static struct stream *random_stream(bool ipv4)
{
	struct stream *stream = new_stream(NULL, "239.1.1.1", 1);
	struct rule *rule = &stream->rule;

	random_flow(ipv4, &rule->source, &rule->group, &rule->port);
	if (!below(3))
		rule->port = RULE_PORT_ANY;
	switch (below(4)) {
	case 0:
		memset(&rule->source, 0, sizeof(rule->source));
		break;
	case 1:
		break;
	default:
		rule->source_host_bits = (uint8_t)below(ipv4 ? 32 : 125);
		for (unsigned int bit = 0; bit < rule->source_host_bits; bit++)
			rule->source.b[15 - bit / 8] &= (uint8_t) ~(1U << bit % 8);
	}
	return stream;
}

static bool takes(const struct rule *rule, const struct xmc_datagram *dgram)
{
	if ((rule->port != RULE_PORT_ANY && rule->port != ntohs(dgram->port)) ||
	    !addr_equal(&rule->group, &dgram->destination))
		return false;
	for (unsigned int bit = rule->source_host_bits; bit < 128; bit++) {
		unsigned int differ = rule->source.b[15 - bit / 8] ^ dgram->source.b[15 - bit / 8];

		if (!addr_is_any(&rule->source) && differ >> bit % 8 & 1)
			return false;
	}
	return true;
}

/* The port first, then the source. */
static bool beats(const struct rule *a, const struct rule *b)
{
	if ((a->port == RULE_PORT_ANY) != (b->port == RULE_PORT_ANY))
		return b->port == RULE_PORT_ANY;
	return rule_host_bits(a) < rule_host_bits(b);
}

/* The most specific of those that match it, found one by one. */
static struct stream *expected(struct stream *const *streams, unsigned int count,
			       const struct xmc_datagram *dgram)
{
	struct stream *best = NULL;

	for (unsigned int i = 0; i < count; i++) {
		if (takes(&streams[i]->rule, dgram) &&
		    (!best || beats(&streams[i]->rule, &best->rule)))
			best = streams[i];
	}
	return best;
}

static bool has_input_of(struct stream *const *streams, unsigned int count, const struct rule *rule)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct rule *other = &streams[i]->rule;

		if (addr_equal(&other->source, &rule->source) && other->port == rule->port &&
		    addr_equal(&other->group, &rule->group) &&
		    other->source_host_bits == rule->source_host_bits)
			return true;
	}
	return false;
}

static void test_against_reference(void **state)
{
	unsigned int found = 0, found_any = 0;

	for (unsigned int turn = 0; turn < 200; turn++) {
		struct stream *streams[RULES];
		struct ruleset *ruleset;
		unsigned int count = 0;

		for (unsigned int i = 0; i < RULES; i++) {
			streams[count] = random_stream(below(2));
			if (has_input_of(streams, count, &streams[count]->rule))
				stream_put(streams[count]);
			else
				count++;
		}
		ruleset = ruleset_of(streams, count);
		for (unsigned int i = 0; i < PACKETS; i++) {
			struct xmc_datagram dgram = {0};
			struct stream *stream;
			uint16_t port;

			random_flow(below(2), &dgram.source, &dgram.destination, &port);
			dgram.port = htons(port);
			stream = expected(streams, count, &dgram);
			assert_ptr_equal(ruleset_find(ruleset, &dgram), stream);
			found += stream && stream->rule.source_host_bits;
			found_any += stream && stream->rule.port == RULE_PORT_ANY;
		}
		ruleset_free(ruleset);
	}
	/* The test has covered prefixes and rules of any port. */
	assert_true(found > 10000);
	assert_true(found_any > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	   cmocka_unit_test(test_any_source),
		cmocka_unit_test(test_one_source), cmocka_unit_test(test_source_first),
		cmocka_unit_test(test_ipv6),	   cmocka_unit_test(test_tags),
		cmocka_unit_test(test_duplicates), cmocka_unit_test(test_many),
		cmocka_unit_test(test_references), cmocka_unit_test(test_against_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
