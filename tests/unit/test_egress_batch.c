// SPDX-License-Identifier: BSD-2-Clause
/* Send requests: what is gathered, how it is written down, what a refusal means, what is counted.
 */
#include "watchdog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>

#include "dataplane/egress_batch.h"

static uint8_t payload[65536];

struct rig {
	struct output output;
	struct output_shard queue;
	struct send_request request;
};

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
	rig->queue.gso_segments = gso;
	rig->queue.gso_max_size = UINT16_MAX;
	send_request_start(&rig->request, &rig->queue, 0);
	return rig;
}

/* Append `count` datagrams, which all fit; only the last may fill the request. */
static void add(struct rig *rig, unsigned int count, uint32_t length, bool full)
{
	while (count--) {
		assert_true(send_request_takes(&rig->request, length, 0));
		assert_int_equal(send_request_add(&rig->request, 7, payload, length),
				 full && !count);
	}
}

/* Begin anew with `count` datagrams. */
static void start(struct rig *rig, unsigned int count, uint32_t length)
{
	send_request_start(&rig->request, &rig->queue, 0);
	while (count--)
		send_request_add(&rig->request, 7, payload, length);
	send_request_finish(&rig->request);
}

static bool takes(const struct rig *rig, uint32_t length)
{
	return send_request_takes(&rig->request, length, 0);
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
	send_request_start(&rig->request, &rig->queue, 0);
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
	send_request_start(&rig->request, &rig->queue, 0);
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
	send_request_start(&rig->request, &rig->queue, 0);
	assert_true(takes(rig, SEND_MAX_BYTES));
	add(rig, 1, SEND_MAX_BYTES, false);
	assert_false(takes(rig, 1));
	free(rig);
}

