// SPDX-License-Identifier: BSD-2-Clause
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "watchdog.h"
#include "../bpf/require.h"

/* The sources themselves, so that a unit test remains one file. */
#include "../bpf/packets.c"
#include "fake_xsk.c"

/* Room of a small datagram in a receive buffer, generously. */
#define TRUE_SIZE      4096

#define RECEIVE_BUFFER (16 << 20)

/* A sink waits at most for this time. */
#define RECEIVE_SECONDS 60

bool lab_run(const char *command)
{
	return system(command) == 0;
}

static bool set_up_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_mtu = LAB_MTU};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool done = fd >= 0 && ioctl(fd, SIOCSIFMTU, &request) == 0;

	request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_MULTICAST;
	done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return done;
}

/* Packets dropped because a CPU's backlog was full: the second column. All namespaces share the
 * backlog, so other traffic on this machine may cost packets on lo. */
static unsigned long lab_backlog_drops(void)
{
	FILE *file = fopen("/proc/net/softnet_stat", "r");
	unsigned long sum = 0;
	unsigned long drops;

	while (file && fscanf(file, "%*x %lx %*[^\n]", &drops) == 1)
		sum += drops;
	if (file)
		fclose(file);
	return sum;
}

bool lab_enter(void)
{
	struct rlimit limit;

	/* Some tests have many outputs, each with a socket. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		fprintf(stderr, "no network namespace (%s): the host's lo is used\n",
			strerror(errno));
		return false;
	}
	lab_must(set_up_loopback(), "set up lo");
	return true;
}

void lab_must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "FAILED: %s: %s\n", what, strerror(errno));
	abort();
}

uint32_t lab_equal(uint32_t number)
{
	return 500;
}

uint32_t lab_mixed(uint32_t number)
{
	uint32_t random = (number / 5 + 1) * 2654435761U;

	/* Four equal lengths, then a random one; now and then an empty datagram. */
	if (number % 5 == 4)
		random ^= next_random(&random) + number;
	if (number % 97 == 3)
		return 0;
	return random % (LAB_MTU - 28 + 1);
}

static void fill_payload(uint8_t *payload, unsigned int flow, uint32_t number, uint32_t length)
{
	const uint32_t head[2] = {htonl(flow), htonl(number)};

	for (uint32_t i = 0; i < length; i++)
		payload[i] = (uint8_t)(number * 7 + flow * 13 + i);
	memcpy(payload, head, length < sizeof(head) ? length : sizeof(head));
}

/* ---- sinks ---- */

static void join(int fd, const struct xmc_addr *group)
{
	struct ip_mreqn request = {.imr_ifindex = (int)if_nametoindex("lo")};

	memcpy(&request.imr_multiaddr, group->b + 12, 4);
	lab_must(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) == 0,
		 "join");
}

