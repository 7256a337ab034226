/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of xmcast-cluster, by default /etc/xmcast/cluster.yaml; xmcast-cluster(8) has
 * all keys. Which leases there are is not said here: the rules of the daemon name them.
 *
 *     node: studio-a
 *     etcd:
 *       endpoints: [https://10.0.0.1:2379, https://10.0.0.2:2379, https://10.0.0.3:2379]
 *       ca: /etc/xmcast/etcd-ca.pem
 *     leases:
 *       tv: { on_store_loss: hold }
 *
 * Main thread.
 */
#ifndef XMCAST_CLUSTER_CONFIG_H
#define XMCAST_CLUSTER_CONFIG_H

#include "base/errors.h"
#include "cluster/record.h"
#include "cluster/store.h"

#define CLUSTER_DEFAULT_CONFIG "/etc/xmcast/cluster.yaml"

struct lease_options {
	char name[CLUSTER_NAME_SIZE];
	bool hold; /* on_store_loss */
};

struct cluster_config {
	char node[CLUSTER_NAME_SIZE];
	unsigned int weight, moves;
	unsigned int standbys; /* other nodes join no inputs of a shard */
	/* Milliseconds. */
	unsigned int deadline, guard, renew, gap, daemon_timeout, input_timeout, settle;
	unsigned int clock_error; /* microseconds; 0: unknown */
	struct store_settings store;
	char password_file[4096];
	bool plain_password; /* it may be sent without encryption */
	unsigned int nr_leases;
	struct lease_options leases[CLUSTER_LEASES];
};

/*
 * Parse the text and check it as a whole. `file` is the name used in errors; it must outlive them.
 * 0, -EINVAL (every error appended) or -ENOMEM. No I/O but the name of this host, which is the
 * default of `node`.
 */
int cluster_config_parse(const char *text, const char *file, struct cluster_config *config,
			 struct errors *errors);

/* Read the file, and the file with the password if it names one. The same, and another -errno if
 * one cannot be read or is not safe (appended as well). */
int cluster_config_load(const char *path, struct cluster_config *config, struct errors *errors);

#endif
