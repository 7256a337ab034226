// SPDX-License-Identifier: BSD-2-Clause
/* Requests: which datagrams they gather, the message that they become, and what is counted. */
#include "watchdog.h"

#include <errno.h>
#include <netinet/udp.h>
#include <arpa/inet.h>

#include "dataplane/outbox.c" /* whose requests are nobody else's business */

static uint8_t payload[65536];

struct rig {
	struct egress_counters sums;
	struct output output;
	struct output_shard queue;
	struct send_request request;
};

static void begin(struct rig *rig, in_port_t port)
{
	const struct send_key key = {.port = port};

	send_request_begin(&rig->request, &rig->queue, &key);
}

static bool accepts(const struct rig *rig, uint32_t length, in_port_t port)
{
	const struct send_key key = {.port = port};

	return send_request_accepts(&rig->request, length, &key);
}

/* An output that gathers up to `gso` datagrams, without a socket. */
static struct rig *new_rig(unsigned int gso)
{
	struct rig *rig = aligned_alloc(CACHE_LINE, sizeof(*rig));

	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	memset(&rig->request, 0xa5, sizeof(rig->request)); /* a request is used again and again */
	rig->output.fd = -1;
	rig->output.to_length = sizeof(struct sockaddr_in);
	rig->queue.output = &rig->output;
	gso_init(&rig->queue.gso, gso);
	begin(rig, 0);
	return rig;
}

/* Append `count` datagrams, which all fit; only the last may fill the request. */
static void add(struct rig *rig, unsigned int count, uint32_t length, bool full)
{
	while (count--) {
		assert_true(accepts(rig, length, 0));
		assert_int_equal(send_request_add(&rig->request, 7, payload, length),
				 full && !count);
	}
}

/* Begin a new request with `count` datagrams. */
static void start(struct rig *rig, unsigned int count, uint32_t length)
{
	begin(rig, 0);
	while (count--)
		send_request_add(&rig->request, 7, payload, length);
	send_request_write(&rig->request);
}

static bool takes(const struct rig *rig, uint32_t length)
{
	return accepts(rig, length, 0);
}

/* ---- gathering ---- */

static void test_equal_sizes(void **state)
{
	struct rig *rig = new_rig(64);

	add(rig, 63, 1000, false);
	assert_true(takes(rig, 1000));
	add(rig, 1, 1000, true);
	assert_int_equal(rig->request.count, 64);
	assert_int_equal(rig->request.bytes, 64000);
	assert_int_equal(rig->request.segment_size, 1000);
	assert_false(takes(rig, 1000));
	free(rig);
}

static void test_shorter_is_the_last(void **state)
{
	struct rig *rig = new_rig(64);

	add(rig, 2, 1000, false);
	add(rig, 1, 999, true);
	begin(rig, 0);
	add(rig, 1, 1000, false);
	add(rig, 1, 1, true);
	free(rig);
}

static void test_longer_starts_anew(void **state)
{
	struct rig *rig = new_rig(64);

	assert_true(takes(rig, 65507)); /* an empty one takes any */
	assert_true(takes(rig, 0));
	add(rig, 1, 1000, false);
	assert_false(takes(rig, 1001));
	assert_false(takes(rig, 65507));
	assert_true(takes(rig, 1000));
	free(rig);
}

static void test_empty_stays_alone(void **state)
{
	struct rig *rig = new_rig(64);

	add(rig, 1, 0, true);
	begin(rig, 0);
	add(rig, 1, 100, false);
	assert_false(takes(rig, 0));
	free(rig);
}

static void test_bytes(void **state)
{
	struct rig *rig = new_rig(64);

	add(rig, 43, 1500, false); /* 64,500 */
	assert_true(takes(rig, 1007));
	assert_false(takes(rig, 1008));
	assert_false(takes(rig, 1500));
	add(rig, 1, 1007, true);
	assert_int_equal(rig->request.bytes, SEND_MAX_BYTES);
	begin(rig, 0);
	assert_true(takes(rig, SEND_MAX_BYTES));
	add(rig, 1, SEND_MAX_BYTES, false);
	assert_false(takes(rig, 1));
	free(rig);
}

