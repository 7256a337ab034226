/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/read_all.h"

/* As the kernel limits it (path_resolution(7)). */
#define MOST_LINKS 40

/* A walk along a path. */
struct walk {
	struct trust *trust;
	int directory;		 /* O_PATH descriptor of the directory reached so far */
	char rest[2 * PATH_MAX]; /* what is still to be resolved from there */
	unsigned int links;
};

/* The owner may always change what it owns. One further owner is noted, with the reason for callers
 * that do not trust it; a second one is refused. */
static int check_owner(struct trust *trust, const struct stat *status, const char *where)
{
	if (status->st_uid == 0 || status->st_uid == geteuid() || status->st_uid == trust->owner)
		return 0;
	snprintf(trust->where, sizeof(trust->where), "%s", where);
	snprintf(trust->text, sizeof(trust->text), "unsafe owner %u: run `chown root` on it",
		 status->st_uid);
	trust->refused = trust->owner != TRUST_NOBODY;
	trust->owner = status->st_uid;
	return trust->refused ? -EACCES : 0;
}

/* Does the file have an access ACL beyond its mode? Not to know counts as yes. */
static bool has_acl(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

/* May anybody write who is neither the owner nor root? With an ACL the group bits are its mask:
 * they bound what it grants to users and groups that the mode does not show. */
static int check_writers(struct trust *trust, int fd, const struct stat *status, const char *where)
{
	bool group = (status->st_mode & S_IWGRP) != 0;

	if ((status->st_mode & S_IWOTH) ||
	    (group && status->st_gid != 0 && status->st_gid != getegid()))
		snprintf(trust->text, sizeof(trust->text),
			 "unsafe mode %04o, group %u: run `chmod go-w` on it",
			 status->st_mode & 07777, status->st_gid);
	else if (group && has_acl(fd))
		snprintf(trust->text, sizeof(trust->text), "unsafe ACL: run `setfacl -b` on it");
	else
		return 0;
	snprintf(trust->where, sizeof(trust->where), "%s", where);
	trust->refused = true;
	return -EACCES;
}

static int check_file(struct trust *trust, int fd, const char *where)
{
	struct stat status;
	int err;

	if (fstat(fd, &status))
		return -errno;
	if (S_ISLNK(status.st_mode)) /* O_PATH opens one that has just been put there */
		return -ELOOP;
	err = check_owner(trust, &status, where);
	/* Entries of a sticky directory belong to their owners; other users can only add some. */
	if (err || (S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX)))
		return err;
	return check_writers(trust, fd, &status, where);
}

/* Go on from this directory, which the walk now owns. */
static int enter(struct walk *walk, int directory, const char *where)
{
	if (directory < 0)
		return -errno;
	if (walk->directory >= 0)
		close(walk->directory);
	walk->directory = directory;
	return check_file(walk->trust, directory, where);
}

