/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is connected to the control server: a table of sessions, and for each right an epoll set of
 * those that wait for something. Knows who may stay when there is no room for all; what is said
 * with them is the server's (server.h). Main thread.
 */
#ifndef XMCAST_CONTROL_CLIENTS_H
#define XMCAST_CONTROL_CLIENTS_H

#include "control/method.h"
#include "control/server.h"
#include "control/session.h"

struct clients {
	int fds[2]; /* epoll sets of clients, by what they may do: enum control_access */
	unsigned int nr_monitors;
	unsigned int count;
	struct session *sessions[CONTROL_CLIENTS];
};

/* Make the epoll sets, and add each to the set `epoll_fd`, with the address of its number in `fds`
 * as data. 0 or -errno; clients_close() in either case. */
int clients_open(struct clients *clients, int epoll_fd);

/* Close the sets; all clients have been removed before. What is all zero, or was never opened, has
 * to have -1 in `fds`. */
void clients_close(struct clients *clients);

/* Take a connection, which is the session's from now on; `kept`: whoever else comes. 0; -errno: it
 * stays the caller's. There must be room: clients_make_room(). */
int clients_add(struct clients *clients, int fd, enum control_access access, bool kept);

/* Close its connection and free it; the last one takes its place in the table. */
void clients_remove(struct clients *clients, struct session *session);

/* Watch for what the session waits for now. 0, or -errno: it cannot go on. */
int clients_watch(struct clients *clients, struct session *session);

/* Make room for one more, who may do that: some other client may have to go. 0, or -EMFILE: all are
 * busy. */
int clients_make_room(struct clients *clients, enum control_access access);

/* It gets events from now on. */
void clients_begin_monitor(struct clients *clients, struct session *session);

/* How many have a long request under way. */
unsigned int clients_count_long(const struct clients *clients);

/* If all that is unread takes too much memory, mark who has not read for longest as expired.
 * Returns whether there is one, who has to be removed soon: not at once, as he may be among those
 * whom the server is just serving. */
bool clients_bound_unread(struct clients *clients);

#endif
