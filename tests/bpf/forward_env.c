// SPDX-License-Identifier: BSD-2-Clause
#include "forward_env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/xsk.h"
#include "require.h"

/* How long a packet may take: the machine may be busy. */
#define PATIENCE_MS 10000

struct forward_env forward_env = {.program_fd = -1, .far = {-1, -1, -1}};

static uint64_t verdicts[XMC_REASONS];
static const char *missing; /* why all tests are skipped */

static int run(const char *command)
{
	int status = system(command);

	if (status)
		fprintf(stderr, "%s: exit status %d\n", command, status);
	return status ? -1 : 0;
}

/* Without IPv6, the kernel sends nothing by itself. */
static int make_links(void)
{
	return run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 && "
		   "ip link set lo up && "
		   "ip link add in0 type veth peer name far0 && "
		   "ip link add out0 type veth peer name far1 && "
		   "ip link add out1 type veth peer name far2 && "
		   "for name in in0 far0 out0 far1 out1 far2; do "
		   "ip link set $name mtu 1500 up; done && "
		   "ethtool -K far1 gro on && ethtool -K far2 gro on");
}

static int open_far(unsigned int i)
{
	char name[] = "far0";
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int room = 16 << 20;

	name[3] = (char)('0' + i);
	address.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	forward_env.far[i] = fd;
	return 0;
}

static int open_program(void)
{
	const struct xsk_options options = {.iface = "in0", .frames = 64, .mtu = 1500};
	const char *why;
	int err = steer_open(&forward_env.steer, false);

	if (err == -EPERM || err == -EACCES) {
		missing = "no BPF program can be loaded: needs root";
		return 0;
	}
	if (err)
		return err;
	if (!steer_can_forward(forward_env.steer, &why)) {
		missing = why;
		return 0;
	}
	err = xsk_open(&forward_env.xsk, &options);
	if (!err)
		err = steer_set_socket(forward_env.steer, 0, xsk_fd(forward_env.xsk));
	if (err)
		return err;
	forward_env.program_fd = bpf_prog_get_fd_by_id(steer_program_id(forward_env.steer));
	return forward_env.program_fd < 0 ? forward_env.program_fd : 0;
}

/* Counters are per CPU, and the identification of IPv4 packets is taken from them. */
static int pin_to_this_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)sched_getcpu(), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

int forward_env_setup(void **state)
{
	if (unshare(CLONE_NEWNET)) {
		missing = "no network namespace of its own: needs root";
		return 0;
	}
	if (pin_to_this_cpu() || make_links() || open_program())
		return -1;
	for (unsigned int i = 0; i < FORWARD_FAR; i++) {
		if (open_far(i))
			return -1;
	}
	forward_env.in = (int)if_nametoindex("in0");
	forward_env.out[0] = (int)if_nametoindex("out0");
	forward_env.out[1] = (int)if_nametoindex("out1");
	return 0;
}

int forward_env_teardown(void **state)
{
	steer_close(forward_env.steer);
	xsk_close(forward_env.xsk);
	return 0;
}

void forward_env_need(void)
{
	if (missing)
		skip_for(missing);
}

int forward_env_exit_code(int failed)
{
	return !failed && missing ? EXIT_SKIPPED : failed;
}

struct forward_output forward_env_output(unsigned int device, const char *source,
					 const char *destination, uint16_t port)
{
	struct forward_output output = {.ifindex = forward_env.out[device], .mtu = 1500};
	struct xmc_output *header = &output.header;

	header->source = packet_flow(NULL, source, 1).group;
	header->destination = packet_flow(NULL, destination, 1).group;
	header->source_port = htons(40000);
	header->port = htons(port);
	memcpy(header->mac_to, "\x01\x00\x5e\x01\x02\x03", 6);
	memcpy(header->mac_from, "\x02\x10\x20\x30\x40\x50", 6);
	header->mac_from[5] = (uint8_t)device;
	header->ttl = 9;
	header->tos = 46 << 2;
	return output;
}

struct forward *forward_env_add(const struct xmc_rule_key *key,
				const struct forward_output *outputs, unsigned int count)
{
	struct forward *forward;

	assert_int_equal(forward_open(&forward, steer_forwards(forward_env.steer), count, 0), 0);
	assert_int_equal(forward_set(forward, outputs), 0);
	assert_int_equal(steer_add_rule(forward_env.steer, key, forward), 0);
	return forward;
}

void forward_env_remove(const struct xmc_rule_key *key, struct forward *forward)
{
	assert_int_equal(steer_remove_rule(forward_env.steer, key), 0);
	forward_close(forward);
	assert_int_equal(steer_wait(forward_env.steer), 0);
}

static enum xmc_reason find_verdict(void)
{
	enum xmc_reason found = XMC_REASONS;
	uint64_t now[XMC_REASONS];

	assert_int_equal(steer_verdicts(forward_env.steer, now), 0);
	for (unsigned int i = 0; i < XMC_REASONS; i++) {
		if (now[i] == verdicts[i])
			continue;
		assert_int_equal(found, XMC_REASONS);
		assert_int_equal(now[i], verdicts[i] + 1);
		found = i;
	}
	memcpy(verdicts, now, sizeof(verdicts));
	assert_int_not_equal(found, XMC_REASONS);
	return found;
}

uint32_t forward_env_run(struct packet *packet, enum xmc_reason *reason)
{
	uint8_t out[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = (__u32)packet->length, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(steer_verdicts(forward_env.steer, verdicts), 0);
	assert_int_equal(bpf_prog_test_run_opts(forward_env.program_fd, &opts), 0);
	*reason = find_verdict();
	packet->length = opts.data_size_out;
	memcpy(packet->bytes, out, packet->length);
	return opts.retval;
}

void forward_env_send(const struct packet *packet)
{
	assert_int_equal(send(forward_env.far[0], packet->bytes, packet->length, 0),
			 packet->length);
}

void forward_env_burst(const struct packet *packet, unsigned int count)
{
	/* A program that sends every packet out of the interface on which it seems to arrive. */
	const struct bpf_insn transmit[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_TX},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct xdp_md context = {
		.data_end = (__u32)packet->length,
		.ingress_ifindex = if_nametoindex("far0"),
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = (__u32)packet->length, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)count, .batch_size = count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "transmit", "GPL", transmit,
			       sizeof(transmit) / sizeof(transmit[0]), NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	close(fd);
}

bool forward_env_receive(unsigned int i, struct packet *packet, bool now)
{
	struct pollfd ready = {.fd = forward_env.far[i], .events = POLLIN};
	ssize_t length;

	if (poll(&ready, 1, now ? 0 : PATIENCE_MS) != 1)
		return false;
	length = recv(forward_env.far[i], packet->bytes, sizeof(packet->bytes), 0);
	assert_true(length > 0);
	packet->length = (size_t)length;
	return true;
}
