// SPDX-License-Identifier: BSD-2-Clause
/* What devices do with the packets of forwards, as it is counted for each pair of input and output.
 */
#include <errno.h>
#include <unistd.h>

#include "forward_case.h"
#include "require.h"
#include "steering/transmits.h"

/* Wait until the device has dealt with so many packets; then the counts are as expected. */
static void expect_counts(struct transmits *transmits, int from, int to, uint64_t sent,
			  enum xmc_device_drop drop, uint64_t dropped)
{
	struct xmc_device_counts counts;

	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t all;

		assert_int_equal(transmits_read(transmits, from, to, &counts), 0);
		all = counts.sent;
		for (unsigned int j = 0; j < XMC_DEVICE_DROPS; j++)
			all += counts.dropped[j];
		if (all >= sent + dropped)
			break;
		usleep(10000);
	}
	assert_int_equal(counts.sent, sent);
	for (unsigned int j = 0; j < XMC_DEVICE_DROPS; j++)
		assert_int_equal(counts.dropped[j], j == drop ? dropped : 0);
}

static void check_transmits(enum iface_mode mode)
{
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct forward_output output;
	struct transmits *transmits;
	struct forward *forward;
	struct packet packet;
	int out = forward_env.out[0];
	bool skb = mode == IFACE_MODE_SKB;

	attach(mode);
	make_outputs(&output, 1, false);
	forward = forward_env_add(&key, &output, 1);
	packet_build_text(&packet, SOURCE, GROUP, PORT, 60);
	assert_int_equal(transmits_open(&transmits, NULL), 0);
	forward_env_send(&packet); /* not watched yet */
	expect_frame(0, &packet, &output.header);
	assert_int_equal(transmits_watch(transmits, forward_env.in, out, skb), 0);
	assert_int_equal(transmits_watch(transmits, forward_env.in, out, skb), 0);
	for (unsigned int i = 0; i < 20; i++) {
		forward_env_send(&packet);
		expect_frame(0, &packet, &output.header);
	}
	expect_counts(transmits, forward_env.in, out, 20, XMC_DEVICE_OTHER, 0);
	/* The device refuses: there is no link. */
	set("ip link set out0 down");
	for (unsigned int i = 0; i < 5; i++)
		forward_env_send(&packet);
	expect_counts(transmits, forward_env.in, out, 20, XMC_DEVICE_ENETDOWN, 5);
	set("ip link set out0 up");
	transmits_unwatch(transmits, forward_env.in, out);
	forward_env_send(&packet);
	expect_frame(0, &packet, &output.header);
	expect_counts(transmits, forward_env.in, out, 21, XMC_DEVICE_ENETDOWN, 5);
	transmits_unwatch(transmits, forward_env.in, out);
	transmits_unwatch(transmits, forward_env.in, out);
	assert_int_equal(
		transmits_read(transmits, forward_env.in, out, &(struct xmc_device_counts){}),
		-ENOENT);
	transmits_close(transmits);
	transmits_close(NULL);
	detach();
	forward_env_remove(&key, forward);
}

static void test_transmits(void **state)
{
	forward_env_need();
	check_transmits(IFACE_MODE_NATIVE);
}

/* Packets of the members of a bond count as the bond's, as long as they are members. */
static void test_transmits_of_bond(void **state)
{
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	const int bond = 1 << 20;
	struct forward_output output;
	struct transmits *transmits;
	struct forward *forward;
	struct packet packet;
	int out = forward_env.out[0];

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	make_outputs(&output, 1, false);
	forward = forward_env_add(&key, &output, 1);
	packet_build_text(&packet, SOURCE, GROUP, PORT, 60);
	assert_int_equal(transmits_open(&transmits, NULL), 0);
	assert_int_equal(transmits_watch(transmits, bond, out, false), 0);
	for (int member = 0; member < 3; member++) {
		int from = member == 1 ? bond : forward_env.in;

		assert_int_equal(
			transmits_set_bond(transmits, forward_env.in, from == bond ? bond : 0), 0);
		assert_int_equal(transmits_watch(transmits, from, out, false), 0);
		for (unsigned int i = 0; i < 10; i++) {
			forward_env_send(&packet);
			expect_frame(0, &packet, &output.header);
		}
		expect_counts(transmits, from, out, 10, XMC_DEVICE_OTHER, 0);
		transmits_unwatch(transmits, from, out);
	}
	expect_counts(transmits, bond, out, 10, XMC_DEVICE_OTHER, 0);
	transmits_close(transmits);
	detach();
	forward_env_remove(&key, forward);
}

static void test_transmits_in_skb_mode(void **state)
{
	forward_env_need();
	check_transmits(IFACE_MODE_SKB);
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_NATIVE), 0);
}

/* A veth whose other end can take no redirected packets. */
static void test_refusing_device(void **state)
{
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct xmc_device_counts counts = {};
	struct forward_output output;
	struct transmits *transmits;
	struct forward *forward;
	struct packet packet;
	uint64_t refused = 0;

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	make_outputs(&output, 1, false);
	forward = forward_env_add(&key, &output, 1);
	assert_int_equal(transmits_open(&transmits, NULL), 0);
	assert_int_equal(transmits_watch(transmits, forward_env.in, forward_env.out[0], false), 0);
	set("ethtool -K far1 gro off");
	packet_build_text(&packet, SOURCE, GROUP, PORT, 60);
	for (unsigned int i = 0; i < 7; i++)
		forward_env_send(&packet);
	for (unsigned int i = 0; i < 1000 && refused < 7; i++) {
		assert_int_equal(
			transmits_read(transmits, forward_env.in, forward_env.out[0], &counts), 0);
		/* Since Linux 6.3 the kernel knows beforehand. */
		refused = counts.dropped[XMC_DEVICE_ENXIO] + counts.dropped[XMC_DEVICE_EOPNOTSUPP];
		usleep(10000);
	}
	assert_int_equal(refused, 7);
	assert_int_equal(counts.sent, 0);
	expect_nothing(0);
	set("ethtool -K far1 gro on");
	transmits_close(transmits);
	detach();
	forward_env_remove(&key, forward);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transmits),
		cmocka_unit_test(test_transmits_of_bond),
		cmocka_unit_test(test_transmits_in_skb_mode),
		cmocka_unit_test(test_refusing_device),
	};

	return forward_env_exit_code(cmocka_run_group_tests_name(
		"transmits", tests, forward_env_setup, forward_env_teardown));
}
