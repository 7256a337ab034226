/* SPDX-License-Identifier: BSD-2-Clause */
/* Leases in the kernel: the check in XDP on both paths, and the one behind the sockets. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <xmcast/packet.h>

#include "base/clock.h"
#include "forward_env.h"
#include "steering/guard.h"
#include "steering/leases.h"

#define SLOT	5
#define HOUR	(3600 * NS_PER_SECOND)
#define PAYLOAD 100

static struct xmc_lease *slot(void)
{
	return &steer_leases(forward_env.steer)[SLOT];
}

/* A rule with the lease, and a packet for it. */
static struct forward *add(struct xmc_rule_key *key, struct packet *packet, bool user)
{
	struct forward_output output = forward_env_output(0, "10.2.0.1", "239.2.2.2", 6000);
	struct forward *forward;

	*key = packet_flow(NULL, "239.1.1.1", 5000);
	packet_build_text(packet, "10.9.9.9", "239.1.1.1", 5000, PAYLOAD);
	assert_int_equal(forward_open(&forward, steer_forwards(forward_env.steer), 1, SLOT), 0);
	assert_int_equal(user ? forward_set_user(forward) : forward_set(forward, &output), 0);
	assert_int_equal(steer_add_rule(forward_env.steer, key, forward), 0);
	return forward;
}

static void expect(const struct packet *packet, enum xmc_reason wanted)
{
	struct packet copy = *packet;
	enum xmc_reason reason;

	forward_env_run(&copy, &reason);
	assert_int_equal(reason, wanted);
}

static void check_path(bool user)
{
	enum xmc_reason passed = user ? XMC_STEERED : XMC_FORWARDED;
	struct xmc_rule_key key;
	struct forward *forward;
	struct xmc_tally tally;
	struct packet packet;
	uint64_t now_ns;

	forward_env_need();
	lease_write(slot(), 0, 0);
	forward = add(&key, &packet, user);
	expect(&packet, XMC_STANDBY);
	now_ns = clock_ns();
	lease_write(slot(), 0, now_ns + HOUR);
	for (int i = 0; i < 5; i++)
		expect(&packet, passed);
	/* What was noted about it ends with it. */
	lease_write(slot(), 0, now_ns);
	expect(&packet, XMC_STANDBY);
	lease_write(slot(), now_ns + HOUR, now_ns + 2 * HOUR);
	expect(&packet, XMC_STANDBY);
	lease_write(slot(), now_ns, now_ns + HOUR);
	expect(&packet, passed);
	forward_read_rule(forward, &tally);
	assert_int_equal(tally.standby, 3);
	assert_int_equal(tally.received, user ? 3 : 9);
	assert_int_equal(tally.received_bytes, tally.received * PAYLOAD);
	lease_write(slot(), 0, 0);
	forward_env_remove(&key, forward);
}

static void test_user_path(void **state)
{
	check_path(true);
}

static void test_kernel_path(void **state)
{
	check_path(false);
}

/* One forward changes between the paths, and keeps its lease and its counters. */
static void test_change_of_path(void **state)
{
	struct forward_output output = forward_env_output(0, "10.2.0.1", "239.2.2.2", 6000);
	struct xmc_rule_key key;
	struct forward *forward;
	struct xmc_tally tally;
	struct packet packet;

	forward_env_need();
	lease_write(slot(), 0, clock_ns() + HOUR);
	forward = add(&key, &packet, true);
	expect(&packet, XMC_STEERED);
	assert_int_equal(forward_set(forward, &output), 0);
	expect(&packet, XMC_FORWARDED);
	assert_int_equal(forward_set_user(forward), 0);
	expect(&packet, XMC_STEERED);
	lease_write(slot(), 0, 0);
	expect(&packet, XMC_STANDBY);
	forward_read_rule(forward, &tally);
	assert_int_equal(tally.standby, 1);
	assert_int_equal(tally.received, 2);
	forward_env_remove(&key, forward);
}

static int try_send(int fd)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(9),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return sendto(fd, "x", 1, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to)) == 1
		       ? 0
		       : -errno;
}

/* A send fails as soon as the lease has ended, whoever has checked before. */
static void test_guard(void **state)
{
	int guarded = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);
	const uint32_t lease = SLOT;
	struct xmc_lease *entry;
	struct guard *guard;
	uint64_t now_ns;
	const char *step;

	forward_env_need();
	/* The namespace is the test's own. */
	assert_int_equal(system("ip link set lo up"), 0);
	assert_int_equal(guard_open(&guard, &step), 0);
	assert_int_equal(guard_attach(guard, &step), 0);
	entry = &guard_leases(guard)[SLOT];
	assert_int_equal(try_send(guarded), 0);
	assert_int_equal(bpf_map_update_elem(guard_sockets(guard), &guarded, &lease, BPF_ANY), 0);
	assert_int_equal(try_send(guarded), -EPERM);
	now_ns = clock_ns();
	lease_write(entry, 0, now_ns + HOUR);
	assert_int_equal(try_send(guarded), 0);
	lease_write(entry, now_ns + HOUR, now_ns + 2 * HOUR);
	assert_int_equal(try_send(guarded), -EPERM);
	/* It has ended longer ago than datagrams are under way. */
	lease_write(entry, 0, now_ns - XMC_LEASE_DRAIN_NS);
	assert_int_equal(try_send(guarded), -EPERM);
	assert_int_equal(try_send(other), 0);
	guard_close(guard);
	assert_int_equal(try_send(guarded), 0);
	close(guarded);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user_path),
		cmocka_unit_test(test_kernel_path),
		cmocka_unit_test(test_change_of_path),
		cmocka_unit_test(test_guard),
	};

	return forward_env_exit_code(
		cmocka_run_group_tests(tests, forward_env_setup, forward_env_teardown));
}
