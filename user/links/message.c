/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/message.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include <xmcast/packet.h>

#include "base/addr.h"

/* Far more than one receive returns. libmnl counts in int. */
#define LENGTH_MAX ((size_t)INT_MAX / 2)

/* Smallest negative errno that the kernel returns (MAX_ERRNO in linux/err.h). */
#define ERRNO_MIN (-4095)

int message_next(const void **data, size_t *length, const struct nlmsghdr **message)
{
	const struct nlmsghdr *nlh = *data;
	size_t taken;

	if (!*length)
		return 0;
	/* libmnl would take a length of 2 GiB or more as negative, and accept it. */
	if (*length > LENGTH_MAX || !mnl_nlmsg_ok(nlh, (int)*length) || nlh->nlmsg_len > *length) {
		*length = 0;
		return -EBADMSG;
	}
	taken = MNL_ALIGN(nlh->nlmsg_len);
	if (taken > *length) /* the last message need not be padded */
		taken = *length;
	*message = nlh;
	*data = (const char *)*data + taken;
	*length -= taken;
	return 1;
}

const void *message_header(const struct nlmsghdr *message, size_t size)
{
	return mnl_nlmsg_get_payload_len(message) < size ? NULL : mnl_nlmsg_get_payload(message);
}

int message_attributes(const struct nlmsghdr *message, size_t size, mnl_attr_cb_t parse, void *out)
{
	const char *header = message_header(message, size);
	size_t offset = MNL_ALIGN(size);

	if (!header)
		return -EBADMSG;
	if (mnl_nlmsg_get_payload_len(message) <= offset)
		return 0;
	/* Not mnl_attr_parse(), which reads past the end of a message without padding. */
	return mnl_attr_parse_payload(header + offset, mnl_nlmsg_get_payload_len(message) - offset,
				      parse, out) < 0
		       ? -EBADMSG
		       : 0;
}

int message_error(const struct nlmsghdr *message, int *error)
{
	const struct nlmsgerr *info = message_header(message, sizeof(*info));

	if (!info || info->error > 0 || info->error < ERRNO_MIN)
		return -EBADMSG;
	*error = info->error;
	return 0;
}

int message_answer(const void *data, size_t length, const struct nlmsghdr *request, uint16_t type,
		   const struct nlmsghdr **answer)
{
	const struct nlmsghdr *message;
	int result, error;

	while ((result = message_next(&data, &length, &message)) > 0) {
		if (message->nlmsg_seq != request->nlmsg_seq ||
		    message->nlmsg_pid != request->nlmsg_pid)
			continue;
		*answer = message;
		if (type && message->nlmsg_type == type)
			return 1;
		if (message->nlmsg_type != NLMSG_ERROR)
			return -EPROTO;
		if (message_error(message, &error))
			return -EBADMSG;
		if (error)
			return error;
		/* An acknowledgement where data was expected. */
		return type ? -EPROTO : 1;
	}
	return result;
}

int message_address(const struct nlattr *attribute, int family, struct xmc_addr *address)
{
	const void *bytes = mnl_attr_get_payload(attribute);
	uint32_t ipv4;

	if (mnl_attr_get_payload_len(attribute) != (family == AF_INET ? 4 : 16))
		return -EBADMSG;
	if (family == AF_INET) {
		memcpy(&ipv4, bytes, sizeof(ipv4));
		xmc_addr_from_ipv4(address, ipv4);
	} else {
		memcpy(address->b, bytes, sizeof(address->b));
	}
	return 0;
}

const void *message_address_bytes(const struct xmc_addr *address)
{
	return addr_is_ipv4(address) ? &address->b[12] : address->b;
}

size_t message_address_length(const struct xmc_addr *address)
{
	return addr_is_ipv4(address) ? 4 : 16;
}
