// SPDX-License-Identifier: BSD-2-Clause
/* Bundles of descriptors: whole, in parts, looked at twice, cut short, and nonsense. */
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bundle.h"
#include "fds.h"

#define WAIT_MS 10000

static void pair(int sockets[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
}

static void close_pair(const int sockets[2])
{
	close(sockets[0]);
	close(sockets[1]);
}

/* Open files of different inodes, `count` of them. */
static void open_files(int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
}

static ino_t inode(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return status.st_ino;
}

static void check_bundle(const struct bundle *bundle, const char *text, const int *fds,
			 unsigned int count)
{
	assert_int_equal(bundle->length, strlen(text));
	assert_string_equal(bundle->text, text);
	assert_int_equal(bundle->nr_fds, count);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(inode(bundle->fds[i]), inode(fds[i]));
		assert_true(fcntl(bundle->fds[i], F_GETFD) & FD_CLOEXEC);
	}
}

/* As many parts as are needed; each descriptor arrives in its place, and nothing leaks. */
static void test_round_trip(void **state)
{
	static const unsigned int counts[] = {0, 1, BUNDLE_PART, BUNDLE_PART + 1,
					      2 * BUNDLE_PART + 7};
	unsigned int before = count_fds();

	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int fds[3 * BUNDLE_PART];
		struct bundle bundle;
		int sockets[2];

		pair(sockets);
		open_files(fds, counts[i]);
		assert_int_equal(bundle_send(sockets[0], "text", 4, fds, counts[i], WAIT_MS), 0);
		assert_int_equal(bundle_receive(&bundle, sockets[1], false, WAIT_MS), 0);
		check_bundle(&bundle, "text", fds, counts[i]);
		bundle_free(&bundle);
		assert_int_equal(bundle_receive(&bundle, sockets[1], false, 0), -EAGAIN);
		for (unsigned int j = 0; j < counts[i]; j++)
			close(fds[j]);
		close_pair(sockets);
	}
	assert_int_equal(count_fds(), before);
}

/* It stays there for the next reader, also after its sender has closed the descriptors. */
static void test_peek(void **state)
{
	const int start = 0, off = -1;
	int sockets[2], fds[2], copies[2];
	struct bundle bundle;

	pair(sockets);
	open_files(fds, 2);
	for (unsigned int i = 0; i < 2; i++)
		copies[i] = dup(fds[i]);
	assert_int_equal(bundle_send(sockets[0], "", 0, fds, 2, WAIT_MS), 0);
	for (unsigned int i = 0; i < 2; i++)
		close(fds[i]);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(
			setsockopt(sockets[1], SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start)), 0);
		assert_int_equal(bundle_receive(&bundle, sockets[1], true, 0), 0);
		check_bundle(&bundle, "", copies, 2);
		bundle_free(&bundle);
	}
	assert_int_equal(setsockopt(sockets[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)), 0);
	assert_int_equal(bundle_receive(&bundle, sockets[1], false, 0), 0);
	check_bundle(&bundle, "", copies, 2);
	bundle_free(&bundle);
	for (unsigned int i = 0; i < 2; i++)
		close(copies[i]);
	close_pair(sockets);
}

/* The peer ends in the middle, or never sends: what was received is closed. */
static void test_cut_short(void **state)
{
	unsigned int before = count_fds();
	int sockets[2], fds[BUNDLE_PART + 1];
	struct bundle bundle;
	char byte;

	pair(sockets);
	assert_int_equal(bundle_receive(&bundle, sockets[1], false, 10), -ETIMEDOUT);
	open_files(fds, BUNDLE_PART + 1);
	assert_int_equal(bundle_send(sockets[0], "x", 1, fds, BUNDLE_PART + 1, WAIT_MS), 0);
	/* Its first byte is lost. */
	assert_int_equal(recv(sockets[1], &byte, 1, 0), 1);
	assert_int_equal(bundle_receive(&bundle, sockets[1], false, WAIT_MS), -EPROTO);
	close(sockets[0]);
	while (bundle_receive(&bundle, sockets[1], false, WAIT_MS) == -EPROTO)
		;
	assert_int_equal(bundle_receive(&bundle, sockets[1], false, WAIT_MS), -EPIPE);
	close(sockets[1]);
	for (unsigned int i = 0; i <= BUNDLE_PART; i++)
		close(fds[i]);
	assert_int_equal(count_fds(), before);
}

/* A header without its file, with a wrong magic number, or with sizes that nobody would send. */
static void test_nonsense(void **state)
{
	const uint64_t magic = 0x786d6362756e3031ULL;
	const uint64_t headers[][3] = {
		{magic, 0, 0}, {0, 0, 0}, {magic, UINT64_MAX, 0}, {magic, 0, UINT64_MAX}};

	for (unsigned int i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct bundle bundle;
		int sockets[2];

		pair(sockets);
		assert_int_equal(send(sockets[0], headers[i], sizeof(headers[i]), 0),
				 sizeof(headers[i]));
		assert_int_equal(bundle_receive(&bundle, sockets[1], false, WAIT_MS), -EPROTO);
		assert_null(bundle.text);
		close_pair(sockets);
	}
}

/* Nobody reads, and there is room for a part of it only. */
static void test_no_room(void **state)
{
	int sockets[2], fds[8 * BUNDLE_PART];
	const int size = 1;

	pair(sockets);
	assert_int_equal(setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	fds[0] = sockets[0];
	for (unsigned int i = 1; i < 8 * BUNDLE_PART; i++)
		fds[i] = sockets[0];
	assert_int_equal(bundle_send(sockets[0], "", 0, fds, 8 * BUNDLE_PART, 10), -ETIMEDOUT);
	close(sockets[1]);
	assert_int_equal(bundle_send(sockets[0], "", 0, NULL, 0, 10), -EPIPE);
	close(sockets[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_peek),
		cmocka_unit_test(test_cut_short),  cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