/* Of an output that keeps ports: one request, one port, and its address says which. */
static void test_ports(void **state)
{
	static const struct {
		const char *address;
		sa_family_t family;
	} cases[] = {{"10.2.0.2", AF_INET}, {"fd02::2", AF_INET6}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *rig = new_rig(64);
		const struct msghdr *message = &rig->request.message;
		struct sockaddr_storage wanted;
		struct xmc_addr addr;

		assert_true(addr_parse(cases[i].address, &addr));
		rig->output.to_length = addr_to_sockaddr(&addr, 0, &rig->output.to);
		send_request_start(&rig->request, &rig->queue, htons(5000));
		assert_false(send_request_takes(&rig->request, 1000, htons(5001)));
		assert_true(send_request_takes(&rig->request, 1000, htons(5000)));
		assert_false(send_request_add(&rig->request, 7, payload, 1000));
		assert_true(send_request_takes(&rig->request, 1000, htons(5000)));
		assert_false(send_request_takes(&rig->request, 1000, htons(5001)));
		assert_false(send_request_add(&rig->request, 8, payload, 1000));
		send_request_finish(&rig->request);
		assert_int_equal(addr_to_sockaddr(&addr, 5000, &wanted), message->msg_namelen);
		assert_memory_equal(message->msg_name, &wanted, message->msg_namelen);
		assert_int_equal(wanted.ss_family, cases[i].family);
		/* The next one, and the output's own address is as it was. */
		send_request_start(&rig->request, &rig->queue, htons(65535));
		send_request_add(&rig->request, 7, payload, 1000);
		send_request_finish(&rig->request);
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

	rig->queue.gso_max_size = 1400;
	add(rig, 1, 1401, true);
	send_request_start(&rig->request, &rig->queue, 0);
	add(rig, 2, 1400, false);
	free(rig);
}

/* The limit falls while a request is being gathered: nothing is added that would be refused. */
static void test_limit_falls(void **state)
{
	struct rig *rig = new_rig(64);

	add(rig, 3, 1400, false);
	rig->queue.gso_max_size = 1399;
	assert_false(takes(rig, 1400));
	assert_false(takes(rig, 100));
	send_request_start(&rig->request, &rig->queue, 0);
	add(rig, 3, 1399, false);
	assert_true(takes(rig, 1399));
	rig->queue.gso_segments = 1;
	assert_false(takes(rig, 1399));
	free(rig);
}

/* ---- the message ---- */

static void test_single_message(void **state)
{
	struct rig *rig = new_rig(64);
	const struct msghdr *message = &rig->request.message;

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
	struct msghdr *message = &rig->request.message;
	struct cmsghdr *cmsg;
	uint16_t segment;

	send_request_add(&rig->request, 1, payload, 1400);
	send_request_add(&rig->request, 2, payload + 2000, 1400);
	send_request_add(&rig->request, 3, payload + 4000, 70);
	send_request_finish(&rig->request);
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
	/* Used again for one datagram, no trace of the batch is left. */
	start(rig, 1, 10);
	assert_null(message->msg_control);
	assert_int_equal(message->msg_controllen, 0);
	free(rig);
}

/* ---- refusals ---- */

static void test_taken(void **state)
{
	struct rig *rig = new_rig(64);

	start(rig, 2, 1000);
	assert_false(send_request_refused(&rig->request, 2000));
	assert_int_equal(rig->queue.gso_proven, 1000);
	start(rig, 3, 500);
	assert_false(send_request_refused(&rig->request, 1500));
	assert_int_equal(rig->queue.gso_proven, 1000); /* the largest */
	start(rig, 1, 1400);
	assert_false(send_request_refused(&rig->request, 1400));
	assert_int_equal(rig->queue.gso_proven, 1000); /* proves nothing of batches */
	free(rig);
}

static void test_refused_for_good(void **state)
{
	static const int errors[] = {EIO, EOPNOTSUPP};

	for (int i = 0; i < 2; i++) {
		struct rig *rig = new_rig(64);

		start(rig, 2, 1000);
		assert_true(send_request_refused(&rig->request, -errors[i]));
		assert_int_equal(rig->queue.gso_segments, 1);
		assert_int_equal(counter_read(&rig->queue.gso_refused), 1);
		free(rig);
	}
}

/* EINVAL or EMSGSIZE may be the path MTU's fault: then smaller segments may still do. */
static void test_refused_by_size(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE};

	for (int i = 0; i < 2; i++) {
		struct rig *rig = new_rig(64);

		start(rig, 2, 1000);
		assert_true(send_request_refused(&rig->request, -errors[i]));
		assert_int_equal(rig->queue.gso_max_size, 999);
		assert_int_equal(rig->queue.gso_segments, 64);
		start(rig, 2, 900);
		assert_true(send_request_refused(&rig->request, -errors[i]));
		assert_int_equal(rig->queue.gso_max_size, 899);
		/* One that was under way already: the limit does not rise again. */
		start(rig, 2, 1000);
		assert_true(send_request_refused(&rig->request, -errors[i]));
		assert_int_equal(rig->queue.gso_max_size, 899);
		/* Any path takes so little: it is not the size. */
		start(rig, 2, 548);
		assert_true(send_request_refused(&rig->request, -errors[i]));
		assert_int_equal(rig->queue.gso_segments, 1);
		assert_int_equal(counter_read(&rig->queue.gso_refused), 4);
		free(rig);
	}
}

static bool overtakes(struct rig *rig, unsigned int count, uint32_t length)
{
	start(rig, count, length);
	return send_request_overtakes(&rig->request);
}

/* While a batch is unfinished: single datagrams, and smaller segments than its own. */
static void test_overtakes(void **state)
{
	struct rig *rig = new_rig(64);

	assert_false(overtakes(rig, 1, 1000));
	assert_false(overtakes(rig, 2, 1000));
	start(rig, 1, 1000);
	send_request_begin(&rig->request); /* a single one is never refused as a batch */
	assert_false(overtakes(rig, 1, 10));
	start(rig, 1, 1000);
	send_request_end(&rig->request);
	start(rig, 2, 1000);
	send_request_begin(&rig->request);
	start(rig, 2, 500);
	send_request_begin(&rig->request);
	assert_true(overtakes(rig, 1, 10));
	assert_true(overtakes(rig, 1, 1400));
	assert_true(overtakes(rig, 2, 999));
	assert_false(overtakes(rig, 2, 1000));
	assert_false(overtakes(rig, 2, 1400));
	start(rig, 2, 1000);
	send_request_end(&rig->request);
	assert_true(overtakes(rig, 1, 10)); /* 500 is unfinished still */
	start(rig, 2, 500);
	send_request_end(&rig->request);
	assert_false(overtakes(rig, 1, 10));
	/* What was the largest then is forgotten. */
	start(rig, 2, 500);
	send_request_begin(&rig->request);
	assert_false(overtakes(rig, 2, 500));
	assert_true(overtakes(rig, 2, 499));
	free(rig);
}