/* An output that keeps ports: each request has one port, which is in its address. */
static void test_ports(void **state)
{
	static const struct {
		const char *address;
		sa_family_t family;
	} cases[] = {{"10.2.0.2", AF_INET}, {"fd02::2", AF_INET6}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *rig = new_rig(64);
		const struct msghdr *message = &rig->request.send.message;
		struct sockaddr_storage wanted;
		struct xmc_addr addr;

		assert_true(addr_parse(cases[i].address, &addr));
		rig->output.to_length = addr_to_sockaddr(&addr, 0, &rig->output.to);
		begin(rig, htons(5000));
		assert_false(accepts(rig, 1000, htons(5001)));
		assert_true(accepts(rig, 1000, htons(5000)));
		assert_false(send_request_add(&rig->request, 7, payload, 1000));
		assert_true(accepts(rig, 1000, htons(5000)));
		assert_false(accepts(rig, 1000, htons(5001)));
		assert_false(send_request_add(&rig->request, 8, payload, 1000));
		send_request_write(&rig->request);
		assert_int_equal(addr_to_sockaddr(&addr, 5000, &wanted), message->msg_namelen);
		assert_memory_equal(message->msg_name, &wanted, message->msg_namelen);
		assert_int_equal(wanted.ss_family, cases[i].family);
		/* The next request; the output's own address is unchanged. */
		begin(rig, htons(65535));
		send_request_add(&rig->request, 7, payload, 1000);
		send_request_write(&rig->request);
		addr_to_sockaddr(&addr, 65535, &wanted);
		assert_memory_equal(message->msg_name, &wanted, message->msg_namelen);
		addr_to_sockaddr(&addr, 0, &wanted);
		assert_memory_equal(&rig->output.to, &wanted, sizeof(wanted));
		free(rig);
	}
}

static void test_never_gathered(void **state)
{
	struct rig *rig = new_rig(1);

	add(rig, 1, 1000, true);
	assert_false(takes(rig, 1000));
	free(rig);
	rig = new_rig(2);
	add(rig, 1, 1000, false);
	add(rig, 1, 1000, true);
	free(rig);
}

static void test_above_the_largest(void **state)
{
	struct rig *rig = new_rig(64);

	rig->queue.gso.max_size = 1400;
	add(rig, 1, 1401, true);
	begin(rig, 0);
	add(rig, 2, 1400, false);
	free(rig);
}

/* Limits become tighter while a request is open: nothing is added that would be refused. */
static void test_limit_falls(void **state)
{
	struct rig *rig = new_rig(64);

	add(rig, 3, 1400, false);
	rig->queue.gso.max_size = 1399;
	assert_false(takes(rig, 1400));
	assert_false(takes(rig, 100));
	begin(rig, 0);
	add(rig, 3, 1399, false);
	assert_true(takes(rig, 1399));
	rig->queue.gso.segments = 1;
	assert_false(takes(rig, 1399));
	free(rig);
}

/* ---- the message ---- */

static void test_single_message(void **state)
{
	struct rig *rig = new_rig(64);
	const struct msghdr *message = &rig->request.send.message;

	start(rig, 1, 1000);
	assert_ptr_equal(message->msg_name, &rig->output.to);
	assert_int_equal(message->msg_namelen, sizeof(struct sockaddr_in));
	assert_ptr_equal(message->msg_iov, rig->request.payloads);
	assert_int_equal(message->msg_iovlen, 1);
	assert_ptr_equal(message->msg_iov[0].iov_base, payload);
	assert_int_equal(message->msg_iov[0].iov_len, 1000);
	assert_null(message->msg_control);
	assert_int_equal(message->msg_controllen, 0);
	assert_int_equal(message->msg_flags, 0);
	assert_int_equal(rig->request.frames[0], 7);
	free(rig);
}

