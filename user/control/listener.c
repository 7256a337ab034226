/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
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

/* Who may wait to be accepted: as many as there may be clients. */
#define BACKLOG	  1024

#define PATH_SIZE (sizeof(((struct sockaddr_un *)NULL)->sun_path))

struct listener {
	int fd;
	int lock_fd;
	char path[PATH_SIZE];
	bool bound; /* the file is ours: */
	dev_t device;
	ino_t inode;
};

static int make_folder(const char *path)
{
	char copy[PATH_SIZE];
	int err;

	strcpy(copy, path);
	if (!mkdir(dirname(copy), 0755) || errno == EEXIST)
		return 0;
	err = -errno;
	log_debug("control-folder-failed", LOG_TEXT("path", path), LOG_ERROR(err));
	return err;
}

/* Whoever can replace the directory, or what is in it, could answer clients instead of us. */
static int check_directory(const char *path)
{
	struct trust trust;
	int fd = trust_open_directory_ours(path, &trust);

	if (fd >= 0)
		close(fd);
	if (fd >= 0 || !trust.refused)
		return 0; /* a directory that is missing shows when it is used */
	log_error("control-folder-refused", LOG_TEXT("path", trust.where),
		  LOG_TEXT("reason", trust.text));
	return fd;
}

/* Without it, two who find the same abandoned socket file would both remove it, one of them the
 * other's new one. */
static int lock(struct listener *listener)
{
	char path[PATH_SIZE + sizeof(".lock")];
	struct trust trust;
	struct stat status;

	snprintf(path, sizeof(path), "%s.lock", listener->path);
	listener->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (listener->lock_fd < 0 || fstat(listener->lock_fd, &status))
		return -errno;
	/* Made by somebody else in a folder that all may write to, to keep us out, or read it. */
	if (!S_ISREG(status.st_mode) || trust_check(listener->lock_fd, &trust)) {
		log_error("control-folder-refused", LOG_TEXT("path", path),
			  LOG_TEXT("reason",
				   S_ISREG(status.st_mode) ? trust.text : "not a regular file"));
		return -EACCES;
	}
	if (flock(listener->lock_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	return 0;
}

/* Is this the socket of a daemon that has gone? Any other is not ours to take: one that answers, or
 * whose backlog is full (EAGAIN), or of another type (EPROTOTYPE), or of another user (EACCES). */
static bool is_abandoned(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool abandoned;

	if (fd < 0)
		return false;
	abandoned = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
		    errno == ECONNREFUSED;
	close(fd);
	return abandoned;
}

static int remove_abandoned(const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(address->sun_path, &status))
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	if (!is_abandoned(address))
		return -EADDRINUSE;
	return unlink(address->sun_path) ? -errno : 0;
}

/* Mode and group are right before the first client can connect, which is from listen() on. */
static int bind_and_listen(struct listener *listener, const struct sockaddr_un *address,
			   gid_t group)
{
	mode_t mask = umask(0117);
	int err =
		bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;
	struct stat status;

	umask(mask);
	if (err)
		return err;
	if (lstat(listener->path, &status))
		return -errno;
	listener->bound = true;
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	if (group != (gid_t)-1 && lchown(listener->path, (uid_t)-1, group))
		return -errno;
	return listen(listener->fd, BACKLOG) ? -errno : 0;
}

static int open_at(struct listener *listener, gid_t group)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int no_folder;
	int err;

	strcpy(address.sun_path, listener->path);
	no_folder = make_folder(listener->path);
	err = check_directory(listener->path);
	if (!err)
		err = lock(listener);
	/* The reason is why there is no folder, not that there is none. */
	if (err == -ENOENT && no_folder)
		err = no_folder;
	if (!err)
		err = remove_abandoned(&address);
	if (err)
		return err;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return listener->fd < 0 ? -errno : bind_and_listen(listener, &address, group);
}

int listener_open(struct listener **out, const char *path, gid_t group)
{
	struct listener *listener;
	int err;

	if (!*path)
		return -ENOENT;
	if (strlen(path) >= PATH_SIZE)
		return -ENAMETOOLONG;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	strcpy(listener->path, path);
	listener->fd = -1;
	listener->lock_fd = -1;
	err = open_at(listener, group);
	if (err) {
		listener_close(listener);
		return err;
	}
	*out = listener;
	return 0;
}

/* Somebody may have put another one in its place. */
static void remove_socket(const struct listener *listener)
{
	struct stat status;

	if (lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
	    status.st_ino == listener->inode)
		unlink(listener->path);
}

void listener_close(struct listener *listener)
{
	if (!listener)
		return;
	if (listener->bound)
		remove_socket(listener);
	if (listener->fd >= 0)
		close(listener->fd);
	/* Last: with it goes the claim to the path. */
	if (listener->lock_fd >= 0)
		close(listener->lock_fd);
	free(listener);
}

int listener_fd(const struct listener *listener)
{
	return listener->fd;
}
