// SPDX-License-Identifier: BSD-2-Clause
/* Streams: the sockets of outputs, their options, and failures to open them. */
#include "watchdog.h"
#include "fds.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/in.h>
#include <sys/resource.h>

#include "dataplane/output_socket.h"
#include "dataplane/stream.h"

static const struct egress_config egress = {.gso = 64, .send_buffer = 4 << 20};
static const struct egress_config egress_17 = {.gso = 17, .send_buffer = 4 << 20};

static struct rule_output output_to(const char *to, const char *iface)
{
	struct rule_output output = {.port = 6000, .ttl = 8, .dscp = 46};

	assert_true(addr_parse(to, &output.to));
	snprintf(output.iface, sizeof(output.iface), "%s", iface);
	return output;
}

static struct rule rule_with(struct rule_output *outputs, unsigned int count)
{
	struct rule rule = {.name = "r", .port = 5000, .iface = "lo", .outputs = outputs};

	assert_true(addr_parse("239.1.1.1", &rule.group));
	rule.nr_outputs = count;
	return rule;
}

static int option(int fd, int level, int name)
{
	socklen_t length = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static void test_group_output(void **state)
{
	struct rule_output to = output_to("239.2.2.2", "lo");
	struct rule rule = rule_with(&to, 1);
	struct stream_failure failure;
	struct stream *stream;
	int fd;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	fd = stream->outputs[0].fd;
	assert_int_equal(option(fd, IPPROTO_IP, IP_MULTICAST_TTL), 8);
	assert_int_equal(option(fd, IPPROTO_IP, IP_TOS), 46 << 2);
	assert_int_equal(option(fd, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
	assert_int_equal(option(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
	assert_int_equal(option(fd, IPPROTO_IP, IP_RECVERR), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	stream_put(stream);
}

static void test_host_output(void **state)
{
	struct rule_output to[] = {output_to("127.0.0.1", ""), output_to("127.0.0.2", "lo")};
	struct rule rule = rule_with(to, 2);
	struct stream_failure failure;
	struct stream *stream;

	to[0].ttl = 255;
	to[0].dscp = 0;
	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	assert_int_equal(option(stream->outputs[0].fd, IPPROTO_IP, IP_TTL), 255);
	assert_int_equal(option(stream->outputs[0].fd, IPPROTO_IP, IP_TOS), 0);
	assert_int_equal(option(stream->outputs[0].fd, SOL_SOCKET, SO_BINDTOIFINDEX), 0);
	assert_int_equal(option(stream->outputs[1].fd, IPPROTO_IP, IP_TTL), 8);
	assert_int_equal(option(stream->outputs[1].fd, SOL_SOCKET, SO_BINDTOIFINDEX),
			 (int)if_nametoindex("lo"));
	stream_put(stream);
}

static void test_contents(void **state)
{
	struct rule_output to[] = {output_to("127.0.0.1", ""), output_to("239.2.2.2", "lo")};
	struct rule rule = rule_with(to, 2);
	struct stream_failure failure;
	const struct sockaddr_in *in;
	struct stream *stream;

	assert_int_equal(stream_open(&stream, &rule, 3, &egress_17, NULL, &failure), 0);
	assert_int_equal(stream->nr_shards, 3);
	assert_int_equal(stream->nr_outputs, 2);
	assert_int_equal(stream->references, 1);
	assert_true(addr_equal(&stream->rule.group, &rule.group));
	assert_null(stream->rule.outputs); /* the caller may free its own */
	for (int i = 0; i < 2; i++) {
		const struct output *output = &stream->outputs[i];

		in = (const struct sockaddr_in *)&output->to;
		assert_int_equal(output->to_length, sizeof(*in));
		assert_int_equal(in->sin_family, AF_INET);
		assert_int_equal(ntohs(in->sin_port), 6000);
		assert_true(addr_equal(&output->rule.to, &to[i].to));
		for (int queue = 0; queue < 3; queue++) {
			assert_ptr_equal(output->shards[queue].output, output);
			assert_int_equal(output->shards[queue].gso.segments, 17);
			assert_int_equal(counter_read(&output->shards[queue].sent), 0);
		}
	}
	in = (const struct sockaddr_in *)&stream->outputs[0].to;
	assert_int_equal(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
	stream_put(stream);
}

/* Send a byte as the egress thread does. Returns 1 or -errno. */
static int send_byte(const struct output *output)
{
	ssize_t n = sendto(output->fd, "x", 1, MSG_DONTWAIT, (const struct sockaddr *)&output->to,
			   output->to_length);

	return n < 0 ? -errno : (int)n;
}

/* The socket only sends: what it is sent is dropped and fills no buffer. */
static void test_deaf(void **state)
{
	struct rule_output to = output_to("127.0.0.1", "");
	struct rule rule = rule_with(&to, 1);
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t length = sizeof(own);
	struct stream_failure failure;
	struct stream *stream;
	char byte;
	int fd;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	fd = stream->outputs[0].fd;
	/* The first send assigns its port. */
	assert_int_equal(send_byte(&stream->outputs[0]), 1);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &length), 0);
	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&own, sizeof(own)), 1);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	stream_put(stream);
}

/* Another socket cannot share the port of an output, to send as the relay or to receive answers. */
static void test_port_is_not_shared(void **state)
{
	static const int options[] = {SO_REUSEADDR, SO_REUSEPORT};
	struct rule_output to[] = {output_to("127.0.0.1", ""), output_to("239.2.2.2", "lo")};
	struct rule rule = rule_with(to, 2);
	struct stream_failure failure;
	struct stream *stream;
	const int on = 1;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct sockaddr_in own = {.sin_family = AF_INET};
		socklen_t length = sizeof(own);
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_int_equal(setsockopt(fd, SOL_SOCKET, options[i % 2], &on, sizeof(on)), 0);
		(void)send_byte(&stream->outputs[i / 2]);
		assert_int_equal(
			getsockname(stream->outputs[i / 2].fd, (struct sockaddr *)&own, &length),
			0);
		assert_int_not_equal(own.sin_port, 0);
		own.sin_addr.s_addr = htonl(i < 2 ? INADDR_ANY : INADDR_LOOPBACK);
		assert_int_equal(bind(fd, (struct sockaddr *)&own, length), -1);
		assert_int_equal(errno, EADDRINUSE);
		close(fd);
	}
	stream_put(stream);
}

/* Nobody listens at the destination, so each datagram returns an ICMP error. None of them becomes
 * the result of a later send, and none fills a queue. */
static void test_icmp_errors(void **state)
{
	struct rule_output to[] = {output_to("127.0.0.1", ""), output_to("127.0.0.1", "lo"),
				   output_to("::1", ""), output_to("::1", "lo")};
	struct rule rule = rule_with(to, 4);
	struct stream_failure failure;
	struct stream *stream;
	char byte;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct output *output = &stream->outputs[i];

		if (send_byte(output) == -EADDRNOTAVAIL)
			continue; /* no IPv6 here */
		for (int j = 0; j < 100; j++)
			assert_int_equal(send_byte(output), 1);
		assert_int_equal(option(output->fd, SOL_SOCKET, SO_ERROR), 0);
		assert_int_equal(recv(output->fd, &byte, 1, MSG_DONTWAIT | MSG_ERRQUEUE), -1);
		assert_int_equal(errno, EAGAIN);
	}
	stream_put(stream);
}

/* An output whose interface is missing sends nothing, not even by another interface, until there is
 * one; the rule's other outputs are not affected. */
static void test_output_away(void **state)
{
	struct rule_output to[] = {output_to("239.2.2.2", "no-such-if"),
				   output_to("127.0.0.1", "no-such-if"),
				   output_to("127.0.0.1", "lo")};
	struct rule rule = rule_with(to, 3);
	int loopback = (int)if_nametoindex("lo");
	struct stream_failure failure;
	struct stream *stream;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct output *output = &stream->outputs[i];

		assert_true(output_socket_is_away(output->socket));
		assert_int_equal(send_byte(output), -ENODEV);
		if (geteuid() != 0) /* the change of an interface needs CAP_NET_RAW */
			continue;
		assert_int_equal(output_socket_follow(output->socket, loopback), 0);
		assert_false(output_socket_is_away(output->socket));
		assert_int_equal(send_byte(output), 1);
		assert_int_equal(output_socket_follow(output->socket, 0), 0);
		assert_int_equal(send_byte(output), -ENODEV);
	}
	assert_false(output_socket_is_away(stream->outputs[2].socket));
	assert_int_equal(send_byte(&stream->outputs[2]), 1);
	stream_put(stream);
}