static void test_batch_message(void **state)
{
	struct rig *rig = new_rig(64);
	struct msghdr *message = &rig->request.send.message;
	struct cmsghdr *cmsg;
	uint16_t segment;

	send_request_add(&rig->request, 1, payload, 1400);
	send_request_add(&rig->request, 2, payload + 2000, 1400);
	send_request_add(&rig->request, 3, payload + 4000, 70);
	send_request_write(&rig->request);
	assert_int_equal(message->msg_iovlen, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_ptr_equal(message->msg_iov[i].iov_base, payload + 2000 * i);
		assert_int_equal(message->msg_iov[i].iov_len, i == 2 ? 70 : 1400);
		assert_int_equal(rig->request.frames[i], i + 1);
	}
	assert_int_equal(message->msg_controllen, CMSG_SPACE(sizeof(segment)));
	cmsg = CMSG_FIRSTHDR(message);
	assert_non_null(cmsg);
	assert_int_equal(cmsg->cmsg_level, SOL_UDP);
	assert_int_equal(cmsg->cmsg_type, UDP_SEGMENT);
	assert_int_equal(cmsg->cmsg_len, CMSG_LEN(sizeof(segment)));
	memcpy(&segment, CMSG_DATA(cmsg), sizeof(segment));
	assert_int_equal(segment, 1400);
	assert_null(CMSG_NXTHDR(message, cmsg));
	/* Reused for a single datagram, it has no trace of the batch. */
	start(rig, 1, 10);
	assert_null(message->msg_control);
	assert_int_equal(message->msg_controllen, 0);
	free(rig);
}

/* ---- the key ---- */

/* The port is in the UDP header, wherever that is. */
static void test_key(void **state)
{
	static const uint8_t header[] = {0x12, 0x34, 0x13, 0x88, 0, 9, 0, 0, 0x77};
	const struct output_shard keeps = {.keeps_port = true};
	const struct output_shard own = {.keeps_port = false};
	uint8_t frame[2048] = {0};

	for (unsigned int at = 0; at + sizeof(header) <= sizeof(frame); at++) {
		const struct frame_entry entry = {.udp = (uint16_t)at, .length = 1};
		struct send_key key, other;

		memset(frame, 0xff, sizeof(frame));
		memcpy(frame + at, header, sizeof(header));
		assert_int_equal(send_key_make(&key, &keeps, &entry, frame), WITHHELD_NOTHING);
		assert_int_equal(send_key_make(&other, &own, &entry, frame), WITHHELD_NOTHING);
		assert_int_equal(key.port, htons(5000));
		assert_int_equal(other.port, 0);
		assert_false(send_key_equal(&key, &other));
		assert_true(send_key_equal(&key, &key));
	}
}

/* ---- counting ---- */

static void test_accounts(void **state)
{
	struct rig *rig = new_rig(64);
	struct output_shard *queue = &rig->queue;

	account(&rig->sums, queue, 64, 64000);
	account(&rig->sums, queue, 1, 0); /* a datagram without payload */
	assert_int_equal(counter_read(&queue->sent), 65);
	assert_int_equal(counter_read(&queue->sent_bytes), 64000);
	account(&rig->sums, queue, 3, -EAGAIN);
	account(&rig->sums, queue, 2, -EAGAIN);
	account(&rig->sums, queue, 1, -EXFULL);
	assert_int_equal(counter_read(&queue->errors[send_error_slot(EAGAIN)]), 5);
	assert_int_equal(counter_read(&queue->errors[SEND_ERROR_OTHER]), 1);
	assert_int_equal(counter_read(&queue->sent), 65);
	assert_int_equal(counter_read(&rig->sums.sent), 65);
	assert_int_equal(counter_read(&rig->sums.sent_bytes), 64000);
	assert_int_equal(counter_read(&rig->sums.send_errors), 6);
	free(rig);
}

/* ---- real sockets ---- */

