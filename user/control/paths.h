/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the sockets of xmcastd and xmcast-cluster are.
 */
#ifndef XMCAST_CONTROL_PATHS_H
#define XMCAST_CONTROL_PATHS_H

#define CONTROL_DEFAULT_PATH "/run/xmcast/xmcast.sock"
#define CONTROL_CLUSTER_PATH "/run/xmcast-cluster/cluster.sock"

/* Those of instances, for glob(3) and for printf(3). */
#define CONTROL_INSTANCES     "/run/xmcast-*/xmcast.sock"
#define CONTROL_INSTANCE_PATH "/run/xmcast-%s/xmcast.sock"

/* Bytes of a socket's path, NUL included, as in struct sockaddr_un. */
#define CONTROL_PATH_SIZE 108

/* The daemon's socket: $XMCAST_SOCKET, or if that is unset or empty CONTROL_DEFAULT_PATH. */
const char *control_default_path(void);

/* The socket of the daemon that the unit xmcastd@NAME runs. -EINVAL: NAME is no name of an instance
 * (systemd.unit(5)), or too long. */
int control_instance_path(const char *name, char path[CONTROL_PATH_SIZE]);

#endif