/* A new route voids what each shard of this output knows, and of no other one. */
static void test_route_changed(void **state)
{
	struct rule_output to[] = {output_to("127.0.0.1", ""), output_to("127.0.0.2", "")};
	struct rule rule = rule_with(to, 2);
	struct stream_failure failure;
	struct stream *stream;

	assert_int_equal(stream_open(&stream, &rule, 2, &egress, NULL, &failure), 0);
	for (int i = 0; i < 4; i++)
		gso_refused(&stream->outputs[i / 2].shards[i % 2].gso, 1000, EIO, 1);
	stream_route_changed(stream, 1);
	for (int i = 0; i < 4; i++) {
		unsigned int segments, max_size;

		gso_limits(&stream->outputs[i / 2].shards[i % 2].gso, &segments, &max_size);
		assert_int_equal(segments, i / 2 ? egress.gso : 1);
	}
	stream_put(stream);
}

/* Without any interface there is no stream. */
static void test_missing_interface(void **state)
{
	struct rule_output to[] = {output_to("127.0.0.1", "no-such-if"),
				   output_to("239.2.2.2", "no-such-if")};
	struct rule rule = rule_with(to, 2);
	unsigned int before = count_fds();
	struct stream_failure failure;
	struct stream *stream = NULL;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), -ENODEV);
	assert_null(stream);
	assert_ptr_equal(failure.output, &to[0]);
	assert_string_equal(failure.step, "interface");
	assert_int_equal(count_fds(), before);
}

