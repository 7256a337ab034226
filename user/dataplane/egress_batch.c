/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/egress_batch.h"

#include <errno.h>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>

/* Below this segment size a refusal cannot be for the path MTU (RFC 791: every path takes 576). */
#define SMALLEST_MTU_PAYLOAD 548

/* An output's address, with this port: that stands at one place in both families. */
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
	       "the place of the port");
_Static_assert(sizeof(struct sockaddr_in) <= sizeof(struct sockaddr_in6), "room for both");

static void set_address(struct send_request *request)
{
	memcpy(&request->address, &request->to->output->to, sizeof(request->address));
	request->address.sin6_port = request->port;
}

void send_request_start(struct send_request *request, struct output_shard *to, in_port_t port)
{
	request->to = to;
	request->port = port;
	request->count = 0;
	request->bytes = 0;
	request->segment_size = 0;
	request->stamp = 0;
}

bool send_request_takes(const struct send_request *request, uint32_t length, in_port_t port)
{
	if (port != request->port)
		return false;
	if (!request->count)
		return true;
	/* The limit may have fallen since it was begun: what is gathered now would be refused. */
	return length <= request->segment_size && length > 0 &&
	       request->segment_size <= request->to->gso_max_size &&
	       request->count < request->to->gso_segments &&
	       request->bytes + length <= SEND_MAX_BYTES;
}

bool send_request_add(struct send_request *request, uint32_t frame, void *payload, uint32_t length)
{
	unsigned int i = request->count++;

	if (!i)
		request->segment_size = length;
	request->frames[i] = frame;
	request->payloads[i].iov_base = payload;
	request->payloads[i].iov_len = length;
	request->bytes += length;
	/* A shorter one must be the last; one without bytes leaves no trace in a batch. */
	return length < request->segment_size || !length || length > request->to->gso_max_size ||
	       request->count >= request->to->gso_segments;
}

void send_request_finish(struct send_request *request)
{
	const struct output *output = request->to->output;
	struct msghdr *message = &request->message;
	uint16_t segment = (uint16_t)request->segment_size;
	struct cmsghdr *cmsg;

	memset(message, 0, sizeof(*message));
	message->msg_name = (void *)&output->to;
	if (request->port) {
		set_address(request);
		message->msg_name = &request->address;
	}
	message->msg_namelen = output->to_length;
	message->msg_iov = request->payloads;
	message->msg_iovlen = request->count;
	if (request->count < 2)
		return;
	message->msg_control = request->control;
	message->msg_controllen = sizeof(request->control);
	cmsg = CMSG_FIRSTHDR(message);
	cmsg->cmsg_level = SOL_UDP;
	cmsg->cmsg_type = UDP_SEGMENT;
	cmsg->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(cmsg), &segment, sizeof(segment));
}

in_port_t send_request_port(const struct send_request *request)
{
	struct sockaddr_in6 address;

	memcpy(&address, request->message.msg_name, sizeof(address));
	return address.sin6_port;
}

void send_request_begin(const struct send_request *request)
{
	struct output_shard *to = request->to;

	if (request->count < 2)
		return;
	if (!to->gso_unfinished++ || to->gso_unfinished_max < request->segment_size)
		to->gso_unfinished_max = request->segment_size;
}

void send_request_end(const struct send_request *request)
{
	if (request->count > 1)
		request->to->gso_unfinished--;
}

bool send_request_overtakes(const struct send_request *request)
{
	const struct output_shard *to = request->to;

	return to->gso_unfinished &&
	       (request->count < 2 || request->segment_size < to->gso_unfinished_max);
}

void output_shard_account(struct output_shard *to, unsigned int count, int result)
{
	if (result >= 0) {
		counter_add(&to->sent, count);
		counter_add(&to->sent_bytes, (uint64_t)result);
	} else {
		counter_add(&to->errors[send_error_slot(-result)], count);
	}
}

static int send_message(const struct output *output, const struct msghdr *message)
{
	ssize_t n;

	do {
		n = sendmsg(output->fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

bool send_request_refused(struct send_request *request, int result)
{
	struct output_shard *to = request->to;

	if (request->count < 2)
		return false;
	if (result >= 0) {
		if (to->gso_proven < request->segment_size)
			to->gso_proven = request->segment_size;
		return false;
	}
	switch (-result) {
	case EINVAL:
	case EMSGSIZE:
		if (request->segment_size > SMALLEST_MTU_PAYLOAD) {
			if (to->gso_max_size >= request->segment_size)
				to->gso_max_size = request->segment_size - 1;
			break;
		}
		/* fall through */
	case EIO:
	case EOPNOTSUPP:
		to->gso_segments = 1;
		break;
	default:
		return false;
	}
	counter_add(&to->gso_refused, 1);
	return true;
}

unsigned int send_request_singly(struct send_request *request)
{
	struct msghdr message = request->message;
	unsigned int sent = 0;

	message.msg_control = NULL;
	message.msg_controllen = 0;
	message.msg_iovlen = 1;
	for (unsigned int i = 0; i < request->count; i++) {
		int result;

		message.msg_iov = &request->payloads[i];
		result = send_message(request->to->output, &message);
		output_shard_account(request->to, 1, result);
		sent += result >= 0;
	}
	return sent;
}
