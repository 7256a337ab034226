/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/hook_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *hook_path_fault(const char *path, int *err)
{
	struct stat status;

	*err = -EINVAL;
	if (path[0] != '/')
		return "not an absolute path";
	if (stat(path, &status)) {
		*err = -errno;
		return strerror(errno);
	}
	if (!S_ISREG(status.st_mode))
		return "not a regular file";
	*err = -EACCES;
	/* It is run with our rights: whoever can write it, or give it away, has them. */
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return "it belongs to somebody else: expected root or the daemon's own user";
	if (status.st_mode & S_IWOTH)
		return "everybody may write it";
	if ((status.st_mode & S_IWGRP) && status.st_gid != 0 && status.st_gid != getegid())
		return "its group may write it";
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return "not executable";
	return NULL;
}
