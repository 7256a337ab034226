/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bundle: descriptors, and a text that says what they are, over a Unix stream socket
 * (SCM_RIGHTS, unix(7)).
 *
 *     1st message    struct bundle_header, with the text as a memfd
 *     others         struct bundle_part, with up to BUNDLE_PART descriptors
 *
 * What a peer sends is bounded and checked; the descriptors themselves are not: their user checks
 * what they are. Each call waits at most for the time given. Any thread, one at a time for each
 * socket. Needs no privilege.
 */
#ifndef XMCAST_BASE_BUNDLE_H
#define XMCAST_BASE_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Descriptors in one message: the kernel allows 253 (SCM_MAX_FD). */
#define BUNDLE_PART 200

/* What is accepted. */
#define BUNDLE_MOST_FDS	  65536
#define BUNDLE_MOST_BYTES (256U << 20)

struct bundle {
	char *text; /* ends with a NUL that `length` does not count */
	size_t length;
	int *fds;
	unsigned int nr_fds;
};

/* 0; -EPIPE: the peer has gone; -ETIMEDOUT; -EMSGSIZE: too large; -errno (-ETOOMANYREFS: too many
 * descriptors of this user are on their way). */
int bundle_send(int socket, const char *text, size_t length, const int *fds, unsigned int nr_fds,
		int timeout_ms);

/*
 * Receive one; `peek`: leave it in the socket, whose SO_PEEK_OFF is 0, for the next reader. The
 * descriptors are the caller's, close-on-exec. 0; -EAGAIN: there is none, if timeout_ms is 0;
 * -EPIPE: the peer has gone; -ETIMEDOUT; -EPROTO: no bundle; -EMFILE: too few descriptors; -errno.
 */
int bundle_receive(struct bundle *bundle, int socket, bool peek, int timeout_ms);

/* Close all descriptors and free the text. Accepts one that is all zero. */
void bundle_free(struct bundle *bundle);

#endif