static int open_receiver(struct rig *rig)
{
	struct sockaddr_in *to = (struct sockaddr_in *)&rig->output.to;
	socklen_t length = sizeof(*to);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	to->sin_family = AF_INET;
	to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)to, sizeof(*to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)to, &length), 0);
	rig->output.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && rig->output.fd >= 0);
	return fd;
}

/* Receive `count` datagrams, each with the bytes at its place in `payload`. */
static void expect_datagrams(int fd, unsigned int count, uint32_t stride, uint32_t length,
			     uint32_t last)
{
	uint8_t bytes[65536];

	for (unsigned int i = 0; i < count; i++) {
		uint32_t expected = i + 1 == count ? last : length;

		assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), expected);
		assert_memory_equal(bytes, payload + (size_t)i * stride, expected);
	}
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
}

static void gather(struct rig *rig, unsigned int count, uint32_t stride, uint32_t length,
		   uint32_t last)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
	begin(rig, 0);
	for (unsigned int i = 0; i < count; i++)
		send_request_add(&rig->request, i, payload + (size_t)i * stride,
				 i + 1 == count ? last : length);
	send_request_write(&rig->request);
}

static void test_batch_over_loopback(void **state)
{
	struct rig *rig = new_rig(64);
	int fd = open_receiver(rig);

	watchdog_start(__func__);
	gather(rig, 40, 1500, 1200, 345);
	assert_int_equal(sendmsg(rig->output.fd, &rig->request.send.message, 0), 39 * 1200 + 345);
	expect_datagrams(fd, 40, 1500, 1200, 345);
	close(fd);
	close(rig->output.fd);
	free(rig);
	watchdog_stop();
}

static void test_singly_over_loopback(void **state)
{
	struct rig *rig = new_rig(64);
	int fd = open_receiver(rig);

	watchdog_start(__func__);
	gather(rig, 40, 1500, 1200, 345);
	send_singly(&rig->sums, &rig->request);
	expect_datagrams(fd, 40, 1500, 1200, 345);
	assert_int_equal(counter_read(&rig->queue.sent), 40);
	assert_int_equal(counter_read(&rig->queue.sent_bytes), 39 * 1200 + 345);
	close(fd);
	close(rig->output.fd);
	free(rig);
	watchdog_stop();
}

/* Each datagram has its own result. */
static void test_singly_with_errors(void **state)
{
	struct rig *rig = new_rig(64);
	int fd = open_receiver(rig);

	watchdog_start(__func__);
	gather(rig, 3, 1500, 1200, 1200);
	rig->request.payloads[1].iov_base = NULL;
	send_singly(&rig->sums, &rig->request);
	rig->request.payloads[1].iov_base = payload;
	rig->request.payloads[1].iov_len = 65508; /* no IPv4 packet holds it */
	send_singly(&rig->sums, &rig->request);
	assert_int_equal(counter_read(&rig->queue.sent), 4);
	assert_int_equal(counter_read(&rig->queue.sent_bytes), 4 * 1200);
	assert_int_equal(counter_read(&rig->queue.errors[send_error_slot(EFAULT)]), 1);
	assert_int_equal(counter_read(&rig->queue.errors[send_error_slot(EMSGSIZE)]), 1);
	close(rig->output.fd);
	rig->output.fd = -1;
	rig->request.send.fd = -1;
	send_singly(&rig->sums, &rig->request);
	assert_int_equal(counter_read(&rig->queue.errors[SEND_ERROR_OTHER]), 3); /* EBADF */
	assert_int_equal(counter_read(&rig->queue.sent), 4);
	close(fd);
	free(rig);
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_sizes),
		cmocka_unit_test(test_shorter_is_the_last),
		cmocka_unit_test(test_longer_starts_anew),
		cmocka_unit_test(test_empty_stays_alone),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_never_gathered),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_above_the_largest),
		cmocka_unit_test(test_limit_falls),
		cmocka_unit_test(test_single_message),
		cmocka_unit_test(test_batch_message),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_batch_over_loopback),
		cmocka_unit_test(test_singly_over_loopback),
		cmocka_unit_test(test_singly_with_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
