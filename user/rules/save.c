/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_IF_NEW 0640

/* As many links as a sensible administrator chains; fewer than the kernel follows. */
#define LINKS_MAX 8

/* A random name that exists is a leftover of a crash, or somebody's attempt to be in the way. */
#define NAMES_MAX      16

#define TEMPORARY      ".xmcast-save-"
#define TEMPORARY_SIZE sizeof(TEMPORARY "00000000")

/* A file by its folder, so that what happens to the path meanwhile does not matter. */
struct place {
	int folder;
	char name[NAME_MAX + 1];
	bool exists;
	struct stat status; /* if it exists */
};

/* Open the folder `path` is in (relative to `folder`), in place of it, and keep the last part. */
static int enter(struct place *place, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char parent[PATH_MAX] = ".";
	size_t length;
	int folder;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EISDIR;
	if (strlen(name) >= sizeof(place->name))
		return -ENAMETOOLONG;
	if (slash) {
		length = (size_t)(slash - path) + 1;
		if (length >= sizeof(parent))
			return -ENAMETOOLONG;
		memcpy(parent, path, length);
		parent[length] = '\0';
	}
	folder = openat(place->folder, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	if (place->folder != AT_FDCWD)
		close(place->folder);
	place->folder = folder;
	strcpy(place->name, name);
	return 0;
}

/* Look at what is there. If it is a link, put what it leads to into *target. 0 or -errno. */
static int examine(struct place *place, bool *is_link, char target[PATH_MAX])
{
	ssize_t length;

	*is_link = false;
	place->exists =
		fstatat(place->folder, place->name, &place->status, AT_SYMLINK_NOFOLLOW) == 0;
	if (!place->exists)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(place->status.st_mode))
		return -EISDIR;
	if (S_ISREG(place->status.st_mode))
		return 0;
	if (!S_ISLNK(place->status.st_mode))
		return -EINVAL;
	*is_link = true;
	length = readlinkat(place->folder, place->name, target, PATH_MAX);
	if (length < 0)
		return -errno;
	if (length == PATH_MAX)
		return -ENAMETOOLONG;
	target[length] = '\0';
	return 0;
}

/* Find the file that the path means. The caller closes `folder` in any case, if that is one. */
static int place_find(struct place *place, const char *path)
{
	char target[PATH_MAX] = "";
	bool is_link = true;

	for (int links = 0; is_link; links++) {
		int error;

		if (links > LINKS_MAX)
			return -ELOOP;
		error = enter(place, links ? target : path);
		if (!error)
			error = examine(place, &is_link, target);
		if (error)
			return error;
	}
	return 0;
}

/* Lock a file just made, so that config_sweep() leaves it alone; false if that was there before.
 * Where the file system has no locks, nobody sweeps. */
static bool claim(int fd)
{
	struct stat status;

	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return false;
	return fstat(fd, &status) || status.st_nlink > 0;
}

/* A new file that nobody else may open yet. Returns its descriptor or -errno. */
static int create_temporary(int folder, char name[TEMPORARY_SIZE])
{
	uint32_t number;
	int fd;

	for (int i = 0; i < NAMES_MAX; i++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -EIO;
		snprintf(name, TEMPORARY_SIZE, TEMPORARY "%08x", number);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd >= 0 && claim(fd))
			return fd;
		if (fd >= 0) {
			close(fd);
			errno = EEXIST;
		}
		if (errno != EEXIST)
			break;
	}
	return -errno;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t count = write(fd, bytes, length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			return -EIO;
		bytes += count;
		length -= (size_t)count;
	}
	return 0;
}

/* Owner and mode, in this order: a new owner takes mode bits away. */
static int take_rights(int fd, const struct place *place)
{
	const struct stat *old = &place->status;
	struct stat own;

	if (!place->exists)
		return fchmod(fd, MODE_IF_NEW) ? -errno : 0;
	if (fstat(fd, &own))
		return -errno;
	/* Only if needed: it may not be allowed. */
	if ((own.st_uid != old->st_uid || own.st_gid != old->st_gid) &&
	    fchown(fd, old->st_uid, old->st_gid))
		return -errno;
	return fchmod(fd, old->st_mode & 07777) ? -errno : 0;
}

static int replace_file(const struct place *place, const char *text, size_t length)
{
	char temporary[TEMPORARY_SIZE];
	int fd = create_temporary(place->folder, temporary);
	int error;

	if (fd < 0)
		return fd;
	error = write_all(fd, text, length);
	if (!error)
		error = take_rights(fd, place);
	if (!error && fsync(fd))
		error = -errno;
	if (!error && renameat(place->folder, temporary, place->folder, place->name))
		error = -errno;
	/* Not earlier: with it goes the lock. fsync() has told what there was to tell. */
	close(fd);
	if (error) {
		unlinkat(place->folder, temporary, 0);
		return error;
	}
	/* The new file is in place, which is not undone: should the folder not reach the disk, a
	 * crash brings back the old one, whole. */
	fsync(place->folder);
	return 0;
}

int config_save_file(const char *path, const char *text, size_t length)
{
	struct place place = {.folder = AT_FDCWD};
	int error = place_find(&place, path);

	if (!error)
		error = replace_file(&place, text, length);
	if (place.folder != AT_FDCWD)
		close(place.folder);
	return error;
}

/* ---- what the killed have left ---- */

static bool is_temporary(const char *name)
{
	const size_t prefix = strlen(TEMPORARY);

	return strlen(name) == TEMPORARY_SIZE - 1 && strncmp(name, TEMPORARY, prefix) == 0 &&
	       strspn(name + prefix, "0123456789abcdef") == TEMPORARY_SIZE - 1 - prefix;
}

/* Remove it, if it is a regular file that nobody writes. */
static bool remove_left(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	bool removed;

	if (fd < 0)
		return false;
	removed = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
		  flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(folder, name, 0) == 0;
	close(fd); /* not before it is gone: the lock is what its writer asks for */
	return removed;
}

/* Takes the descriptor. */
static int sweep_folder(int folder)
{
	DIR *directory = fdopendir(folder);
	const struct dirent *entry;
	int removed = 0;
	int error;

	if (!directory) {
		error = -errno;
		close(folder);
		return error;
	}
	while ((entry = readdir(directory))) {
		if (is_temporary(entry->d_name) && remove_left(folder, entry->d_name))
			removed++;
	}
	closedir(directory);
	return removed;
}

int config_sweep(const char *path)
{
	struct place place = {.folder = AT_FDCWD};
	int error = place_find(&place, path);

	if (!error)
		return sweep_folder(place.folder);
	if (place.folder != AT_FDCWD)
		close(place.folder);
	return error;
}
