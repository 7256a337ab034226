/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>

/* Since Linux 6.3, which refuses files without it if sysctl vm.memfd_noexec is 2. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int create(const char *name, unsigned int flags)
{
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	return fd < 0 ? -errno : fd;
}

static int map(struct memory_file *file)
{
	void *memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	file->memory = memory;
	return 0;
}

/* Not mapped or sealed yet. */
static int create_file(struct memory_file *file, const char *name, size_t size, unsigned int huge)
{
	int err = 0;

	*file = (struct memory_file){.size = size, .huge_pages = huge};
	file->fd = create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);
	if (file->fd < 0)
		return file->fd;
	if (ftruncate(file->fd, (off_t)size))
		err = -errno;
	if (err)
		memory_file_close(file);
	return err;
}

static int open_file(struct memory_file *file, const char *name, size_t size, unsigned int huge)
{
	int err = create_file(file, name, size, huge);

	if (err)
		return err;
	if (fcntl(file->fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL))
		err = -errno;
	if (!err)
		err = map(file);
	if (err)
		memory_file_close(file);
	return err;
}

int memory_file_open(struct memory_file *file, const char *name, size_t size, bool huge)
{
	if (huge && !open_file(file, name, size, MFD_HUGETLB))
		return 0;
	return open_file(file, name, size, 0);
}

int memory_file_open_shown(struct memory_file *file, const char *name, size_t size)
{
	int err = create_file(file, name, size, 0);

	if (err)
		return err;
	err = map(file);
	/* Mappings that are there stay writable. */
	if (!err && fcntl(file->fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		err = -errno;
	if (err)
		memory_file_close(file);
	return err;
}

/* A file that could shrink would end the process with SIGBUS. */
static bool is_sound(int fd, size_t size)
{
	int seals = fcntl(fd, F_GET_SEALS); /* fails if it is no such file */
	struct stat status;

	return seals >= 0 && (seals & SIZE_SEALS) == SIZE_SEALS && !fstat(fd, &status) &&
	       (size_t)status.st_size == size;
}

int memory_file_adopt(struct memory_file *file, int fd, size_t size)
{
	struct statfs system = {};
	int err;

	*file = MEMORY_FILE_CLOSED;
	if (!is_sound(fd, size))
		return -EINVAL;
	fstatfs(fd, &system);
	file->size = size;
	file->huge_pages = system.f_type == HUGETLBFS_MAGIC;
	file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	err = file->fd < 0 ? -errno : map(file);
	if (err)
		memory_file_close(file);
	return err;
}

void memory_file_close(struct memory_file *file)
{
	if (file->memory)
		munmap(file->memory, file->size);
	if (file->fd >= 0)
		close(file->fd);
	*file = MEMORY_FILE_CLOSED;
}
