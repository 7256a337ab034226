/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/notify.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* A status and the lines around it. */
#define MESSAGE_SIZE (NOTIFY_STATUS_SIZE + 64)

struct notify {
	int fd;
	struct sockaddr_un address;
	socklen_t length;
	uint64_t watchdog_ns;
	bool failing; /* the last message was not accepted, and that has been logged */

	/* Messages still to be sent, in this order. */
	bool reloading_due;
	uint64_t reloading_us;
	bool ready_due;
	bool status_due;
	char status[NOTIFY_STATUS_SIZE];
	bool stopping;
};

/* ---- the environment ---- */

/* A decimal number of at most `max`, digits only. False: anything else. */
static bool parse_number(const char *text, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;

	if (!text || !*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)(unsigned char)*text - '0';

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

/* WATCHDOG_USEC, unless it is meant for another process (a wrapper that started us). */
static uint64_t watchdog_of_environment(void)
{
	const char *pid_text = getenv("WATCHDOG_PID");
	uint64_t us;
	uint64_t pid;

	if (!parse_number(getenv("WATCHDOG_USEC"), UINT64_MAX / NS_PER_US, &us))
		return 0;
	if (pid_text && (!parse_number(pid_text, INT32_MAX, &pid) || pid != (uint64_t)getpid()))
		return 0;
	return us * NS_PER_US;
}

/* From the environment: a path, or an abstract name with @ instead of the NUL. */
static int set_address(struct notify *notify, const char *name)
{
	size_t length = strlen(name);

	if (name[0] != '/' && name[0] != '@')
		return -EINVAL;
	if (length < 2 || length >= sizeof(notify->address.sun_path))
		return -EINVAL;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, name, length);
	/* A path ends with a NUL, an abstract name does not. */
	notify->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (name[0] == '@')
		notify->address.sun_path[0] = '\0';
	else
		notify->length++;
	return 0;
}

static int open_at(struct notify **out, const char *name)
{
	struct notify *notify = calloc(1, sizeof(*notify));
	int err;

	if (!notify)
		return -ENOMEM;
	notify->fd = -1;
	err = set_address(notify, name);
	if (!err) {
		notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		err = notify->fd < 0 ? -errno : 0;
	}
	if (err) {
		notify_close(notify);
		return err;
	}
	notify->watchdog_ns = watchdog_of_environment();
	*out = notify;
	return 0;
}

int notify_open(struct notify **out)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int err = 0;

	*out = NULL;
	if (name && *name)
		err = open_at(out, name);
	if (err)
		log_warning("notify-failed", LOG_TEXT("path", name), LOG_ERROR(err),
			    LOG_TEXT("hint",
				     "the service manager will not learn that xmcastd is ready"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return err;
}

void notify_close(struct notify *notify)
{
	if (!notify)
		return;
	if (notify->fd >= 0)
		close(notify->fd);
	free(notify);
}

/* ---- sending ---- */

static void log_failure(struct notify *notify, int err)
{
	char path[sizeof(notify->address.sun_path) + 1];

	/* An abstract name begins with a NUL. */
	snprintf(path, sizeof(path), "%s%s", *notify->address.sun_path ? "" : "@",
		 notify->address.sun_path + !*notify->address.sun_path);
	if (!notify->failing)
		log_warning("notify-failed", LOG_TEXT("path", path), LOG_ERROR(-err),
			    LOG_TEXT("hint", "what the service manager did not accept is sent "
					     "again, except for watchdog messages"));
	notify->failing = true;
}

/* True if the manager has it. Sent to the address each time: a restarted manager listens at the
 * same address. */
static bool send_message(struct notify *notify, const char *message)
{
	ssize_t n;

	do {
		n = sendto(notify->fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
			   (const struct sockaddr *)&notify->address, notify->length);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		log_failure(notify, errno);
	else
		notify->failing = false;
	return n >= 0;
}

static bool send_state(struct notify *notify, bool ready)
{
	char message[MESSAGE_SIZE];

	snprintf(message, sizeof(message), "%s%s%s", ready ? "READY=1\n" : "",
		 *notify->status ? "STATUS=" : "", notify->status);
	return send_message(notify, message);
}

void notify_retry(struct notify *notify)
{
	char message[MESSAGE_SIZE];

	if (!notify || notify->stopping)
		return;
	if (notify->reloading_due) {
		snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%llu",
			 (unsigned long long)notify->reloading_us);
		if (!send_message(notify, message))
			return;
		notify->reloading_due = false;
	}
	if ((notify->ready_due || notify->status_due) && send_state(notify, notify->ready_due)) {
		notify->ready_due = false;
		notify->status_due = false;
	}
}

void notify_ready(struct notify *notify)
{
	if (!notify)
		return;
	notify->ready_due = true;
	notify_retry(notify);
}

void notify_reloading(struct notify *notify)
{
	if (!notify)
		return;
	notify->ready_due = false;
	notify->reloading_due = true;
	notify->reloading_us = clock_ns() / NS_PER_US;
	notify_retry(notify);
}

void notify_status(struct notify *notify, const char *text)
{
	if (!notify || strncmp(notify->status, text, sizeof(notify->status) - 1) == 0)
		return;
	snprintf(notify->status, sizeof(notify->status), "%s", text);
	notify->status_due = true;
	notify_retry(notify);
}

void notify_stopping(struct notify *notify)
{
	if (!notify || notify->stopping)
		return;
	notify->stopping = true;
	send_message(notify, "STOPPING=1");
}

void notify_alive(struct notify *notify)
{
	if (notify)
		send_message(notify, "WATCHDOG=1");
}

/* FDPOLL=0: the manager must not drop a socket because poll(2) reports an error for it. */
int notify_store(struct notify *notify, const char *name, int fd)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
	char text[MESSAGE_SIZE];
	struct iovec data = {text, 0};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	ssize_t n;

	if (!notify)
		return -ENOTCONN;
	data.iov_len = (size_t)snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	message.msg_name = &notify->address;
	message.msg_namelen = notify->length;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	do {
		n = sendmsg(notify->fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	log_failure(notify, errno);
	return -errno;
}

uint64_t notify_watchdog_ns(const struct notify *notify)
{
	return notify ? notify->watchdog_ns : 0;
}
