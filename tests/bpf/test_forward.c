// SPDX-License-Identifier: BSD-2-Clause
/* Forwards as a whole: copies through real devices, changes while packets flow, and what is
 * refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/xsk.h"
#include "forward_case.h"
#include "require.h"
#include "rewritten.h"
#include "steering/transmits.h"

/* Every frame that leaves, byte by byte: one packet after the other, with each kind of checksum. */
static void check_copies(const char *source, const char *group,
			 const struct forward_output *outputs, unsigned int count)
{
	static const size_t sizes[] = {0, 1, 18, 100, 1001, 1452};
	const struct xmc_rule_key key = packet_flow(NULL, group, PORT);
	struct forward *forward = forward_env_add(&key, outputs, count);
	uint64_t packets = 0, bytes = 0;
	struct xmc_tally tally;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (enum written written = 0; written < WRITTENS; written++) {
			struct packet packet;

			/* It would stay unfinished: see test_rewrite. */
			if (attached == IFACE_MODE_SKB && written == WRITTEN_UNFINISHED)
				continue;
			packet_build_text(&packet, source, group, PORT, sizes[i]);
			write_checksum(&packet, written);
			forward_env_send(&packet);
			packets++;
			bytes += sizes[i];
			for (unsigned int j = 0; j < count; j++)
				expect_frame(outputs[j].ifindex == forward_env.out[1], &packet,
					     &outputs[j].header);
		}
	}
	expect_nothing(0);
	expect_nothing(1);
	forward_read_rule(forward, &tally);
	assert_int_equal(tally.received, packets);
	assert_int_equal(tally.received_bytes, bytes);
	for (unsigned int j = 0; j < count; j++) {
		forward_read_output(forward, j, &tally);
		assert_int_equal(tally.sent, packets);
		assert_int_equal(tally.sent_bytes, bytes);
	}
	forward_env_remove(&key, forward);
}

static void test_copies(void **state)
{
	static const unsigned int counts[] = {1, 2, 3, 4, 7, 16, XMC_MAX_COPIES};
	struct forward_output outputs[XMC_MAX_COPIES];

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	for (size_t i = 0; i < COUNT(counts); i++) {
		make_outputs(outputs, counts[i], false);
		check_copies(SOURCE, GROUP, outputs, counts[i]);
		make_outputs(outputs, counts[i], true);
		check_copies(SOURCE6, GROUP6, outputs, counts[i]);
	}
	detach();
}

/* Each on one device alone: the same device twice, twenty times. */
static void test_copies_on_one_device(void **state)
{
	static const unsigned int counts[] = {2, 20};
	struct forward_output outputs[20];

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	for (size_t i = 0; i < COUNT(counts); i++) {
		make_outputs(outputs, counts[i], false);
		for (unsigned int j = 0; j < counts[i]; j++)
			outputs[j].ifindex = forward_env.out[1];
		check_copies(SOURCE, GROUP, outputs, counts[i]);
	}
	detach();
}

/* Packets of several rules follow each other: with one output, several, other ones. */
static void test_interleaved_rules(void **state)
{
	enum { RULES = 6, ROUNDS = 40 };
	struct forward_output outputs[RULES][4];
	struct forward *forwards[RULES];
	struct xmc_rule_key keys[RULES];
	struct packet packets[RULES];

	forward_env_need();
	for (unsigned int i = 0; i < RULES; i++) {
		make_outputs(outputs[i], 4, false);
		keys[i] = packet_flow(NULL, GROUP, (uint16_t)(PORT + i));
		for (unsigned int j = 0; j < 4; j++) {
			outputs[i][j].header.source_port = htons((uint16_t)(40000 + i));
			if (i == 2)
				outputs[i][j].ifindex = forward_env.out[0];
		}
		forwards[i] = forward_env_add(&keys[i], outputs[i], 1 + i % 4);
		packet_build_text(&packets[i], SOURCE, GROUP, (uint16_t)(PORT + i), 50 + i);
		write_checksum(&packets[i], i % WRITTENS);
	}
	attach(IFACE_MODE_NATIVE);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < RULES; i++)
			forward_env_send(&packets[i]);
		for (unsigned int i = 0; i < RULES; i++) {
			for (unsigned int j = 0; j < 1 + i % 4; j++)
				expect_frame(outputs[i][j].ifindex == forward_env.out[1],
					     &packets[i], &outputs[i][j].header);
		}
	}
	expect_nothing(0);
	expect_nothing(1);
	detach();
	for (unsigned int i = 0; i < RULES; i++)
		forward_env_remove(&keys[i], forwards[i]);
}

