// SPDX-License-Identifier: BSD-2-Clause
/* The kernel path of an external program, whose maps are pinned: as xdp-loader leaves it. */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/xsk.h"
#include "forward_env.h"
#include "require.h"
#include "rewritten.h"
#include "steer.skel.h"

#define SOURCE "10.9.9.9"
#define GROUP  "239.1.1.1"
#define PORT   5000

/* To the program, a test run happens on the loopback interface. */
#define LOOPBACK 1

static char directory[] = "/tmp/xmcast-test-pinned-XXXXXX";
static struct steer_bpf *external;

static uint32_t run(struct packet *packet)
{
	uint8_t out[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = (__u32)packet->length, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(external->progs.xmcast_steer), &opts), 0);
	memcpy(packet->bytes, out, packet->length);
	return opts.retval;
}

static void expect(uint32_t action, const struct forward_output *output, uint16_t id)
{
	struct packet packet, wanted;

	packet_build_text(&packet, SOURCE, GROUP, PORT, 100);
	write_checksum(&packet, WRITTEN_UNFINISHED);
	wanted = packet;
	if (action == XDP_REDIRECT)
		rewrite_expected(&wanted, &output->header, id);
	assert_int_equal(run(&packet), action);
	assert_memory_equal(packet.bytes, wanted.bytes, packet.length);
}

/* Entries of a map that has numbers as keys, or of the rule map. */
static unsigned int count_entries(const struct bpf_map *map)
{
	struct xmc_rule_key key, next;
	unsigned int count = 0;
	const void *before = NULL;
	__u32 value;

	if (bpf_map__type(map) == BPF_MAP_TYPE_ARRAY_OF_MAPS) {
		for (__u32 i = 0; i < bpf_map__max_entries(map); i++)
			count += bpf_map_lookup_elem(bpf_map__fd(map), &i, &value) == 0;
		return count;
	}
	while (bpf_map_get_next_key(bpf_map__fd(map), before, &next) == 0) {
		key = next;
		before = &key;
		count++;
	}
	return count;
}

static void expect_empty(void)
{
	assert_int_equal(count_entries(external->maps.rules), 0);
	assert_int_equal(count_entries(external->maps.outputs), 0);
	assert_int_equal(count_entries(external->maps.tallies), 0);
	assert_int_equal(count_entries(external->maps.device_sets), 0);
}

static struct steer *open_pinned(void)
{
	char text[PINS_TEXT_SIZE] = "";
	struct steer *steer;
	int err = steer_open_pinned(&steer, directory, LOOPBACK, text);

	if (err)
		fail_msg("steer_open_pinned(): %s: %s", strerror(-err), text);
	assert_int_equal(steer_set_mode(steer, IFACE_MODE_NATIVE), 0);
	return steer;
}

/* A rule with one output, or with two on one device. */
static struct forward *add_rule(struct steer *steer, const struct forward_output *outputs,
				unsigned int count)
{
	const struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct forward *forward;

	assert_int_equal(forward_open(&forward, steer_forwards(steer), count, 0), 0);
	assert_int_equal(forward_set(forward, outputs), 0);
	assert_int_equal(steer_add_rule(steer, &key, forward), 0);
	return forward;
}

static void test_open_and_close(void **state)
{
	struct forward_output outputs[2];
	struct xmc_rule_key key = packet_flow(NULL, GROUP, PORT);
	struct forward *forward;
	uint64_t verdicts[XMC_REASONS];
	struct steer *steer;
	const char *why;

	forward_env_need();
	outputs[0] = outputs[1] = forward_env_output(0, "192.0.2.1", "239.2.2.2", 6000);
	for (unsigned int round = 0; round < 3; round++) {
		steer = open_pinned();
		assert_true(steer_can_forward(steer, &why));
		assert_int_equal(steer_verdicts(steer, verdicts), 0);
		assert_int_equal(verdicts[XMC_FORWARDED], 0);
		assert_int_equal(steer_set_socket(steer, 0, xsk_fd(forward_env.xsk)), 0);
		forward = add_rule(steer, outputs, 1 + round % 2);
		if (round % 2 == 0)
			expect(XDP_REDIRECT, &outputs[0], 0);
		assert_int_equal(steer_verdicts(steer, verdicts), 0);
		assert_int_equal(verdicts[XMC_FORWARDED], round % 2 == 0);
		assert_int_equal(steer_remove_rule(steer, &key), 0);
		expect(XDP_PASS, NULL, 0);
		forward_close(forward);
		steer_close(steer);
		expect_empty();
	}
}

/* A daemon that is killed: rules stay, but without its socket the program forwards nothing. The
 * next one removes them. */
static void test_killed(void **state)
{
	struct forward_output output;
	struct forward *forward;
	struct steer *steer;
	int status;
	pid_t child;

	forward_env_need();
	output = forward_env_output(0, "192.0.2.1", "239.2.2.2", 6000);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct xsk_options options = {.iface = "out1", .frames = 64, .mtu = 1500};
		struct xsk *xsk;

		steer = open_pinned();
		if (xsk_open(&xsk, &options) || steer_set_socket(steer, 0, xsk_fd(xsk)))
			_exit(1);
		add_rule(steer, &output, 1);
		expect(XDP_REDIRECT, &output, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(count_entries(external->maps.rules), 1);
	expect(XDP_PASS, NULL, 0);
	steer = open_pinned();
	expect_empty();
	assert_int_equal(steer_set_socket(steer, 0, xsk_fd(forward_env.xsk)), 0);
	expect(XDP_PASS, NULL, 0);
	forward = add_rule(steer, &output, 1);
	expect(XDP_REDIRECT, &output, 0);
	/* Detached, with the rule: everything passes, and counters are final. */
	steer_detach(steer);
	expect(XDP_PASS, NULL, 0);
	forward_close(forward);
	steer_close(steer);
	expect_empty();
}

/* In its own mount namespace, with its own bpffs. */
static int set_up(void **state)
{
	if (forward_env_setup(state) || !mkdtemp(directory))
		return -1;
	if (!forward_env.steer)
		return 0;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", directory, "bpf", 0, NULL) || chmod(directory, 0700))
		return -1;
	external = steer_bpf__open_and_load();
	if (!external)
		return -1;
	/* xdp-loader pins only the maps that are shared with user space. */
	for (enum pin pin = 0; pin < NR_PINS; pin++) {
		char path[sizeof(directory) + 32];
		struct bpf_map *map = bpf_object__find_map_by_name(external->obj, pin_names[pin]);

		snprintf(path, sizeof(path), "%s/%s", directory, pin_names[pin]);
		if (!map || bpf_map__pin(map, path))
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	steer_bpf__destroy(external);
	umount2(directory, MNT_DETACH);
	rmdir(directory);
	return forward_env_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_and_close),
		cmocka_unit_test(test_killed),
	};

	return forward_env_exit_code(
		cmocka_run_group_tests_name("pinned", tests, set_up, tear_down));
}