void sink_open(struct sink *sink, const char *address, unsigned int flow, lab_lengths lengths)
{
	const struct timeval patience = {.tv_sec = RECEIVE_SECONDS};
	struct sockaddr_storage to;
	socklen_t length;
	int size = RECEIVE_BUFFER;

	memset(sink, 0, sizeof(*sink));
	sink->flow = flow;
	sink->lengths = lengths;
	sink->to.ttl = 1;
	lab_must(addr_parse(address, &sink->to.to), "address of a sink");
	sink->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	lab_must(sink->fd >= 0, "socket of a sink");
	if (setsockopt(sink->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(sink->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	length = sizeof(size);
	getsockopt(sink->fd, SOL_SOCKET, SO_RCVBUF, &size, &length);
	setsockopt(sink->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	sink->backlog_drops = lab_backlog_drops();
	sink->room = (unsigned int)size / TRUE_SIZE;
	length = addr_to_sockaddr(&sink->to.to, 0, &to);
	lab_must(bind(sink->fd, (struct sockaddr *)&to, length) == 0, "bind a sink");
	lab_must(getsockname(sink->fd, (struct sockaddr *)&to, &length) == 0, "name of a sink");
	sink->to.port = ntohs(((struct sockaddr_in *)&to)->sin_port);
	if (addr_is_multicast(&sink->to.to)) {
		join(sink->fd, &sink->to.to);
		strcpy(sink->to.iface, "lo");
	}
}

void sink_close(struct sink *sink)
{
	close(sink->fd);
}

/* Is datagram `number` among those that wait to be received? */
static bool comes_later(struct sink *sink, uint32_t number)
{
	uint32_t head[2];

	while (recv(sink->fd, head, sizeof(head), MSG_DONTWAIT) >= 0) {
		if (ntohl(head[1]) == number)
			return true;
	}
	return false;
}

/* Something else was received than expected: `n` bytes, or an error. */
static void sink_fail(struct sink *sink, uint32_t number, uint32_t length, ssize_t n,
		      const uint8_t *found)
{
	uint32_t head[2] = {0};

	if (lab_backlog_drops() != sink->backlog_drops)
		skip_for("another load overflows this machine's backlog (/proc/net/softnet_stat)");
	memcpy(head, found, n < 8 ? 0 : 8);
	fail_msg("flow %u, datagram %u: %u bytes expected, found %zd of flow %u, datagram %u; it "
		 "%s",
		 sink->flow, number, length, n, ntohl(head[0]), ntohl(head[1]),
		 comes_later(sink, number) ? "was overtaken" : "is missing");
}

void sink_expect(struct sink *sink, uint32_t count)
{
	uint8_t expected[65536];
	uint8_t found[65536];

	while (count--) {
		uint32_t number = sink->next++;
		uint32_t length = sink->lengths(number);
		ssize_t n = recv(sink->fd, found, sizeof(found), 0);

		fill_payload(expected, sink->flow, number, length);
		if (n != (ssize_t)length || memcmp(found, expected, length) != 0)
			sink_fail(sink, number, length, n, found);
	}
}

bool sink_is_empty(const struct sink *sink)
{
	struct pollfd fd = {.fd = sink->fd, .events = POLLIN};

	return poll(&fd, 1, 0) == 0;
}

/* ---- flows ---- */

static void name_group(unsigned int flow, char text[16])
{
	snprintf(text, 16, "239.1.%u.%u", 1 + flow / 256 % 256, flow % 256);
}

struct stream *lab_stream(unsigned int flow, const struct rule_output *outputs, unsigned int count,
			  unsigned int gso)
{
	struct rule rule = {.iface = "lo", .nr_outputs = count};
	const struct egress_config egress = {.gso = gso, .send_buffer = 4 << 20};
	struct stream_failure failure;
	struct stream *stream;
	char group[16];
	int err;

	rule.port = count && outputs[0].port == RULE_PORT_KEPT ? RULE_PORT_ANY : LAB_PORT;
	name_group(flow, group);
	lab_must(addr_parse(group, &rule.group), "group of a flow");
	snprintf(rule.name, sizeof(rule.name), "flow%u", flow);
	rule.outputs = (struct rule_output *)outputs;
	err = stream_open(&stream, &rule, 1, &egress, NULL, &failure);
	errno = -err;
	lab_must(!err, failure.step);
	return stream;
}

bool lab_deliver_pieces(struct xsk *xsk, unsigned int flow, uint32_t number, lab_lengths lengths,
			size_t piece)
{
	struct packet packet;
	char group[16];

	name_group(flow, group);
	packet_build_text(&packet, "10.9.9.9", group, LAB_PORT, lengths(number));
	fill_payload(packet.bytes + IPV4_PAYLOAD, flow, number, lengths(number));
	return fake_xsk_deliver_pieces(xsk, packet.bytes, packet.length, piece);
}

bool lab_deliver(struct xsk *xsk, unsigned int flow, uint32_t number, lab_lengths lengths)
{
	return lab_deliver_pieces(xsk, flow, number, lengths, SIZE_MAX);
}