/* Full bulks, in which the copies of one packet follow those of another. */
static void test_bulk(void **state)
{
	enum { PACKETS = 64, OUTPUTS = 3 };
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct forward_output outputs[OUTPUTS];
	struct forward *forward;
	struct packet packet;

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	make_outputs(outputs, OUTPUTS, false);
	for (unsigned int i = 0; i < OUTPUTS; i++)
		outputs[i].ifindex = forward_env.out[0];
	forward = forward_env_add(&key, outputs, OUTPUTS);
	packet_build_text(&packet, SOURCE, GROUP, PORT, 200);
	write_checksum(&packet, WRITTEN_UNFINISHED);
	forward_env_burst(&packet, PACKETS);
	for (unsigned int i = 0; i < PACKETS * OUTPUTS; i++)
		expect_frame(0, &packet, &outputs[i % OUTPUTS].header);
	expect_nothing(0);
	detach();
	forward_env_remove(&key, forward);
}

/* Outputs come, go and change while packets arrive: each packet leaves by the outputs of the
 * moment. */
static void test_changes(void **state)
{
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct forward_output outputs[4];
	struct forward *forward;
	struct packet packet;
	uint64_t sent[4] = {};

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	make_outputs(outputs, 4, false);
	forward = forward_env_add(&key, outputs, 4);
	packet_build_text(&packet, SOURCE, GROUP, PORT, 77);
	write_checksum(&packet, WRITTEN_UNFINISHED);
	for (unsigned int round = 0; round < 64; round++) {
		for (unsigned int j = 0; j < 4; j++) {
			outputs[j].ifindex =
				round >> j & 1 ? forward_env.out[(round + j) / 3 % 2] : 0;
			outputs[j].header.ttl = (uint8_t)(round + 1);
		}
		assert_int_equal(forward_set(forward, outputs), 0);
		assert_int_equal(forward_set(forward, outputs), 0);
		forward_env_send(&packet);
		for (unsigned int j = 0; j < 4; j++) {
			if (!outputs[j].ifindex)
				continue;
			expect_frame(outputs[j].ifindex == forward_env.out[1], &packet,
				     &outputs[j].header);
			sent[j]++;
		}
		if (round % 16 == 0)
			assert_int_equal(steer_wait(forward_env.steer), 0);
	}
	expect_nothing(0);
	expect_nothing(1);
	for (unsigned int j = 0; j < 4; j++) {
		struct xmc_tally tally;

		forward_read_output(forward, j, &tally);
		assert_int_equal(tally.sent, sent[j]);
	}
	detach();
	forward_env_remove(&key, forward);
}

/* ---- large packets ---- */

static void expect_verdict(size_t payload, uint8_t protocol, enum xmc_reason verdict)
{
	struct packet packet, before;
	enum xmc_reason reason;
	uint32_t action;

	packet_build_text(&packet, SOURCE, GROUP, PORT, payload);
	if (protocol) {
		packet_set8(&packet, IPV4_PROTOCOL, protocol);
		packet_fix_ipv4_checksum(&packet);
	}
	before = packet;
	action = forward_env_run(&packet, &reason);
	assert_int_equal(reason, verdict);
	if (verdict != XMC_TOO_LARGE)
		return;
	assert_int_equal(action, XDP_PASS);
	assert_int_equal(packet.length, before.length);
	assert_memory_equal(packet.bytes, before.bytes, before.length);
}

/* What the program does with packets in several buffers, which are those above a page here, and
 * with those that are too large for an interface. */
