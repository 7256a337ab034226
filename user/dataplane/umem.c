/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/umem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Since Linux 6.3, which refuses files without it if sysctl vm.memfd_noexec is 2. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int create_file(unsigned int flags)
{
	int fd = memfd_create("xmcast-frames", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("xmcast-frames", flags);
	return fd < 0 ? -errno : fd;
}

static int map_file(struct umem *umem)
{
	void *memory = mmap(NULL, umem->size, PROT_READ | PROT_WRITE, MAP_SHARED, umem->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	umem->memory = memory;
	return 0;
}

static int open_file(struct umem *umem, size_t size, unsigned int huge)
{
	int err = 0;

	*umem = (struct umem){.size = size, .huge_pages = huge};
	umem->fd = create_file(MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);
	if (umem->fd < 0)
		return umem->fd;
	if (ftruncate(umem->fd, (off_t)size) || fcntl(umem->fd, F_ADD_SEALS, SEALS))
		err = -errno;
	if (!err)
		err = map_file(umem);
	if (err)
		umem_close(umem);
	return err;
}

int umem_open(struct umem *umem, size_t size)
{
	int err = open_file(umem, size, MFD_HUGETLB);

	return err ? open_file(umem, size, 0) : 0;
}

void umem_close(struct umem *umem)
{
	if (umem->memory)
		munmap(umem->memory, umem->size);
	if (umem->fd >= 0)
		close(umem->fd);
	*umem = UMEM_CLOSED;
}