/* If `name` is a link, put its target in front of what is left. 1: it was one, 0: it is none. */
static int follow_link(struct walk *walk, const char *name, const char *where)
{
	char target[PATH_MAX];
	char rest[sizeof(walk->rest)];
	struct stat status;
	ssize_t length;
	int err;

	if (fstatat(walk->directory, name, &status, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!S_ISLNK(status.st_mode))
		return 0;
	if (++walk->links > MOST_LINKS)
		return -ELOOP;
	err = check_owner(walk->trust, &status, where);
	if (err)
		return err;
	length = readlinkat(walk->directory, name, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	strcpy(rest, walk->rest);
	if (snprintf(walk->rest, sizeof(walk->rest), "%s/%s", target, rest) >=
	    (int)sizeof(walk->rest))
		return -ENAMETOOLONG;
	if (!*rest)
		walk->rest[length] = '\0'; /* the target itself, not a directory "target/" */
	err = target[0] == '/' ? enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/") : 0;
	return err ? err : 1;
}

/* Cut the next component off what is left. False: there is none. */
static bool next_component(struct walk *walk, char name[NAME_MAX + 1], int *err)
{
	const char *from = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(from, "/");

	*err = length > NAME_MAX ? -ENAMETOOLONG : 0;
	if (!length || *err)
		return false;
	memcpy(name, from, length);
	name[length] = '\0';
	memmove(walk->rest, from + length, strlen(from + length) + 1);
	return true;
}

/* The path as the user wrote it, up to what is left to resolve: for messages. */
static void locate(const struct walk *walk, const char *name, char where[PATH_MAX])
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", walk->directory);
	length = readlink(link, where, PATH_MAX - NAME_MAX - 2);
	if (length < 0)
		length = 0;
	if (length == 1)
		length = 0; /* the root directory: no double slash */
	where[length] = '/';
	strcpy(where + length + 1, name);
}

/*
 * Resolve walk->rest. With `flags` of 0 only the directory is wanted that holds the last component;
 * otherwise that is opened as well. Returns a descriptor or -errno.
 */
static int resolve(struct walk *walk, int flags)
{
	char name[NAME_MAX + 1] = ".";
	char where[PATH_MAX];
	int err, fd;

	for (;;) {
		bool last;

		if (!next_component(walk, name, &err)) {
			if (err)
				return err;
			strcpy(name, "."); /* "/", or a link to it */
		}
		last = walk->rest[strspn(walk->rest, "/")] == '\0';
		if (last && !flags)
			return fcntl(walk->directory, F_DUPFD_CLOEXEC, 0);
		locate(walk, name, where);
		err = follow_link(walk, name, where);
		if (err < 0)
			return err;
		if (err)
			continue;
		if (last)
			break;
		err = enter(walk,
			    openat(walk->directory, name,
				   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			    where);
		if (err)
			return err;
	}
	fd = openat(walk->directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = check_file(walk->trust, fd, where);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static void trust_init(struct trust *trust)
{
	trust->owner = TRUST_NOBODY;
	trust->refused = false;
	trust->where[0] = trust->text[0] = '\0';
}

static int walk_path(const char *path, int flags, struct trust *trust)
{
	struct walk walk = {.trust = trust, .directory = -1};
	char top[PATH_MAX] = "";
	int result;

	trust_init(trust);
	if (!*path)
		return -ENOENT;
	/* A relative path as well: renaming a directory above changes what it leads to.
	 */
	if (path[0] != '/' && !getcwd(top, sizeof(top)))
		return -errno;
	if (snprintf(walk.rest, sizeof(walk.rest), "%s/%s", top, path) >= (int)sizeof(walk.rest))
		return -ENAMETOOLONG;
	result = enter(&walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/");
	if (!result)
		result = resolve(&walk, flags);
	if (walk.directory >= 0)
		close(walk.directory);
	return result;
}

int trust_open(const char *path, int flags, struct trust *trust)
{
	/* 0 is O_RDONLY, but means "the directory" to resolve(): O_NOFOLLOW is set in any case. */
	return walk_path(path, flags | O_NOFOLLOW, trust);
}

int trust_open_directory(const char *path, struct trust *trust)
{
	return walk_path(path, 0, trust);
}

static int refuse_other_owner(int fd, struct trust *trust)
{
	if (fd < 0 || trust->owner == TRUST_NOBODY)
		return fd;
	close(fd);
	trust->refused = true;
	return -EACCES;
}

int trust_open_ours(const char *path, int flags, struct trust *trust)
{
	return refuse_other_owner(trust_open(path, flags, trust), trust);
}

int trust_open_directory_ours(const char *path, struct trust *trust)
{
	return refuse_other_owner(trust_open_directory(path, trust), trust);
}

int trust_check(int fd, struct trust *trust)
{
	int err;

	trust_init(trust);
	err = check_file(trust, fd, "");
	if (!err && trust->owner != TRUST_NOBODY) {
		trust->refused = true;
		err = -EACCES;
	}
	return err;
}

/* ---- reading ---- */

#define FILE_MOST 65536

static char *read_text(int fd, char reason[TRUST_REASON_SIZE])
{
	size_t length;
	char *text;
	int err = read_all(fd, FILE_MOST, &text, &length);

	if (!err && length <= FILE_MOST && strlen(text) == length)
		return text;
	snprintf(reason, TRUST_REASON_SIZE, "%s",
		 err		      ? strerror(-err)
		 : length > FILE_MOST ? "it is longer than 64 KiB"
				      : "it is no text");
	free(text);
	return NULL;
}

char *trust_read(const char *path, bool secret, char reason[TRUST_REASON_SIZE])
{
	struct trust trust;
	struct stat status;
	char *text = NULL;
	int fd = trust_open_ours(path, O_RDONLY | O_NONBLOCK, &trust);

	if (fd == -EACCES && trust.refused)
		snprintf(reason, TRUST_REASON_SIZE, "%.60s: %.160s", trust.where, trust.text);
	else if (fd < 0)
		snprintf(reason, TRUST_REASON_SIZE, "%s", strerror(-fd));
	else if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		snprintf(reason, TRUST_REASON_SIZE, "it is no regular file");
	else if (secret && status.st_mode & S_IROTH)
		snprintf(reason, TRUST_REASON_SIZE, "everybody may read it: run `chmod o-r` on it");
	else
		text = read_text(fd, reason);
	if (fd >= 0)
		close(fd);
	return text;
}