static void test_large_packets(void **state)
{
	struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct xmc_rule_key other = packet_flow(NULL, GROUP, 0);
	const struct forward_env before = forward_env;
	struct forward *forwards[2];
	struct forward_output output;

	forward_env_need();
	assert_int_equal(steer_open(&forward_env.steer, true), 0);
	forward_env.program_fd = bpf_prog_get_fd_by_id(steer_program_id(forward_env.steer));
	assert_true(forward_env.program_fd >= 0);
	assert_int_equal(steer_set_socket(forward_env.steer, 0, xsk_fd(forward_env.xsk)), 0);
	other.protocol = 50;
	output = forward_env_output(0, "192.0.2.1", "239.2.2.2", 6000);
	forwards[0] = forward_env_add(&key, &output, 1);
	forwards[1] = forward_env_add(&other, &output, 1);
	/* In one buffer: the kernel path. In several: the user path, which UDP only has. */
	expect_verdict(1000, 0, XMC_FORWARDED);
	expect_verdict(1000, 50, XMC_FORWARDED);
	expect_verdict(9000, 0, XMC_STEERED);
	expect_verdict(9000, 50, XMC_TOO_LARGE);
	assert_int_equal(steer_set_capacity(forward_env.steer, 9042), 0);
	expect_verdict(9000, 0, XMC_STEERED);
	expect_verdict(9001, 0, XMC_TOO_LARGE);
	/* The kernel has no sockets for several buffers, whatever their length. */
	assert_int_equal(steer_set_capacity(forward_env.steer, 9042 | XMC_ONE_BUFFER), 0);
	expect_verdict(9000, 0, XMC_TOO_LARGE);
	expect_verdict(1000, 0, XMC_FORWARDED);
	/* In skb mode, what is above the MTU was merged, on either path. */
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_SKB), 0);
	assert_int_equal(steer_set_capacity(forward_env.steer, 1522), 0);
	expect_verdict(1480, 0, XMC_FORWARDED);
	expect_verdict(1481, 0, XMC_TOO_LARGE);
	expect_verdict(1481, 50, XMC_TOO_LARGE);
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_NATIVE), 0);
	forward_env_remove(&other, forwards[1]);
	forward_env_remove(&key, forwards[0]);
	close(forward_env.program_fd);
	steer_close(forward_env.steer);
	forward_env = before;
}

/* In skb mode only one output is possible. */
static void test_skb_mode(void **state)
{
	struct forward_output outputs[2];
	struct forward *forward;

	forward_env_need();
	attach(IFACE_MODE_SKB);
	make_outputs(outputs, 2, false);
	outputs[1].ifindex = 0;
	check_copies(SOURCE, GROUP, outputs, 1);
	assert_int_equal(forward_open(&forward, steer_forwards(forward_env.steer), 2, 0), 0);
	assert_int_equal(forward_set(forward, outputs), 0);
	outputs[1].ifindex = forward_env.out[1];
	assert_int_equal(forward_set(forward, outputs), -EOPNOTSUPP);
	forward_close(forward);
	assert_int_equal(steer_wait(forward_env.steer), 0);
	detach();
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_NATIVE), 0);
}

static void test_refused(void **state)
{
	struct forwards *forwards;
	struct forward_output outputs[2];
	struct forward *forward;

	forward_env_need();
	forwards = steer_forwards(forward_env.steer);
	assert_int_equal(forward_open(&forward, forwards, 0, 0), -EINVAL);
	assert_int_equal(forward_open(&forward, forwards, XMC_MAX_COPIES + 1, 0), -EINVAL);
	assert_int_equal(forward_open(&forward, forwards, 2, 0), 0);
	make_outputs(outputs, 2, false);
	outputs[1].ifindex = 1000000;
	assert_int_equal(forward_set(forward, outputs), -ENODEV);
	outputs[0].ifindex = 0;
	assert_int_equal(forward_set(forward, outputs), -ENODEV);
	outputs[0].ifindex = forward_env.out[0];
	outputs[1] = forward_env_output(1, "2001:db8:1::1", "ff3e::2", 0);
	assert_int_equal(forward_set(forward, outputs), -EINVAL);
	forward_close(forward);
	forward_close(NULL);
	assert_int_equal(steer_wait(forward_env.steer), 0);
}

/* An interface that is removed and made again with the same index: the kernel has forgotten it, but
 * the next forward_set() brings it back, also in sets that others have used. */