static bool is_for_batches(int error)
{
	return error == EINVAL || error == EMSGSIZE || error == EIO || error == EOPNOTSUPP;
}

/* All else is about the datagrams themselves; and a single datagram is never refused as a batch. */
static void test_not_refused(void **state)
{
	for (unsigned int i = 0; i < SEND_ERROR_OTHER; i++) {
		struct rig *rig = new_rig(64);

		start(rig, 1, 1000);
		assert_false(send_request_refused(&rig->request, -send_errnos[i]));
		start(rig, 2, 1000);
		if (!is_for_batches(send_errnos[i]))
			assert_false(send_request_refused(&rig->request, -send_errnos[i]));
		assert_int_equal(rig->queue.gso_segments, 64);
		assert_int_equal(rig->queue.gso_max_size, UINT16_MAX);
		assert_int_equal(counter_read(&rig->queue.gso_refused), 0);
		free(rig);
	}
}

/* ---- counting ---- */

static void test_accounts(void **state)
{
	struct rig *rig = new_rig(64);
	struct output_shard *queue = &rig->queue;

	output_shard_account(queue, 64, 64000);
	output_shard_account(queue, 1, 0); /* a datagram without payload */
	assert_int_equal(counter_read(&queue->sent), 65);
	assert_int_equal(counter_read(&queue->sent_bytes), 64000);
	output_shard_account(queue, 3, -EAGAIN);
	output_shard_account(queue, 2, -EAGAIN);
	output_shard_account(queue, 1, -EXFULL);
	assert_int_equal(counter_read(&queue->errors[send_error_slot(EAGAIN)]), 5);
	assert_int_equal(counter_read(&queue->errors[SEND_ERROR_OTHER]), 1);
	assert_int_equal(counter_read(&queue->sent), 65);
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

/* Receive `count` datagrams, each with the bytes that stand at its place in `payload`. */
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
	send_request_start(&rig->request, &rig->queue, 0);
	for (unsigned int i = 0; i < count; i++)
		send_request_add(&rig->request, i, payload + (size_t)i * stride,
				 i + 1 == count ? last : length);
	send_request_finish(&rig->request);
}

static void test_batch_over_loopback(void **state)
{
	struct rig *rig = new_rig(64);
	int fd = open_receiver(rig);

	watchdog_start(__func__);
	gather(rig, 40, 1500, 1200, 345);
	assert_int_equal(sendmsg(rig->output.fd, &rig->request.message, 0), 39 * 1200 + 345);
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
	send_request_singly(&rig->request);
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
	send_request_singly(&rig->request);
	rig->request.payloads[1].iov_base = payload;
	rig->request.payloads[1].iov_len = 65508; /* no IPv4 packet holds it */
	send_request_singly(&rig->request);
	assert_int_equal(counter_read(&rig->queue.sent), 4);
	assert_int_equal(counter_read(&rig->queue.sent_bytes), 4 * 1200);
	assert_int_equal(counter_read(&rig->queue.errors[send_error_slot(EFAULT)]), 1);
	assert_int_equal(counter_read(&rig->queue.errors[send_error_slot(EMSGSIZE)]), 1);
	close(rig->output.fd);
	rig->output.fd = -1;
	send_request_singly(&rig->request);
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
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused_for_good),
		cmocka_unit_test(test_refused_by_size),
		cmocka_unit_test(test_overtakes),
		cmocka_unit_test(test_not_refused),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_batch_over_loopback),
		cmocka_unit_test(test_singly_over_loopback),
		cmocka_unit_test(test_singly_with_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
