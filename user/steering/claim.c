/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/claim.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* One answer about one socket: a header and two attributes of four bytes. */
#define ANSWER_SIZE 1024

void claim_name(enum claim kind, uint32_t id, char name[CLAIM_NAME_SIZE])
{
	snprintf(name, CLAIM_NAME_SIZE, "xmcast-%s-%u", kind == CLAIM_PROGRAM ? "xdp" : "maps", id);
}

static socklen_t claim_address(enum claim kind, uint32_t id, struct sockaddr_un *address)
{
	char name[CLAIM_NAME_SIZE];

	claim_name(kind, id, name);
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path + 1, name, strlen(name));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

/* Ask the kernel for one attribute of the Unix socket with this inode number. 0; -ENOENT: there is
 * no such socket, or the kernel has no unix_diag; -errno. */
static int query_socket(struct mnl_socket *netlink, uint32_t inode, uint32_t show, uint16_t type,
			uint32_t *value)
{
	uint8_t buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct unix_diag_req *request;
	const struct nlattr *attr;
	ssize_t length;

	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message->nlmsg_flags = NLM_F_REQUEST;
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->sdiag_family = AF_UNIX;
	request->udiag_ino = inode;
	request->udiag_show = show;
	request->udiag_cookie[0] = request->udiag_cookie[1] = ~0U; /* any */
	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
		return -errno;
	length = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));
	if (length < 0)
		return -errno;
	if (!mnl_nlmsg_ok(message, (int)length))
		return -EPROTO;
	if (message->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

		return error->error ? error->error : -EPROTO;
	}
	mnl_attr_for_each(attr, message, sizeof(struct unix_diag_msg))
	{
		if (mnl_attr_get_type(attr) == type && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0) {
			*value = mnl_attr_get_u32(attr);
			return 0;
		}
	}
	return -ENODATA;
}

/* The user who created the socket at the other end of `fd`, which is connected. */
static int query_peer_user(int fd, uint32_t *user)
{
	struct mnl_socket *netlink;
	struct stat status;
	uint32_t peer = 0;
	int err;

	if (fstat(fd, &status))
		return -errno;
	netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!netlink)
		return -errno;
	err = query_socket(netlink, (uint32_t)status.st_ino, UDIAG_SHOW_PEER, UNIX_DIAG_PEER,
			   &peer);
	if (!err)
		err = query_socket(netlink, peer, UDIAG_SHOW_UID, UNIX_DIAG_UID, user);
	mnl_socket_close(netlink);
	return err;
}

bool claim_is_genuine(enum claim kind, uint32_t id)
{
	struct sockaddr_un address;
	socklen_t length = claim_address(kind, id, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t user = 0;
	bool genuine;

	if (fd < 0)
		return false;
	/* Connecting a datagram socket tells the holder nothing and queues nothing at it. It fails
	 * if nobody has the name, or if it is bound to another type of socket. */
	genuine = connect(fd, (struct sockaddr *)&address, length) == 0 &&
		  query_peer_user(fd, &user) == 0 && (user == 0 || user == geteuid());
	close(fd);
	return genuine;
}

int claim_take(enum claim kind, uint32_t id)
{
	struct sockaddr_un address;
	socklen_t length = claim_address(kind, id, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, length) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err == -EADDRINUSE && claim_is_genuine(kind, id) ? -EBUSY : err;
}
