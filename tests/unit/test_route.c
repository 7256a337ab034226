// SPDX-License-Identifier: BSD-2-Clause
/* Routes of one rule, which share sockets: what is reported about a datagram counts once. */
#include "watchdog.h"

#include "address.h"
#include "dataplane/output_socket.h"
#include "dataplane/stream.h"
#include "relay/path.h"
#include "relay/route.h"

static const struct egress_config egress = {.gso = 64, .send_buffer = 4 << 20};

static struct rule_output output = {.port = 6000, .ttl = 8, .iface = "lo"};
static struct rule rule = {
	.name = "r", .port = 5000, .iface = "lo", .nr_outputs = 1, .outputs = &output};
static struct path first, second; /* with one socket */

static void open_path(struct path *path, const struct path *before)
{
	struct stream_failure failure;

	*path = (struct path){.rule = &rule};
	path->reaches = calloc(1, sizeof(*path->reaches));
	assert_non_null(path->reaches);
	assert_int_equal(stream_open(&path->stream, &rule, 1, &egress,
				     before ? before->stream : NULL, &failure),
			 0);
}

static int set_up(void **state)
{
	rule.group = address("239.1.1.1");
	output.to = address("127.0.0.1");
	open_path(&first, NULL);
	open_path(&second, &first);
	assert_ptr_equal(first.stream->outputs[0].socket, second.stream->outputs[0].socket);
	return 0;
}

static int tear_down(void **state)
{
	stream_put(first.stream);
	stream_put(second.stream);
	free(first.reaches);
	free(second.reaches);
	return 0;
}

static uint64_t counted(const struct path *path)
{
	return path->reaches[0].icmp[ICMP_SAYS_REFUSED];
}

/* Each of `count` reports reaches both routes. */
static void report(struct route *one, struct route *other, unsigned int count)
{
	uint16_t port = 0;

	assert_int_equal(output_socket_port(first.stream->outputs[0].socket, &port), 0);
	for (unsigned int i = 1; i <= count; i++) {
		struct icmp_error error = {.kind = ICMP_SAYS_REFUSED,
					   .destination = output.to,
					   .source_port = port,
					   .destination_port = 6000};

		route_count_icmp(one, &error, i);
		route_count_icmp(other, &error, i);
	}
}

static void test_branch(void **state)
{
	struct route stem = {.rule = &rule, .path = &first};
	struct route branch = {.rule = &rule, .path = &second, .stem = &stem};

	report(&stem, &branch, 3);
	assert_int_equal(counted(&first) + counted(&second), 3);
}

/* A stem without a path leaves them to its branch. */
static void test_branch_alone(void **state)
{
	struct route stem = {.rule = &rule};
	struct route branch = {.rule = &rule, .path = &second, .stem = &stem};

	report(&stem, &branch, 3);
	assert_int_equal(counted(&second), 3);
}

static void test_sides(void **state)
{
	struct siblings siblings = {.count = 2};
	struct route one = {.rule = &rule, .path = &first, .siblings = &siblings};
	struct route other = {.rule = &rule, .path = &second, .siblings = &siblings, .side = 1};

	siblings.routes[0] = &one;
	siblings.routes[1] = &other;
	report(&one, &other, 3);
	assert_int_equal(counted(&first) + counted(&second), 3);
	one.path = NULL;
	report(&one, &other, 2);
	assert_int_equal(counted(&first) + counted(&second), 5);
}

/* Another rule with the socket of this one counts them as well. */
static void test_rules(void **state)
{
	struct route one = {.rule = &rule, .path = &first};
	struct route other = {.rule = &rule, .path = &second};

	report(&one, &other, 3);
	assert_int_equal(counted(&first), 3);
	assert_int_equal(counted(&second), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_branch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_branch_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rules, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
