/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole of xmcast-cluster at run time: one loop that carries what happens from one part to the
 * other.
 *
 *     etcd ◀──▶ store ◀──▶ protocol ◀──▶ local ◀──▶ xmcastd
 *                             ▲
 *                             └── cluster.status, cluster.move, … ◀── xmcastctl cluster
 *
 * One thread. See protocol.h for what is decided, and why it is safe.
 */
#ifndef XMCAST_CLUSTER_AGENT_H
#define XMCAST_CLUSTER_AGENT_H

#include "cluster/config.h"

struct agent_options {
	const char *daemon_socket;
	const char *socket; /* its own */
	/* Of that: who may read, and who may move shards. NULL: our own group; nobody but root and
	 * our own user. */
	const char *group, *admin_group;
	int signal_fd; /* readable: leave, and end */
};

struct agent;

/* Nothing is connected yet. 0; -EADDRINUSE: another one listens at the socket; other -errno. The
 * arguments must outlive it. */
int agent_open(struct agent **out, const struct cluster_config *config,
	       const struct agent_options *options);
void agent_close(struct agent *agent); /* accepts NULL */

/* Until a signal arrives, and the node has left; or until another process is this node. Returns the
 * exit code. */
int agent_run(struct agent *agent);

#endif
