/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/trust.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool trusts_user(uid_t user, uid_t other)
{
	return user == 0 || user == geteuid() || (other != TRUST_NOBODY && user == other);
}

static bool others_may_write(const struct stat *status)
{
	return (status->st_mode & S_IWOTH) ||
	       ((status->st_mode & S_IWGRP) && status->st_gid != 0 && status->st_gid != getegid());
}

static int refuse(const struct stat *status, const char *expected, char text[TRUST_TEXT_SIZE])
{
	snprintf(text, TRUST_TEXT_SIZE, "owner %u, group %u, mode %04o, expected %s",
		 status->st_uid, status->st_gid, status->st_mode & 07777, expected);
	return -EACCES;
}

int trust_file(const struct stat *status, uid_t other, char text[TRUST_TEXT_SIZE])
{
	if (!trusts_user(status->st_uid, other))
		return refuse(status, "it to belong to root or to the daemon's user", text);
	if (others_may_write(status))
		return refuse(status, "that nobody else may write it", text);
	return 0;
}

/* A folder, by the end of links. */
static int check_folder(const char *path, char text[TRUST_TEXT_SIZE])
{
	struct stat status;

	if (stat(path, &status))
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	if (!trusts_user(status.st_uid, TRUST_NOBODY))
		return refuse(&status, "it to belong to root or to the daemon's user", text);
	if (others_may_write(&status) && !(status.st_mode & S_ISVTX))
		return refuse(&status, "that nobody else may write to it, or that it is sticky",
			      text);
	return 0;
}

static int check_link(const char *path, char text[TRUST_TEXT_SIZE])
{
	struct stat status;

	if (lstat(path, &status))
		return -errno;
	if (S_ISLNK(status.st_mode) && !trusts_user(status.st_uid, TRUST_NOBODY))
		return refuse(&status, "a link of root's or of the daemon's user", text);
	return 0;
}

/* Every folder of an absolute path, from "/" to the last but one part. */
static int check_way(const char *path, char *where, char text[TRUST_TEXT_SIZE])
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t length = slash == path ? 1 : (size_t)(slash - path);
		int err;

		memcpy(where, path, length);
		where[length] = '\0';
		err = check_link(where, text);
		if (!err)
			err = check_folder(where, text);
		if (err)
			return err;
	}
	return 0;
}

int trust_folder(const char *path, char *where, char text[TRUST_TEXT_SIZE])
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	char real[PATH_MAX + 2];
	int err;

	if (slash && (size_t)(slash - path) + 1 >= sizeof(folder))
		return -ENAMETOOLONG;
	if (slash) {
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = '\0';
	}
	/* As it is written, for the links; and where they lead, for what is above those places. */
	err = path[0] == '/' ? check_way(path, where, text) : 0;
	if (err)
		return err;
	if (!realpath(folder, real))
		return -errno;
	strcat(real, "/");
	return check_way(real, where, text);
}
