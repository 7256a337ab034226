/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trust.h"

struct listener {
	int fd;
	int lock_fd;
	struct sockaddr_un address;
	bool bound; /* the socket file is ours, and this is it: */
	dev_t device;
	ino_t inode;
};

/* Create the directory if it is missing. A user who could replace it, or what is in it, could
 * answer clients in our place. */
static int prepare_directory(const char *path)
{
	char parent[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct trust trust;
	int err, fd;

	strcpy(parent, path);
	if (mkdir(dirname(parent), 0755) && errno != EEXIST) {
		err = -errno;
		log_debug("control-directory-failed", LOG_TEXT("path", path), LOG_ERROR(err));
		return err;
	}
	fd = trust_open_directory_ours(path, &trust);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || !trust.refused)
		return 0; /* other errors show when the directory is used */
	log_error("control-directory-refused", LOG_TEXT("path", trust.where),
		  LOG_TEXT("reason", trust.text));
	return fd;
}

/* Without the lock, two processes that find the same abandoned socket file would both remove it,
 * one of them the other's new one. */
static int lock(struct listener *listener)
{
	char path[sizeof(listener->address.sun_path) + sizeof(".lock")];
	struct trust trust = {.text = "not a regular file"};
	struct stat status;

	snprintf(path, sizeof(path), "%s.lock", listener->address.sun_path);
	listener->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (listener->lock_fd < 0 || fstat(listener->lock_fd, &status))
		return -errno;
	/* In a directory like /tmp another user can create the file, to lock us out. */
	if (!S_ISREG(status.st_mode) || trust_check(listener->lock_fd, &trust)) {
		log_error("control-directory-refused", LOG_TEXT("path", path),
			  LOG_TEXT("reason", trust.text));
		return -EACCES;
	}
	if (flock(listener->lock_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	return 0;
}

/* Remove the socket file of a daemon that was killed. Any other is in use: it answers, its backlog
 * is full (EAGAIN), it has another type (EPROTOTYPE), or another user owns it (EACCES). */
static int remove_abandoned(const struct sockaddr_un *address)
{
	struct stat status;
	bool abandoned;
	int fd;

	if (lstat(address->sun_path, &status))
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	abandoned = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
		    errno == ECONNREFUSED;
	close(fd);
	if (!abandoned)
		return -EADDRINUSE;
	return unlink(address->sun_path) ? -errno : 0;
}

/* Mode and group are set before listen(), from which on clients can connect. */
static int bind_and_listen(struct listener *listener, gid_t group)
{
	const struct sockaddr *address = (const struct sockaddr *)&listener->address;
	const char *path = listener->address.sun_path;
	struct stat status;
	mode_t mask;
	int err;

	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return -errno;
	mask = umask(0117);
	err = bind(listener->fd, address, sizeof(listener->address)) ? -errno : 0;
	umask(mask);
	if (err)
		return err;
	if (lstat(path, &status))
		return -errno;
	listener->bound = true;
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group))
		return -errno;
	return listen(listener->fd, SOMAXCONN) ? -errno : 0;
}

int listener_open(struct listener **out, const char *path, gid_t group)
{
	struct listener *listener;
	int err;

	if (!*path)
		return -ENOENT;
	if (strlen(path) >= sizeof(listener->address.sun_path))
		return -ENAMETOOLONG;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->fd = listener->lock_fd = -1;
	listener->address.sun_family = AF_UNIX;
	strcpy(listener->address.sun_path, path);
	err = prepare_directory(path);
	if (!err)
		err = lock(listener);
	if (!err)
		err = remove_abandoned(&listener->address);
	if (!err)
		err = bind_and_listen(listener, group);
	if (err)
		listener_close(listener);
	else
		*out = listener;
	return err;
}

/* Does the socket listen at this address? */
static bool listens_at(int fd, const struct sockaddr_un *address)
{
	struct sockaddr_un own = {};
	socklen_t length = sizeof(own), size = sizeof(int);
	int listens = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) && listens &&
	       !getsockname(fd, (struct sockaddr *)&own, &length) && own.sun_family == AF_UNIX &&
	       strncmp(own.sun_path, address->sun_path, sizeof(own.sun_path)) == 0;
}

static int adopt_file(struct listener *listener, int fd, gid_t group)
{
	const char *path = listener->address.sun_path;
	struct stat status;
	int err;

	if (lstat(path, &status)) {
		err = errno == ENOENT ? prepare_directory(path) : -errno;
		return err ? err : bind_and_listen(listener, group);
	}
	listener->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	return listener->fd < 0 ? -errno : 0;
}

int listener_adopt(struct listener **out, const char *path, int fd, int lock_fd, gid_t group)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int err = 0;

	if (!listener)
		return -ENOMEM;
	listener->fd = listener->lock_fd = -1;
	listener->address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(listener->address.sun_path))
		err = -ENAMETOOLONG;
	else
		strcpy(listener->address.sun_path, path);
	if (!err && !listens_at(fd, &listener->address))
		err = -ENOTSOCK;
	if (!err) {
		listener->lock_fd = fcntl(lock_fd, F_DUPFD_CLOEXEC, 0);
		err = listener->lock_fd < 0 ? -errno : adopt_file(listener, fd, group);
	}
	if (err)
		listener_close(listener);
	else
		*out = listener;
	return err;
}

void listener_set_owner(struct listener *listener, bool owner)
{
	listener->bound = owner;
}

void listener_close(struct listener *listener)
{
	const char *path;
	struct stat status;

	if (!listener)
		return;
	path = listener->address.sun_path;
	if (listener->bound && lstat(path, &status) == 0 && status.st_dev == listener->device &&
	    status.st_ino == listener->inode)
		unlink(path);
	if (listener->fd >= 0)
		close(listener->fd);
	/* Last, because it releases the lock. */
	if (listener->lock_fd >= 0)
		close(listener->lock_fd);
	free(listener);
}

int listener_fd(const struct listener *listener)
{
	return listener->fd;
}

int listener_lock_fd(const struct listener *listener)
{
	return listener->lock_fd;
}
