/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".xmcast-save"

/* Between two looks the temporary file of another process may come or go. */
#define CREATE_TRIES 4

/* Open the directory of a path and find its last part. The descriptor, or -errno. */
static int open_directory(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;
	int fd;

	*name = path + length;
	if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
		return -EISDIR;
	if (length >= sizeof(parent))
		return -ENAMETOOLONG;
	if (slash) {
		memcpy(parent, path, length);
		parent[length] = '\0';
	}
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Look at the file that is to be replaced. 1: there is one, 0: there is none, or -errno. */
static int examine(int directory, const char *name, struct stat *status)
{
	if (fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(status->st_mode))
		return 1;
	if (S_ISLNK(status->st_mode))
		return -ELOOP;
	return S_ISDIR(status->st_mode) ? -EISDIR : -EINVAL;
}

/* Whether nobody else holds the lock. Where the file system has no locks, nobody does. */
static bool lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* Remove a temporary file that no process is writing, and whatever else has its name. 0: there is
 * none any more, or another one; -errno; -EBUSY: it is being written. */
static int remove_stale(int directory)
{
	int fd = openat(directory, TEMPORARY, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat opened, named;
	int err = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0 && !lock(fd))
		err = -EBUSY;
	/* While the lock is held, only a file that was renamed before can have lost the name. */
	else if (fd < 0 || (fstat(fd, &opened) == 0 &&
			    fstatat(directory, TEMPORARY, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			    opened.st_ino == named.st_ino))
		err = unlinkat(directory, TEMPORARY, 0) && errno != ENOENT ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Create the temporary file, which nobody else may open yet, and lock it. The descriptor, or
 * -errno. */
static int create_temporary(int directory)
{
	for (int i = 0; i < CREATE_TRIES; i++) {
		int fd = openat(directory, TEMPORARY,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat status;
		int err;

		/* Before it was locked, another process may have taken it for a stale one. */
		if (fd >= 0 && lock(fd) && fstat(fd, &status) == 0 && status.st_nlink)
			return fd;
		err = fd < 0 ? -errno : -EEXIST;
		if (fd >= 0)
			close(fd);
		if (err == -EEXIST)
			err = remove_stale(directory);
		if (err)
			return err;
	}
	return -EBUSY;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t count = write(fd, bytes, length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -EIO;
		bytes += count;
		length -= (size_t)count;
	}
	return 0;
}

/* Give the file the owner and the mode of the old one, in this order: a new owner clears mode bits.
 * NULL: there is none. */
static int copy_rights(int fd, const struct stat *old, mode_t mode_if_new)
{
	struct stat own;

	if (!old)
		return fchmod(fd, mode_if_new) ? -errno : 0;
	if (fstat(fd, &own))
		return -errno;
	/* Only if needed: it may not be permitted. */
	if ((own.st_uid != old->st_uid || own.st_gid != old->st_gid) &&
	    fchown(fd, old->st_uid, old->st_gid))
		return -errno;
	return fchmod(fd, old->st_mode & 07777) ? -errno : 0;
}

static int replace_file(int directory, const char *name, const struct stat *old, mode_t mode_if_new,
			const char *text, size_t length)
{
	int fd = create_temporary(directory);
	int err;

	if (fd < 0)
		return fd;
	err = write_all(fd, text, length);
	if (!err)
		err = copy_rights(fd, old, mode_if_new);
	if (!err && fsync(fd))
		err = -errno;
	if (!err && renameat(directory, TEMPORARY, directory, name))
		err = -errno;
	if (err)
		unlinkat(directory, TEMPORARY, 0);
	else
		/* The new file is in place, and stays. Should the directory not reach the disk, a
		 * crash brings back the old one, whole. */
		fsync(directory);
	/* Last, because it releases the lock. Errors of writing have been seen by fsync(). */
	close(fd);
	return err;
}

static int save_file(const char *path, const char *text, size_t length, mode_t mode,
		     bool keep_rights)
{
	const char *name;
	int directory = open_directory(path, &name);
	struct stat old;
	int err;

	if (directory < 0)
		return directory;
	err = examine(directory, name, &old);
	if (err >= 0)
		err = replace_file(directory, name, err && keep_rights ? &old : NULL, mode, text,
				   length);
	close(directory);
	return err;
}

int config_save_file(const char *path, const char *text, size_t length, mode_t mode_if_new)
{
	return save_file(path, text, length, mode_if_new, true);
}

int config_save_private_file(const char *path, const char *text, size_t length)
{
	return save_file(path, text, length, 0600, false);
}

int config_remove_file(const char *path)
{
	const char *name;
	int directory = open_directory(path, &name);
	int err;

	if (directory < 0)
		return directory;
	err = unlinkat(directory, name, 0) || fsync(directory) ? -errno : 0;
	close(directory);
	return err;
}

const char *config_save_reason(int err)
{
	if (err == -ELOOP)
		return "it is a symbolic link, which is not followed: use the path of the file "
		       "itself";
	if (err == -EBUSY)
		return "another process is saving in this directory";
	if (err == -EPERM)
		return "Operation not permitted: the file must belong to the user that saves it";
	return strerror(-err);
}
