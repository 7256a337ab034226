/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/fd_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"

/* The first descriptor that a manager passes (SD_LISTEN_FDS_START), and the most that are looked
 * at. */
#define FIRST_FD 3
#define MOST_FDS 64

#define PAIRS	 2

/* Room for what nobody reads before the next process: enough for 65,536 descriptors. */
#define SEND_BUFFER (16 << 20)

/* Everything fits or nothing does: no reader makes room. */
#define PUT_MS 1

struct fd_store {
	int fds[PAIRS][2]; /* each written at [0], read at [1] */
	unsigned int full; /* index of the pair with the bundle */
};

static const char *const names[PAIRS][2] = {{"xmcast-a-in", "xmcast-a-out"},
					    {"xmcast-b-in", "xmcast-b-out"}};

/* ---- what the manager passes ---- */

static void take_passed(struct fd_store *store, const char *name, int fd)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			if (store->fds[i][j] < 0 && strcmp(name, names[i][j]) == 0) {
				fcntl(fd, F_SETFD, FD_CLOEXEC);
				store->fds[i][j] = fd;
				return;
			}
		}
	}
	log_warning("store-foreign", LOG_TEXT("name", name));
	close(fd);
}

/* The number of descriptors that are meant for this process. */
static unsigned int count_passed(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	long number = count ? strtol(count, NULL, 10) : 0;

	if (!pid || strtol(pid, NULL, 10) != getpid() || number < 0 || number > MOST_FDS)
		return 0;
	return (unsigned int)number;
}

static void find_passed(struct fd_store *store)
{
	unsigned int count = count_passed();
	const char *list = getenv("LISTEN_FDNAMES");

	for (unsigned int i = 0; i < count; i++) {
		size_t length = list ? strcspn(list, ":") : 0;
		char name[32] = "";

		if (length < sizeof(name))
			memcpy(name, list ? list : "", length);
		take_passed(store, name, FIRST_FD + (int)i);
		list = list && list[length] ? list + length + 1 : NULL;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* ---- pairs ---- */

static bool is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t length = sizeof(int);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) && domain == AF_UNIX &&
	       type == SOCK_STREAM;
}

static void close_pair(struct fd_store *store, unsigned int i)
{
	for (unsigned int j = 0; j < 2; j++) {
		if (store->fds[i][j] >= 0)
			close(store->fds[i][j]);
		store->fds[i][j] = -1;
	}
}

static int create_pair(struct fd_store *store, unsigned int i, struct notify *notify)
{
	const int size = SEND_BUFFER;
	int err = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, store->fds[i]))
		return -errno;
	if (setsockopt(store->fds[i][0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(store->fds[i][0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (unsigned int j = 0; !err && j < 2; j++)
		err = notify_store(notify, names[i][j], store->fds[i][j]);
	return err;
}

/* Let nobody have what is queued. */
static void drain(const struct fd_store *store, unsigned int i)
{
	struct bundle bundle;
	char rest[4096];

	while (!bundle_receive(&bundle, store->fds[i][1], false, 0))
		bundle_free(&bundle);
	/* What is no bundle: descriptors that come with it are closed by the kernel. */
	while (recv(store->fds[i][1], rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
}

/* ---- the store ---- */

int fd_store_open(struct fd_store **out, struct notify *notify)
{
	struct fd_store *store = calloc(1, sizeof(*store));
	int err = notify ? 0 : -ENOTCONN;

	if (!store)
		return -ENOMEM;
	memset(store->fds, 0xff, sizeof(store->fds));
	find_passed(store);
	for (unsigned int i = 0; !err && i < PAIRS; i++) {
		if (is_stream(store->fds[i][0]) && is_stream(store->fds[i][1]))
			continue;
		close_pair(store, i);
		err = create_pair(store, i, notify);
	}
	if (err)
		fd_store_close(store);
	else
		*out = store;
	return err;
}

void fd_store_close(struct fd_store *store)
{
	for (unsigned int i = 0; store && i < PAIRS; i++)
		close_pair(store, i);
	free(store);
}

/* The complete bundle of a pair; it stays there. */
static int peek(const struct fd_store *store, unsigned int i, struct bundle *bundle)
{
	const int from_start = 0, off = -1;
	int err;

	if (setsockopt(store->fds[i][1], SOL_SOCKET, SO_PEEK_OFF, &from_start, sizeof(int)))
		return -errno;
	err = bundle_receive(bundle, store->fds[i][1], true, 0);
	setsockopt(store->fds[i][1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
	return err;
}

int fd_store_get(struct fd_store *store, struct bundle *bundle)
{
	int err = -ENOENT;

	/* Only one has a bundle, or the process ended between putting one and removing the other:
	 * either is complete. One that is not was never meant to be used. */
	for (unsigned int i = 0; i < PAIRS; i++) {
		int result = peek(store, i, bundle);

		if (!result) {
			store->full = i;
			return 0;
		}
		if (result != -EAGAIN)
			err = result;
	}
	return err;
}

void fd_store_clear(struct fd_store *store)
{
	for (unsigned int i = 0; i < PAIRS; i++)
		drain(store, i);
}

int fd_store_put(struct fd_store *store, const char *text, size_t length, const int *fds,
		 unsigned int nr_fds)
{
	unsigned int next = (store->full + 1) % PAIRS;
	int err;

	drain(store, next);
	err = bundle_send(store->fds[next][0], text, length, fds, nr_fds, PUT_MS);
	if (err)
		drain(store, next);
	/* An old one has what is closed by now: it would keep queues busy. */
	drain(store, store->full);
	store->full = next;
	return err;
}
