/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"

#define MAGIC 0x786d6362756e3031ULL /* "xmcbun01" */

struct bundle_header {
	uint64_t magic;
	uint64_t length; /* of the text */
	uint64_t nr_fds;
};

struct bundle_part {
	uint32_t first;
	uint32_t count;
};

/* One message, with its descriptors. */
struct parcel {
	void *data;
	size_t size;
	int *fds;
	unsigned int nr_fds; /* sent; received: room for them, then their number */
};

/* Until when a call may take. */
static uint64_t deadline_of(int timeout_ms)
{
	return clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

static int wait_for(int socket, short events, uint64_t deadline_ns)
{
	struct pollfd fd = {.fd = socket, .events = events};
	uint64_t now_ns = clock_ns();
	int n;

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	n = poll(&fd, 1, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1);
	return n < 0 && errno != EINTR ? -errno : 0;
}

/* ---- sending ---- */

static int send_parcel(int socket, const struct parcel *parcel, uint64_t deadline_ns)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(BUNDLE_PART * sizeof(int))] = {};
	struct iovec data = {parcel->data, parcel->size};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
	ssize_t sent;

	if (parcel->nr_fds) {
		struct cmsghdr *cmsg = (struct cmsghdr *)control;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(parcel->nr_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(parcel->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), parcel->fds, parcel->nr_fds * sizeof(int));
	}
	for (;;) {
		int err;

		sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0)
			return (size_t)sent == parcel->size ? 0 : -EMSGSIZE;
		if (errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		err = wait_for(socket, POLLOUT, deadline_ns);
		if (err)
			return err;
	}
}

static int write_text(const char *text, size_t length)
{
	int fd = memfd_create("xmcast-bundle", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < length) {
		ssize_t n = pwrite(fd, text + done, length - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? -errno : -EIO;

			close(fd);
			return err;
		}
		done += (size_t)n;
	}
	return fd;
}

int bundle_send(int socket, const char *text, size_t length, const int *fds, unsigned int nr_fds,
		int timeout_ms)
{
	struct bundle_header header = {MAGIC, length, nr_fds};
	uint64_t deadline_ns = deadline_of(timeout_ms);
	int file, err;

	if (length > BUNDLE_MOST_BYTES || nr_fds > BUNDLE_MOST_FDS)
		return -EMSGSIZE;
	file = write_text(text, length);
	if (file < 0)
		return file;
	err = send_parcel(socket, &(struct parcel){&header, sizeof(header), &file, 1}, deadline_ns);
	close(file);
	for (unsigned int first = 0; !err && first < nr_fds; first += BUNDLE_PART) {
		unsigned int count = nr_fds - first < BUNDLE_PART ? nr_fds - first : BUNDLE_PART;
		struct bundle_part part = {first, count};

		err = send_parcel(socket,
				  &(struct parcel){&part, sizeof(part), (int *)&fds[first], count},
				  deadline_ns);
	}
	return err;
}

/* ---- receiving ---- */

static void close_all(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
}

/* Take the descriptors out of a message. More than there is room for are closed. */
static int take_fds(struct msghdr *message, struct parcel *parcel)
{
	unsigned int room = parcel->nr_fds;
	struct cmsghdr *cmsg;

	parcel->nr_fds = 0;
	for (cmsg = CMSG_FIRSTHDR(message); cmsg; cmsg = CMSG_NXTHDR(message, cmsg)) {
		const unsigned char *data = CMSG_DATA(cmsg);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= cmsg->cmsg_len - CMSG_LEN(0);
		     at += sizeof(int)) {
			int fd;

			memcpy(&fd, data + at, sizeof(fd));
			if (parcel->nr_fds < room)
				parcel->fds[parcel->nr_fds++] = fd;
			else
				close(fd);
		}
	}
	return message->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

static int receive_parcel(int socket, struct parcel *parcel, bool peek, uint64_t deadline_ns)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(BUNDLE_PART * sizeof(int))];
	const int flags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT | (peek ? MSG_PEEK : 0);
	unsigned int room = parcel->nr_fds;

	parcel->nr_fds = 0;
	for (;;) {
		struct iovec data = {parcel->data, parcel->size};
		struct msghdr message = {
			.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(socket, &message, flags);
		int err;

		if (n == 0)
			return -EPIPE;
		if (n > 0) {
			parcel->nr_fds = room;
			err = take_fds(&message, parcel);
			return err ? err : (size_t)n == parcel->size ? 0 : -EPROTO;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		err = wait_for(socket, POLLIN, deadline_ns);
		if (err)
			return err;
	}
}

static int read_text(struct bundle *bundle, int file, uint64_t length)
{
	struct stat status;
	size_t done = 0;

	if (fstat(file, &status) || !S_ISREG(status.st_mode))
		return -EPROTO;
	bundle->text = malloc(length + 1);
	if (!bundle->text)
		return -ENOMEM;
	while (done < length) {
		ssize_t n = pread(file, bundle->text + done, length - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPROTO;
		done += (size_t)n;
	}
	bundle->text[length] = '\0';
	bundle->length = length;
	return 0;
}

static int receive_parts(struct bundle *bundle, uint64_t nr_fds, int socket, bool peek,
			 uint64_t deadline_ns)
{
	int err = 0;

	bundle->fds = calloc(nr_fds + 1, sizeof(*bundle->fds));
	if (!bundle->fds)
		return -ENOMEM;
	while (!err && bundle->nr_fds < nr_fds) {
		struct bundle_part part = {};
		uint64_t left = nr_fds - bundle->nr_fds;
		struct parcel parcel = {&part, sizeof(part), bundle->fds + bundle->nr_fds,
					left < BUNDLE_PART ? (unsigned int)left : BUNDLE_PART};

		err = receive_parcel(socket, &parcel, peek, deadline_ns);
		if (!err &&
		    (part.first != bundle->nr_fds || part.count != parcel.nr_fds || !part.count))
			err = -EPROTO;
		bundle->nr_fds += parcel.nr_fds;
	}
	return err;
}

int bundle_receive(struct bundle *bundle, int socket, bool peek, int timeout_ms)
{
	uint64_t deadline_ns = deadline_of(timeout_ms);
	struct bundle_header header = {};
	int file = -1;
	struct parcel first = {&header, sizeof(header), &file, 1};
	int err;

	*bundle = (struct bundle){};
	err = receive_parcel(socket, &first, peek, deadline_ns);
	if (err == -ETIMEDOUT && !timeout_ms)
		err = -EAGAIN;
	if (!err && (header.magic != MAGIC || header.length > BUNDLE_MOST_BYTES ||
		     header.nr_fds > BUNDLE_MOST_FDS || first.nr_fds != 1))
		err = -EPROTO;
	if (!err)
		err = read_text(bundle, file, header.length);
	close_all(&file, first.nr_fds);
	if (!err)
		err = receive_parts(bundle, header.nr_fds, socket, peek, deadline_ns);
	if (err)
		bundle_free(bundle);
	return err;
}

void bundle_free(struct bundle *bundle)
{
	close_all(bundle->fds, bundle->nr_fds);
	free(bundle->fds);
	free(bundle->text);
	*bundle = (struct bundle){};
}