static void test_device_made_again(void **state)
{
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct forward_output outputs[2];
	struct forward *forward;
	struct packet packet;
	int index;

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	set("ip link add index 4000 tmp0 type veth peer name tmp1 && ip link set tmp0 up && "
	    "ip link set tmp1 up && ethtool -K tmp1 gro on");
	index = (int)if_nametoindex("tmp0");
	assert_int_equal(index, 4000);
	make_outputs(outputs, 2, false);
	outputs[1].ifindex = index;
	forward = forward_env_add(&key, outputs, 2);
	set("ip link del tmp0");
	packet_build_text(&packet, SOURCE, GROUP, PORT, 60);
	forward_env_send(&packet);
	expect_frame(0, &packet, &outputs[0].header);
	outputs[1].header.ttl++;
	assert_int_equal(forward_set(forward, outputs), -ENODEV);
	set("ip link add index 4000 tmp0 type veth peer name tmp1 && ip link set tmp0 up && "
	    "ip link set tmp1 up && ethtool -K tmp1 gro on");
	assert_int_equal(forward_set(forward, outputs), 0);
	forward_env_send(&packet);
	expect_frame(0, &packet, &outputs[0].header);
	detach();
	for (unsigned int i = 0; i < 2; i++) {
		struct xmc_tally tally;

		forward_read_output(forward, i, &tally);
		assert_int_equal(tally.sent, i ? 1 : 2);
	}
	forward_env_remove(&key, forward);
	set("ip link del tmp0");
}

/* More rules than one array of slots has entries, each with its own headers. */
static void test_many_rules(void **state)
{
	enum { RULES = XMC_CHUNK + 100 };
	static struct forward *forwards[RULES];
	struct xmc_rule_key key;
	struct packet packet;

	forward_env_need();
	attach(IFACE_MODE_NATIVE);
	for (unsigned int i = 0; i < RULES; i++) {
		struct forward_output output =
			forward_env_output(i % 2, "192.0.2.1", "239.2.2.2", (uint16_t)(i + 1));

		key = packet_flow(NULL, GROUP, (uint16_t)(i + 1));
		forwards[i] = forward_env_add(&key, &output, 1);
	}
	for (unsigned int i = 0; i < RULES; i += 7) {
		struct forward_output output =
			forward_env_output(i % 2, "192.0.2.1", "239.2.2.2", (uint16_t)(i + 1));

		packet_build_text(&packet, SOURCE, GROUP, (uint16_t)(i + 1), 30);
		forward_env_send(&packet);
		expect_frame(i % 2, &packet, &output.header);
	}
	detach();
	for (unsigned int i = 0; i < RULES; i++) {
		key = packet_flow(NULL, GROUP, (uint16_t)(i + 1));
		assert_int_equal(steer_remove_rule(forward_env.steer, &key), 0);
		forward_close(forwards[i]);
	}
	assert_int_equal(steer_wait(forward_env.steer), 0);
}

/* ---- without CAP_PERFMON ---- */

static void drop_perfmon(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};
	static const int kept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF};

	for (size_t i = 0; i < COUNT(kept); i++) {
		data[kept[i] / 32].permitted |= 1U << kept[i] % 32;
		data[kept[i] / 32].effective |= 1U << kept[i] % 32;
	}
	if (syscall(SYS_capset, &header, data))
		_exit(1);
}

/* In a child, because nobody gets a capability back. Its exit code is the number of what is wrong.
 */
static int open_without_perfmon(void)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	struct transmits *transmits;
	struct steer *steer;
	enum iface_mode mode;
	const char *why;

	drop_perfmon();
	if (steer_open(&steer, false))
		return 2;
	if (steer_can_forward(steer, &why) || strcmp(why, "CAP_PERFMON is missing") != 0)
		return 3;
	if (steer_attach(steer, forward_env.in, IFACE_MODE_NATIVE, &mode))
		return 4;
	if (transmits_open(&transmits, NULL) != -EPERM)
		return 5;
	steer_close(steer);
	return bpf_obj_get_info_by_fd(forward_env.program_fd, &info, &size) != 0;
}

static void test_without_perfmon(void **state)
{
	int status;
	pid_t child;

	forward_env_need();
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(open_without_perfmon());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_copies_on_one_device),
		cmocka_unit_test(test_interleaved_rules),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_skb_mode),
		cmocka_unit_test(test_large_packets),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_device_made_again),
		cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_without_perfmon),
	};

	return forward_env_exit_code(cmocka_run_group_tests_name(
		"forward", tests, forward_env_setup, forward_env_teardown));
}