/* Wherever descriptors run out: -EMFILE, never another error, never a leak. */
static void test_fd_limit(void **state)
{
	struct rule_output to[] = {output_to("127.0.0.1", ""), output_to("239.2.2.2", "lo"),
				   output_to("127.0.0.1", "lo"), output_to("239.2.2.3", "lo")};
	struct rule rule = rule_with(to, 4);
	unsigned int before = count_fds();
	struct stream_failure failure;
	struct rlimit old;
	int first;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	first = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest free one */
	close(first);
	for (unsigned int room = 0; room < rule.nr_outputs; room++) {
		struct rlimit tight = {.rlim_cur = (rlim_t)first + room, .rlim_max = old.rlim_max};
		struct stream *stream = NULL;
		int err;

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
		err = stream_open(&stream, &rule, 1, &egress, NULL, &failure);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (err != -EMFILE)
			fail_msg("with %u descriptors: %s (%s)", room, strerror(-err),
				 failure.step);
		assert_null(stream);
		assert_ptr_equal(failure.output, &to[room]);
		assert_int_equal(count_fds(), before);
	}
}

static void test_references(void **state)
{
	struct rule_output to = output_to("127.0.0.1", "");
	struct rule rule = rule_with(&to, 1);
	struct stream_failure failure;
	struct stream *stream;
	int fd;

	assert_int_equal(stream_open(&stream, &rule, 1, &egress, NULL, &failure), 0);
	fd = stream->outputs[0].fd;
	stream_hold(stream);
	stream_put(stream);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	stream_put(stream);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	stream_put(NULL);
}

static void test_send_errors(void **state)
{
	assert_int_equal(send_error_slot(EAGAIN), 0);
	for (unsigned int i = 0; i < SEND_ERROR_OTHER; i++) {
		assert_int_equal(send_error_slot(send_errnos[i]), i);
		assert_int_equal(send_error_name(i)[0], 'E');
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(send_error_name(i), send_error_name(j));
	}
	assert_string_equal(send_error_name(send_error_slot(EAGAIN)), "EAGAIN");
	assert_string_equal(send_error_name(send_error_slot(ENETUNREACH)), "ENETUNREACH");
	assert_int_equal(send_error_slot(EXFULL), SEND_ERROR_OTHER);
	assert_int_equal(send_error_slot(0), SEND_ERROR_OTHER);
	assert_int_equal(send_error_slot(-5), SEND_ERROR_OTHER);
	assert_string_equal(send_error_name(SEND_ERROR_OTHER), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group_output),  cmocka_unit_test(test_host_output),
		cmocka_unit_test(test_contents),      cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_references),    cmocka_unit_test(test_output_away),
		cmocka_unit_test(test_icmp_errors),   cmocka_unit_test(test_port_is_not_shared),
		cmocka_unit_test(test_route_changed), cmocka_unit_test(test_missing_interface),
		cmocka_unit_test(test_fd_limit),      cmocka_unit_test(test_send_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
