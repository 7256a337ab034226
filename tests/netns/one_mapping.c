/* SPDX-License-Identifier: BSD-2-Clause */
/* To be preloaded: as before Linux 6.4, the rings of an AF_XDP socket cannot be mapped once it is
 * bound. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MOST_FDS 1024

static bool bound[MOST_FDS];

int socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);
	int fd;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "socket");
	fd = real(domain, type, protocol);
	if (fd >= 0 && fd < MOST_FDS)
		bound[fd] = false;
	return fd;
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	int err;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "bind");
	err = real(fd, address, length);
	if (!err && fd < MOST_FDS)
		bound[fd] = address->sa_family == AF_XDP;
	return err;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	static void *(*real)(void *, size_t, int, int, int, off_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "mmap");
	if (!(flags & MAP_ANONYMOUS) && fd >= 0 && fd < MOST_FDS && bound[fd]) {
		errno = EBUSY;
		return MAP_FAILED;
	}
	return real(address, length, protection, flags, fd, offset);
}
